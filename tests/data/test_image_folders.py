"""Imagenette's archive of photographs becomes arrays of one size, or an error that names the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helpers import image_files as made
from PIL import Image

from ffrepro.base.errors import FfreproError
from ffrepro.data import fetch, imagenette, images
from ffrepro.data.standin_bytes import tar_gz

FIRST, LAST = imagenette.SPEC.folders[0], imagenette.SPEC.folders[-1]


def photograph(level=128, size=(224, 224), mode="RGB", form="JPEG"):
    file = io.BytesIO()
    Image.new(mode, size, (level,) * 3 if mode == "RGB" else level).save(file, form, quality=95)
    return file.getvalue()


def archive(folder, extra=None, parts=("train", "val")):
    members = {}
    for number, part in enumerate(parts):
        members[f"imagenette2-320/{part}/{LAST}/b.JPEG"] = photograph(40 + number, size=(300, 320))
        members[f"imagenette2-320/{part}/{FIRST}/a.JPEG"] = photograph(200 + number, mode="L")
    path = folder / "imagenette2-320.tgz"
    path.write_bytes(tar_gz(members | {"imagenette2-320/noisy_imagenette.csv": b"path"} | (extra or {})))
    return made.record(path)


def test_photographs_are_resized_sorted_and_counted(tmp_path):
    manifest = images.prepare(imagenette.SPEC, archive(tmp_path), out=tmp_path / "out.npz")
    loaded = images.load(tmp_path / "out.npz", verify=True)
    assert (
        loaded.shape == (3, 224, 224) and loaded.label.tolist() == [0, 9, 0, 9] and loaded.test.tolist() == [0, 0, 1, 1]
    )
    np.testing.assert_allclose(loaded.image.mean((1, 2, 3)), [200, 40, 201, 41], atol=1)
    assert manifest["notes"]["sizes"] == {"as_they_are": 2, "resized": 2}


@pytest.mark.parametrize(
    "extra",
    [
        {f"imagenette2-320/train/{FIRST}/c.JPEG": b"no photograph"},
        {f"imagenette2-320/train/{FIRST}/c.JPEG": photograph()[:-200]},
        {f"imagenette2-320/train/{FIRST}/c.JPEG": photograph(form="PNG")},
        {f"imagenette2-320/train/{FIRST}/c.JPEG": photograph(size=(8200, 1))},
        {"imagenette2-320/train/n00000000/c.JPEG": photograph()},
        {f"imagenette2-320/test/{FIRST}/c.JPEG": photograph()},
        {"c.JPEG": photograph()},
    ],
)
def test_what_is_no_photograph_of_a_class_is_refused(tmp_path, extra):
    path = archive(tmp_path, extra)
    with pytest.raises(FfreproError) as error:
        images.prepare(imagenette.SPEC, path, out=tmp_path / "out.npz")
    assert error.value.where == path and not (tmp_path / "out.npz").exists()


def test_an_archive_without_validation_images_is_refused(tmp_path):
    with pytest.raises(FfreproError):
        images.prepare(imagenette.SPEC, archive(tmp_path, parts=("train",)), out=tmp_path / "out.npz")


def test_what_only_mirrors_have_is_not_looked_for_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv(fetch.MIRROR_VARIABLE, raising=False)
    with pytest.raises(FfreproError) as error:
        fetch.fetch("imagenette_subset", "upstream", tmp_path, say=lambda _: None)
    assert fetch.MIRROR_VARIABLE in error.value.fix
