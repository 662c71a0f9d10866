"""A probe tells how long an epoch takes, from all of it or from a part."""

import dataclasses

import pytest
from helpers.method_cases import BP, FF_IMAGES
from helpers.plans import make_image_plan, make_plan

from ffrepro.base.errors import FfreproError
from ffrepro.training import probe


def test_a_probe_leaves_the_form_of_a_result_and_nothing_else(place):
    plan = make_plan("backprop_rnn", BP)
    result = probe.measure(plan, place)
    assert (result["epochs"], result["max_epochs"]) == (1, plan["training"]["max_epochs"])
    assert result["time"]["train_s"] > 0
    assert not place.runs.exists()


def test_all_phases_count(place):
    plan = make_image_plan("ff", {**FF_IMAGES, "update": "greedy", "head": "after", "head_epochs": 3})
    assert probe.measure(plan, place)["max_epochs"] == 3 * plan["training"]["max_epochs"] + 3


def test_what_does_not_fit_counts_in_proportion(monkeypatch):
    clock = iter(range(100))  # a second between any two looks at it
    monkeypatch.setattr(probe.time, "perf_counter", lambda: float(next(clock)))
    done = []
    assert probe._of_all([2] * 10, done.append, lambda batch: batch, 20, limit=3.5) == 4 * 20 / 8
    assert len(done) == 4
    assert probe._of_all([2] * 3, done.append, lambda batch: batch, 6, limit=50) == 4


def test_without_data_it_says_which(place, tmp_path):
    elsewhere = dataclasses.replace(place, prepared=tmp_path / "none")
    with pytest.raises(FfreproError) as caught:
        probe.measure(make_plan("backprop_rnn", BP), elsewhere)
    assert "dollar" in f"{caught.value.where} {caught.value.fix}"
