"""The DLR paper's claims file: complete, as printed in the paper, and measured on runs that are planned."""

import pytest

from ffrepro.claims import expressions, load, reference
from ffrepro.claims.facts import meets
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training import bench_inference

PAPER = "ortiz2025_advancements"
# Typed from the paper's pages, independently of the claims file.
TABLE_1 = {
    "MNIST MLP One-pass": (8.6, 8.0, 0.6),
    "MNIST MLP Multi-pass": (7.3, 7.2, 2.2),
    "MNIST CNN One-pass": (4.5, 4.4, 0.1),
    "MNIST CNN Multi-pass": (4.9, 5.0, 1.9),
    "CIFAR10 MLP One-pass": (39.2, 39.3, 0.1),
    "CIFAR10 MLP Multi-pass": (41.1, 41.2, 0.2),
    "CIFAR10 CNN One-pass": (20.5, 44.3, 1.4),
    "CIFAR10 CNN Multi-pass": (44.8, 48.3, 4.5),
}
TABLE_2 = {
    "MNIST CNN (FF_deep) One-pass": (0.2, 0.8, 1.7),
    "MNIST CNN (FF_deep) Multi-pass": (0.2, 0.7, 1.4),
    "CIFAR10 CNN (FF_deep) One-pass": (1.1, 18.8, 2.1),
    "CIFAR10 CNN (FF_deep) Multi-pass": (1.9, 18.2, 1.8),
}
TABLE_3 = {
    "FF_tiny": (164706,),
    "FF_small": (239266,),
    "FF_medium": (484506,),
    "FF_optimal": (754386,),
    "FF_deep": (4131346,),
}
TABLE_4 = {
    "FF_tiny One-pass": (15.3, 24.4),
    "FF_tiny Multi-pass": (17.9, 24.1),
    "FF_small One-pass": (12.3, 23.4),
    "FF_small Multi-pass": (14.8, 23.1),
    "FF_medium One-pass": (8.0, 21.5),
    "FF_medium Multi-pass": (10.1, 20.7),
    "FF_optimal One-pass": (2.0, 19.6),
    "FF_optimal Multi-pass": (2.4, 19.3),
    "FF_deep One-pass": (1.2, 18.8),
    "FF_deep Multi-pass": (1.8, 18.2),
}
COLUMNS = ("train", "test", "time")


@pytest.fixture(scope="module")
def claims(project_root):
    return load.load(project_root, PAPER)


@pytest.fixture(scope="module")
def planned(project_root, claims):
    """Plans of scale paper that claims speak of: neither ablations nor variants."""
    workspace = open_workspace(project_root, "paper", ["cpu"])
    own = [plan for plan in workspace.runnable if plan["paper"] == PAPER]
    return [plan for plan in own if claims.budget(plan["experiment"]) is not None]


def test_claims_are_in_order_and_complete(claims):
    numbers = [int(name[-3:]) for name in claims.claims]
    assert numbers == sorted(set(numbers)) and set(range(1, 84)) <= set(numbers)
    # of those that both lists of claims lacked, these only repeat another one, whose note says so
    assert set(range(84, 120)) - set(numbers) == {86, 105, 111}
    again = " ".join(claim.get("note", "").partition("Said again: ")[2] for claim in claims.claims.values())
    assert all(f"{number:03d}, Sec." in again for number in (86, 105, 111))
    ours = {name[-3:] for name, claim in claims.claims.items() if claim.get("own")}
    assert ours == {"078", "079", "080", "081", "082", "083", "120", "121", "122", "123", "124", "125", "126", "127",
                    "128"}  # fmt: skip
    assert all(claim["n"] is None and "std" not in claim for claim in claims.claims.values())
    assert all(0 < len(claim["quote"]) < 200 for claim in claims.claims.values())


@pytest.mark.parametrize(
    ("name", "printed"), [("table1", TABLE_1), ("table2", TABLE_2), ("table3", TABLE_3), ("table4", TABLE_4)]
)
def test_tables_are_as_printed(claims, name, printed):
    table = claims.table(name)
    assert list(table["rows"]) == list(printed)
    for label, ids in table["rows"].items():
        assert tuple(claims.claim(short)["value"] for short in ids) == printed[label], label


