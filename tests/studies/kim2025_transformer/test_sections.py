"""The report's sections of the transformer paper, on made-up records with numbers that can be checked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from ffrepro.claims import load
from ffrepro.claims.compare import Comparison
from ffrepro.claims.verdict import Verdict
from ffrepro.core import statistics as st
from ffrepro.studies.kim2025_transformer import machines, measured, pairs, targets, words

NAN = float("nan")


def cell(word, quantity, *values):
    """A word's cell with what was measured of it."""
    claim = {"value": word, "quantity": quantity}
    summary = st.summarize(values) if values else None
    return Comparison(claim, "corrected", word, None, summary, len(values), NAN, NAN, None, {}, Verdict("not run"))


def record(seed=0, inference="one_pass", **arrays):
    plan = {"seed": seed, "protocol": {"inference": inference}}
    found = SimpleNamespace(plan=plan, arrays=lambda: {k: np.array(v) for k, v in arrays.items()})
    return found


def test_words_of_memory_are_judged_by_intervals_that_do_not_touch():
    methods = ["BP", "Sparse Attention", "Gradient Checkpointing", "FF"]
    cells = [
        cell("High", "words_memory", 5.0, 5.1, 5.2),
        cell("Moderate", "words_memory", 4.0, 4.1, 4.0),
        cell("Moderate", "words_memory", 1.0, 1.1, 1.05),
        cell("Low", "words_memory", 2.0, 2.1, 2.0),
    ]
    found = words.judge(cells, methods)
    assert set(found.agree) == {
        ("Sparse Attention", "BP"), ("Gradient Checkpointing", "BP"), ("FF", "BP"), ("FF", "Sparse Attention"),
    }  # fmt: skip
    assert found.opposed == (("FF", "Gradient Checkpointing"),) and found.open == ()


def test_words_with_a_formula_and_runs_that_are_missing():
    found = words.judge([cell("High (O(n²))", "words_memory", 1.0, 1.1, 1.2), cell("Low (O(n))", "words_memory")],
                        ["BP", "FF"])  # fmt: skip
    assert found.open == (("FF", "BP"),)


def test_stability_is_the_deviation_over_seeds():
    wild = cell("Susceptible", "words_spread", 50.0, 90.0, 70.0, 60.0, 80.0)
    calm = cell("Stable", "words_spread", 80.0, 80.1, 80.2, 80.1, 80.0)
    assert words.judge([wild, calm], ["BP", "FF"]).agree == (("FF", "BP"),)
    assert words.judge([calm, wild], ["FF", "BP"]).agree == (("FF", "BP"),)


def test_every_word_of_the_tables_has_a_place(project_root):
    from ffrepro.base import yamlfile

    content = yamlfile.load(project_root / "src/ffrepro/studies/kim2025_transformer/claims.yaml")[0]
    cells = [claim for claim in content["claims"] if claim.get("quantity", "").startswith("words_")]
    in_tables = {i for name in words.TABLES for ids in content["tables"][name]["rows"].values() for i in ids}
    assert {claim["id"] for claim in cells} == in_tables
    for claim in cells:
        places = words.RANKS[claim["quantity"]]
        assert claim["value"] in places or claim["value"].split(" (")[0] in places


def test_the_word_by_rank_is_that_of_the_place_in_the_row():
    """FF measures the most of the memory: it gets the row's "High", whatever it was called."""
    cells = [
        cell("High", "words_memory", 5.0, 5.1),
        cell("Moderate", "words_memory", 4.0, 4.2),
        cell("Moderate", "words_memory", 1.0, 1.1),
        cell("Low", "words_memory", 6.0, 6.1),
    ]
    assert words.by_rank(cells) == ["Moderate", "Moderate", "Low", "High"]


def test_methods_with_the_same_number_share_the_words_of_their_places():
    same = (2.0, 2.1)
    cells = [cell("Susceptible", "words_gradients", *same), cell("Limited Improvement", "words_gradients", *same),
             cell("Stable", "words_gradients", 1.0, 1.1)]  # fmt: skip
    assert words.by_rank(cells) == ["Limited Improvement or Susceptible"] * 2 + ["Stable"]


