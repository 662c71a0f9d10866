"""Splits, scaling and batches."""

import numpy as np
import pytest
import torch
from helpers.plans import DATA
from helpers.trajectories import make_set
from torch.utils.data import random_split

from ffrepro.data.trajectories_task import Table, Task, split_indices
from ffrepro.data.trajectory_batches import balanced_batches, shuffled_batches


def random_set(n=60, dataset="mcyt", seed=0):
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(n):
        k = int(rng.integers(4, 30))
        samples.append(np.c_[rng.normal(0, 9, (k, 2)), np.cumsum(rng.integers(1, 5, k)), np.ones(k)])
    labels = [1] * (n // 2) + [0] * (n - n // 2)
    return make_set(samples, labels, dataset, list(rng.integers(0, 3, n)))


def task(**changed):
    return Task(random_set(), {**DATA, **changed}, 0, 10, "cpu", torch.float32)


def test_split_is_the_released_codes():
    """The same permutations as two nested random_splits with generators seeded alike."""
    n = 1000
    ours = split_indices(n, [0.72, 0.08, 0.2], 42)
    seed = lambda: torch.Generator().manual_seed(42)  # noqa: E731
    rest, test = random_split(range(n), [800, 200], generator=seed())
    train, val = random_split(rest, [720, 80], generator=seed())
    assert ours["test"].tolist() == list(test)
    assert ours["train"].tolist() == list(train)
    assert ours["val"].tolist() == list(val)


@pytest.mark.parametrize("n", [10, 57, 10560])
def test_split_parts_are_disjoint_and_complete(n):
    parts = split_indices(n, [0.7, 0.1, 0.2], 3)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(n))
    assert len(parts["test"]) == int(0.2 * n)
    assert abs(len(parts["val"]) - 0.1 * n) <= 1


def test_another_seed_draws_another_split():
    assert (
        split_indices(100, [0.7, 0.1, 0.2], 0)["test"].tolist()
        != split_indices(100, [0.7, 0.1, 0.2], 1)["test"].tolist()
    )


def test_scaling_uses_the_training_part_only_and_keeps_padding_zero():
    built = task()
    train = built.splits["train"]
    values = train.x_TNI[train.mask_TN > 0]
    np.testing.assert_allclose(values.mean(0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(values.std(0, unbiased=False), [1, 1], rtol=1e-5)
    test = built.splits["test"]
    assert test.x_TNI[test.mask_TN > 0].mean(0).abs().max() > 1e-4  # not its own statistics
    for split in built.splits.values():
        assert split.x_TNI[split.mask_TN == 0].abs().sum() == 0


def test_speed_survives_the_scaling():
    """Two samples on the same path, one twice as fast: the faster one's inputs are twice as long."""
    path = np.c_[np.arange(12.0) ** 1.5, np.arange(12.0), np.arange(12.0) * 2, np.ones(12)]
    fast = path.copy()
    fast[:, 2] /= 2
    data = make_set([path, fast] * 20, [1, 0] * 20)
    built = Task(data, DATA, 0, 10, "cpu", torch.float64)
    split = built.splits["train"]
    slow_x, fast_x = split.x_TNI[:11, split.label_N == 1][:, 0], split.x_TNI[:11, split.label_N == 0][:, 0]
    spread = lambda x: float(x.max() - x.min())  # noqa: E731
    assert spread(fast_x[:, 0]) == pytest.approx(2 * spread(slow_x[:, 0]), rel=1e-9)


def test_published_order_goes_gesture_by_gesture_humans_first():
    data = random_set(dataset="dollar")
    built = Task(data, {**DATA, "split_seed": 42}, 7, 10, "cpu", torch.float32)
    order = [
        i for g in range(3) for label in (1, 0) for i in range(60) if data.gesture[i] == g and data.label[i] == label
    ]
    expected = np.asarray(order)[split_indices(60, DATA["split"], 42)["test"]]
    assert built.splits["test"].index_N.tolist() == expected.tolist()


def test_balanced_batches_hold_half_of_each_class_and_the_rest_of_the_smaller_one():
    label = torch.tensor([1] * 23 + [0] * 31)
    batches = list(balanced_batches(label, 10, torch.Generator().manual_seed(0)))
    assert [len(b) for b in batches] == [10, 10, 10, 10, 6]
    assert all(label[b].sum() * 2 == len(b) for b in batches)
    seen = torch.cat(batches)
    assert len(seen.unique()) == len(seen) == 46
    other = torch.cat(list(balanced_batches(label, 10, torch.Generator().manual_seed(1))))
    assert set(seen.tolist()) != set(other.tolist())  # another surplus sits out


def test_shuffled_batches_cover_everything_once():
    batches = list(shuffled_batches(23, 10, torch.Generator().manual_seed(0)))
    assert [len(b) for b in batches] == [10, 10, 3]
    assert sorted(torch.cat(batches).tolist()) == list(range(23))


def test_batches_carry_mask_only_where_padding_does_not_count():
    assert "mask" in next(task().epoch(torch.Generator()))
    batch = next(task(padding="counted").epoch(torch.Generator()))
    assert "mask" not in batch
    assert batch["x"].shape == (20, 10, 2)


def test_in_order_gives_every_sample_of_a_split_once():
    built = task()
    index = torch.cat([b["index"] for b in built.in_order("test")])
    assert index.tolist() == built.splits["test"].index_N.tolist()
    assert built.counts() == {"train": 42, "val": 6, "test": 12}


@pytest.mark.parametrize("scaling", ["train_statistics", "sequence_zscore"])
@pytest.mark.parametrize("dataset", ["mcyt", "dollar"])
def test_table_and_task_see_the_same_samples_labels_and_steps(dataset, scaling):
    data, settings = random_set(dataset=dataset), {**DATA, "input_scaling": scaling, "length": 9}
    table, net = Table(data, settings, 3), Task(data, settings, 3, 10, "cpu", torch.float32)
    assert table.counts() == net.counts()
    for name, split in net.splits.items():
        assert table.index[name].tolist() == split.index_N.tolist()
        assert table.label[name].tolist() == split.label_N.tolist()
        assert table.features[name][:, 0].tolist() == split.mask_TN.sum(0).tolist()
