"""Claims 085 and 118: the strokes that a recording is cut into, and whether they are one tour made twice."""

import numpy as np
import pytest

from ffrepro.studies.chikhachev2025_rnn import probes

PLACES = np.array([[0, 0], [100, 0], [0, 100], [100, 100], [50, 50], [20, 80], [90, 10], [30, 30]], float)


def save(path, samples, label):
    """Samples by the places where their strokes end; each stroke has two points, of which the first is elsewhere."""
    points = [np.repeat(ends, 2, axis=0) + np.tile([[999.0], [0.0]], (len(ends), 1)) for ends in samples]
    stroke = [np.repeat(np.arange(1, len(ends) + 1), 2) for ends in samples]
    x, y = np.concatenate(points).T
    offsets = np.cumsum([0, *map(len, points)])
    np.savez(path, x=x, y=y, stroke=np.concatenate(stroke), offsets=offsets, label=np.array(label))
    return path


@pytest.fixture
def twice():
    """A tour, and the same a little beside it."""
    return np.concatenate([PLACES, PLACES + np.array([5.0, -5.0])])


def test_movements_are_the_median_of_the_human_strokes(tmp_path, twice):
    samples = [twice, twice, np.concatenate([twice, PLACES[:1]]), PLACES[:3]]
    assert probes.movements(save(tmp_path / "a.npz", samples, [1, 1, 1, 0])) == 16
    assert probes.movements(save(tmp_path / "b.npz", samples, [0, 0, 0, 1])) == 3


def test_a_second_tour_ends_where_the_first_does(tmp_path, twice):
    back = np.concatenate([PLACES, PLACES[::-1]])
    samples = [twice, back, twice, PLACES, back]  # the fourth is no two tours, the last one synthetic
    assert probes.tours(save(tmp_path / "a.npz", samples, [1, 1, 1, 1, 0])) == pytest.approx(2 / 3, abs=1e-3)
    assert probes.tours(save(tmp_path / "b.npz", [PLACES, twice], [1, 0])) == 0
