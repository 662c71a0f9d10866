"""CIFAR-100's archive becomes arrays and superclasses, or an error that names the file; torchvision reads the same."""

from __future__ import annotations

import pickle
import tarfile

import numpy as np
import pytest
from helpers import image_files as made

from ffrepro.base.errors import FfreproError
from ffrepro.data import cifar100, images
from ffrepro.data.standin_bytes import tar_gz

COARSE = [f"superclass {number}" for number in range(20)]


def archive(folder, **changed):
    """``cifar-100-python.tar.gz`` of 100 training and 100 test images, class c in superclass c mod 20."""
    rng = np.random.default_rng(3)
    content = {"meta": {"fine_label_names": list(cifar100.SPEC.classes), "coarse_label_names": COARSE}}
    for part in ("train", "test"):
        fine = [int(label) for label in rng.permutation(100)]
        content[part] = {
            "data": rng.integers(0, 256, (100, 3072), dtype=np.uint8),
            "fine_labels": fine,
            "coarse_labels": [label % 20 for label in fine],
        }
    for part, values in changed.items():
        content[part] = content[part] | values
    path = folder / "cifar-100-python.tar.gz"
    path.write_bytes(tar_gz({f"cifar-100-python/{k}": pickle.dumps(v, protocol=2) for k, v in content.items()}))
    return made.record(path), content


def test_arrays_are_the_batches_and_superclasses_are_in_the_manifest(tmp_path, monkeypatch):
    path, content = archive(tmp_path)
    manifest = images.prepare(cifar100.SPEC, path, out=tmp_path / "out.npz")
    loaded = images.load(tmp_path / "out.npz", verify=True)
    assert loaded.label.tolist() == content["train"]["fine_labels"] + content["test"]["fine_labels"]
    assert manifest["superclasses"] == {"names": COARSE, "of": [label % 20 for label in range(100)]}
    assert manifest["counts"] == {"train": 100, "test": 100} and len(manifest["classes"]) == 100

    from ffrepro.data.vision import torchvision

    with tarfile.open(path) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has no filters yet
        tar.extractall(tmp_path)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    for test in (0, 1):
        theirs = torchvision.datasets.CIFAR100(str(tmp_path), train=not test)
        np.testing.assert_array_equal(loaded.image[loaded.test == test], np.asarray(theirs.data).transpose(0, 3, 1, 2))
        assert loaded.label[loaded.test == test].tolist() == theirs.targets


@pytest.mark.parametrize(
    "changed",
    [
        {"train": {"coarse_labels": [0] * 100}},  # another superclass than in the test batch
        {"test": {"coarse_labels": [0] * 99}},
        {"meta": {"coarse_label_names": COARSE[:19]}},
        {"meta": {"fine_label_names": None}},
    ],
)
def test_labels_that_contradict_one_another_are_refused(tmp_path, changed):
    path, _ = archive(tmp_path, **changed)
    with pytest.raises(FfreproError) as error:
        images.prepare(cifar100.SPEC, path, out=tmp_path / "out.npz")
    assert error.value.where == path
    assert not (tmp_path / "out.npz").exists()
