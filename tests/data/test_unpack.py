"""Unsafe members are refused, damage is noticed."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import standin_bytes, unpack
from ffrepro.data.unpack import Unreadable, members


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


@pytest.fixture
def small_limits(monkeypatch):
    for name, value in {
        "LARGEST_MEMBER": 100_000,
        "LARGEST_TOTAL": 1_000_000,
        "MOST_MEMBERS": 20,
        "_DRAIN": 1000,
    }.items():
        monkeypatch.setattr(unpack, name, value)


def header(name, size, kind=tarfile.REGTYPE):
    """A member that declares a size and has no content."""
    info = member(name, kind, size)
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("size", [1 << 33, 1 << 42])
@pytest.mark.parametrize("wanted", [True, False])
def test_members_that_declare_terabytes(tmp_path, packed, size, wanted):
    content = header("a", size) + bytes(10_240)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(Unreadable) as error:
        list(members(path, lambda name: wanted))
    assert error.value.where == path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_that_declare_gigabytes(tmp_path, kind):
    path = tmp_path / "a.tar"
    path.write_bytes(header("a", 1 << 40, kind) + bytes(10_240))
    with pytest.raises(Unreadable):
        list(members(path))


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream_that_expands_beyond_the_limit(tmp_path, small_limits, wanted):
    path = write_tar(tmp_path / "a.tar.gz", *(member(f"{i}", size=90_000) for i in range(15)))
    with pytest.raises(Unreadable, match="1,000,000"):
        list(members(path, lambda name: wanted))
    path.write_bytes(gzip.compress(bytes(2_000_000)))  # an archive's end, and then no end
    with pytest.raises(Unreadable, match="1,000,000"):
        list(members(path))


def test_one_member_beyond_the_limit(tmp_path, small_limits):
    path = write_tar(tmp_path / "a.tar.gz", member("small", size=5), member("large", size=100_001))
    assert [name for name, _ in members(path, lambda name: name == "small")] == ["small"]
    with pytest.raises(Unreadable, match=r"'large' declares 100,001 bytes; at most 100,000"):
        list(members(path))


def test_more_members_than_the_limit(tmp_path, small_limits):
    path = write_tar(tmp_path / "a.tar.gz", *(member(f"{i}") for i in range(21)))
    with pytest.raises(Unreadable, match="20 members"):
        list(members(path))


@pytest.mark.parametrize("again", ["d/a", "./d/a", "d//a"])
def test_a_name_twice(tmp_path, again):
    path = write_tar(tmp_path / "a.tar.gz", member("d/a", size=1), member(again, size=2))
    with pytest.raises(Unreadable, match="twice"):
        list(members(path))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("d/a", b"1")
        if again == "d/a":
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(again, b"2")
        else:
            archive.writestr(again, b"2")
    with pytest.raises(Unreadable, match="twice"):
        list(members(tmp_path / "a.zip"))


def test_sparse_members(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(header("a", 512, tarfile.GNUTYPE_SPARSE) + bytes(10_240))
    with pytest.raises(Unreadable, match="sparse"):
        list(members(path))


def zip_with(path, **fields):
    """A zip of one member whose directory entry (and header) say something else."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"content" * 100)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    places = {"flags": (entry + 8, 6), "method": (entry + 10, 8), "size": (entry + 24, 22)}
    for field, value in fields.items():
        for place in places[field]:
            length = len(value)
            content[place : place + length] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"flags": b"\x01\x00"}, "encrypted"),
        ({"method": b"\x61\x00"}, r"unknown method \(97\)"),
        ({"method": b"\x09\x00"}, r"unknown method \(9\)"),
        ({"size": b"\xf0\xff\xff\xff"}, "4,294,967,280 bytes"),
        ({"size": b"\xff\xff\xff\xff"}, "a.zip"),  # zip64, and no zip64 field
    ],
)
def test_zips_that_cannot_be_read(tmp_path, fields, what):
    path = zip_with(tmp_path / "a.zip", **fields)
    with pytest.raises(Unreadable, match=what) as error:
        list(members(path))
    assert error.value.where == path


def test_a_zip_that_expands_beyond_the_limit(tmp_path, small_limits):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(12):
            archive.writestr(f"{number}", bytes(90_000))
    assert (tmp_path / "a.zip").stat().st_size < 10_000
    with pytest.raises(Unreadable, match="1,000,000"):
        list(members(tmp_path / "a.zip"))


def test_any_cut_or_changed_byte_of_a_zip_is_an_error_or_the_content(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"content" * 20)
    whole = path.read_bytes()
    refused = 0
    for place in range(2, len(whole)):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]):
            path.write_bytes(content)
            try:
                found = list(members(path))
                assert [data for _, data in found] in ([b"content" * 20], [])
            except Unreadable:
                refused += 1
    assert refused > len(whole)
