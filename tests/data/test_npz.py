"""Files of arrays: what numpy wrote is read as numpy reads it; anything else is a reason."""

import io
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data import image_set, npz, prepared, trajectory_set

ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3), "bytes": np.arange(5, dtype=np.uint8), "empty": np.empty((0, 2)),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)), "text": np.array(["a", "bc"]), "one": np.array(3),
}  # fmt: skip


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = npz.read(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.writeable
    assert list(npz.read(tmp_path / "a.npz", ["one"])) == ["one"]


def npy(header, content=b"", version=1):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + content


def shaped(shape, descr="<f8"):
    return f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}"


def pickled():
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        npy(shaped("(1000000000000,)")),
        npy(shaped("(99999999999999999999,)")),
        npy(shaped("(4,)"), bytes(24)),
        npy(shaped("(4,)"), bytes(40)),
        npy(shaped("(-4,)"), bytes(32)),
        npy(shaped("(4, 'x')"), bytes(32)),
        npy(shaped("(4,)", "|O"), bytes(32)),
        npy(shaped("(4,)", "nonsense"), bytes(32)),
        npy("{" * 100),
        npy(shaped("(4,)"), bytes(32), version=9),
        pickled(),
        pickle.dumps([1]),
        b"",
    ],
    ids=lambda member: str(zlib.crc32(member)),
)
def test_broken_arrays(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", member)
    with pytest.raises(npz.Damaged):
        npz.read(tmp_path / "a.npz")
    with pytest.raises(FfreproError) as error:
        npz.load(tmp_path / "a.npz", fix="mend it")
    assert (error.value.where, error.value.fix) == (tmp_path / "a.npz", "mend it")


def test_an_array_that_is_missing_or_there_twice(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with pytest.raises(npz.Damaged, match="y"):
        npz.read(tmp_path / "a.npz", ["x", "y"])
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("x.npy", npy(shaped("(0,)")))
    with pytest.raises(npz.Damaged, match="twice"):
        npz.read(tmp_path / "a.npz", ["x"])


def test_more_than_is_ever_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10_000))
    monkeypatch.setattr(npz, "LARGEST", 50_000)
    with pytest.raises(npz.Damaged, match="50,000"):
        npz.read(tmp_path / "a.npz")


@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_a_file_that_was_cut_or_is_another(tmp_path, keep):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(100))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(npz.Damaged):
        npz.read(path)
    np.save(tmp_path / "b.npy", np.arange(3))
    with pytest.raises(npz.Damaged):
        npz.read(tmp_path / "b.npy")


def test_a_flipped_bit(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(1000))
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(npz.Damaged):
        npz.read(path)


IMAGES = {name: np.zeros((3, 1, 2, 2) if name == "image" else 3, np.uint8) for name in ("image", "label", "test")}


def put(path, arrays, **manifest):
    """A prepared set with its manifest, whatever is in it."""
    manifest = {"format": 1, "dataset": "mnist", "source": "upstream", "fingerprint": "f" * 64} | manifest
    prepared.save(path, arrays, manifest)
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"image": np.zeros((3, 2, 2), np.uint8)},
        {"image": np.zeros((3, 1, 2, 2))},
        {"image": np.zeros((4, 1, 2, 2), np.uint8)},
        {"label": np.zeros(2, np.uint8)},
        {"test": np.zeros((3, 1), np.uint8)},
        {"label": np.array(["a", "b", "c"])},
    ],
)
def test_images_of_other_shapes_and_types(tmp_path, changed):
    assert len(image_set.load(put(tmp_path / "mnist.npz", IMAGES))) == 3
    path = put(tmp_path / "mnist.npz", IMAGES | changed)
    with pytest.raises(FfreproError) as error:
        image_set.load(path)
    assert error.value.where == path and "ffrepro prepare mnist" in error.value.fix


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "null", "{}", '{"format": 1}'])
def test_a_manifest_that_is_none(tmp_path, content):
    path = put(tmp_path / "mnist.npz", IMAGES)
    files.write_text(path.with_suffix(".json"), content)
    with pytest.raises(FfreproError):
        image_set.load(path)


def trajectories(**changed):
    dtypes = trajectory_set._ARRAYS
    sizes = dict.fromkeys(dtypes, 2) | dict.fromkeys(("x", "y", "t", "stroke"), 6)
    arrays = {name: np.zeros(size, dtypes[name]) for name, size in sizes.items()}
    return arrays | {"offsets": np.array([0, 2, 6]), "names": np.frombuffer(b"a\nb", np.uint8)} | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": np.array([0, 2, 7])},
        {"offsets": np.array([1, 2, 6])},
        {"offsets": np.array([0, 7, 6])},
        {"offsets": np.array([0, 6])},
        {"x": np.zeros(5)},
        {"x": np.zeros(6, np.float32)},
        {"label": np.zeros(3, np.uint8)},
        {"names": np.frombuffer(b"a\nb\nc", np.uint8)},
        {"names": np.frombuffer(b"\xff\nb", np.uint8)},
    ],
)
def test_trajectories_of_other_shapes_and_types(tmp_path, changed):
    assert len(trajectory_set.load(put(tmp_path / "dollar.npz", trajectories()))) == 2
    path = put(tmp_path / "dollar.npz", trajectories(**changed))
    with pytest.raises(FfreproError) as error:
        trajectory_set.load(path)
    assert error.value.where == path and "ffrepro prepare dollar" in error.value.fix
