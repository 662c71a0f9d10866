"""The kinematic features of movements whose numbers are known."""

import numpy as np
import pytest

from ffrepro.data import kinematic_features as kf
from ffrepro.data.features import Sequences

RATE = 100.0


def features(*parts):
    parts = [np.asarray(part, float).reshape(-1, 2) for part in parts]
    table = kf.table(Sequences(np.concatenate(parts), np.r_[0, np.cumsum([len(p) for p in parts])]), RATE)
    return [dict(zip(kf.NAMES, row, strict=True)) for row in table]


def expect(found, **wanted):
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)


def test_a_straight_line_at_constant_speed():
    (line,) = features(np.tile([30.0, 40.0], (100, 1)))
    expect(line, duration=1.0, path_length=50.0, straightness=1.0, extent=50.0, speed_mean=50.0, speed_max=50.0)
    expect(line, speed_std=0.0, speed_start=1.0, speed_end=1.0, speed_slow_share=0.0, first_half_path=0.5)
    expect(line, acceleration_mean=0.0, jerk_max=0.0, jerk_dimensionless=0.0, turn_total=0.0, curvature=0.0)
    expect(line, direction_changes=0.0, speed_peaks=0.0, spectrum_low=0.0, spectrum_high=0.0)


def test_a_circle_turns_by_its_angle_and_has_the_curvature_of_its_radius():
    angle = 0.1 + 2 * np.pi * np.arange(200) / 200
    (circle,) = features(50 * np.c_[np.cos(angle), np.sin(angle)])  # 2 s at 50 units/s: radius 100 / (2 pi)
    step = 2 * np.pi / 200
    expect(circle, path_length=100.0, straightness=0.0, turn_total=199 * step, turn_net=199 * step, turn_max=step)
    expect(circle, curvature=199 * step / 100, direction_changes=4 / 2.0)
    assert circle["extent"] == pytest.approx(100 / np.pi * np.sqrt(2), rel=1e-3)
    assert circle["acceleration_mean"] == pytest.approx(50 * step * RATE, rel=1e-3)  # v omega
    assert circle["jerk_mean"] == pytest.approx(50 * (step * RATE) ** 2, rel=1e-3)  # v omega^2
    assert circle["acceleration_tangential_std"] == pytest.approx(0.0, abs=1e-9)


def test_speed_features_of_a_few_steps_by_hand():
    (few,) = features([[1, 0], [2, 0], [1, 0], [8, 0], [10, 0], [0, 0], [4, 0], [2, 0]])
    speed = np.array([1, 2, 1, 8, 10, 0, 4, 2.0])
    expect(few, duration=0.08, speed_mean=3.5, speed_std=speed.std(), speed_start=0.1, speed_end=0.2)
    expect(few, speed_peak_time=4.5 / 8, speed_slow_share=3 / 8, first_half_path=12 / 28)
    expect(few, speed_peaks=3 / 0.08)  # 2, 10 and 4
    expect(few, acceleration_max=1000.0, acceleration_mean=np.abs(np.diff(speed)).mean() * RATE)
    expect(few, speed_skewness=((speed - 3.5) ** 3).mean() / speed.std() ** 3)


def test_spectrum_shares_say_where_the_speed_varies():
    t = np.arange(100) / RATE
    slow, fast = (np.c_[10 + np.sin(2 * np.pi * hertz * t), np.zeros(100)] for hertz in (2, 8))
    found = features(slow, fast, slow + fast)
    expect(found[0], spectrum_low=1.0, spectrum_high=0.0)
    expect(found[1], spectrum_low=0.0, spectrum_high=1.0)
    expect(found[2], spectrum_low=0.5, spectrum_high=0.5)


def test_scale_free_features_do_not_know_the_unit():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 1, (80, 2)), 0)
    small, large = features(walk, 1000 * walk)
    free = [name for name in kf.NAMES if name not in ("path_length", "extent", "curvature")]
    free = [n for n in free if not n.startswith(("speed_m", "acceleration", "jerk_m")) and n != "speed_std"]
    assert len(free) == 15 + 1
    expect(large, **{name: small[name] for name in free})
    assert large["jerk_max"] == pytest.approx(1000 * small["jerk_max"])


def test_every_number_is_finite_whatever_the_length():
    rng = np.random.default_rng(1)
    table = kf.table(
        Sequences(rng.normal(0, 1, (15, 2)), np.array([0, 0, 1, 3, 6, 10, 15])), RATE
    )  # lengths 0, 1, 2, 3, 4, 5
    assert table.shape == (6, 27) == (6, len(kf.DEFINITIONS))
    assert np.isfinite(table).all() and (table[0] == 0).all()
    assert np.isfinite(kf.table(Sequences(np.zeros((7, 2)), np.array([0, 7])), RATE)).all()
