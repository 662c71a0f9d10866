"""The section on how hard the negatives are: which cells, what they say, and nothing where nothing is planned."""

import numpy as np
import pytest
from helpers.plans import prepare_standin
from PIL import Image

from ffrepro.base.files import write_json
from ffrepro.claims import html, markdown
from ffrepro.claims.blocks import Heading, Notice, Table, text_of
from ffrepro.claims.compare import best_pick, scale_pick
from ffrepro.claims.figures.style import Scene, canvas
from ffrepro.claims.records import Store
from ffrepro.data import trajectory_set
from ffrepro.data.negatives import planning, plans
from ffrepro.kinematics.extraction import Settings
from ffrepro.studies.chikhachev2025_rnn import difficulty
from ffrepro.studies.chikhachev2025_rnn.figures import KINDS
from ffrepro.studies.chikhachev2025_rnn.figures.difficulty import _panel

NETS = ("bptt", "ff_rms", "ff_std")
CLASSIFIERS = ("gbt", "logreg")


def plan(world, family, dataset, variant, seed, scale="lite", negatives="released", control="none"):
    made = world.train_plan(family, dataset, "matched", variant, seed, scale)
    made["data"] = {"name": "matched", "negatives": negatives, "control": control, "length": 100}
    if variant.startswith(CLASSIFIERS):
        for key in ("net", "method", "training"):
            del made[key]
        made |= {
            "kind": "sklearn_baseline",
            "protocol": {"treatment": "matched"},
            "classifier": {"name": variant.partition("_")[0]},
        }
    world.plans.append(made)
    return made


@pytest.fixture
def measured(world):
    """$1 at lite: a net and both classifiers on two levels, and the controls of the trees."""
    for level, auc in (("released", 0.9), ("close", 0.6)):
        for seed in range(3):
            for method in ("ff_std", *CLASSIFIERS):
                family = "matched_baselines" if method in CLASSIFIERS else "matched"
                made = plan(world, family, "dollar", f"{method}_negatives{level}", seed, negatives=level)
                world.record(made, auc=auc + 0.01 * (seed - 1))
    made = plan(world, "matched_shuffled_baselines", "dollar", "gbt", 0, control="shuffled_labels")
    world.record(made, auc=0.51)
    for seed in range(10):
        made = plan(world, "matched_human", "dollar", "gbt", seed, control="human_halves")
        world.record(made, auc=0.5 + 0.01 * (seed % 2))
    return world


def store(world):
    return Store(world.root, world.plans)


def the_table(content):
    (found,) = [block for block in content if isinstance(block, Table)]
    return found


def test_each_cell_has_its_mean_spread_count_and_interval(measured):
    found = the_table(difficulty.section(measured.claims(), store(measured), "lite"))
    assert found.header == [
        "Data set",
        "Negatives",
        "BPTT",
        "FF-Norm",
        "FF-Std",
        "Boosted trees",
        "Logistic regression",
    ]
    rows = [[text_of(cell, "; ") for cell in row] for row in found.rows]
    # 0.59, 0.60, 0.61: std 0.01, half the interval t(2) x 0.01 / sqrt(3) = 4.303 x 0.00577 = 0.0248
    close = "0.600 ± 0.010 (n=3); [0.575, 0.625]"
    assert rows == [
        ["$1", "as released", "–", "–", *["0.900 ± 0.010 (n=3); [0.875, 0.925]"] * 3],
        ["$1", "ours, close", "–", "–", close, close, close],
        ["$1", "control: training labels shuffled", "–", "–", "–", "0.510 (n=1)", "–"],
        ["$1", "control: human against human", "–", "–", "–", "0.505 ± 0.005 (n=10); [0.501, 0.509]", "–"],
    ]


def test_short_runs_and_few_runs_are_said(measured):
    found = difficulty.build(measured.claims(), scale_pick(store(measured), "lite"))
    text = " ".join(difficulty.notes(found))
    assert "Some nets were capped at 60 epochs (the paper allows 200)" in text
    assert "n = 1 are too few" in text


def test_a_scale_without_such_plans_has_no_section_and_no_figures(world):
    world.add_plans("lite", datasets=["mcyt"])
    assert difficulty.section(world.claims(), store(world), "lite") == []
    for entry in world.claims().content["figures"]:
        if entry["kind"] in ("difficulty", "snr", "movement"):
            assert KINDS[entry["kind"]](Scene(world.claims(), store(world), "lite"), entry) == []


def test_planned_and_not_run_is_said(world):
    plan(world, "matched", "dollar", "bptt_negativesclose", 0)
    content = difficulty.section(world.claims(), store(world), "lite")
    assert not [block for block in content if isinstance(block, Table)]
    assert "No finished runs." in markdown.render(content)


def test_another_scale_shows_the_best_evidence_beside_its_own(measured):
    made = plan(measured, "matched_baselines", "dollar", "gbt_negativesclose", 0, "smoke", "close")
    measured.record(made, auc=0.7)
    content = difficulty.section(measured.claims(), store(measured), "smoke")
    titles = [block.text for block in content if isinstance(block, Heading)]
    assert titles == [
        "Matched protocol: how hard are the negatives?",
        "AUC by negatives (best evidence)",
        "AUC by negatives (scale smoke; STAND-IN DATA, no result)",
    ]
    assert len([block for block in content if isinstance(block, Notice)]) == 1
    assert "0.600 ± 0.010 (n=3)" in html.render("t", content)
    assert len(difficulty.build(measured.claims(), best_pick(store(measured))).records) == 18 + 1 + 10


