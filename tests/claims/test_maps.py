"""Goodness by class and first-layer filters in the report: which panel shows which value, and what is left out."""

import io
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from ffrepro.claims import load
from ffrepro.claims.figures import class_goodness, classifiers, filters
from ffrepro.claims.figures.style import STYLE, Scene, png
from ffrepro.claims.records import Evidence, Record

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Nets:
    """Finished runs of light nets on CIFAR-10; what is drawn needs their arrays and little else."""

    def __init__(self, world, folder):
        self.claims, self.folder, self.runs = load.load(world.root, "ortiz2025_advancements"), folder, {}

    def run(self, variant, seed, **arrays):
        """A run that kept ``arrays`` beside its labels."""
        folder = self.folder / variant / str(seed)
        folder.mkdir(parents=True)
        np.savez(folder / "arrays.npz", test_label=np.arange(10), **arrays)
        plan = {"kind": "train", "seed": seed, "hardware": "cpu", "experiment": "light_cifar10_as_published"}
        about = {"plan": plan, "data": {"source": "upstream"}}
        result = {"epochs": 60, "max_epochs": 60, "stopped_by": "max_epochs"}
        self.runs.setdefault(variant, []).append(Record(folder, about, result, False))

    def at_scale(self, experiment, variant, scale):
        """As of ``claims.records.Store``."""
        found = self.runs.get(variant) if experiment.startswith("light_cifar10") else None
        return Evidence(tuple(found)) if found else None

    def draw(self, module, kind):
        spec = next(entry for entry in self.claims.content["figures"] if entry["kind"] == kind)
        scene = Scene(self.claims, SimpleNamespace(at_scale=self.at_scale), "paper")
        with mpl.rc_context(STYLE):
            return module.draw(scene, spec)

    def goodness(self):
        return self.draw(class_goodness, "class_goodness")

    def filters(self):
        return self.draw(filters, "filters")


@pytest.fixture
def nets(world, tmp_path):
    return Nets(world, tmp_path / "nets")


@pytest.fixture
def figures(monkeypatch):
    """Every figure that is drawn of classifiers, in order."""
    seen = []
    monkeypatch.setattr(classifiers, "png", lambda figure: seen.append(figure) or png(figure))
    return seen


def goodness(own_0, own_1):
    """(2, 10, 10): 1 everywhere but for the true class's own, and 3 in layer 1 from cats to dogs."""
    out = np.ones((2, 10, 10), np.float32)
    for layer, own in enumerate((own_0, own_1)):
        out[layer][np.eye(10, dtype=bool)] = own
    out[1, 3, 5] = 3
    return out


def panels(figure):
    return {ax.get_title(): np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images}


def test_rows_are_relative_to_their_mean():
    values = np.array([[1.0, 3.0], [0.0, 0.0]])
    assert class_goodness.relative(values).tolist() == [[0.5, 1.5], [1.0, 1.0]]  # no goodness at all: no preference
    assert class_goodness.strongest_other(np.array([[9.0, 1.5], [0.5, 9.0]])) == (0, 1)
    assert class_goodness.strongest_other(np.array([[9.0, 0.4], [np.nan, np.nan]])) == (0, 1)


def test_goodness_is_the_mean_over_the_runs_that_kept_it(nets, figures):
    nets.run("tiny_cwc", 0, test_goodness_by_class=goodness(2, 10))
    nets.run("tiny_cwc", 1)
    nets.run("tiny_cwc", 2, test_goodness_by_class=goodness(4, 12))
    (picture,) = nets.goodness()
    assert picture.name == "goodness_light_cifar10" and "2 seeds" in picture.caption
    shown = panels(figures[0])
    assert list(shown) == ["FF_tiny, layer 1", "FF_tiny, layer 2"]
    # Layer 1: own (2 + 4) / 2 = 3, nine times 1: mean 1.2. Layer 2: own 11; cats have 3 for dogs, so a mean of 2.2.
    np.testing.assert_allclose(shown["FF_tiny, layer 1"], np.where(np.eye(10, dtype=bool), 3, 1) / 1.2)
    np.testing.assert_allclose(shown["FF_tiny, layer 2"][3, [3, 5, 0]], np.array([11, 3, 1]) / 2.2)
    np.testing.assert_allclose(shown["FF_tiny, layer 2"][5, [5, 3]], np.array([11, 1]) / 2.0)
    first = figures[0].axes[0]
    assert [tick.get_text() for tick in first.get_yticklabels()] == CLASSES
    assert [tick.get_text() for tick in first.get_xticklabels()] == CLASSES
    assert {text.get_text() for text in first.texts} == {"2.50", "0.83"}
    rows = picture.tables[0].rows
    assert rows[0] == ["FF_tiny", "1", "3", "1", "3.000", "10 of 10", "automobile for airplane (0.83)"]
    assert rows[1][2:] == ["11", "1.02", "10.761", "10 of 10", "dog for cat (1.36)"]


@pytest.mark.parametrize("layers", [1, 2, 5, 6])
def test_nothing_is_cut_off(nets, layers):
    for variant in ("tiny_cwc", "small_cwc")[: layers % 4]:
        nets.run(variant, 0, test_goodness_by_class=np.repeat(goodness(2, 10)[:1], layers, 0))
    (picture,) = nets.goodness()
    image = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
    assert image.min() < 100
    assert all((edge == 255).all() for edge in (image[:2], image[-2:], image[:, :2], image[:, -2:]))


