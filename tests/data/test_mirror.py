"""What a mirror says of its files: listings as people have them are read, others get one error that names the place."""

import errno
import gzip
import json
import shutil
import struct

import pytest

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data import archives, checksums
from ffrepro.data import mirror as module
from ffrepro.data.download import Patience
from ffrepro.data.fetch import fetch
from ffrepro.data.mirror import Mirror

FILE, DIGEST = "t10k-labels-idx1-ubyte.gz", "0123456789abcdef" * 4


def lines(digest=DIGEST, name=FILE):
    return f"{'0' * 64}  another.zip\n{digest}  {name}\n"


@pytest.mark.parametrize(
    "listing",
    [
        lines().encode(),
        lines().replace("\n", "\r\n").encode(),
        lines(DIGEST.upper()).encode(),
        lines(name=f"./{FILE}").encode(),
        f"{DIGEST} *{FILE}".encode(),
        f"{DIGEST}\t{FILE}\n{DIGEST}  {FILE}".encode(),
        f"\\{DIGEST}  {FILE}\n\\{DIGEST}  two\\nlines\n".encode(),
        f"SHA256 ({FILE}) = {DIGEST}\nSHA256 (another.zip) = {'0' * 64}\n".encode(),
        f"SHA256({FILE})= {DIGEST}\n".encode(),
        f"MD5 ({FILE}.old) = {'0' * 32}\n# a remark\n\n{DIGEST}  {FILE}\n".encode(),
        lines().encode("utf-8-sig"),
        lines().encode("utf-16"),
        b"\xfe\xff" + lines().encode("utf-16-be"),
    ],
)
def test_listings_that_are_read(listing):
    assert checksums.digest_of(FILE, listing, "here") == DIGEST


def test_a_name_with_escapes():
    listing = f"\\{DIGEST}  back\\\\slash\\nline\n".encode()
    assert checksums.digest_of("back\\slash\nline", listing, "here") == DIGEST
    assert checksums.digest_of("back\\\\slash\\nline", listing, "here") is None


def test_a_file_that_is_not_listed():
    assert checksums.digest_of("other.gz", lines().encode(), "here") is None
    assert checksums.digest_of("other.gz", b"", "here") is None


@pytest.mark.parametrize(
    "listing",
    [
        b"<!DOCTYPE html>\n<html><body>404</body></html>",
        b"  <HTML><body>no</body></HTML>",
        lines().encode("utf-16-le"),  # without a mark
        b"\xff\xfe\x00",
        b"\xff\x00\xd8 latin",
        lines("0" * 32).encode(),
        lines("0" * 63).encode(),
        lines("0" * 128).encode(),
        f"MD5 ({FILE}) = {'0' * 32}\n".encode(),
        f"SHA512 ({FILE}) = {'0' * 128}\n".encode(),
        f"SHA512/256 ({FILE}) = {'0' * 64}\n".encode(),
        f"{DIGEST}  {FILE}\n{'0' * 64}  {FILE}\n".encode(),
        b"come back later\n",
        json.dumps({FILE: DIGEST}).encode(),
    ],
)
def test_listings_that_are_none(listing):
    with pytest.raises(FfreproError) as error:
        checksums.digest_of(FILE, listing, "here")
    assert error.value.where == "here" and "SHA256SUMS" in error.value.fix


@pytest.fixture
def labels(tmp_path):
    """A mirror as one was found: MNIST's test labels (here 10,000 made ones), SHA256SUMS in UTF-16."""
    folder = tmp_path / "a mirror"
    folder.mkdir()
    content = gzip.compress(struct.pack(">II", 0x801, 10_000) + bytes(n % 10 for n in range(10_000)), mtime=0)
    (folder / FILE).write_bytes(content)
    (folder / "SHA256SUMS").write_text(lines(files.sha256_bytes(content)), encoding="utf-16")
    (folder / "PROVENANCE.json").write_text(json.dumps({FILE: "made for a test", "other.tar": "something else"}))
    return folder