@pytest.mark.parametrize("quantity", ["words_memory", "words_spread"])
def test_without_a_number_of_every_method_there_is_no_rank(quantity):
    """A single run has no deviation."""
    known, other = ("High", "Low") if quantity == "words_memory" else ("Gradient Issues", "Stable")
    cells = [cell(known, quantity, 1.0, 1.2), cell(other, quantity, *([] if quantity == "words_memory" else [1.0]))]
    assert words.by_rank(cells) == [None, None]


def test_a_page_has_a_row_for_each_word_of_a_row_that_is_measured(project_root, monkeypatch):
    claims = load.load(project_root, "kim2025_transformer")
    measured_of = {i: (x, x + 0.01, x + 0.02) for i, x in (("009", 5.0), ("093", 4.0), ("094", 1.0), ("010", 2.0))}

    def compared(claims, store, claim, treatment, pick):
        short = claim["id"].split("/")[1]
        evidence = SimpleNamespace(standin=False) if short in measured_of else None
        found = cell(claim["value"], claim["quantity"], *measured_of.get(short, ()))
        return SimpleNamespace(claim=claim, evidence=evidence, summary=found.summary)

    monkeypatch.setattr(words, "compare", compared)
    monkeypatch.setattr(words, "best_pick", lambda store: None)
    monkeypatch.setattr(words.tables, "ours", lambda claims, cell: f"{cell.summary.mean:.2f}")
    rows = words.docs_rows(claims, None)
    assert [(r["table"], r["method"], r["word"], r["ours"], r["by_rank"]) for r in rows] == [
        ("Table 1", "BP", "High", "5.01", "High"), ("Table 1", "Sparse Attention", "Moderate", "4.01", "Moderate"),
        ("Table 1", "Gradient Checkpointing", "Moderate", "1.01", "Low"), ("Table 1", "FF", "Low", "2.01", "Moderate"),
    ]  # fmt: skip
    assert [(r["agree"], r["opposed"], r["open"]) for r in rows[2:]] == [
        ("BP", "FF", ""), ("BP, Sparse Attention", "Gradient Checkpointing", ""),
    ]  # fmt: skip


def test_hits_are_in_the_order_of_the_prepared_set():
    run = record(
        test_index=[7, 2], test_label=[1, 0], test_prediction_one_pass=[1, 1],
        rest_index=[5], rest_label=[0], rest_prediction_one_pass=[0],
    )  # fmt: skip
    found = pairs.hits(run, "test")
    assert found.index.tolist() == [2, 7] and found.right.tolist() == [False, True]
    assert pairs.hits(run, "all").index.tolist() == [2, 5, 7]
    assert pairs.hits(record(test_index=[1]), "test") is None


@pytest.mark.parametrize(("inference", "right"), [("goodness", True), ("one_pass", False)])
def test_a_run_is_read_by_its_own_inference(inference, right):
    arrays = {"test_index": [0], "test_label": [1], "test_prediction_one_pass": [0], "test_prediction_goodness": [1]}
    assert pairs.hits(record(inference=inference, **arrays), "test").right.tolist() == [right]


