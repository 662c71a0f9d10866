"""What the first screen says of a paper: hand-computed numbers of a small project, and what may not be declared."""

import copy
import math
from dataclasses import replace

import pytest
import yaml
from matplotlib.textpath import TextPath

from ffrepro.base.errors import FfreproError
from ffrepro.claims import load, verdict
from ffrepro.claims.assess import assess
from ffrepro.claims.blocks import text_of
from ffrepro.claims.records import Store
from ffrepro.claims.screen import errors, picture, view, words
from ffrepro.claims.screen.answers import Answer, Decider, Number
from ffrepro.claims.screen.errors import Interval, Pair
from ffrepro.claims.screen.promises import promises

PAPER = "chikhachev2025_rnn"


@pytest.fixture
def column(world):
    """MCYT alone has runs: FF-Std errs 20, 18, 16 percent, BPTT 10; one timed process."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn", "bench"])
    for plan, accuracy in zip(world.find("rnn_mcyt_corrected", "ff_std"), (0.80, 0.82, 0.84), strict=True):
        world.record(plan, accuracy=accuracy, epochs=30)
    for plan in world.find("rnn_mcyt_corrected", "bptt"):
        world.record(plan, accuracy=0.9, epochs=30)
    ratio = {"FF-Norm, plain autograd": 0.9, "FF-Std, plain autograd": 0.75}
    world.record(world.find("bench_mcyt_corrected", "interleaved")[0], ratio=ratio)
    store, claims = Store(world.root, world.plans, ["cpu"]), world.claims()
    return view.column(claims, store, assess(claims, store), hours=lambda plan: 0.5)


def answer(column, name):
    return next(found for found in column.answers if found.promise.name == name)


def test_numbers_are_of_what_has_runs(column):
    (pair,) = answer(column, "accurate").pairs
    assert (pair.dataset, pair.scale, pair.ff.n, pair.bp.n) == ("MCYT", "lite", 3, 3)
    assert (pair.ff.value, pair.bp.value) == (pytest.approx(18), pytest.approx(10))
    assert pair.ff.high - pair.ff.value == pytest.approx(4.303 * 2 / math.sqrt(3), abs=1e-3)
    assert answer(column, "accurate").numbers == ["MCYT, FF-Std: error 18.0 / 10.0 %"]
    assert answer(column, "accurate").details == ["MCYT, FF-Std: error 18.0 / 10.0 % (MCYT, n = 3, scale lite)"]
    assert answer(column, "accurate").brief == "error 18.0 / 10.0 % (MCYT)"
    assert [ratio.value for ratio in answer(column, "less_time").ratios] == [0.9, 0.75]
    assert answer(column, "less_time").numbers == ["0.75 to 0.90× (training step)"]
    assert answer(column, "stable").numbers == [] and answer(column, "stable").brief == ""


def test_errors_are_of_the_seeds_that_both_have(world):
    """Seeds 0 to 2 err 20, 18 and 16 percent, backpropagation's seeds 0 and 1 10 and 12: two seeds count."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for variant, accuracies in (("ff_std", (0.80, 0.82, 0.84)), ("bptt", (0.90, 0.88))):
        for plan, accuracy in zip(world.find("rnn_mcyt_corrected", variant), accuracies, strict=False):
            world.record(plan, accuracy=accuracy, epochs=30)
    store, claims = Store(world.root, world.plans, ["cpu"]), world.claims()
    found = answer(view.column(claims, store, assess(claims, store), hours=lambda plan: 0.5), "accurate")
    (pair,) = found.pairs
    assert [(side.value, side.n) for side in (pair.ff, pair.bp)] == [(pytest.approx(19), 2), (pytest.approx(11), 2)]
    assert found.numbers == ["MCYT, FF-Std: error 19.0 / 11.0 % (n = 2)"]


