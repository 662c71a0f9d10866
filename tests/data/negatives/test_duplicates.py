"""Duplicates: the same bytes whatever is made with them, and sets of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import movements

from ffrepro.base.errors import FfreproError
from ffrepro.data import trajectory_set
from ffrepro.data.negatives import duplicates, planning, plans
from ffrepro.data.trajectory_set import HUMAN, SYNTHETIC
from ffrepro.kinematics import perturb
from ffrepro.kinematics.extraction import Settings

from .conftest import BROKEN


@pytest.fixture(scope="module")
def made(small_set, small_plans):
    return duplicates.with_duplicates(small_set, small_plans, "medium", copies=2, seed=0)


def sample(data, name):
    index = data.names.index(name)
    row = slice(data.offsets[index], data.offsets[index + 1])
    return np.stack([data.x[row], data.y[row], data.t[row]])


def test_the_human_samples_stay_and_duplicates_replace_the_synthetic_ones(small_set, made):
    assert made.label.tolist() == [HUMAN] * 8 + [SYNTHETIC] * 14
    points = int(small_set.offsets[8])
    for name in ("x", "y", "t", "stroke"):
        assert np.array_equal(getattr(made, name)[:points], getattr(small_set, name)[:points])
    assert made.names[8:12] == ["s00_medium_00", "s00_medium_01", "s01_medium_00", "s01_medium_01"]
    sources = [n for n in range(8) if n != BROKEN for _ in range(2)]
    for name in ("subject", "gesture", "parent"):
        assert getattr(made, name)[8:].tolist() == [getattr(small_set, name)[n] for n in sources]
    assert made.offsets[-1] == len(made.x) == len(made.y) == len(made.t) == len(made.stroke)


def test_the_manifest_says_how_they_were_made(small_set, small_plans, made):
    negatives = made.manifest["negatives"]
    assert {key: negatives[key] for key in ("level", "copies", "seed", "plans")} == {
        "level": "medium", "copies": 2, "seed": 0, "plans": small_plans.manifest["fingerprint"],
    }  # fmt: skip
    assert [entry["sample"] for entry in negatives["without"]] == ["s05"]
    assert made.manifest["counts"]["human"] == 8
    assert made.manifest["counts"]["synthetic"] == 14
    assert made.manifest["counts"]["points"] == len(made.x)
    made.verify()


def test_they_are_a_trajectory_set_on_disk(made, tmp_path):
    trajectory_set.save(made, tmp_path / "dollar_medium.npz")
    found = trajectory_set.load(tmp_path / "dollar_medium.npz", verify=True)
    assert found.names == made.names
    assert np.array_equal(found.x, made.x)


def test_a_spoilt_file_names_the_command_that_made_it(made, tmp_path):
    path = tmp_path / "dollar_medium.npz"
    with pytest.raises(FfreproError, match="no prepared data set") as error:
        trajectory_set.load(path)
    assert error.value.fix == "prepare it: ffrepro negatives dollar --level medium"
    trajectory_set.save(made, path)
    again = "run again: ffrepro negatives dollar --level medium"
    with pytest.raises(FfreproError, match="the prepared data changed") as error:
        replace(made, x=made.x + 1).verify()
    assert error.value.fix == f"{again} --source standin --copies 2 --seed 0"
    written = path.with_suffix(".json").read_text()
    path.with_suffix(".json").write_text(json.dumps(made.manifest | {"format": 0}))
    with pytest.raises(FfreproError, match="prepared in format 0") as error:
        trajectory_set.load(path)
    assert error.value.fix == f"{again} --source standin --copies 2 --seed 0"
    path.with_suffix(".json").write_text(written)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FfreproError, match="is damaged") as error:
        trajectory_set.load(path)
    assert error.value.fix == again


def test_the_same_seed_gives_the_same_bytes(small_set, small_plans, made):
    again = duplicates.with_duplicates(small_set, small_plans, "medium", copies=2, seed=0)
    assert again.manifest == made.manifest
    other = duplicates.with_duplicates(small_set, small_plans, "medium", copies=2, seed=1)
    assert not np.array_equal(sample(other, "s00_medium_00"), sample(made, "s00_medium_00"))


def test_a_duplicate_does_not_depend_on_what_is_made_with_it(small_set, small_plans, made):
    device = duplicates.measure_device(small_set)
    (alone, _) = duplicates.duplicates(small_set, small_plans, device, "medium", 2, 0, np.array([3]))
    assert np.array_equal(np.stack(alone), sample(made, "s03_medium_00"))
    fewer = duplicates.with_duplicates(small_set, small_plans, "medium", copies=1, seed=0)
    assert np.array_equal(sample(fewer, "s04_medium_00"), sample(made, "s04_medium_00"))


def test_nor_on_the_workers_that_extracted_the_plans(small_set, made, monkeypatch):
    monkeypatch.setattr(planning, "_PIECE", 3)
    found = planning.extract_set(small_set, Settings(), workers=2)
    assert duplicates.with_duplicates(small_set, found, "medium", 2, 0).manifest == made.manifest


def test_copies_and_levels_differ(small_set, small_plans, made):
    assert not np.array_equal(sample(made, "s00_medium_00"), sample(made, "s00_medium_01"))
    far = duplicates.with_duplicates(small_set, small_plans, "far", copies=1, seed=0)
    assert not np.array_equal(sample(far, "s00_far_00"), sample(made, "s00_medium_00"))


def test_they_are_on_the_device_grid(small_set, made):
    points = int(small_set.offsets[8])
    for values in (made.x, made.y, made.t):
        assert np.array_equal(values[points:], np.rint(values[points:]))
    for number in np.flatnonzero((made.label == SYNTHETIC) & (made.subject == 0)):
        t = made.t[made.offsets[number] : made.offsets[number + 1]]
        assert t[0] == 0
        assert np.diff(t).min() >= 8  # as this subject's own steps
        assert np.isin(np.diff(t), np.arange(8, 20)).mean() > 0.8  # the others skip a look at nothing new


def distance(small_set, made, number):
    """RMS distance of a duplicate from its original at equal parts of the path, in px."""
    x, y, t = sample(small_set, f"s{number:02d}")
    a, b, s = sample(made, next(n for n in made.names if n.startswith(f"s{number:02d}_")))
    part = np.linspace(0, 1, 50)
    return np.hypot(
        np.interp(part, t / t[-1], x) - np.interp(part, s / s[-1], a),
        np.interp(part, t / t[-1], y) - np.interp(part, s / s[-1], b),
    ).mean()


def test_without_perturbation_a_duplicate_is_its_original_seen_anew(small_set, small_plans, monkeypatch):
    monkeypatch.setitem(perturb.LEVELS, "none", 0.0)
    made = duplicates.with_duplicates(small_set, small_plans, "none", copies=1, seed=0)
    assert max(distance(small_set, made, n) for n in (0, 1, 2, 3, 4, 6, 7)) < 6


def test_the_farther_the_level_the_farther_the_duplicate(small_set, small_plans):
    far = []
    for level in ("close", "medium", "far"):
        made = duplicates.with_duplicates(small_set, small_plans, level, copies=1, seed=0)
        far.append(np.mean([distance(small_set, made, n) for n in (0, 1, 2, 3, 4, 6, 7)]))
    assert far[0] < far[1] < far[2]


def test_a_pause_stays_one():
    first, second = movements.recording(0), movements.recording(1)
    gap = 400.0
    joined = (
        np.r_[first[0], second[0] - second[0][0] + first[0][-1]],
        np.r_[first[1], second[1] - second[1][0] + first[1][-1]],
        np.r_[first[2], second[2] + first[2][-1] + gap],
    )
    data = movements.make_set([joined], [0])
    found = planning.extract_set(data, Settings(), workers=1)
    made = duplicates.with_duplicates(data, found, "close", copies=3, seed=0)
    for copy in range(3):
        steps = np.diff(sample(made, f"s00_close_{copy:02d}")[2])
        assert (steps > 100).sum() == 1
        assert steps.max() == pytest.approx(gap, abs=80)


def slow_recording(steps):
    """Two thirds of a circle with these steps, ms."""
    t = np.r_[0.0, np.cumsum(steps)]
    return 300 + 200 * np.cos(t / 400), 300 + 200 * np.sin(t / 400), t


def test_a_slow_clock_does_not_only_ever_pause():
    """Eleven points 144 ms apart: every gap is longer than 100 ms, none is a pause."""
    data = movements.make_set([slow_recording([144.0] * 10)], [0])
    made = duplicates.with_duplicates(data, planning.extract_set(data, Settings(), workers=1), "close", 8, 0)
    assert made.manifest["negatives"]["without"] == []
    assert [len(sample(made, f"s00_close_{copy:02d}")[2]) for copy in range(8)] == pytest.approx([11] * 8, abs=2)


def test_a_slow_clock_still_pauses():
    data = movements.make_set([slow_recording([144.0] * 6 + [900.0] + [144.0] * 6)], [0])
    made = duplicates.with_duplicates(data, planning.extract_set(data, Settings(), workers=1), "close", 3, 0)
    for copy in range(3):
        steps = np.diff(sample(made, f"s00_close_{copy:02d}")[2])
        assert (steps > 432).sum() == 1
        assert 864 <= steps.max() <= 1152  # a look of 144 ms on either side of it may fall away


def test_one_sample_that_moves_too_late_costs_the_others_nothing(small_set, small_plans):
    late = np.r_[np.zeros(11), 1.0], np.zeros(12), np.r_[np.arange(0, 101, 10.0), 102.0]
    data = movements.make_set([*planning.recordings(small_set, np.arange(2)), late], [0, 0, 1])
    made = duplicates.with_duplicates(data, planning.extract_set(data, Settings(), workers=1), "close", 1, 0)
    (entry,) = made.manifest["negatives"]["without"]
    assert (entry["sample"], entry["reason"][:13]) == ("s02", "does not move")
    assert made.manifest["counts"]["synthetic"] == 2


def test_too_few_points_are_a_reason():
    few, enough = (duplicates.Recorded(*np.zeros((3, n))) for n in (2, 3))
    assert duplicates.too_short(few) == "has 2 points, fewer than 3"
    assert duplicates.too_short(enough) is None


def test_a_level_that_is_none(small_set, small_plans):
    with pytest.raises(FfreproError, match="unknown level 'closer'") as error:
        duplicates.with_duplicates(small_set, small_plans, "closer", copies=1, seed=0)
    assert "'close'" in str(error.value)


def test_a_set_without_plans_has_no_duplicates(small_set):
    none = plans.collect(small_set, np.array([0]), ["does not move"], {})
    made = duplicates.with_duplicates(small_set, none, "close", copies=2, seed=0)
    assert made.manifest["counts"]["synthetic"] == 0
    assert len(made) == 8
    assert torch.from_numpy(made.x).isfinite().all()
