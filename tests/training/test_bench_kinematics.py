"""The bench of the kinematics: its samples, its table, and what its record promises."""

import json

import pytest
from helpers import movements

from ffrepro.base.errors import FfreproError
from ffrepro.data import trajectory_set
from ffrepro.kinematics.extraction import Settings
from ffrepro.training import bench_kinematics as bench


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    prepared = tmp_path_factory.mktemp("prepared")
    recordings = [movements.recording(number) for number in range(6)]
    recordings[4] = tuple(column[:1] for column in recordings[4])
    data = movements.make_set(recordings, [0] * 6, synthetic=1)
    trajectory_set.save(data, prepared / "standin/dollar.npz")
    return bench.run(prepared, "standin", {"dollar": 99}, 5, Settings())


def test_every_human_sample_and_no_other(result):
    (row,) = result["rows"]
    assert row["n"] == 5
    assert row["failed"] == {"one point": 1}
    assert row["snr_v_median"] > 24 and row["snr_t_median"] > 35
    assert 4 <= row["strokes_mean"] <= 9
    assert row["plans"]["per_cpu_s"] > 0 and row["duplicates"]["per_s"] > 0


def test_known_plans_as_they_are_and_filtered(result):
    assert [row["name"] for row in result["known"]] == ["known plans", "known plans, filtered"]
    first, second = result["known"]
    assert first["strokes"] == second["strokes"]
    assert first["snr_v_median"] > second["snr_v_median"] > 40
    assert first["again"] > 0.9


def test_the_table_says_what_was_measured(result):
    lines = bench.describe(result).splitlines()
    assert lines[0] == "STAND-IN DATA: not a result."
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells[:2] == ["dollar", "5"] and cells[-1] == "1"
    assert cells[2] == f"{result['rows'][0]['snr_v_median']:.1f}"
    assert json.loads(json.dumps(result)) == result
    assert "STAND-IN" not in bench.describe(result | {"source": "upstream"})


def test_a_set_that_is_not_prepared(tmp_path):
    with pytest.raises(FfreproError, match="no prepared data set 'dollar'"):
        bench.run(tmp_path, "standin", {"dollar": 1}, 1, Settings())
