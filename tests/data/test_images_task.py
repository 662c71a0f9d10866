"""Splits, normalisation, batches and augmentation of image sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.data.image_set import ImageSet
from ffrepro.data.images_task import ROTATION, SETTINGS, Task, augment, rotate, split_indices

PLAIN = {
    "validation": 0.2,
    "split_seed": "run",
    "train_samples": None,
    "normalisation": "channel",
    "augmentation": "none",
    "crop_padding": 2,
}


def image_set(train=100, test=20, shape=(3, 8, 6)):
    rng = np.random.default_rng(0)
    n = train + test
    return ImageSet(
        image=rng.integers(0, 256, (n, *shape), dtype=np.uint8),
        label=(np.arange(n) % 10).astype(np.uint8),
        test=np.repeat([0, 1], [train, test]).astype(np.uint8),
        manifest={"dataset": "mnist", "source": "standin", "classes": list("0123456789")},
    )


def task(seed=0, data=None, batch_size=32, dtype=torch.float64, **changed):
    assert set(PLAIN) == set(SETTINGS)
    return Task(data or image_set(), PLAIN | changed, seed, batch_size, "cpu", dtype)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_splits_are_disjoint_complete_and_stratified():
    data = image_set()
    parts = split_indices(data, 0.2, None, seed=3)
    assert {name: len(part) for name, part in parts.items()} == {"train": 80, "val": 20, "test": 20}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(120))
    assert (data.test[parts["test"]] == 1).all()
    for name, each in (("train", 8), ("val", 2)):
        assert np.bincount(data.label[parts[name]]).tolist() == [each] * 10


def test_split_follows_the_seed_only():
    first, again, other = (split_indices(image_set(), 0.2, None, seed) for seed in (1, 1, 2))
    assert first["val"].tolist() == again["val"].tolist() != other["val"].tolist()
    assert task(5, split_seed=1).index["val"].tolist() == first["val"].tolist()
    assert task(2).index["val"].tolist() == other["val"].tolist()


def test_a_subset_leaves_validation_and_test_alone():
    full, some, more = (split_indices(image_set(), 0.2, samples, seed=0) for samples in (None, 20, 43))
    assert len(some["train"]) == 20 and len(more["train"]) == 43
    assert set(some["train"]) < set(more["train"]) < set(full["train"])
    assert some["val"].tolist() == full["val"].tolist()
    assert np.bincount(image_set().label[some["train"]]).tolist() == [2] * 10
    with pytest.raises(FfreproError, match=r"81 .* 80\b"):
        split_indices(image_set(), 0.2, 81, seed=0)
    with pytest.raises(FfreproError, match="no training image left"):
        split_indices(image_set(), 0.99, None, seed=0)


def test_normalisation_is_of_the_images_trained_on():
    t = task()
    x = torch.cat([batch["x"] for batch in t.in_order("train")])
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3, dtype=x.dtype), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3), unbiased=False), torch.ones(3, dtype=x.dtype), atol=1e-5, rtol=0)
    val = torch.cat([batch["x"] for batch in t.in_order("val")])
    assert (val.mean((0, 2, 3)).abs() > 1e-4).all()


def test_without_normalisation_pixels_are_shares_of_white():
    data = image_set()
    t = task(normalisation="none", dtype=torch.float32)
    batch = next(t.in_order("test"))
    expected = torch.from_numpy(data.image[batch["index"].numpy()]) / 255
    torch.testing.assert_close(batch["x"], expected)
    assert batch["x"].dtype == torch.float32


def test_a_constant_channel_is_an_error():
    data = image_set()
    data.image[:, 1] = 7
    with pytest.raises(FfreproError, match="constant"):
        task(data=data)


def test_batches_hold_each_image_once_with_its_label():
    data, t = image_set(), task()
    assert t.counts() == {"train": 80, "val": 20, "test": 20}
    assert (t.inputs, t.classes) == ((3, 8, 6), 10)
    batches = list(t.epoch(generator()))
    assert [len(batch["label"]) for batch in batches] == [32, 32, 16]
    index = torch.cat([batch["index"] for batch in batches])
    assert sorted(index.tolist()) == t.index["train"].tolist() != index.tolist()
    label = torch.cat([batch["label"] for batch in batches])
    assert label.tolist() == data.label[index.numpy()].tolist() and label.dtype == torch.int64
    in_order = torch.cat([batch["index"] for batch in t.in_order("test")])
    assert in_order.tolist() == list(range(100, 120))


def test_the_order_is_the_generators_with_and_without_augmentation():
    def orders(seed, **changed):
        g, t = generator(seed), task(**changed)
        return [[i for batch in t.epoch(g) for i in batch["index"].tolist()] for _ in range(2)]

    first, second = orders(0)
    assert first != second
    assert orders(0) == [first, second] == orders(0, augmentation="crop_flip")
    assert orders(1)[0] != first


def test_augmentation_touches_training_batches_only_and_repeats():
    plain, moved, again = (list(task(augmentation=how).epoch(generator())) for how in ("none", "crop", "crop"))
    assert not torch.equal(plain[0]["x"], moved[0]["x"])
    assert torch.equal(moved[0]["x"], again[0]["x"])
    for one, other in zip(task().in_order("val"), task(augmentation="crop").in_order("val"), strict=True):
        assert torch.equal(one["x"], other["x"])


@pytest.mark.parametrize("flip", [False, True])
def test_every_augmented_image_is_a_window_of_its_own_image(flip):
    x = torch.from_numpy(image_set().image)[:60]
    moved = augment(x, 2, flip, generator(4))
    assert moved.shape == x.shape and moved.dtype == torch.uint8
    padded = torch.zeros(60, 3, 12, 10, dtype=torch.uint8)
    padded[:, :, 2:-2, 2:-2] = x
    seen = set()
    for i in range(60):
        found = [
            (dy, dx, mirrored)
            for dy in range(5)
            for dx in range(5)
            for mirrored in (False, True)
            if torch.equal(moved[i].flip(2) if mirrored else moved[i], padded[i, :, dy : dy + 8, dx : dx + 6])
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert {s[:2] for s in seen} >= {(dy, dx) for dy in (0, 4) for dx in (0, 4)} or len({s[:2] for s in seen}) > 15
    assert {s[2] for s in seen} == ({False, True} if flip else {False})


def test_rotation_turns_about_the_centre_takes_the_nearest_pixel_and_fills_with_black():
    """A quarter turn is a permutation; smaller angles against the nearest pixel, looked up one by one."""
    x = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5)

    def turned(share, degrees):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "rand", lambda n, generator: torch.full((n,), share))
            return rotate(x, degrees, generator(0))

    quarters = {turned(1.0, 90.0)[0, 0, 0, 0].item(), turned(0.0, 90.0)[0, 0, 0, 0].item()}
    assert quarters == {5, 21}  # either way
    assert torch.equal(turned(0.5, 15.0), x)  # an angle of 0
    angle = math.radians(40.0)
    for row, column in itertools.product(range(5), repeat=2):
        dy, dx = row - 2, column - 2
        from_column = round(2 + dx * math.cos(angle) - dy * math.sin(angle))
        from_row = round(2 + dx * math.sin(angle) + dy * math.cos(angle))
        inside = 0 <= from_row < 5 and 0 <= from_column < 5
        wanted = int(x[0, 0, from_row, from_column]) if inside else 0
        assert turned(1.0, 40.0)[0, 0, row, column].item() == wanted, (row, column)


def test_rotated_batches_repeat_stay_within_fifteen_degrees_and_keep_their_kind():
    """A black frame around a white middle stays black outside of a circle that no pixel of the middle leaves."""
    x = torch.zeros(64, 1, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 8] = 255  # three o'clock: within 15 degrees at most a pixel up or down
    out = rotate(x, ROTATION, generator(3))
    assert torch.equal(out, rotate(x, ROTATION, generator(3))) and out.dtype == torch.uint8
    rows = out[:, 0].nonzero()[:, 1].tolist()
    assert set(rows) == {3, 4, 5}
    plain, turned = (list(task(augmentation=how).epoch(generator())) for how in ("crop", "crop_rotate"))
    assert torch.equal(plain[0]["index"], turned[0]["index"]) and not torch.equal(plain[0]["x"], turned[0]["x"])
