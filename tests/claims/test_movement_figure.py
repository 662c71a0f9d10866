"""The picture of a movement: what is drawn of it, and that a long one does not take more than a short one."""

import io

import numpy as np
import pytest
import torch
from helpers import movements
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from PIL import Image

from ffrepro.claims.figures import movement
from ffrepro.data.negatives.duplicates import Recorded
from ffrepro.kinematics import extraction, lognormal
from ffrepro.kinematics.extraction import Extracted, Settings
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.quality import Quality
from ffrepro.kinematics.reference import RATE, Reference, reference


def made_up(strokes, seconds):
    """A movement and its plan without any fitting: equal strokes one after the other, and duplicates as long."""
    number = torch.arange(strokes, dtype=torch.float64)
    angle = number * 0.7
    plan = Plan(
        t0=(number + 0.5) * seconds / strokes - 0.15, mu=torch.full_like(number, -1.8),
        sigma=torch.full_like(number, 0.2), d=5 + number % 7, theta_s=angle, theta_e=angle + 0.5,
    )  # fmt: skip
    t = torch.arange(round(seconds * RATE) + 1, dtype=torch.float64) / RATE
    velocity, position = (part.numpy() for part in extraction.evaluate(plan, t))
    found = Extracted(plan, torch.zeros(2, dtype=torch.float64), seconds, Quality(30.0, 40.0, strokes))
    copy = Recorded(np.arange(10_000.0), np.arange(10_000.0), np.arange(10_000.0) * 10)
    return Reference(position, velocity), found, [copy] * 5


def drawn(figure):
    """Artists and points of both axes."""
    artists = [artist for axes in figure.axes for artist in (*axes.lines, *axes.collections, *axes.texts)]
    points = [len(line.get_xdata()) for axes in figure.axes for line in axes.lines]
    for axes in figure.axes:
        for collection in axes.collections:
            points += [len(path.vertices) for path in collection.get_paths()]
    return len(artists), sum(points)


def test_a_long_movement_of_hundreds_of_strokes_is_drawn_with_few_artists_and_points():
    signal, found, copies = made_up(720, 100.0)
    assert len(signal.t) == 20_001
    figure = movement.picture("long", signal, found, copies, False)
    artists, points = drawn(figure)
    assert artists == 5 + 2 + 1 + 2 + 2  # duplicates, paths, peaks, speeds, strokes; no numbers
    assert points < 9 * 4000 + 720 * 130  # every stroke over every sample were 29 million
    for line in (*figure.axes[0].lines, *figure.axes[1].lines):
        assert len(line.get_xdata()) == 4000
    human = figure.axes[1].lines[0]
    assert human.get_xdata()[[0, -1]].tolist() == [0, 100]
    np.testing.assert_array_equal(human.get_ydata()[-1], np.hypot(*signal.velocity[-1]))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["duplicates", "human", "from its plan"]
    assert [axes.get_legend() for axes in figure.axes] == [None, None]


def test_every_stroke_is_drawn_where_it_has_speed():
    signal, found, _ = made_up(12, 4.0)
    path, speed = movement.picture("short", signal, found, [], False).axes
    (filled,) = (one for one in speed.collections if isinstance(one, PolyCollection))
    (outlines,) = (one for one in speed.collections if isinstance(one, LineCollection))
    assert len(filled.get_paths()) == len(outlines.get_segments()) == 12
    for number, curve in enumerate(outlines.get_segments()):
        one = Plan(*(field[number : number + 1] for field in found.plan))
        t, v = np.asarray(curve).T
        np.testing.assert_allclose(v, lognormal.speed(one, torch.from_numpy(t.copy()))[0], rtol=1e-6)
        assert np.trapezoid(v, t) == pytest.approx(float(one.d), rel=1e-3)  # the whole stroke
        assert v.max() == pytest.approx(float(lognormal.speed(one, lognormal.peak_time(one))), rel=0.01)
    assert speed.get_ylim()[0] == 0
    assert speed.get_ylim()[1] > max(np.asarray(curve)[:, 1].max() for curve in outlines.get_segments())
    assert [text.get_text() for text in path.texts] == [str(n) for n in range(1, 13)]
    (peaks,) = (one for one in path.collections if isinstance(one, PathCollection))
    (text,) = path.texts[4:5]
    assert text.xy == pytest.approx(tuple(peaks.get_offsets()[4]))


def test_a_short_movement_keeps_every_sample():
    signal = reference(*movements.recording(0))
    (found,) = extraction.extract([signal], Settings())
    figure = movement.picture("all", signal, found, [], True)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), signal.position)
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_xdata(), signal.t)
    assert figure.axes[0].yaxis_inverted()
    first, again = (movement.draw("all", signal, found, [], True) for _ in range(2))
    assert first == again
    with Image.open(io.BytesIO(first)) as image:
        assert image.size[0] > 900