def test_intervals_end_where_an_auc_does(measured):
    for seed, auc in enumerate((0.6, 0.9, 1.0)):
        made = plan(measured, "matched", "dollar", "bptt_negativesfar", seed, negatives="far")
        measured.record(made, auc=auc)
    found = difficulty.build(measured.claims(), scale_pick(store(measured), "lite"))
    summary = found.cells["dollar", "far", "bptt"].summary
    # mean .833, std .208: beyond 1, for a t interval knows nothing of what is measured
    assert (summary.low, summary.high) == (pytest.approx(5 / 6 - 4.303 * 0.2082 / 3**0.5, abs=1e-3), 1.0)
    rows = [[text_of(cell, "; ") for cell in row] for row in difficulty.table(found).rows]
    assert ["$1", "ours, far", "0.833 ± 0.208 (n=3); [0.316, 1.000]"] in [row[:3] for row in rows]


def test_missing_plans_are_said_with_the_command(measured):
    said = markdown.render(difficulty.section(measured.claims(), store(measured), "lite"))
    assert "ffrepro kinematics plan dollar --source upstream" in said
    place = measured.root / "data/plans/upstream"
    place.mkdir(parents=True)
    write_json(place / "dollar.json", {"bad": []})
    said = markdown.render(difficulty.section(measured.claims(), store(measured), "lite"))
    assert "No stroke plans" not in said


def test_the_panel_shows_the_cells_means_and_bars(measured):
    _, axes = canvas(3, 3, 1, 1)
    found = difficulty.build(measured.claims(), scale_pick(store(measured), "lite"))
    _panel(Scene(measured.claims(), store(measured), "lite"), axes[0, 0], found, "dollar")
    shown = {container.get_label(): container for container in axes[0, 0].containers}
    assert set(shown) == {"FF-Std", "Boosted trees", "Logistic regression"}
    points, _, (bars,) = shown["FF-Std"]
    assert points.get_ydata() == pytest.approx([0.9, 0.6])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert np.concatenate(ends) == pytest.approx([0.875, 0.925, 0.575, 0.625], abs=1e-3)
    assert [label.get_text() for label in axes[0, 0].get_xticklabels()] == ["as released", "ours,\nclose"]


def test_the_figure_is_an_image_and_the_same_every_time(measured, tmp_path):
    entry = next(entry for entry in measured.claims().content["figures"] if entry["kind"] == "difficulty")
    (drawn,) = KINDS["difficulty"](Scene(measured.claims(), store(measured), "lite"), entry)
    (tmp_path / "p.png").write_bytes(drawn.png)
    with Image.open(tmp_path / "p.png") as image:
        assert image.size[0] > 300
    assert "Grey band: the control, human against human" in drawn.caption and "capped at 60" in drawn.caption
    again = KINDS["difficulty"](Scene(measured.claims(), store(measured), "lite"), entry)[0]
    assert again.png == drawn.png


def test_snr_of_the_plans_that_are_there(measured):
    snr = np.array([20.0, 25, 30], np.float32)
    place = measured.root / "data/plans/upstream"
    place.mkdir(parents=True)
    np.savez(place / "dollar.npz", snr_v=snr, snr_t=snr + 10, offsets=np.array([0, 4, 9, 12]))
    write_json(place / "dollar.json", {"bad": [{"index": 3, "sample": "x", "reason": "no points"}]})
    entry = next(entry for entry in measured.claims().content["figures"] if entry["kind"] == "snr")
    (drawn,) = KINDS["snr"](Scene(measured.claims(), store(measured), "lite"), entry)
    assert drawn.tables[0].rows == [["$1", "3", "1", "4.0", "25.0", "20.5", "35.0", "30.5"]]
    assert "STAND-IN" not in drawn.caption


def test_the_movement_is_the_plan_with_the_median_snr(world, tmp_path):
    data = trajectory_set.load(prepare_standin(world.root / "data") / "standin/dollar.npz")
    known = planning.extract_set(data, Settings(), 1, np.arange(3))
    plans.save(known, world.root / "data/plans/standin/dollar.npz")
    plan(world, "matched", "dollar", "bptt_negativesclose", 0, "smoke", "close")
    scene = Scene(world.claims(), store(world), "smoke")
    entry = next(entry for entry in world.claims().content["figures"] if entry["kind"] == "movement")
    (drawn,) = KINDS["movement"](scene, entry)
    name = data.names[known.index[np.argsort(known.snr_v)[1]]]
    assert drawn.caption.startswith(f"dollar/{name}, the plan with the median SNRv, with 5 duplicates (close).")
    assert drawn.caption.endswith("STAND-IN DATA: not a result.")
    (tmp_path / "p.png").write_bytes(drawn.png)
    with Image.open(tmp_path / "p.png") as image:
        assert image.size[0] > 900
    (world.root / "data/plans/standin/dollar.json").unlink()
    assert KINDS["movement"](scene, entry) == []
