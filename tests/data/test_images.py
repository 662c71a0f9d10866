"""Upstream's image files become arrays, or an error that names the file; torchvision's readers agree."""

from __future__ import annotations

import gzip
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers import image_files as made

from ffrepro import data
from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data import archives, cifar10, image_files, images, mnist


def prepare_mnist(tmp_path, **changed):
    paths, arrays = made.mnist(tmp_path, **changed)
    return images.prepare(mnist.SPEC, *paths, out=tmp_path / "out" / "mnist.npz"), arrays


def prepare_cifar(tmp_path, *args, **kwargs):
    path, content = made.cifar(tmp_path, *args, **kwargs)
    return images.prepare(cifar10.SPEC, path, out=tmp_path / "out" / "cifar10.npz"), content


def test_mnist_arrays_are_the_files(tmp_path):
    manifest, (x_train, y_train, x_test, y_test) = prepare_mnist(tmp_path)
    loaded = images.load(tmp_path / "out" / "mnist.npz", verify=True)
    assert loaded.shape == (1, 28, 28) and len(loaded) == 40
    assert loaded.image.dtype == loaded.label.dtype == loaded.test.dtype == np.uint8
    np.testing.assert_array_equal(loaded.image[:, 0], np.concatenate([x_train, x_test]))
    np.testing.assert_array_equal(loaded.label, np.concatenate([y_train, y_test]))
    assert loaded.test.tolist() == [0] * 30 + [1] * 10
    assert manifest == loaded.manifest
    assert manifest["counts"] == {"train": 30, "test": 10}
    assert manifest["per_class"] == {"train": [3] * 10, "test": [1] * 10}
    assert manifest["warnings"] == ["30 train images, 60,000 upstream", "10 test images, 10,000 upstream"]
    pixels = x_train / 255  # of the training part only
    assert manifest["mean"] == [pytest.approx(pixels.mean(), abs=1e-6)]
    assert manifest["std"] == [pytest.approx(pixels.std(), abs=1e-6)]


def test_the_record_of_several_files_names_them_all(tmp_path):
    manifest, _ = prepare_mnist(tmp_path)
    archive = manifest["archive"]
    assert (archive["source"], archive["from"], archive["provenance"]) == ("upstream", "mirror", "made for a test")
    assert archive["file"] == ", ".join(f"{name}.gz" for name in made.MNIST_FILES)
    assert [entry["file"] for entry in archive["files"]] == [f"{name}.gz" for name in made.MNIST_FILES]
    assert archive["bytes"] == sum((tmp_path / f"{name}.gz").stat().st_size for name in made.MNIST_FILES)
    assert "fetched" not in archive["files"][0]


def test_one_files_own_provenance_is_not_lost_among_the_others(tmp_path):
    paths, _ = made.mnist(tmp_path)
    made.record(paths[2], provenance="another copy")
    manifest = images.prepare(mnist.SPEC, *paths, out=tmp_path / "out" / "mnist.npz")
    assert manifest["archive"]["provenance"] == "made for a test; another copy"


