"""Schedules against PyTorch's and by hand; seeds; buffers; AUC."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ffrepro.core import seeds
from ffrepro.core.buffers import Buffers
from ffrepro.core.detection import auc
from ffrepro.core.schedules import ByEpoch, EarlyStop, Plateau, build


def test_plateau_is_pytorchs_with_patience_one_less():
    rng = np.random.default_rng(0)
    values = np.r_[np.linspace(1, 0.5, 8), 0.5 - 1e-6 * rng.random(12), 0.4, 0.4 + rng.random(15)]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
    ours = Plateau(0.1, epochs=6, factor=0.5, threshold=1e-4)
    seen = set()
    for value in values:
        theirs.step(value)
        assert ours.update(value) == pytest.approx(optimizer.param_groups[0]["lr"])
        seen.add(ours.lr)
    assert len(seen) >= 3


def test_plateau_halves_after_exactly_five_flat_epochs():
    plateau = Plateau(1.0, epochs=5, factor=0.5, threshold=0.0)
    assert [plateau.update(1.0) for _ in range(11)] == [1.0] * 5 + [0.5] * 5 + [0.25]


def test_plateau_and_early_stop_resume_from_their_state():
    for first, second, values in (
        (Plateau(1.0, 3, 0.5, 0.0), Plateau(1.0, 3, 0.5, 0.0), [1, 2, 3]),
        (EarlyStop(3), EarlyStop(3), [(1, 1), (2, 2)]),
    ):
        for value in values:
            first.update(*value) if isinstance(value, tuple) else first.update(value)
        second.load_state_dict(first.state_dict())
        assert second.state_dict() == first.state_dict()


def test_early_stop_by_hand():
    early = EarlyStop(2)
    improved = [early.update(value, epoch) for epoch, value in enumerate([3.0, 2.0, 2.0, 2.5], start=1)]
    assert improved == [True, True, False, False]
    assert early.best_epoch == 2
    assert early.stop


def test_seeds_differ_by_purpose_and_not_by_machine():
    assert seeds.derive("init", "mcyt", 0) == 4715986233153673434
    assert len({seeds.derive(p, d, s) for p in ("init", "order") for d in ("mcyt", "dollar") for s in range(5)}) == 20
    assert torch.equal(torch.rand(3, generator=seeds.generator(1)), torch.rand(3, generator=seeds.generator(1)))


def test_buffers_reuse_memory_and_grow():
    buffers, like = Buffers(), torch.empty(0)
    large = buffers.get("a", (4, 3), like)
    small = buffers.get("a", (2, 3), like)
    assert small.data_ptr() == large.data_ptr()
    assert small.is_contiguous() and small.shape == (2, 3)
    assert buffers.get("b", (2, 3), like).data_ptr() != large.data_ptr()
    assert buffers.get("a", (5, 5), like).shape == (5, 5)
    assert buffers.get("a", (2, 2), like.double()).dtype == torch.float64


def test_auc_against_sklearn_with_ties():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    scores = np.round(rng.normal(size=300) + labels, 1)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-14)
    assert auc([1, 2, 3, 4], [0, 0, 1, 1]) == 1.0
    assert auc([1, 1], [0, 1]) == 0.5
    assert np.isnan(auc([1, 2], [1, 1]))


def rates(schedule, epochs):
    out = []
    for _ in range(epochs):
        out.append(schedule.lr)
        schedule.update(0.0)
    return out


def test_multistep_is_pytorchs():
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.2)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], gamma=0.1)
    ours = build({"schedule": "multistep", "lr": 0.2, "milestones": [2, 5], "gamma": 0.1}, 8)
    for rate in rates(ours, 8):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step(), theirs.step()


def test_cosine_by_hand():
    settings = {"schedule": "cosine", "lr": 0.4, "warmup_epochs": 1}
    assert rates(build(settings, 5), 5) == pytest.approx([0.2, 0.4, 0.2 + 0.2 * 2**-0.5, 0.2, 0.2 - 0.2 * 2**-0.5])


def test_a_schedule_by_epoch_goes_on_where_it_was():
    settings = {"schedule": "cosine", "lr": 0.4, "warmup_epochs": 0}
    first, second = ByEpoch(settings, 6), ByEpoch(settings, 6)
    rates(first, 4)
    second.load_state_dict(first.state_dict())
    assert rates(first, 2) == rates(second, 2)


def test_infinite_patience_never_stops():
    early = EarlyStop(float("inf"))
    early.update(1.0, 1)
    assert not any(early.update(2.0, epoch) or early.stop for epoch in range(2, 500))
