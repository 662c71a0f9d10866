"""Plans of a set: extraction by workers, the file, and why a sample has none."""

import json
import os
import sys

import numpy as np
import pytest
from helpers import movements

from ffrepro.base.errors import FfreproError
from ffrepro.data.negatives import planning, plans
from ffrepro.data.trajectory_set import HUMAN
from ffrepro.kinematics.extraction import Settings

from .conftest import BROKEN


def equal(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in plans._ARRAYS)


def test_every_human_sample_has_a_plan_or_a_reason(small_set, small_plans):
    assert small_plans.index.tolist() == [n for n in range(8) if n != BROKEN]
    assert small_plans.manifest["counts"] == {
        "samples": 8, "plans": 7, "strokes": int(small_plans.strokes.sum())
    }  # fmt: skip
    (bad,) = small_plans.manifest["bad"]
    assert (bad["index"], bad["sample"]) == (BROKEN, "s05")
    assert bad["reason"].startswith("the clock runs backwards by ")
    assert small_plans.snr_v.min() > 24
    assert small_plans.manifest["quality"]["snr_v"]["median"] == pytest.approx(np.median(small_plans.snr_v), abs=0.01)
    assert small_set.label[small_plans.index].tolist() == [HUMAN] * 7


def test_plans_do_not_depend_on_the_workers(small_set, small_plans, monkeypatch):
    monkeypatch.setattr(planning, "_PIECE", 3)
    assert equal(planning.extract_set(small_set, Settings(), workers=2), small_plans)


@pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")
def test_workers_hand_over_no_open_files(small_set):
    """A tensor sent by a process pool holds one until it is dropped: a whole set ran out of them."""
    before = len(os.listdir("/proc/self/fd"))
    pieces = [[one] for one in planning.recordings(small_set, np.arange(4))]
    kept = list(planning._in_order(pieces, Settings(), workers=2))
    assert len(kept) == 4
    assert len(os.listdir("/proc/self/fd")) - before < 7  # of one plan alone


def test_a_part_of_the_set(small_set, small_plans):
    part = planning.extract_set(small_set, Settings(), workers=1, samples=np.array([2, BROKEN, 6]))
    assert part.index.tolist() == [2, 6]
    for number, whole in ((0, 2), (1, 5)):
        assert all((a == b).all() for a, b in zip(part.plan(number), small_plans.plan(whole), strict=True))


HOPELESS = {
    "no points": np.zeros((3, 0)),
    "one point": np.zeros((3, 1)),
    "does not move": (np.ones(9), np.ones(9), np.arange(9) * 10.0),
    "the clock runs backwards by 80 ms": (np.arange(9.0), np.ones(9), -np.arange(9) * 10.0),
    "point 3: y is nan": (np.arange(9.0), np.where(np.arange(9) == 2, np.nan, 1.0), np.arange(9) * 10.0),
    "point 1: t is inf": (np.arange(9.0), np.ones(9), np.full(9, np.inf)),
    "does not move in the signal at 200 Hz, low-passed at 15 Hz": (
        np.r_[np.zeros(11), 1.0],
        np.ones(12),
        np.r_[np.arange(0, 101, 10.0), 102.0],
    ),
    "coordinates as large as 8e+200: their squares are no numbers": (
        1e200 * np.arange(9.0),
        np.ones(9),
        np.arange(9) * 10.0,
    ),
    "its strokes are too long or too short for a file of plans (3.99e+101)": (
        1e100 * np.arange(9.0),
        np.ones(9),
        np.arange(9) * 10.0,
    ),
}


def test_hopeless_recordings_get_a_reason_and_the_others_their_plan(small_set, small_plans):
    good = planning.recordings(small_set, np.array([0, 1]))
    found = planning.extract_all([good[0], *HOPELESS.values(), good[1]], Settings())
    assert found[1:-1] == list(HOPELESS)
    assert float(found[0].plan.d.sum()) == pytest.approx(float(small_plans.plan(0).d.sum()), rel=1e-6)
    assert len(found[-1].plan.d) == small_plans.strokes[1]


@pytest.mark.parametrize("scale", [0.0, 1e-60])
def test_a_plan_that_no_duplicate_can_be_made_from_is_a_reason(small_set, monkeypatch, scale):
    """Whatever the extraction gives: no strokes, or strokes of no length once they are in the file."""
    extract = planning.extraction.extract

    def spoilt(*args):
        for found in extract(*args):
            keep = slice(None) if scale else slice(0)
            plan = found.plan._make(field[keep] for field in found.plan)
            yield found._replace(plan=plan._replace(d=plan.d * scale))

    monkeypatch.setattr(planning.extraction, "extract", spoilt)
    (reason,) = planning.extract_all(planning.recordings(small_set, np.array([0])), Settings())
    assert reason.startswith("its strokes are too long or too short" if scale else "no strokes found")


def test_a_set_without_any_plan(tmp_path):
    data = movements.make_set([tuple(map(np.asarray, HOPELESS["does not move"]))], [0])
    found = planning.extract_set(data, Settings(), workers=1)
    assert len(found) == 0
    assert found.manifest["quality"]["snr_v"] == {"median": None, "p5": None}
    plans.save(found, tmp_path / "standin/dollar.npz")
    assert equal(plans.load(tmp_path / "standin/dollar.npz", data), found)


@pytest.fixture
def saved(small_plans, tmp_path):
    path = tmp_path / "standin/dollar.npz"
    plans.save(small_plans, path)
    return path


def test_saving_and_loading(small_plans, small_set, saved):
    found = plans.load(saved, small_set)
    assert equal(found, small_plans)
    assert found.manifest == small_plans.manifest
    assert found.plan(3).d.tolist() == small_plans.plan(3).d.tolist()
    again = saved.read_bytes()
    plans.save(found, saved)
    assert saved.read_bytes() == again


def change(path, **entries):
    manifest = json.loads(path.with_suffix(".json").read_text()) | entries
    path.with_suffix(".json").write_text(json.dumps(manifest))


def test_a_file_that_cannot_be_used_says_what_to_do(small_plans, small_set, saved):
    other = movements.make_set([movements.recording(n) for n in range(3)], [0, 0, 0])
    with pytest.raises(FfreproError, match="from other data") as error:
        plans.load(saved, other)
    assert "ffrepro kinematics plan dollar --source standin" in str(error.value)
    change(saved, fingerprint="0" * 64)
    with pytest.raises(FfreproError, match="do not belong together"):
        plans.load(saved)
    change(saved, format=plans.FORMAT + 1)
    with pytest.raises(FfreproError, match="format"):
        plans.load(saved)
    saved.write_bytes(saved.read_bytes()[:500])
    with pytest.raises(FfreproError, match="damaged"):
        plans.load(saved)
    saved.unlink()
    with pytest.raises(FfreproError, match="no plans of 'dollar'"):
        plans.load(saved)