def test_cifar_arrays_are_the_batches(tmp_path):
    manifest, content = prepare_cifar(tmp_path, extra={"test_not_exact.json": b"[3, 7]"})
    loaded = images.load(tmp_path / "out" / "cifar10.npz", verify=True)
    batches = [content[f"data_batch_{n}"] for n in range(1, 6)] + [content["test_batch"]]
    np.testing.assert_array_equal(loaded.image.reshape(60, -1), np.concatenate([b["data"] for b in batches]))
    assert loaded.label.tolist() == [label for b in batches for label in b["labels"]]
    assert loaded.test.tolist() == [0] * 50 + [1] * 10
    assert manifest["archive"]["provenance"] == "made for a test"
    assert manifest["notes"] == {"test_not_exact.json": [3, 7]}
    pixels = loaded.image[:50] / 255
    np.testing.assert_allclose(manifest["mean"], pixels.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(manifest["std"], pixels.std((0, 2, 3)), atol=1e-6)


def test_torchvision_reads_the_same(tmp_path, monkeypatch):
    from ffrepro.data.vision import torchvision

    prepare_mnist(tmp_path)
    prepare_cifar(tmp_path)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in made.MNIST_FILES:
        (raw / name).write_bytes(gzip.decompress((tmp_path / f"{name}.gz").read_bytes()))
    unpack(tmp_path / "cifar-10-python.tar.gz", tmp_path)
    # its only demand that a set made for a test cannot meet: upstream's checksums
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    for name, theirs in (("mnist", torchvision.datasets.MNIST), ("cifar10", torchvision.datasets.CIFAR10)):
        ours = images.load(tmp_path / "out" / f"{name}.npz")
        for test in (0, 1):
            expected = theirs(str(tmp_path), train=not test)
            pixels = np.asarray(expected.data)
            pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
            np.testing.assert_array_equal(ours.image[ours.test == test], pixels)
            np.testing.assert_array_equal(ours.label[ours.test == test], np.asarray(expected.targets))


def unpack(path, folder):
    import tarfile

    with tarfile.open(path) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has no filters yet
        tar.extractall(folder)


LABELS = np.arange(30, dtype=np.uint8) % 10
IMAGES = made.idx(np.zeros((30, 28, 28), np.uint8))


@pytest.mark.parametrize(
    ("changed", "file", "what"),
    [
        ({"xtrain_raw": b"no gzip"}, "train-images", "truncated or corrupt"),
        ({"ytest_raw": gzip.compress(made.idx(LABELS))[:-9]}, "t10k-labels", "truncated or corrupt"),
        ({"xtrain": made.idx(LABELS)}, "train-images", "magic number 00000801, expected 00000803"),
        ({"ytrain": b"\0\0\x0d\x01" + made.idx(LABELS)[4:]}, "train-labels", "magic number 00000d01"),
        ({"ytrain": b""}, "train-labels", "magic number missing"),
        ({"xtrain": IMAGES[:9]}, "train-images", "ends in its header"),
        ({"xtrain": IMAGES[:-1]}, "train-images", "23,519 values, but the header promises 30 x 28 x 28"),
        ({"xtrain": IMAGES + b"\0"}, "train-images", "23,521 values"),
        ({"xtrain": bytes.fromhex("00000803") + b"\xff" * 12}, "train-images", "4294967295 x 4294967295 x 4294967295"),
        ({"xtrain": IMAGES[:4] + struct.pack(">3I", 700_000, 28, 28)}, "train-images", "700000 x 28 x 28"),
        ({"ytrain": made.idx(LABELS) + bytes(10_000_000)}, "train-labels", "31 values or more"),
        ({"ytrain": made.idx(LABELS[:29])}, "train-images", r"has 30 images, train-labels[\S]* 29 labels"),
        (
            {"ytrain": made.idx(np.where(LABELS == 3, 10, LABELS).astype(np.uint8))},
            "train-labels",
            "label 10 of image 3",
        ),
        ({"xtest": made.idx(np.zeros((10, 32, 32), np.uint8))}, "t10k-images", r"images of \(1, 32, 32\)"),
        (
            {"xtest": made.idx(np.zeros((0, 28, 28), np.uint8)), "ytest": made.idx(LABELS[:0])},
            "t10k-images",
            "no images",
        ),
    ],
)
def test_damaged_idx_files(tmp_path, changed, file, what):
    with pytest.raises(FfreproError, match=what) as error:
        prepare_mnist(tmp_path, **changed)
    assert file in str(error.value) and "fetch" in error.value.fix
    assert not (tmp_path / "out").exists()


class _Harmful:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


ROWS = np.zeros((10, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batches", "what"),
    [
        ({"data_batch_3": None}, "the archive lacks data_batch_3"),
        ({"test_batch": b"\x80\x02}q"}, "test_batch is not a usable pickle"),
        ({"test_batch": _Harmful()}, "it asks for builtins.exec|it asks for __builtin__.exec"),
        ({"test_batch": [1]}, "test_batch holds list"),
        ({"test_batch": {"labels": [0] * 10}}, "data is NoneType"),
        ({"test_batch": {"data": ROWS.astype(float), "labels": [0] * 10}}, "data is float64"),
        ({"test_batch": {"data": ROWS[:, 1:], "labels": [0] * 10}}, r"data is uint8 \(10, 3071\)"),
        ({"test_batch": {"data": ROWS, "labels": [0] * 9}}, "10 images and 9 labels"),
        ({"test_batch": {"data": ROWS, "labels": ["cat"] * 10}}, "not a list of whole numbers"),
        ({"test_batch": {"data": ROWS, "labels": [1 << 70] * 10}}, "not a list of whole numbers"),
        ({"test_batch": {"data": ROWS, "labels": [0] * 9 + [-1]}}, "label -1 of image 9"),
        ({"batches.meta": {"label_names": ["cat", "dog"]}}, "its classes are cat, dog"),
        ({"batches.meta": {}}, "no list of label_names"),
        ({"note.json": b"{"}, "note.json is not JSON"),
    ],
)
def test_damaged_cifar_archives(tmp_path, batches, what):
    with pytest.raises(FfreproError, match=what) as error:
        prepare_cifar(tmp_path, batches)
    assert "cifar-10-python.tar.gz" in str(error.value) and "fetch" in error.value.fix
    assert not (tmp_path / "out").exists()


def test_a_truncated_cifar_archive(tmp_path):
    path, _ = made.cifar(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    made.record(path)
    with pytest.raises(FfreproError, match="truncated or corrupt"):
        images.prepare(cifar10.SPEC, path, out=tmp_path / "out" / "cifar10.npz")


def test_upstreams_pickles_of_python_2_are_read(tmp_path):
    # Python 2 names numpy's module as it was and writes strings as bytes; the oldest protocols hold latin-1 text
    packed = pickle.dumps({"data": ROWS, "labels": [1] * 10}, protocol=2)
    old = packed.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != packed
    path, _ = made.cifar(tmp_path, {"test_batch": old})
    assert image_files.read_cifar(path, (3, 32, 32), image_files.CIFAR_LAYOUTS["cifar"])["test"][1].tolist() == [1] * 10


def test_another_file_than_its_record_is_refused(tmp_path):
    paths, _ = made.mnist(tmp_path)
    paths[1].write_bytes(gzip.compress(made.idx(LABELS[::-1].copy())))
    with pytest.raises(FfreproError, match="not the one its record describes") as error:
        images.prepare(mnist.SPEC, *paths, out=tmp_path / "out" / "mnist.npz")
    assert "ffrepro fetch mnist" in error.value.fix
    paths[1].with_name(paths[1].name + ".json").unlink()
    with pytest.raises(FfreproError, match="provenance record is not there"):
        images.prepare(mnist.SPEC, *paths, out=tmp_path / "out" / "mnist.npz")


def test_load_says_what_is_wrong(tmp_path):
    out = tmp_path / "out" / "mnist.npz"
    with pytest.raises(FfreproError, match="no prepared data set 'mnist'"):
        images.load(out)
    manifest, _ = prepare_mnist(tmp_path)
    files.write_json(out.with_suffix(".json"), manifest | {"format": 99})
    with pytest.raises(FfreproError, match="prepared in format 99"):
        images.load(out)
    files.write_json(out.with_suffix(".json"), manifest | {"fingerprint": "0" * 64})
    with pytest.raises(FfreproError, match="two different runs"):
        images.load(out)
    files.write_json(out.with_suffix(".json"), manifest)
    out.write_bytes(out.read_bytes()[:-100])
    with pytest.raises(FfreproError, match="damaged"):
        images.load(out)


def test_fingerprint_follows_pixels_labels_and_split(tmp_path):
    first = prepare_mnist(tmp_path)[0]["fingerprint"]
    assert prepare_mnist(tmp_path)[0]["fingerprint"] == first
    assert prepare_mnist(tmp_path, ytrain=made.idx(LABELS[::-1].copy()))[0]["fingerprint"] != first
    assert prepare_mnist(tmp_path, xtrain=IMAGES)[0]["fingerprint"] != first
    assert prepare_mnist(tmp_path, train=20, test=20)[0]["fingerprint"] != first


def test_loading_needs_neither_torch_nor_torchvision():
    code = "import sys; from ffrepro.data import images, mnist; assert not {'torch', 'torchvision'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_sets_are_found_with_all_their_archives():
    assert {"mnist", "cifar10"} <= set(data.names())
    assert data.family("mnist") is data.family("cifar10") is images
    names = ["mnist_train_images", "mnist_train_labels", "mnist_test_images", "mnist_test_labels"]
    assert [archive.name for archive in archives.find_all("mnist")] == names
    with pytest.raises(FfreproError, match=r"comes in 4 archives[\s\S]*mnist_train_images"):
        archives.find("mnist")


def test_names_and_addresses_of_upstream_are_torchvisions():
    from ffrepro.data.vision import torchvision

    theirs = [name for name, _ in torchvision.datasets.MNIST.resources]
    ours = archives.find_all("mnist")
    assert sorted(archive.file for archive in ours) == sorted(theirs)
    assert {url.rpartition("/")[0] + "/" for url in ours[0].urls} == set(torchvision.datasets.MNIST.mirrors)
    assert archives.find("cifar10").urls == (torchvision.datasets.CIFAR10.url,)
