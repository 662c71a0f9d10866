"""Figures: what they are computed from, what they say where records are missing, and equal bytes for equal records."""

import numpy as np
import pytest
from PIL import Image

from ffrepro.base.errors import FfreproError
from ffrepro.claims import load
from ffrepro.claims.figures import draw_all, goodness, kinds, sweep
from ffrepro.claims.figures.style import BASELINE, Scene
from ffrepro.claims.records import Store
from ffrepro.studies.chikhachev2025_rnn.figures import graph

KINDS = kinds("chikhachev2025_rnn")


def scene(world, scale="lite"):
    return Scene(world.claims(), Store(world.root, world.plans), scale)


def spec(world, name):
    return next(entry for entry in world.claims().content["figures"] if entry["name"] == name)


def size(png, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(png)
    with Image.open(path) as image:
        return image.size, image.info


def test_without_any_record_every_figure_says_so(world, tmp_path):
    world.add_plans("lite")
    drawn = draw_all(scene(world))
    assert [d.name for d in drawn if "graph" in d.name] == ["graph_ff", "graph_bptt"]
    assert len({d.name for d in drawn}) == len(drawn) == 17
    for picture in drawn:
        (width, height), info = size(picture.png, tmp_path)
        assert width > 300 and height > 100 and "Software" not in info
        assert len(picture.png) < 150_000
        assert not picture.tables


def test_every_kind_is_used(world):
    used = {entry["kind"] for paper in load.papers() for entry in load.load(world.root, paper).content["figures"]}
    assert used == {kind for paper in load.papers() for kind in kinds(paper)}


def test_an_unknown_kind_is_refused(world):
    content = world.claims().content | {"figures": [{"name": "x", "kind": "rocc", "title": "x"}]}
    broken = type(world.claims())(content)
    with pytest.raises(FfreproError, match="Did you mean 'roc'"):
        draw_all(Scene(broken, Store(world.root, []), "lite"))


def test_layers_table_is_the_test_accuracy_of_each_layer(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan, accuracy in zip(world.find("rnn_mcyt_corrected", "ff_std"), (0.89, 0.90, 0.91), strict=True):
        world.record(plan, accuracy=accuracy, epochs=20 + plan["seed"])
    corrected, published = KINDS["layer_accuracy"](scene(world), spec(world, "layers"))
    assert [row[:2] for row in corrected.tables[0].rows] == [["FF-Std", "0"], ["FF-Std", "1"], ["FF-Std", "2"]]
    assert corrected.tables[0].rows[1][2] == "0.8900 ± 0.0100"
    assert "Scale lite, cpu, 3 seeds." in corrected.caption
    assert not published.tables


def test_capped_and_stand_in_runs_are_named_in_captions(world):
    world.add_plans("smoke", "lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for scale in ("smoke", "lite"):
        for plan in world.find("rnn_mcyt_corrected", "bptt", scale):
            world.record(plan)
    lite = KINDS["roc"](scene(world), spec(world, "roc"))[0]
    assert "Some runs were capped at 60 epochs (the paper allows 200)." in lite.caption
    assert "STAND-IN" not in lite.caption
    smoke = KINDS["roc"](scene(world, "smoke"), spec(world, "roc"))[0]
    assert smoke.caption.endswith("STAND-IN DATA: not a result.")


def test_bins_are_logarithmic_where_the_classes_lie_far_apart():
    label = np.repeat([1, 0], 100)
    near = np.concatenate([np.linspace(6, 10, 100), np.linspace(0.5, 4, 100)])
    assert goodness.bin_edges(near, label)[0] == 0
    far = goodness.bin_edges(near * np.where(label == 1, 50, 1), label)
    assert far[0] > 0 and far[2] / far[1] == pytest.approx(far[1] / far[0])
    assert len(far) == goodness.BINS + 1


def test_goodness_table_has_a_row_for_each_layer_and_class(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["theta"])
    world.record(world.find("theta_mcyt_corrected", "ff_std_theta2")[0], epochs=20)
    corrected, published = KINDS["goodness"](scene(world), spec(world, "goodness_std_theta2"))
    rows = corrected.tables[0].rows
    assert [(row[0], row[1], row[-1]) for row in rows[:2]] == [
        ("0", "real", "normal"),
        ("0", "synthetic", "exponential"),
    ]
    assert len(rows) == 6 and all(row[-2] == row[-1] for row in rows)  # as the made-up arrays were drawn
    assert not published.tables


def test_sweep_collects_all_thetas_and_reports_the_range(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn", "theta"])
    accuracy = {0.1: 0.60, 0.5: 0.7, 2.0: 0.86, 4.0: 0.87, 7.0: 0.875, 10.0: 0.865}
    for plan in world.plans:
        theta = plan["method"].get("theta")
        if theta:
            world.record(plan, accuracy=accuracy[theta] + 0.001 * (plan["seed"] - 1), epochs=20)
    entry = spec(world, "theta")
    found = sweep.points(scene(world), entry, "ff_std", "corrected")
    assert [value for value, _ in found] == [0.1, 0.5, 2.0, 4.0, 7.0, 10.0]
    (picture,) = KINDS["sweep"](scene(world), entry)
    (row,) = picture.tables[0].rows
    assert row == ["FF-Std", "corrected", "2, 4, 7, 10", "0.8600", "0.8750", "0.0150", "0.0200", "yes"]


def test_cost_table_has_ratios_and_absolute_figures(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["bench"])
    world.record(world.find("bench_mcyt_corrected", "interleaved")[0], ratio={"FF-Std": 1.5})
    (picture,) = KINDS["cost"](scene(world), spec(world, "cost"))
    row = next(row for row in picture.tables[0].rows if row[1] == "FF-Std")
    assert row == ["MCYT", "FF-Std", "30.0", "1.50", "[1.47, 1.53]", "150.0 MB", "1.50"]
    assert "ratios to: BPTT, fused Adam" in picture.caption and "seed" not in picture.caption


def test_colours_are_the_same_everywhere(world):
    here = scene(world)
    assert here.colour("bptt") == BASELINE
    assert here.colour("ff_std") == here.colour("ff_std_theta2") != here.colour("ff_rms")
    assert here.label("ff_std_theta2") == "FF-Std"


def test_forward_forward_cuts_the_graph_between_layers_but_not_between_time_steps():
    ff = graph.build("forward_forward")
    first, second = (
        next(t for s, t in ff.edges if s == 0 and t == i) for i in sorted(t for s, t in ff.edges if s == 0)
    )
    for branch in (first, second):
        layers = {ff.labels[node].split(".")[0] for node in ff.reachable(branch) & ff.parameters}
        assert len(layers) == 1
        # the layer's own recurrence: two Relu nodes, one for each time step, on one way down
        relus = [node for node in ff.reachable(branch) if ff.labels[node] == "Relu"]
        assert len(relus) == graph.STEPS
        assert any(other in ff.reachable(node) for node in relus for other in relus if node != other)
    assert len(ff.parameters) == 8


def test_backpropagation_reaches_the_first_layer_through_the_second():
    bp = graph.build("backpropagation")
    assert len([t for s, t in bp.edges if s == 0]) == 1
    relus = [node for node in bp.reachable(0) if bp.labels[node] == "Relu"]
    assert len(relus) == graph.LAYERS * graph.STEPS
    assert len(bp.reachable(0) & bp.parameters) == 8


def test_layout_keeps_nodes_apart():
    place = graph.layout(graph.build("backpropagation"))
    assert len(set(place.values())) == len(place)


def test_same_records_same_bytes(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    world.record_all("lite")
    entry = spec(world, "layers")
    first, second = (KINDS["layer_accuracy"](scene(world), entry)[0].png for _ in range(2))
    assert first == second