def test_errors_of_two_scales_are_no_pair(world):
    """FF-Std has runs at scale paper, backpropagation at scale lite alone, over the same seeds."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    world.add_plans("paper", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for scale, variant in (("paper", "ff_std"), ("lite", "bptt")):
        for plan in world.find("rnn_mcyt_corrected", variant, scale):
            world.record(plan, accuracy=0.9, epochs=30)
    store, claims = Store(world.root, world.plans, ["cpu"]), world.claims()
    found = view.column(claims, store, assess(claims, store), hours=lambda plan: 0.5)
    mcyt = found.errors[2]
    assert answer(found, "accurate").pairs == [] and mcyt.ff.value == pytest.approx(10) and mcyt.bp is None


def test_errors_on_several_data_sets_have_no_mean():
    """By hand: 2 - 1 = +1 and 20 - 23 = -3 points."""
    sides = [("A", 2.0, 1.0), ("B", 20.0, 23.0)]
    pairs = [Pair(name, name, "paper", Interval(ff, n=5), Interval(bp, n=5)) for name, ff, bp in sides]
    found = Answer(promises()[0], PAPER, words.OPEN, pairs=pairs)
    assert found.numbers == ["A: error 2.0 / 1.0 %", "B: error 20.0 / 23.0 %"]
    assert found.brief == "error −3.0 to +1.0 points"


def test_trainings_that_were_cut_short_say_so_and_stay_out_of_the_difference():
    sides = [("A", 2.0, 1.0, None), ("B", 20.0, 80.0, 40), ("C", 5.0, 5.5, None)]
    pairs = [Pair(name, name, "paper", Interval(ff, n=5), Interval(bp, n=5), cut) for name, ff, bp, cut in sides]
    found = Answer(promises()[0], PAPER, words.OPEN, pairs=pairs)
    assert found.numbers[1] == "B: error 20.0 / 80.0 % (cut at 40 epochs)"
    assert found.brief == "error −0.5 to +1.0 points"
    alone = Answer(promises()[0], PAPER, words.OPEN, pairs=pairs[1:2])
    assert alone.brief == "error 20.0 / 80.0 % (B) (cut at 40 epochs)"


def test_errors_on_stand_in_data_say_so():
    pair = Pair("A", "A", "smoke", Interval(70.0, n=1), Interval(44.0, n=1), 1, standin=True)
    found = Answer(promises()[0], PAPER, words.OPEN, pairs=[pair])
    for text in (*found.numbers, *found.details, found.brief):
        assert "cut at 1 epochs, stand-in data" in text


def test_ratios_go_from_the_least_to_the_largest_number():
    ratios = [Number("net", value, 0, 0) for value in (10.5, 2.25, 9.0)]
    assert Answer(promises()[1], PAPER, words.OPEN, ratios=ratios).numbers == ["2.25 to 10.50×"]


def test_ratios_of_something_else_say_of_what():
    found = Answer(promises()[1], PAPER, words.OPEN, ratios=[Number("net", 0.9, 0.8, 1.0)], ratio_of="training step")
    assert found.numbers == ["0.90× (training step)"]


def test_the_word_is_that_of_the_deciders(column):
    for found in column.answers:
        assert found.word is words.word(decider.side for decider in found.deciders)
    time = answer(column, "less_time")
    kinds = {decider.assessment.claim["id"][-3:]: (decider.against, decider.side) for decider in time.deciders}
    assert kinds == {"114": (False, words.Side.BROKEN), "105": (True, words.Side.NOT_RUN)}
    assert (time.word, time.told) == (words.PARTLY_NO, "1 of 2")
    assert answer(column, "no_backward").word is words.NOT_CLAIMED


def test_what_is_not_run_says_what_it_needs(column):
    found = answer(column, "accurate")
    assert found.word is words.NOT_RUN and len(found.deciders) == 2
    assert found.cost == "no run planned"  # the other data sets are planned nowhere here


def test_counts_are_of_the_papers_own_claims(column):
    own = [i for i, one in column.assessments.items() if one.claim.get("own")]
    tally = view.tally([column])
    assert own and sum(tally.values()) == len(column.assessments) - len(own)
    settings = [one.verdict.kind for one in column.assessments.values()].count(verdict.MET)
    assert tally[verdict.HOLD] >= settings > 0
    twice = view.counted([column, column])
    assert twice.startswith(f"2 papers · {2 * sum(tally.values())} claims of their own: ✓ {2 * tally['hold']} hold · ")


def test_a_row_of_errors(column):
    labels = [row.label for row in column.errors]
    assert labels == [f"RNN: {name}, FF-Std" for name in ("$1", "MobileTouch", "MCYT", "Mouse-Ops.")]
    mcyt = column.errors[2]
    assert (mcyt.published.value, mcyt.published_bp.value) == pytest.approx((100 - 88.76, 100 - 98.04))
    assert (mcyt.ff.value, mcyt.bp.value, mcyt.n) == (pytest.approx(18), pytest.approx(10), 3)
    assert column.errors[0].ff is None and column.errors[0].bp is None
    drawn = view.error_strips(column.errors)
    assert [len(row.points) for row in drawn.rows] == [2, 2, 4, 2]


def test_an_error_is_what_lacks_to_the_top():
    assert errors.error({"range": [0, 1], "better": "higher"}, 0.82) == pytest.approx(18)
    assert errors.error({"range": [0, 100], "better": "higher"}, 82) == pytest.approx(18)
    assert errors.error({"range": [0, 100], "better": "lower"}, 7.2) == pytest.approx(7.2)


def test_places_on_the_axes():
    """The axis of errors goes from .05 to 100 percent: 100 times sqrt(5) lies a decade from 1000 times .05."""
    assert view.along(0.05) == view.along(0.0) == 0 and view.along(100) == view.along(250) == 100
    assert view.along(math.sqrt(0.05 * 100)) == pytest.approx(50)
    ratio = Number("net", 0.5, 0.4, 2.0)
    strips = view.ratio_strips([("net", "time", ratio, None), ("net", "memory", ratio, Number("net", 0.25, 0, 0))])
    assert [text for _, text in strips.ticks] == ["0", "0.25", "0.5", "0.75", "1", "1.25"]
    (point,) = strips.rows[0].points
    assert (point.at, point.low, point.high) == pytest.approx((40, 32, 100))  # of 1.25, an end beyond it is cut
    assert [point.at for point in strips.rows[1].points] == pytest.approx([20, 40])


def test_the_table_has_a_row_a_promise_and_links_to_what_decides(column):
    table = view.promise_table([column])
    assert table.header == ["promise", "RNN"] and [row[0] for row in table.rows] == [one.label for one in promises()]
    cell = table.rows[1][1]
    target = f"promise-{PAPER}-less_time"
    assert (cell[0].text, cell[0].target) == ("✗? partly no (1 of 2, by the paper itself)", target)
    assert [line.text for line in cell[1:]] == ["it says: reduced complexity", "0.75 to 0.90× (training step)"]
    (_, behind) = view.of_paper(column)
    assert behind.anchors[1] == cell[0].target
    row = text_of(behind.rows[1][3])
    assert "✗ 114" in row and "○ 105" in row and "(speaks against it)" in row
    assert behind.rows[1][3][0].target == f"id-{PAPER}-114"


def test_a_word_that_rests_on_runs_of_ours_is_not_by_the_papers_figures(column):
    broken = answer(column, "less_time").deciders[0]
    assert Answer(promises()[0], PAPER, words.NO, [broken]).by_itself
    ran = next(one for one in column.assessments.values() if one.verdict.kind == verdict.MET)
    both = [broken, Decider(ran, False, words.Side.KEPT, [])]
    assert not Answer(promises()[0], PAPER, words.MIXED, both).by_itself
    assert not Answer(promises()[0], PAPER, words.NOT_CLAIMED).by_itself


def test_our_own_question_is_called_so(column):
    deciders = [answer(column, "less_time").deciders[0]]
    assert not Answer(promises()[0], PAPER, words.NO, deciders).asked_by_us
    claim = deciders[0].assessment.claim | {"own": True}
    own = [deciders[0]._replace(assessment=type(deciders[0].assessment)(claim, deciders[0].assessment.findings))]
    assert Answer(promises()[0], PAPER, words.NO, own).asked_by_us


@pytest.mark.parametrize("paper", load.papers())
def test_the_declared_files_give_numbers(paper, project_root):
    """A ratio from a JSON file lies between its limit and ten times backpropagation's."""
    claims = load.load(project_root, paper)
    store = Store(project_root, [], local=False)
    files = [
        number
        for entry in claims.content["first_screen"]["promises"].values()
        for number in entry.get("ratio", [])
        if isinstance(number, dict) and "json" in number
    ]
    column = view.column(claims, store, assess(claims, store))
    found = {(ratio.label, ratio.value) for one in column.answers for ratio in one.ratios}
    assert len(found) >= len(files) and all(0 < value < 10 for _, value in found)
    limits = [
        (r.value, limit.value)
        for one in column.answers
        for r, limit in zip(one.ratios, one.limits, strict=True)
        if limit
    ]
    assert all(limit <= ratio for ratio, limit in limits)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda screen: screen["promises"].update(cheap={"for": ["082"]}), "cheap"),
        (lambda screen: screen["promises"]["accurate"].update({"for": ["999"]}), "999"),
        (lambda screen: screen["promises"]["accurate"].update({"for": ["027"]}), "027"),
        (lambda screen: screen["promises"]["accurate"]["pairs"][0].update(bp="043"), "043"),
        (lambda screen: screen["promises"]["accurate"]["pairs"][0].update(bp="042"), "042"),
        (lambda screen: screen["promises"]["accurate"]["pairs"][0].update(ff="049"), "049"),
        (lambda screen: screen["promises"]["less_time"].update(limit=["050"]), "limit"),
        (lambda screen: screen["promises"]["less_time"].update(ratio=["076"]), "076"),
        (lambda screen: screen["errors"].append({"label": "x", "ff": "082"}), "082"),
        (lambda screen: screen["promises"]["less_memory"]["ratio"][0].update(dataset="iris"), "iris"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, what, world, project_root):
    folder = project_root / "src/ffrepro/studies" / PAPER
    content, study = (yaml.safe_load((folder / name).read_text()) for name in (load.FILE, load.STUDY))
    schema = yaml.safe_load((world.root / load.SCHEMA).read_text())
    content = copy.deepcopy(content)
    change(content["first_screen"])
    with pytest.raises(FfreproError, match=what):
        load.build(PAPER, content, study, schema, "here")


def test_interval_without_a_spread_has_no_line():
    (row,) = view.error_strips(
        [errors.Row("x", "p/001", verdict.Verdict(verdict.NOT_RUN), None, Interval(5.0), None, None, None)]
    ).rows
    assert math.isnan(row.points[0].low) and row.note == "○ not run"


def test_a_cell_of_the_picture_fits_its_column():
    long = Answer(promises()[0], PAPER, words.OPEN, cost="", says="so many words that no column holds them")
    ratios = [Number("", value, value, value) for value in (0.47, 0.78)]
    lines = picture.below(replace(long, ratios=ratios, ratio_of="peak of a step"), 4)
    assert " ".join(lines) == f"it says: {long.says} 0.47 to 0.78× (peak of a step)"
    for line in lines:
        inches = TextPath((0, 0), line, size=picture.SMALL).get_extents().width / 72
        assert inches < picture.column_inches(4)