def test_a_class_without_test_images_stays_white(nets, figures):
    values = goodness(2, 10)
    values[:, 9] = np.nan
    nets.run("tiny_cwc", 0, test_goodness_by_class=values)
    (picture,) = nets.goodness()
    shown = panels(figures[0])["FF_tiny, layer 1"]
    assert np.isnan(shown[9]).all() and not np.isnan(shown[:9]).any()
    assert len(figures[0].axes[0].texts) == 90
    assert picture.tables[0].rows[0][2:6] == ["2", "1", "2.000", "9 of 9"]


def test_weights_become_colours():
    one, three = np.zeros((2, 1, 2, 2)), np.zeros((1, 3, 2, 2))
    one[0, 0] = [[-2, 2], [0, 1]]
    three[0, :, 0, 0] = [4, -4, 0]
    three[0, 2, 1, 1] = -4
    three[0, 0, 0, 1] = 2
    found = filters.tiles(one)
    assert found.shape == (2, 2, 2, 3)
    assert found[0, ..., 0].tolist() == found[0, ..., 2].tolist() == [[0, 1], [0.5, 0.75]]
    assert (found[1] == 0.5).all()  # a filter of zeros is grey
    assert filters.tiles(three)[0, 0].tolist() == [[1, 0, 0.5], [0.75, 0.5, 0.5]]


def test_a_few_large_weights_do_not_drown_the_others():
    image = np.full((1, 1, 20, 20), 0.5)
    image[0, 0, 0, :4] = -8  # one in a hundred
    found = filters.tiles(image)[0, ..., 0]
    assert found[0, :4].tolist() == [0] * 4 and (found[1:] == 1).all()


def test_tiles_stand_by_class_or_in_a_square():
    assert [r.tolist() for r in filters.rows_of(4, np.array([0, 0, 2, 2]))] == [[0, 1], [2, 3]]
    assert [r.tolist() for r in filters.rows_of(5, None)] == [[0, 1, 2], [3, 4]]
    tiles = np.stack([np.full((12, 12, 3), value) for value in (0.0, 0.25, 0.5)])
    found = filters.mosaic(tiles, [np.array([0, 1]), np.array([2])])
    assert found.shape == (26, 26, 3)
    assert (found[:12, :12] == 0).all() and (found[:12, 14:] == 0.25).all() and (found[14:, :12] == 0.5).all()
    assert (found[12:14] == 1).all() and (found[14:, 14:] == 1).all()


def test_filters_of_a_net_above_those_of_its_twin(nets, figures):
    lit = np.zeros((20, 3, 3, 3), np.float16)
    lit[np.arange(20), 0] = 1  # red everywhere; of the seventh, the second of the fourth class, blue
    lit[7] = lit[7, ::-1]
    nets.run("tiny_cwc", 0, filters=lit, filters_of=20, filters_class=np.arange(20, dtype=np.uint8) // 2)
    nets.run("tiny_cwc", 1, filters=-lit, filters_of=20, filters_class=np.arange(20, dtype=np.uint8) // 2)
    nets.run("tiny_bp", 0, filters=-lit[:4], filters_of=20)
    nets.run("tiny_bp", 1)
    (picture,) = nets.filters()
    assert picture.name == "filters_light_cifar10" and "1 seed." in picture.caption
    shown = panels(figures[0])
    assert list(shown) == ["FF_tiny", "FF_tiny, BP"]
    above, below = shown.values()
    assert above.shape == (10 * 14 - 2, 2 * 14 - 2, 3) and below.shape == (26, 26, 3)
    assert above[0, 0].tolist() == [1, 0.5, 0.5] and above[3 * 14, 0].tolist() == [1, 0.5, 0.5]
    assert above[3 * 14, 14].tolist() == [0.5, 0.5, 1]
    assert below[0, 0].tolist() == [0, 0.5, 0.5]
    labels, ticks = figures[0].axes[0].get_yticklabels(), figures[0].axes[0].get_yticks()
    assert [label.get_text() for label in labels] == CLASSES and ticks[3] == 3 * 14 + 5.5
    assert picture.tables[0].rows == [
        ["FF_tiny", "20", "20", "3 x 3 x 3", "0.577", "1"],
        ["FF_tiny, BP", "4", "20", "3 x 3 x 3", "0.577", "1"],
    ]


def test_nets_of_several_depths_and_twins_without_a_run(nets, figures):
    red = np.ones((20, 3, 3, 3), np.float16)
    nets.run("tiny_cwc", 0, test_goodness_by_class=goodness(2, 10), filters=red, filters_of=20)
    nets.run("small_cwc", 0, test_goodness_by_class=goodness(2, 10)[:1], filters=red, filters_of=20)
    nets.run("small_bp", 0, filters=red, filters_of=20)
    nets.run("medium_cwc", 0)
    first = [picture.png for picture in [*nets.goodness(), *nets.filters()]]
    assert list(panels(figures[0])) == ["FF_tiny, layer 1", "FF_tiny, layer 2", "FF_small, layer 1"]
    assert list(panels(figures[1])) == ["FF_tiny", "FF_small", "FF_small, BP"]
    texts = [text.get_text() for ax in figures[1].axes for text in ax.texts]
    assert texts == ["no run of its twin kept filters"]
    assert [picture.png for picture in [*nets.goodness(), *nets.filters()]] == first


def test_runs_that_kept_neither_give_no_picture(nets):
    nets.run("tiny_cwc", 0)
    nets.run("tiny_bp", 0, filters=np.ones((20, 3, 3, 3), np.float16), filters_of=20)
    assert nets.goodness() == nets.filters() == []
