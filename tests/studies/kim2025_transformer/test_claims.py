"""The transformer paper's claims file: complete, as printed, and measured on runs that are planned."""

import re

import pytest

from ffrepro.claims import expressions, load, reference, table_files, tables
from ffrepro.claims.audit import checks, form
from ffrepro.claims.compare import best_pick
from ffrepro.claims.records import Store
from ffrepro.pipeline.workspace import open_workspace

PAPER = "kim2025_transformer"
# Typed from the paper's pages, independently of the claims file.
TABLE_8 = {
    "2 layers, batch 64, rate .001, BP": (28.3, 12.5, 360, 4.5),
    "2 layers, batch 64, rate .001, FF": (27.8, 13.2, 290, 3.1),
    "4 layers, batch 64, rate .001, FF": (27.2, 13.5, 410, 3.9),
    "4 layers, batch 32, rate .0005, FF": (26.9, 13.8, 330, 3.2),
}
TABLE_9 = {
    "BLEU Score": ((28.3, 0.6), (27.8, 0.7)),
    "Perplexity": ((12.5, 0.4), (13.2, 0.5)),
    "Training Time": ((360, 10), (290, 12)),
    "Memory": ((4.5, 0.2), (3.1, 0.1)),
}
TABLE_6 = {"RTX 3080": (360, 290), "Tesla V100": (312, 248), "Apple M2 Pro": (510, 418)}
WORDS = {
    "table1": [
        ["High", "Moderate", "Moderate", "Low"], ["High", "Moderate", "Moderate", "Low"],
        ["Susceptible", "Limited Improvement", "Limited Improvement", "Stable"],
    ],
    "table2": [
        ["High", "High", "Moderate", "Low"], ["Fast", "Slow", "Moderate", "Fast"],
        ["Medium", "High Variance", "Low Variance", "High"],
    ],
    "table3": [
        ["High (O(n²))", "Low (O(n))"], ["High (O(n·m))", "Moderate (O(n·m/2))"], ["Susceptible to issues", "Stable"],
    ],
    "table7": [
        ["High", "Moderate", "Moderate", "Low"], ["Very High", "High", "Moderate", "Low"],
        ["Gradient Issues", "Limited Improvement", "Limited Improvement", "Stable (with margin)"],
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def claims(project_root):
    return load.load(project_root, PAPER)


@pytest.fixture(scope="module")
def planned(project_root):
    """Plans of scale paper."""
    workspace = open_workspace(project_root, "paper", ["cpu"])
    return [plan for plan in workspace.runnable if plan["paper"] == PAPER]


SEARCHES = ("genetic", "evolution")


def test_every_one_of_the_212_statements_has_a_claim_once(claims):
    own = [claim["id"].rsplit("/", 1)[1] for claim in claims.claims.values()]
    repeated = [number for claim in claims.claims.values() for number in claim.get("repeats", [])]
    assert sorted([n for n in own if n < "300"] + repeated) == [f"{n:03d}" for n in range(1, 213)]
    assert all(0 < len(claim["quote"]) < 160 for claim in claims.claims.values())


def test_tables_are_as_printed(claims):
    def values(ids):
        return [claims.claim(i)["value"] for i in ids]

    rows = claims.table("table8")["rows"]
    assert {label: tuple(values(ids)[:4]) for label, ids in rows.items()} == TABLE_8
    assert {label: tuple(values(ids)[:2]) for label, ids in claims.table("table6")["rows"].items()} == TABLE_6
    for label, pair in TABLE_9.items():
        found = [claims.claim(i) for i in claims.table("table9")["rows"][label]]
        assert tuple((c["value"], c["std"]) for c in found) == pair and {c["n"] for c in found} == {5}
    for name, printed in WORDS.items():
        assert [values(ids) for ids in claims.table(name)["rows"].values()] == printed, name


def test_the_paper_lists_its_tables_and_the_study_the_same(claims, planned):
    named = {table for plan in planned for table in plan["tags"]["tables"]}
    assert set(claims.content["tables"]) == named


def test_a_cell_is_measured_on_its_own_row_and_column(claims):
    net = {"2 layers, batch 64": "", "4 layers, batch 64": "_4l", "4 layers, batch 32": "_4l_b32"}
    metrics = ("test/bleu_sacre", "test/perplexity", "time/train_s", "memory/peak_bytes", "test/accuracy")
    for row, ids in claims.table("table8")["rows"].items():
        for short, metric in zip(ids, metrics, strict=True):
            claim = claims.claim(short)
            shape, method = row.split(", rate")[0], row.rsplit(", ", 1)[1]
            assert claim["row"] == f"{method}, {shape}"
            measure = claim["measure"]
            suffix = ("_words" if measure["experiment"] == "denoise" else "") + net[shape]
            assert measure["variant"] == method.lower() + suffix and measure["metric"] == metric
            if method == "FF":
                assert claim["companions"][0]["variant"] == "bp" + suffix
    for ids in claims.table("table9")["rows"].values():
        assert [claims.claim(i)["measure"]["variant"].removesuffix("_words") for i in ids] == ["bp", "ff"]


def test_every_run_that_a_claim_names_is_planned(claims, planned):
    found = {(plan["experiment"], plan["variant"]): plan for plan in planned}
    for claim in claims.claims.values():
        if claim["kind"] != "measured":
            continue
        for entry in [{}, *claim.get("companions", [])]:
            measure = claim["measure"] | entry
            name = claims.experiment(measure["experiment"], "corrected", measure["dataset"])
            bench = measure["metric"].startswith("bench/")
            key = (name, "interleaved" if bench else measure["variant"])
            assert key in found, (claim["id"], key)
            if bench:  # a number beside one of a bench is shown where it names its row, and nowhere else
                assert entry.get("row", None if entry else measure["row"]), claim["id"]
                assert measure["variant"] in found[key]["variants"], (claim["id"], measure["variant"])


def test_every_run_that_a_conclusion_names_is_planned(claims, planned):
    """Operands of comparisons: of a bench one of its variants, and its row; with three runs at least."""
    found: dict = {}
    for plan in planned:
        found.setdefault((plan["experiment"], plan["variant"]), []).append(plan)
    for claim in claims.claims.values():
        for name, entry in claim.get("operands", {}).items():
            bench = entry["metric"].startswith("bench/")
            experiment = claims.experiment(entry["experiment"], "corrected", entry["dataset"])
            plans = found[experiment, "interleaved" if bench else entry["variant"]]
            assert len(plans) >= 3, (claim["id"], name)
            assert not bench or entry["variant"] in plans[0]["variants"], (claim["id"], name)
            assert not bench or entry["row"].startswith(entry["variant"]), (claim["id"], name)


def test_slight_perturbations_and_large_ones_differ_in_their_size_alone(claims, planned):
    """Claim 132: of words the share that is another one, of embeddings the deviation of the noise."""
    of = {p["variant"]: p for p in planned if p["experiment"] == "sentiment_negatives_imdb_corrected"}
    for slight, large, setting in (
        ("ff_random", "ff_random_all", "corrupted"),
        ("ff_noise_slight", "ff_noise", "noise_std"),
    ):
        ours, theirs = (of[name]["method"] for name in (slight, large))
        assert {key for key in ours if ours[key] != theirs[key]} == {setting} and ours[setting] < theirs[setting]
        assert of[slight]["net"] == of[large]["net"] and of[slight]["data"] == of[large]["data"]
    assert of["ff_noise_slight"]["method"]["noise_std"] == pytest.approx(0.1 * of["ff_noise"]["net"]["embedding_std"])
    named = {entry["variant"] for entry in claims.claim("132")["operands"].values()}
    assert named == set(of)


def test_settings_are_those_of_the_plans(claims, planned):
    for claim in claims.claims.values():
        if claim["kind"] != "setting":
            continue
        for condition in claim["check"].get("settings", [claim["check"]]):
            group, _, key = condition["setting"].partition(".")
            name = claims.experiment(condition["experiment"], "corrected", "imdb")
            plans = [p for p in planned if p["experiment"] == name and p["variant"] in condition["variants"]]
            assert plans, (claim["id"], name)
            if condition["setting"] != "seeds":
                assert all(key in plan[group] for plan in plans), (claim["id"], condition["setting"])


def test_both_searches_have_one_budget(planned):
    """FF's has a margin to choose as well; an unequal number of trials would make it no twin."""
    bp, ff = ([p for p in planned if p["kind"] == "search" and p["variant"] == name] for name in ("bp", "ff"))
    assert len(bp) == len(ff) == 1 and set(ff[0]["search"]["space"]) - set(bp[0]["search"]["space"]) == {"method.delta"}
    assert reference.is_twin(ff[0], bp[0]) and not reference.is_twin(bp[0], ff[0])
    more = {**bp[0], "search": bp[0]["search"] | {"trials": 13}}
    narrower = bp[0]["search"]["space"] | {"training.lr": [0.001]}
    assert not reference.is_twin(ff[0], more)
    assert not reference.is_twin(ff[0], {**bp[0], "search": bp[0]["search"] | {"space": narrower}})


def test_twins_are_the_same_nets(claims, planned):
    plans = {(p["experiment"], p["variant"]): p for p in planned if p["kind"] == "train"}
    for (experiment, variant), plan in plans.items():
        twin = plans.get((experiment, claims.twin(variant) if variant in claims.content["variants"] else None))
        if twin is not None and variant not in ("embeddings", "ff_tuned"):  # tuned: each by a search of its own
            cut = {"blocks": "layer"}  # what learns by itself changes nothing under backpropagation
            assert twin["net"] | cut == plan["net"] | cut and twin["data"] == plan["data"], (experiment, variant)
            own = {"lr": None} if plan["method"]["name"] in SEARCHES else {}  # a mutation's size, not a rate of descent
            assert twin["training"] | own == plan["training"] | own


def test_every_pair_that_is_declared_has_its_twin_planned(claims, planned):
    """McNemar's test goes over every experiment of the task, whatever it is called."""
    found = {(p["experiment"], p["variant"]): p for p in planned if p["kind"] == "train"}
    of_task = {e for (e, v), p in found.items() if p["protocol"]["task"] == "sentiment" and claims.twin(v)}
    held = set()
    for family, of_twins in claims.content["paired"].items():
        for treatment in claims.treatments:
            experiment, others = (claims.experiment(name, treatment, "imdb") for name in (family, of_twins))
            for name, variant in found:
                if name == experiment and claims.twin(variant):
                    assert (others, claims.twin(variant)) in found, (experiment, variant)
                    held.add(experiment)
    assert of_task - held == {"reduced_imdb_corrected"}  # compared by the updates to a target
    assert claims.twin("ff_train_samples5000") == "bp_train_samples5000" and claims.twin("bp_4l_b32") is None
    assert claims.label("ff_train_samples5000") == "FF-All, train samples 5000"
    assert claims.label("ff_4l_b32") == "FF-All, 4 layers, batch 32, rate .0005"


def test_what_follows_from_the_published_numbers(claims):
    for claim in claims.claims.values():
        for entry in claim.get("derived", []):
            value = expressions.evaluate(entry["expression"], claims.published)
            decimals = len(str(entry["value"]).partition(".")[2])
            assert round(value, decimals) == pytest.approx(entry["value"]), (claim["id"], entry["label"])
    holds = {i[-3:]: expressions.truth(c["holds"], claims.published) for i, c in claims.claims.items() if "holds" in c}
    assert {number for number, true in holds.items() if not true} == {"027", "028", "084", "153", "192"}


def test_ratios_are_the_published_ones(claims):
    expected = {"001": 290 / 360, "305": 290 / 360, "306": 248 / 312, "307": 418 / 510}
    for number, ratio in expected.items():
        assert claims.expected(claims.claim(number)) == pytest.approx(ratio)
        assert claims.margin(claims.claim(number)) == 0.05
    memory = claims.claim("002")
    assert claims.expected(memory) == pytest.approx(3.1 / 4.5) and claims.margin(memory) == 0.05
    spread = (290 / 360) * ((10 / 360) ** 2 + (12 / 290) ** 2) ** 0.5  # of a ratio of two means ± std
    assert spread == pytest.approx(0.04, abs=0.0005)


def test_when_two_methods_are_the_same(claims):
    """Table 9: within the 2 points of 327, the published deviation of BP's BLEU, a tenth of perplexity."""
    found = {name: claims.equivalence(name) for name in ("accuracy", "bleu", "perplexity", "seconds")}
    assert [found[name].words for name in ("accuracy", "bleu", "perplexity")] == ["±2", "±0.6", "a factor of 1.1"]
    assert found["bleu"].margin == claims.claim("064")["std"] and found["seconds"] is None


def test_every_deviation_touches_a_number(claims):
    used = {d["id"] for c in claims.claims.values() for t in claims.treatments for d in claims.deviations(c, t)}
    assert used == {deviation["id"] for deviation in claims.content["deviations"]}


@pytest.fixture(scope="module")
def audited():
    return {row.id: row for row in checks.rows(form.load(form.find(PAPER)))}


def test_the_papers_p_value_of_bleu_cannot_come_from_its_table(audited):
    for name in ("p-bleu", "p-bleu-welch"):
        assert audited[name].result == checks.INCONSISTENT
    assert {"0.2598", "0.1537", "0.3938"} <= set(re.findall(r"0\.\d{4}", audited["p-bleu"].explanation))
    assert audited["p-perplexity"].result == checks.CONSISTENT
    assert {"0.0403", "0.0138", "0.0957"} <= set(re.findall(r"0\.\d{4}", audited["p-perplexity"].explanation))


def test_savings_by_machine_are_others_than_the_text_says(audited):
    assert {audited[name].result for name in ("saving-v100", "saving-m2")} == {checks.INCONSISTENT}
    assert {audited[name].result for name in ("time-20", "memory-30", "faster-everywhere")} == {checks.CONSISTENT}


def test_audit_rows_name_claims_that_are_there(claims, audited):
    known = {n for c in claims.claims.values() for n in [c["id"][-3:], *c.get("repeats", [])]}
    named = {row.claim for row in audited.values()}
    assert named <= known and len(audited) == 69


def test_tables_name_the_protocol_of_every_number(claims, project_root):
    """From the study's tasks: over the columns where each has one, else at the rows."""
    store = Store(project_root, [], local=False)
    eight, nine, six, one = (
        tables.build(claims, store, f"table{n}", best_pick(store), "best evidence") for n in (8, 9, 6, 1)
    )
    of = ["denoise", "denoise", "sentiment", "sentiment", "sentiment"]
    titles = ("BLEU", "Perplexity", "Time", "Memory", "Accuracy")
    assert eight.columns() == [f"{title} ({name})" for title, name in zip(titles, of, strict=True)]
    assert list(eight.rows()) == list(TABLE_8)
    labels = ("BLEU Score", "Perplexity", "Training Time", "Memory", "Accuracy")
    assert list(nine.rows()) == [f"{label} ({name})" for label, name in zip(labels, of, strict=True)]
    assert nine.columns() == ["BP", "FF"]
    assert six.columns() == ["BP (sentiment)", "FF (sentiment)", "FF over BP (transformer_bench)"]
    assert [label.split(" (")[1][:-1] for label in one.rows()] == ["transformer_bench"] * 2 + ["transformer_probes"]
    for text in (table_files.as_markdown(nine), table_files.as_latex(eight), table_files.as_csv(eight)):
        assert "denoise" in text and "sentiment" in text


# A rule that was written after the records that it reads, and what it was read from: each note says so.
AFTER = {"063", "100", "116", "130", "154", "190", "203", "325", "326", "330"}
BEFORE = {"008", "107", "109"}


def test_what_runs_can_decide_is_no_fixed_verdict(claims):
    for number in sorted(AFTER | BEFORE):
        claim = claims.claim(number)
        assert claim["kind"] in ("comparison", "arithmetic") and "ours" in claim, number
        assert "verdict" not in claim, number
        written = expressions.names(claim["ours"])
        assert set(claim.get("operands", {})) <= set(written), number
        assert claim["note"].count("ritten") == (number in AFTER), number


@pytest.mark.parametrize(
    ("number", "values", "holds"),
    [
        ("063", {"two": 0.389, "four": 0.389}, False),
        ("063", {"two": 0.389, "four": 0.5}, True),
        ("116", {"ff": 81, "ff_1x": 81, "ff_3x": 80, "ff_10x": 69, "bp": 79, "bp_1x": 79, "bp_3x": 78, "bp_10x": 77},
         False),
        ("116", {"ff": 81, "ff_1x": 81, "ff_3x": 80, "ff_10x": 79, "bp": 79, "bp_1x": 79, "bp_3x": 78, "bp_10x": 77},
         True),
        ("130", {"most": 0.12, "most_negative": 0.10, "entropy": 4.7, "entropy_negative": 5.0}, True),
        ("130", {"most": 0.12, "most_negative": 0.10, "entropy": 5.0, "entropy_negative": 4.7}, False),
        ("325", {"length": 1.9, "width": 1.0}, True),
        ("325", {"length": 1.0, "width": 1.0}, False),
        ("326", {"bp_length": 2.0, "ff_length": 1.0, "bp_width": 1.0, "ff_width": 1.0}, True),
        ("326", {"bp_length": 1.0, "ff_length": 0.9, "bp_width": 1.0, "ff_width": 1.0}, False),
        ("330", {"bp": 80.0, "ff": 81.9}, True),
        ("330", {"bp": 80.0, "ff": 82.1}, False),
        ("008", {"ga": 9.0, "bp": 3.0}, True),
        ("008", {"ga": 18.0, "bp": 3.0}, False),
    ],
)  # fmt: skip
def test_rules_read_as_their_notes_say(claims, number, values, holds):
    assert expressions.truth(claims.claim(number)["ours"], values) is holds


def test_partial_improvements_are_of_the_others_alone(claims):
    """Claim 100: FF spares time and memory, each of the two others fails at one."""
    spares = {"c001": 0.8, "c002": 0.7, "local_time": 0.9, "local_memory": 1.3, "checkpoint_time": 1.3,
              "checkpoint_memory": 0.7}  # fmt: skip
    rule = claims.claim("100")["ours"]
    assert expressions.truth(rule, spares)
    assert not expressions.truth(rule, spares | {"c002": 1.3})
    assert not expressions.truth(rule, spares | {"checkpoint_time": 0.9})


def test_as_published_accuracies_stand_beside_controls(claims):
    """The frozen net and the word counts have runs under the headline alone, whatever the treatment beside them."""
    shown = {i for n in ("table7", "table8", "table9") for row in claims.table(n)["rows"].values() for i in row}
    accuracies = [c for i in sorted(shown) if (c := claims.claim(i))["measure"]["metric"] == "test/accuracy"]
    assert len(accuracies) == 8
    for claim in accuracies:
        fixed = {entry["variant"] for entry in claim["companions"] if entry.get("treatment") == "corrected"}
        assert {"random", "tfidf"} <= fixed, claim["id"]


def test_corrupted_positions_stand_beside_the_copy_and_the_most_frequent_word(claims):
    for number in ("064", "065", "052", "056"):
        metrics = {entry["metric"] for entry in claims.claim(number)["companions"]}
        assert {f"test/bleu_positions{of}" for of in ("", "_copy", "_unigram")} <= metrics, number