@pytest.mark.parametrize("name", ["table1", "table2", "table4"])
def test_a_cell_is_measured_on_its_own_row_and_column(claims, name):
    labels, variants = claims.content["datasets"], claims.content["variants"]
    for row, ids in claims.table(name)["rows"].items():
        for short, column in zip(ids, COLUMNS, strict=False):
            claim = claims.claim(short)
            measure, scheme = claim["measure"], row.rpartition(" ")[2].lower().replace("-", "_")
            assert claim["row"] == row
            assert labels[measure["dataset"]] == (row.split()[0] if name != "table4" else "CIFAR10")
            assert variants[measure["variant"]] in row
            if column == "time":
                net = measure["variant"].rpartition("_")[0]
                assert (measure["experiment"], measure["metric"]) == ("inference_bench", "bench/ms_median")
                assert measure["row"] == f"{net}, {scheme.replace('_', '-')}"
                assert [entry["row"] for entry in claim["companions"]] == [f"{net}, BP"]
                assert claims.margin(claim) is None and claims.factor(claim) == 0.001
            else:
                read = "goodness" if scheme == "multi_pass" and name != "table1" else scheme  # grouped nets: one pass
                assert measure["metric"] == f"{column}/error_{read}"
                assert claims.twin(measure["variant"]) == claim["companions"][0]["variant"]
                assert claim["companions"][0]["metric"] == f"{column}/error"
                assert claim["quantity"].startswith(column)


def test_the_twins_are_the_same_nets_in_params(claims, planned):
    found = {(plan["experiment"], plan["variant"]): plan for plan in planned}
    for (experiment, variant), plan in found.items():
        twin = claims.twin(variant)
        if twin is not None:
            assert found[experiment, twin]["net"] == plan["net"]
            assert found[experiment, twin]["method"]["name"] == "backprop"
            assert found[experiment, twin]["data"] == plan["data"]


@pytest.mark.parametrize("scale", ["lite", "paper"])
def test_every_planned_run_has_a_twin_of_its_size_beside_it(project_root, scale):
    """Ablations, variants and recipes, too: without one their records would be refused as evidence."""
    plans = [p for p in open_workspace(project_root, scale, ["cpu"]).plans if p["paper"] == PAPER and p["seed"] == 0]
    trained = [plan for plan in plans if plan["kind"] == "train"]
    alone = [plan["run"] for plan in trained if not any(reference.is_twin(plan, other) for other in trained)]
    assert len(trained) > 20 and alone == []


def test_every_run_that_a_claim_names_is_planned_with_three_seeds(claims, planned):
    seeds = {}
    for plan in planned:
        seeds.setdefault((plan["experiment"], plan["variant"]), set()).add(plan["seed"])
    for claim in claims.claims.values():
        if claim["kind"] != "measured" or claim["measure"]["metric"].startswith("bench/"):
            continue
        for entry in [{}, *claim.get("companions", [])]:
            measure = claim["measure"] | entry
            name = claims.experiment(measure["experiment"], "as_published", measure["dataset"])
            assert len(seeds[name, measure["variant"]]) >= 3, (claim["id"], name)


def test_every_row_of_the_bench_that_a_claim_names_is_planned_and_in_its_table(project_root, claims):
    for scale in ("lite", "paper"):
        plans = {plan["experiment"]: plan for plan in open_workspace(project_root, scale, ["cpu"]).plans}
        named = 0
        for claim in claims.claims.values():
            if claim["kind"] != "measured" or not claim["measure"]["metric"].startswith("bench/"):
                continue
            measure = claim["measure"]
            plan = plans[claims.experiment(measure["experiment"], "as_published", measure["dataset"])]
            net, _, scheme = measure["row"].partition(", ")
            assert {measure["variant"], f"{net}_bp"} <= set(plan["variants"])
            assert scheme in bench_inference.MAIN.values()
            assert {"Table I": "table1", "Table II": "table2"}[claim["where"]] in plan["tags"]["tables"]
            named += 1
        assert named == 12 + 6 + 4  # times, directions of ratios, sizes of those in Table I


