"""The matched view: who is where, which labels, and that table and task see the same."""

import numpy as np
import pytest
import torch
from helpers.plans import MATCHED
from helpers.trajectories import make_set

from ffrepro.base.errors import FfreproError
from ffrepro.data.matched_task import Table, Task, samples, split_subjects
from ffrepro.data.trajectory_set import HUMAN


def random_set(subjects=10, each=12, seed=0):
    """Human samples and one synthetic twin each, made from the same parents."""
    rng = np.random.default_rng(seed)
    rows, count = [], subjects * each
    for _ in range(2 * count):
        k = int(rng.integers(20, 60))
        rows.append(np.c_[np.cumsum(rng.normal(0, 9, (k, 2)), 0), np.cumsum(rng.integers(5, 15, k)), np.ones(k)])
    data = make_set(rows, [1] * count + [0] * count)
    data.subject[:] = np.tile(np.repeat(np.arange(subjects), each), 2)
    data.parent[:] = np.tile(np.arange(count), 2)
    return data


def task(data=None, seed=0, **changed):
    return Task(data or random_set(), {**MATCHED, **changed}, seed, 10, "cpu", torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_no_subject_and_no_parent_is_on_two_sides(seed):
    data = random_set()
    splits = task(data, seed).splits
    for column in (data.subject, data.parent):
        found = [set(column[split.index_N.numpy()]) for split in splits.values()]
        assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]
    assert sorted(torch.cat([split.index_N for split in splits.values()]).tolist()) == list(range(240))
    assert {name: len(split) for name, split in splits.items()} == {"train": 168, "val": 24, "test": 48}


def test_shares_are_approached_where_subjects_differ_in_size_and_seeds_draw_others():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(60), rng.integers(1, 30, 60))
    drawn = [split_subjects(subject, np.arange(len(subject)), [0.7, 0.1, 0.2], seed) for seed in range(20)]
    for parts in drawn:
        shares = [len(parts[name]) / len(subject) for name in ("train", "val", "test")]
        assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert len({tuple(parts["test"]) for parts in drawn}) == 20


def test_few_subjects_and_a_parent_of_two_subjects_are_refused():
    with pytest.raises(FfreproError, match="2 subjects"):
        split_subjects(np.array([0, 0, 1, 1]), np.arange(4), [0.7, 0.1, 0.2], 0)
    parts = split_subjects(np.array([3, 5, 9]), np.arange(3), [0.98, 0.01, 0.01], 0)
    assert [len(part) for part in parts.values()] == [1, 1, 1]
    with pytest.raises(FfreproError, match="one parent have two subjects"):
        split_subjects(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 1]), [0.7, 0.1, 0.2], 0)


def test_a_part_without_both_classes_is_refused():
    data = random_set(subjects=4)
    data.label[data.subject == 2] = HUMAN
    with pytest.raises(FfreproError, match="one class"):
        for seed in range(20):
            samples(data, MATCHED, seed)


def test_inputs_are_standardised_with_the_training_part_and_padded_with_zeros():
    splits = task(length=30).splits
    train = splits["train"]
    values = train.x_TNI[train.mask_TN > 0]
    np.testing.assert_allclose(values.mean(0), [0, 0], atol=1e-9)
    np.testing.assert_allclose(values.std(0, unbiased=False), [1, 1], rtol=1e-9)
    for split in splits.values():
        assert split.x_TNI.shape[0] == 30
        assert split.x_TNI[split.mask_TN == 0].abs().sum() == 0


def test_shuffled_labels_touch_the_training_part_only():
    data = random_set()
    true, shuffled = task(data).splits, task(data, control="shuffled_labels").splits
    for name in ("val", "test"):
        assert torch.equal(true[name].label_N, shuffled[name].label_N)
    assert torch.equal(true["train"].index_N, shuffled["train"].index_N)
    assert true["train"].label_N.sum() == shuffled["train"].label_N.sum()
    agree = (true["train"].label_N == shuffled["train"].label_N).double().mean()
    assert 0.3 < agree < 0.7
    for split in true.values():
        assert torch.equal(split.label_N, torch.from_numpy((data.label[split.index_N] == HUMAN).astype(int)))


def test_human_halves_hold_human_samples_only_in_two_classes_of_one_size():
    data = random_set()
    built = [task(data, seed, control="human_halves") for seed in range(3)]
    labels = []
    for one in built:
        index = torch.cat([split.index_N for split in one.splits.values()])
        label = torch.cat([split.label_N for split in one.splits.values()])
        assert sorted(index.tolist()) == list(range(120))
        assert label.sum() == 60
        labels.append(tuple(label[index.argsort()].tolist()))
    assert len(set(labels)) == 3


def test_table_and_task_see_the_same_samples_and_labels():
    data = random_set()
    for control in ("none", "shuffled_labels", "human_halves"):
        settings = {**MATCHED, "control": control}
        table, net = Table(data, settings, 3), task(data, 3, control=control)
        assert table.counts() == net.counts()
        for name, split in net.splits.items():
            assert table.index[name].tolist() == split.index_N.tolist()
            assert table.label[name].tolist() == split.label_N.tolist()
            assert table.features[name].shape == (len(split), 27)


def test_the_table_describes_whole_samples_of_its_rows():
    data = random_set()
    short, long = Table(data, {**MATCHED, "length": 5}, 0), Table(data, {**MATCHED, "length": 50}, 0)
    np.testing.assert_array_equal(short.features["test"], long.features["test"])
    everything, humans = samples(data, MATCHED, 0), samples(data, {**MATCHED, "control": "human_halves"}, 0)
    count = len(humans.velocities.values)
    np.testing.assert_array_equal(everything.velocities.values[:count], humans.velocities.values)


def test_batches_are_balanced():
    batch = next(task().epoch(torch.Generator().manual_seed(0)))
    assert batch["label"].sum() * 2 == len(batch["label"]) == 10
    assert set(batch) == {"x", "label", "index", "mask"}
