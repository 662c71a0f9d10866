"""The figures of a classification paper: of what has run, by hand, and with the same bytes again."""

from types import SimpleNamespace

import numpy as np

from ffrepro.claims.figures import classifiers, confusion
from ffrepro.claims.figures.style import BASELINE, Scene


def test_figures_only_of_what_has_run(nets):
    assert nets.figures() == {}
    nets.tiny([0.24, 0.25, 0.26], bp=[0.2, 0.2, 0.2])
    drawn = nets.figures()
    assert set(drawn) == {f"{kind}_light_cifar10" for kind in ("learning", "layers", "schemes", "confusion")}
    rows = drawn["schemes_light_cifar10"].tables[0].rows
    assert rows[0] == ["FF_tiny", "goodness", "26.00 ± 1.00", "24.1"]
    assert rows[-2:] == [
        ["FF_tiny", "one_pass", "25.00 ± 1.00", "24.4"],
        ["FF_tiny", "backpropagation", "20.00 ± 0.00", "–"],
    ]
    learning = drawn["learning_light_cifar10"].tables[0].rows
    assert learning[1] == ["FF_tiny", "one-pass", "12.50 ± 0.50", "22.50 ± 0.90", "25.00 ± 1.00"]
    assert drawn["layers_light_cifar10"].tables[0].rows == [
        ["FF_tiny", "1", "30.00 ± 0.00"],
        ["FF_tiny", "2", "40.00 ± 0.00"],
    ]
    assert "Scale paper, cpu, 3 seeds." in drawn["learning_light_cifar10"].caption
    assert {name: d.png for name, d in nets.figures().items()} == {name: d.png for name, d in drawn.items()}


def test_schemes_of_another_paper_have_curves_as_well():
    """Those that were measured in every epoch, in the record's order; known ones alone where there are some."""

    def run(*names, each=("ensemble", "head", "goodness")):
        metrics = {f"test/error_{name}": 0.5 for name in names}
        return SimpleNamespace(
            result={"metrics": metrics}, metrics=lambda: [{f"val/error_{name}": 0.5 for name in each}]
        )

    assert list(classifiers._looks(run("ensemble", "early_exit", "head"))) == ["ensemble", "head"]
    assert list(classifiers._looks(run("ensemble", "goodness"))) == ["goodness"]
    first, second = (classifiers._looks(run(*names))["head"] for names in (("head",), ("ensemble", "head")))
    assert first != second


def test_confusion_by_hand(nets):
    counts = confusion.matrix(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 1, 1]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 2, 0]]
    assert confusion.worst(counts) == (2, 1) and confusion.worst(np.eye(2, dtype=int)) is None
    nets.tiny([0.24, 0.25, 0.26])
    rows = nets.figures()["confusion_light_cifar10"].tables[0].rows
    assert rows[3] == ["FF_tiny", "cat", "30", "100.00", "dog"]  # three runs; every 3 is taken for a 5
    assert rows[4] == ["FF_tiny", "deer", "30", "0.00", "–"]


def test_twins_are_grey(nets):
    scene = Scene(nets.claims, nets.store, "paper")
    assert scene.colour("tiny_bp") == BASELINE != scene.colour("tiny_cwc")
    assert nets.claims.twin("tiny_bp") is None and nets.claims.twin("deep_cwc") == "deep_bp"