def test_every_row_of_tables_1_and_2_is_judged_by_which_scheme_is_faster(claims):
    times = {row: TABLE_1.get(row, TABLE_2.get(row))[2] for row in [*TABLE_1, *TABLE_2]}
    rows = {row.rpartition(" ")[0] for row in times}
    ratios = {c["row"]: c for c in claims.claims.values() if c.get("quantity") == "inference_ratio"}
    assert set(ratios) == rows and len(rows) == 6
    for row, claim in ratios.items():
        multi, one = times[f"{row} Multi-pass"], times[f"{row} One-pass"]
        assert claims.expected(claim) == pytest.approx(multi / one)
        assert claim["value"] == f"{multi} and {one} s"
        assert claim["measure"]["row"].endswith(", multi-pass")
        assert claim["measure"]["metric"] == "bench/ratio_to_one_pass"


def test_the_tables_of_params_hold_the_runs_that_they_show(claims, planned):
    for name in ("table1", "table2", "table4"):
        for ids in claims.table(name)["rows"].values():
            measure = claims.claim(ids[0])["measure"]
            experiment = claims.experiment(measure["experiment"], "as_published", measure["dataset"])
            plans = [p for p in planned if (p["experiment"], p["variant"]) == (experiment, measure["variant"])]
            assert plans and all(name in plan["tags"]["tables"] for plan in plans), (name, experiment)


def test_what_is_planned_fulfils_the_budget_and_the_settings(claims, planned):
    for plan in planned:
        cut = plan["training"]["max_epochs"] < claims.budget(plan["experiment"]).epochs
        assert cut == plan["experiment"].startswith("short_"), plan["run"]
    for number in ("070", "071", "072"):
        claim = claims.claim(number)
        for condition in claim["check"].get("settings", [claim["check"] | {"equals": claim["value"]}]):
            group, _, key = condition["setting"].partition(".")
            values = [p[group][key] for p in planned if p["experiment"].startswith(condition["experiment"] + "_")]
            assert values and all(meets(value, condition) for value in values), (number, condition)


def test_what_follows_from_the_published_numbers(claims):
    for claim in claims.claims.values():
        for entry in claim.get("derived", []):
            value = expressions.evaluate(entry["expression"], claims.published)
            decimals = len(str(entry["value"]).partition(".")[2])
            assert round(value, decimals) == pytest.approx(entry["value"]), (claim["id"], entry["label"])
    holds = {
        i[-3:]: expressions.evaluate(c["holds"], claims.published) for i, c in claims.claims.items() if "holds" in c
    }
    refuted = {number for number, true in holds.items() if not true}
    assert refuted == {"067", "069", "073", "074", "117"}
    assert set(holds) - refuted == {"001", "002", "003", "065", "066", "068", "100", "101", "107", "115"}


def test_margins_are_points_of_percent(claims):
    assert claims.margin(claims.claim("046")) == 0.4 and claims.factor(claims.claim("046")) == 100
    assert claims.margin(claims.claim("029")) == 0.2 and claims.margin(claims.claim("028")) == 0.1
    assert claims.margin(claims.claim("006")) is None and claims.margin(claims.claim("040")) is None
    # .4 and .3: half of the smallest distance between two neighbouring nets of Table IV, by hand
    for column, margin in ((1, 0.4), (0, 0.3)):
        steps = [
            abs(TABLE_4[f"FF_{a} {s}"][column] - TABLE_4[f"FF_{b} {s}"][column])
            for a, b in zip(("tiny", "small", "medium", "optimal"), ("small", "medium", "optimal", "deep"), strict=True)
            for s in ("One-pass", "Multi-pass")
        ]
        assert min(steps) / 2 == pytest.approx(margin)


def test_every_deviation_touches_a_number(claims):
    used = {d["id"] for claim in claims.claims.values() for d in claims.deviations(claim, "as_published")}
    assert used == {deviation["id"] for deviation in claims.content["deviations"]}
    assert [d["id"] for d in claims.deviations(claims.claim("040"), "as_published")] == ["D14"]
    touching = [d["id"] for d in claims.deviations(claims.claim("011"), "as_published")]
    assert "D8" in touching and "D9" not in touching and "D11" not in touching