@pytest.fixture
def get(tmp_path, monkeypatch):
    """``get(place)`` fetches the labels from a mirror at a place and returns the record."""
    monkeypatch.delenv("FFREPRO_MIRROR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def run(place):
        patience = Patience(1, timeout=5, backoff=0)
        path = fetch("mnist_test_labels", "upstream", tmp_path / "raw", place, patience=patience, say=lambda line: None)
        return files.read_json(path.with_name(path.name + ".json"))

    return run


def offer(server, folder):
    for file in folder.iterdir():
        server.files[f"m/{file.name}"] = file.read_bytes()
    return f"{server.url}/m"


@pytest.mark.parametrize(
    "form", [str, lambda folder: folder.as_uri(), lambda folder: folder.as_uri().replace("file://", "FILE://localhost")]
)
def test_a_folder_or_a_file_url(get, labels, form):
    record = get(form(labels))
    assert (record["from"], record["provenance"]) == ("mirror", "made for a test")
    assert record["sha256"] == files.sha256_file(labels / FILE)


def test_a_url_in_capitals(get, labels, server):
    assert get(offer(server, labels).replace("http", "HTTP"))["from"] == "mirror"


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/m", "s3://bucket/m", "file://elsewhere/m", "http:/m", "htp://[m"])
def test_other_places_are_none(get, place):
    with pytest.raises(FfreproError) as error:
        get(place)
    assert error.value.where == place


@pytest.mark.parametrize("kind", ["folder", "url"])
@pytest.mark.parametrize(
    "content",
    [
        b"[]", b'"text"', b"null", b"{", b"\xff\xfe", b"<html></html>", b"[" * 100_000,
        json.dumps({FILE: 3}).encode(), json.dumps({FILE: ["x"]}).encode(), json.dumps({FILE: " "}).encode(),
        json.dumps({FILE: None}).encode(), json.dumps({FILE: "\ud800"}).encode(), b" " * (module._LARGEST_TEXT + 1),
    ],
)  # fmt: skip
def test_provenance_that_is_none_is_an_error_and_nothing_is_kept(get, labels, server, tmp_path, content, kind):
    (labels / "PROVENANCE.json").write_bytes(content)
    with pytest.raises(FfreproError) as error:
        get(str(labels) if kind == "folder" else offer(server, labels))
    assert "PROVENANCE.json" in str(error.value)
    assert not (tmp_path / "raw" / "upstream" / FILE).exists()


def test_provenance_in_utf16(get, labels):
    (labels / "PROVENANCE.json").write_text(json.dumps({FILE: "made"}), encoding="utf-16")
    assert get(labels)["provenance"] == "made"


def test_a_mirror_that_refuses_is_not_advised(get, labels, server):
    offer(server, labels)
    server.statuses = [403]
    with pytest.raises(FfreproError, match="403") as error:
        get(f"{server.url}/m")
    assert "that holds the file" not in error.value.fix and "unset it" in error.value.fix


def test_upstream_refuses_after_the_mirror_did_not_have_it(get, labels, server, monkeypatch):
    (labels / FILE).unlink()
    entry = archives.Archive("one", "one.bin", (f"{server.url}/one",), None, "none", ("set",), "standin")
    monkeypatch.setitem(archives.ARCHIVES, "mnist_test_labels", entry)
    server.statuses = [403]
    with pytest.raises(FfreproError, match="403") as error:
        get(labels)
    assert str(labels) in error.value.fix


def test_a_full_disk_is_not_the_mirrors(labels, tmp_path, monkeypatch):
    def fails(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fails)
    part = tmp_path / "raw" / "file.part"
    with pytest.raises(OSError) as error:
        Mirror(labels, patience=Patience(), say=lambda line: None).obtain(FILE, part)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(part))
    assert not part.exists()
