"""Images and classes drawn from a set: how many, which, and that early stopping goes by what is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.data import drawn_images_task, images_task
from ffrepro.data.image_set import ImageSet

SETTINGS = {
    "validation": 0.2, "split_seed": "run", "train_samples": None, "val_samples": None, "class_half": "all",
    "watch": "accuracy", "normalisation": "none", "augmentation": "none", "crop_padding": 4,
}  # fmt: skip


def made(images: int = 200, classes: int = 10) -> ImageSet:
    """A set whose images carry their number, the last quarter being the test part."""
    number = np.arange(images)
    image = np.zeros((images, 1, 2, 2), np.uint8)
    image[:, 0, 0, 0] = number
    manifest = {"classes": [str(c) for c in range(classes)], "dataset": "made", "source": "standin"}
    return ImageSet(image, (number % classes).astype(np.uint8), (number >= images * 3 // 4).astype(np.uint8), manifest)


def task(seed: int = 0, data: ImageSet | None = None, view=drawn_images_task, **changed):
    settings = SETTINGS | changed
    return view.Task(data or made(), settings, seed, 16, "cpu", torch.float32, {"inference": "one_pass"})


def test_without_a_draw_it_is_the_plain_view():
    plain, drawn = task(view=images_task), task()
    for part in ("train", "val", "test"):
        torch.testing.assert_close(drawn.index[part], plain.index[part])


def test_validation_images_are_drawn_from_the_held_out_ones_every_class_alike():
    whole, drawn = task(), task(val_samples=20, train_samples=60)
    assert drawn.counts() == {"train": 60, "val": 20, "test": 50}
    assert set(drawn.index["val"].tolist()) < set(whole.index["val"].tolist())
    assert torch.bincount(drawn.label_N[drawn.index["val"]]).tolist() == [2] * 10
    assert task(1, val_samples=20).index["val"].tolist() != drawn.index["val"].tolist()


def test_more_validation_images_than_are_held_out_are_refused():
    with pytest.raises(FfreproError) as error:
        task(val_samples=31)
    assert error.value.where == "data.val_samples"


def test_halves_of_the_classes_are_disjoint_and_numbered_anew():
    even, odd = task(class_half="even"), task(class_half="odd")
    assert even.classes == odd.classes == 5
    assert sorted(set(odd.label_N.tolist())) == [0, 1, 2, 3, 4]
    numbers = [set(half.image_N[:, 0, 0, 0].tolist()) for half in (even, odd)]
    assert not numbers[0] & numbers[1] and numbers[0] | numbers[1] == set(range(200))
    assert all(number % 10 // 2 == label for number, label in zip(
        odd.image_N[:, 0, 0, 0].tolist(), odd.label_N.tolist(), strict=True))  # fmt: skip


@pytest.mark.parametrize(("watch", "direction"), [("loss", "min"), ("accuracy", "max")])
def test_early_stopping_goes_by_the_metric_asked_for(watch, direction):
    assert task(watch=watch).watch == (watch, direction)


@pytest.mark.parametrize("classes", [10, 7])
@pytest.mark.parametrize("which", ["all", "even", "odd"])
def test_how_many_classes_are_left_is_known_without_the_data(classes, which):
    left = drawn_images_task.Task.classes_left(classes, SETTINGS | {"class_half": which})
    assert left == task(data=made(210, classes), class_half=which).classes


def test_superclasses_of_half_of_the_classes():
    data = made()
    data.manifest["superclasses"] = {"names": ["a", "b"], "of": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]}
    assert task(data=data).superclass_of == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert task(data=data, class_half="even").superclass_of == [0, 0, 0, 1, 1]
    assert task(data=data, class_half="odd").superclass_of == [0, 0, 1, 1, 1]
    assert task().superclass_of is None