def test_pairs_are_those_of_every_declared_experiment(project_root):
    """Of a grid point to point; of the options against BP of `sentiment`; of what has no runs nothing."""
    claims = load.load(project_root, "kim2025_transformer")

    def runs(*right):
        arrays = {"test_index": [0, 1], "test_label": [1, 1], "test_prediction_one_pass": list(right),
                  "rest_index": [2], "rest_label": [1], "rest_prediction_one_pass": [1]}  # fmt: skip
        return SimpleNamespace(records=(record(**arrays),), standin=False)

    found = {
        ("sentiment_imdb_corrected", "bp"): runs(1, 0), ("sentiment_imdb_corrected", "ff"): runs(1, 1),
        ("sentiment_options_imdb_corrected", "ff_l1"): runs(0, 1),
        ("sentiment_tuned_imdb_corrected", "bp_tuned"): runs(1, 1),
        ("sentiment_tuned_imdb_corrected", "ff_tuned"): runs(0, 0),
        ("scaling_imdb_corrected", "bp_train_samples5000"): runs(1, 0),
        ("scaling_imdb_corrected", "ff_train_samples5000"): runs(1, 0),
        ("scaling_imdb_corrected", "ff_train_samples10000"): runs(1, 0),
        ("sentiment_published_imdb_as_published", "ff"): runs(1, 0),
        ("sentiment_published_imdb_as_published", "bp"): runs(1, 0),
    }  # fmt: skip
    store = SimpleNamespace(
        planned=lambda experiment, scale: [{"variant": v} for e, v in found if e == experiment],
        at_scale=lambda experiment, variant, scale: found.get((experiment, variant)),
    )
    shown = [tuple(row[:4]) for _, row in pairs.rows(claims, store, "paper")]
    assert shown == [
        ("sentiment_imdb_corrected", "FF-All", "1", "1, 0, 1.000"),
        ("sentiment_published_imdb_as_published", "FF-All", "1", "0, 0, 1.000"),
        ("sentiment_tuned_imdb_corrected", "FF-All, tuned", "1", "0, 2, .500"),
        ("sentiment_options_imdb_corrected", "FF-All, L1", "1", "1, 1, 1.000"),
        ("scaling_imdb_corrected", "FF-All, train samples 5000", "1", "0, 0, 1.000"),
    ]
    assert "Pairs of trained models" in pairs.section(claims, store, "paper")[0].text
    on_page = pairs.docs_rows(claims, store)
    assert [(row["experiment"], row["variant"], row["seeds"], row["test"]) for row in on_page] == shown
    found["sentiment_imdb_corrected", "ff"].standin = True
    assert len(pairs.docs_rows(claims, store)) == len(shown) - 1


def test_the_row_of_a_target_counts_the_runs_that_arrive():
    def run(*accuracies):
        lines = [{"epoch": e + 1, "seconds": 3.0, "val/accuracy": a} for e, a in enumerate(accuracies)]
        return SimpleNamespace(metrics=lambda: lines)

    evidence = SimpleNamespace(records=(run(0.6, 0.8), run(0.8), run(0.6, 0.6)))
    assert targets._row(evidence, 0.7, 1.5) == ["0.700", "2 of 3", "1.5", "4.5", "3.00"]
    assert targets._row(SimpleNamespace(records=(run(0.6),)), 0.7, 1.5)[1:] == ["0 of 1", "–", "–", "–"]


def test_targets_are_shown_beside_their_controls_alone(project_root):
    """Backpropagation of the reduced net without a frozen one, then with it; stand-in data need none."""
    claims = load.load(project_root, "kim2025_transformer")

    def runs(variant, standin=False):
        plan = {"seed": 0, "experiment": "reduced_imdb_corrected", "variant": variant, "dataset": "imdb",
                "protocol": {"treatment": "corrected"}}  # fmt: skip
        lines = [{"epoch": 1, "seconds": 2.0, "val/accuracy": 0.7}]
        return SimpleNamespace(records=(SimpleNamespace(plan=plan, metrics=lambda: lines),), standin=standin)

    def tables(found):
        store = SimpleNamespace(at_scale=lambda experiment, variant, scale: found.get((experiment, variant)))
        blocks = targets.section(claims, store, "paper")
        return [block.rows for block in blocks if hasattr(block, "rows")]

    bp = ("reduced_imdb_corrected", "bp_reduced")
    found = {bp: runs("bp_reduced")}
    assert tables(found) == []
    (rows,) = tables({bp: runs("bp_reduced", standin=True)})
    assert [row[:4] for row in rows] == [["reduced", claims.label("bp_reduced"), "0.690", "1 of 1"]]
    found["reduced_imdb_corrected", "random_reduced"] = runs("random_reduced")
    found["reduced_baselines_imdb_corrected", "tfidf_reduced"] = runs("tfidf_reduced")
    (rows,) = tables(found)
    assert [row[1] for row in rows] == [claims.label("bp_reduced"), claims.label("random_reduced")]


