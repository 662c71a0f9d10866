"""Unsafe members are refused, damage is noticed."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import standin_bytes
from ffrepro.data.unpack import members


def write_tar(path, *infos, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def member(name, kind=tarfile.REGTYPE, size=0, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, linkname
    return info


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_members_come_in_order_with_their_content(tmp_path, mode):
    path = write_tar(
        tmp_path / "a.tar", member("d", tarfile.DIRTYPE), member("d/b", size=3), member("d/a", size=2), mode=mode
    )
    assert list(members(path)) == [("d/b", b"xxx"), ("d/a", b"xx")]
    assert list(members(path, lambda name: name.endswith("a"))) == [("d/a", b"xx")]


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (member("/etc/passwd", size=1), "absolute path"),
        (member("C:\\x", size=1), "absolute path"),
        (member("d/../../x", size=1), r"'\.\.'"),
        (member("d\\..\\x", size=1), r"'\.\.'"),
        (member("d/link", tarfile.SYMTYPE, linkname="/etc"), "is a link"),
        (member("d/link", tarfile.LNKTYPE, linkname="d/a"), "is a link"),
        (member("d/null", tarfile.CHRTYPE), "device"),
        (member("d/pipe", tarfile.FIFOTYPE), "special file"),
    ],
)
def test_unsafe_tar_members_are_refused_even_if_unwanted(tmp_path, info, why):
    path = write_tar(tmp_path / "a.tar.gz", member("d/a", size=1), info)
    with pytest.raises(FfreproError, match=why) as error:
        list(members(path, lambda name: name == "d/a"))
    assert repr(info.name) in error.value.what
    assert error.value.where == path


def test_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/a", b"content")
    assert list(members(path)) == [("d/a", b"content")]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../b", b"")
    with pytest.raises(FfreproError, match=r"'\.\./b'"):
        list(members(path))


def test_zip_links_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FfreproError, match="is a link"):
        list(members(path))


@pytest.mark.parametrize("keep", [0.5, 0.99, "all but the last 4 bytes"])
def test_a_truncated_gz_is_an_error(tmp_path, keep):
    path = write_tar(tmp_path / "a.tar.gz", *(member(f"d/{i}", size=5000) for i in range(50)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)] if isinstance(keep, float) else whole[:-4])
    with pytest.raises(FfreproError, match="truncated or corrupt") as error:
        list(members(path))
    assert error.value.where == path
    assert error.value.fix == "delete this file and fetch it again"


def test_a_tar_cut_between_two_members_is_an_error(tmp_path):
    path = write_tar(tmp_path / "a.tar", member("a", size=512), member("b", size=512), mode="w")
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(FfreproError, match="end-of-archive marker"):
        list(members(path))


def test_flipped_bits_are_an_error(tmp_path):
    path = write_tar(tmp_path / "a.tar", member("a", size=100_000), mode="w")
    damaged = bytearray(gzip.compress(path.read_bytes(), compresslevel=0))
    damaged[50_000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FfreproError, match="truncated or corrupt"):
        list(members(path))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100, b"PK\x03\x04 not a zip"])
def test_something_else_is_an_error(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(FfreproError, match="truncated or corrupt"):
        list(members(path))


def test_a_missing_archive(tmp_path):
    with pytest.raises(FfreproError, match="not there"):
        list(members(tmp_path / "a.tar.gz"))


def test_names_do_not_depend_on_the_locale(tmp_path, monkeypatch):
    content = {"d/ni\u00f1o": b"1", "d/nino": b"2"}
    before = standin_bytes.tar_gz(content)
    monkeypatch.setattr(tarfile.TarFile, "encoding", "ascii")  # what Python takes from an ASCII locale
    (tmp_path / "a.tar.gz").write_bytes(standin_bytes.tar_gz(content))
    assert (tmp_path / "a.tar.gz").read_bytes() == before
    assert dict(members(tmp_path / "a.tar.gz")) == content
