"""What came out, from the report's CSV files: hand-computed numbers of a small made-up project."""

import pytest
from helpers.world import PAPER, write

from ffrepro.base.errors import FfreproError
from ffrepro.claims import export, load
from ffrepro.claims.assess import assess
from ffrepro.claims.headline import headline
from ffrepro.claims.records import Store


def report(world, scale):
    """The two files of a report that the summary is made from."""
    store = Store(world.root, world.plans)
    verdicts = export.verdicts_csv([assess(load.load(world.root, PAPER), store)])
    write(world.root / f"reports/{scale}/verdicts.csv", verdicts)
    write(world.root / f"reports/{scale}/results.csv", export.results_csv(store.of_scale(scale)))


def cells(lines):
    """Label -> the only paper's cell."""
    return {line[: line.rindex(" ")].strip(): line.split()[-1] for line in lines if line.strip()}


def test_errors_and_times_are_medians_over_pairs(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for variant, accuracy in (("bptt", 0.9), ("ff_rms", 0.7), ("ff_std", 0.8)):
        for plan in world.find("rnn_mcyt_corrected", variant):
            world.record(plan, accuracy=accuracy, epochs=2)
    report(world, "lite")
    found = cells(headline(world.root, "lite"))
    assert found["their test error (median)"] == "25.0%" and found["backpropagation's"] == "10.0%"
    assert found["time of an epoch over its (median)"] == "1.00"
    assert found["variants beside backpropagation at scale lite"] == "2"
    verdicts = {label: int(cell) for label, cell in found.items() if label in ("reproduced", "not run", "inconclusive")}
    of_the_paper = [claim for claim in load.load(world.root, PAPER).claims.values() if not claim.get("own")]
    assert int(found["published figures"]) == len(of_the_paper) < len(load.load(world.root, PAPER).claims)
    assert verdicts["not run"] > 40 and sum(verdicts.values()) <= int(found["published figures"])


def test_stand_in_data_are_named_and_empty_scales_have_dashes(world):
    world.add_plans("smoke", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    report(world, "smoke")
    assert cells(headline(world.root, "smoke"))["their test error (median)"] == "-"
    for plan in world.plans:
        world.record(plan, epochs=2)
    report(world, "smoke")
    assert headline(world.root, "smoke")[-1].startswith("STAND-IN DATA")


def test_without_a_report(world):
    with pytest.raises(FfreproError) as caught:
        headline(world.root, "lite")
    assert caught.value.where == world.root / "reports/lite"