def test_seconds_stand_beside_those_of_the_same_seeds():
    """Backpropagation took 9 and 1 seconds an epoch; of the other method seed 0 alone is there."""

    def run(seed, seconds):
        numbers = {"time/train_s": 10 * seconds, "memory/peak_bytes": 4.0 * (1 + seed)}
        lines = [{"epoch": 1, "seconds": seconds, "val/accuracy": 0.8}]
        about = {"machine": {"cpu": "C", "device": "C"}}
        return SimpleNamespace(plan={"seed": seed}, metrics=lambda: lines, value=numbers.get, about=about)

    base, other = SimpleNamespace(records=(run(0, 9.0), run(1, 1.0))), SimpleNamespace(records=(run(0, 4.5),))
    assert targets._seconds(base, other, 0.7) == 9.0 and targets._seconds(base, base, 0.7) == 5.0
    assert machines._cells(base, other) == ["1", "90", "45", "0.50", "50.0 %", "1.00"]
    assert machines._machine(other) == "C"


def test_benches_are_shown_by_the_mean_of_their_processes():
    """Joules that one process could not read are no number."""
    rows = [{"name": "bp", "accuracy": 0.5, "joules": 2.0}, {"name": "bp", "accuracy": 0.6, "joules": None}]
    found = [
        SimpleNamespace(result={"rows": [row]}, value=lambda metric, name, row=row: row.get(metric[6:])) for row in rows
    ]
    columns = (("", "accuracy", 1, 100), ("", "joules", 2, 1))
    assert measured._rows(SimpleNamespace(records=found), columns) == [["bp", "55.0", "–"]]


def test_a_page_says_at_which_share_of_active_pairs_a_ratio_is_met(project_root):
    """Of two shares .5 and .1 with ratios 1.6 and .9 the line meets 1 at .1 + .4 / 7; .8 it meets nowhere."""
    claims = load.load(project_root, "kim2025_transformer")
    names = ("ff_active_2l, q 0.5", "ff_active_2l, q 0.1")
    numbers = {names[0]: {"share": 0.5, "ratio_to_bp": 1.6}, names[1]: {"share": 0.1, "ratio_to_bp": 0.9}}
    process = SimpleNamespace(result={"rows": [{"name": name, "share": numbers[name]["share"]} for name in names]},
                              value=lambda metric, name: numbers[name][metric[6:]])  # fmt: skip

    class Runs(SimpleNamespace):
        def __len__(self):
            return len(self.records)

    found = {"transformer_bench_imdb_corrected": Runs(records=(process,) * 3, standin=False),
             "transformer_bench_4l_imdb_corrected": Runs(records=(process,), standin=True)}  # fmt: skip
    store = SimpleNamespace(best=lambda experiment, variant: found.get(experiment))
    one, saving = measured.docs_rows(claims, store)
    assert (one["layers"], one["ratio"], one["processes"]) == (2, 1.0, 3)
    assert one["measured"] == pytest.approx(0.1 + 0.4 / 7) and one["bound, closed form"] == pytest.approx(0.5)
    assert saving["measured"] is None and saving["bound, recomputed"] == pytest.approx(1 / 15)


def test_the_target_of_the_claims_is_that_of_the_report(project_root):
    claims = load.load(project_root, "kim2025_transformer")
    goals = [e["reach"] for c in claims.claims.values() for e in c.get("operands", {}).values() if "reach" in e]
    assert {(goal["share"], goal["start"]) for goal in goals} == {(targets.SHARE, targets.CHANCE)}


def test_every_column_that_is_shown_is_one_of_the_benchs():
    from ffrepro.studies.kim2025_transformer import bench_growth, bench_probes, bench_transformer

    modules = {
        "transformer_probes": bench_probes,
        "transformer_growth": bench_growth,
        "transformer_bench": bench_transformer,
    }
    for name, module in modules.items():
        columns = {*module.COLUMNS, *getattr(module, "LATER", ())}
        assert {column[1] for column in measured.BENCHES[name][2]} <= columns, name