@pytest.mark.parametrize("scale", ["smoke", "lite", "paper"])
def test_every_planned_run_can_be_evaluated_from_its_first_epoch(project_root, scale):
    """One-pass inference has no say before a softmax layer that learns afterwards has begun."""
    plans = [p for p in open_workspace(project_root, scale, ["cpu"]).plans if p["paper"] == PAPER]
    after = [p for p in plans if p["kind"] == "train" and p["method"].get("head") == "after"]
    assert after or scale == "smoke"
    assert {p["protocol"]["inference"] for p in after} <= {"multi_pass", "goodness"}


@pytest.mark.parametrize(
    ("subsets", "whole", "holds"),
    [((22.0, 23.0, 24.0), 25.0, True), ((23.0, 22.3, 24.0), 22.0, True), ((23.0, 22.5, 24.0), 22.0, False)],
)
def test_initial_layers_are_superfluous_where_a_part_reads_no_worse_by_the_margin(claims, subsets, whole, holds):
    claim = claims.claim("092")
    values = dict(zip(("last1", "last2", "last3"), subsets, strict=True)) | {"whole": whole}
    assert set(claim["operands"]) == set(values)
    assert expressions.truth(claim["ours"], values) is holds
    margin = claims.content["quantities"]["test_error"]["margin"]["absolute"]
    assert expressions.truth(claim["ours"], values | {"whole": min(subsets) - margin + 0.01})
    assert not expressions.truth(claim["ours"], values | {"whole": min(subsets) - margin - 0.01})


@pytest.mark.parametrize(
    ("number", "values", "holds"),
    [
        ("103", {"first": 12.0, "last": 9.0, "multi": 6.5}, True),
        ("103", {"first": 12.0, "last": 11.0, "multi": 6.5}, False),  # never of the same order
        ("103", {"first": 6.0, "last": 5.0, "multi": 6.5}, False),  # at once: no additional time
        ("106", {"full": 40.0, "constant": 41.0, "full_unsteady": 0.2, "constant_unsteady": 1.0}, True),
        ("106", {"full": 40.0, "constant": 40.3, "full_unsteady": 0.2, "constant_unsteady": 1.0}, False),
        ("106", {"full": 40.0, "constant": 41.0, "full_unsteady": 1.0, "constant_unsteady": 0.2}, False),
        ("084", {"full": 40.0, "constant": 41.0, "alone": 45.0, "no_groups": 70.0}, True),
        ("084", {"full": 40.0, "constant": 41.0, "alone": 40.1, "no_groups": 70.0}, False),
        ("118", {"tiny_single": 0.7, "tiny_whole": 0.95, "deep_single": 0.4, "deep_whole": 1.0}, True),
        ("118", {"tiny_single": 0.7, "tiny_whole": 0.8, "deep_single": 0.4, "deep_whole": 1.0}, False),
    ],
)
def test_sentences_without_a_figure_are_read_as_their_notes_say(claims, number, values, holds):
    claim = claims.claim(number)
    assert set(claim["operands"]) == set(values)
    assert expressions.truth(claim["ours"], values) is holds


def test_rows_of_the_benches_of_blocks_are_planned_with_three_processes(project_root, claims):
    plans = [plan for plan in open_workspace(project_root, "lite", ["cpu"]).plans if plan["kind"] == "bench"]
    named = 0
    for claim in claims.claims.values():
        for operand in claim.get("operands", {}).values():
            if operand["experiment"] not in ("block_training", "block_memory"):
                continue
            name = claims.experiment(operand["experiment"], "as_published", operand["dataset"])
            own = [plan for plan in plans if plan["experiment"] == name]
            assert len({plan["seed"] for plan in own}) == 3
            assert operand["row"].partition(", ")[0] == operand["variant"]
            assert {operand["variant"], claims.twin(operand["variant"]) or operand["variant"]} <= set(
                own[0]["variants"]
            )
            named += 1
    assert named == 4 + 4 + 4 + 8 + 4  # 084, 085, 106, 114, 118
