"""Answers of a server that are no file: each gets an error that names the address, and nothing is left."""

import errno
import gzip

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import download as module
from ffrepro.data.download import NotThere, Patience, download

CONTENT = bytes(range(256)) * 2000
ELSEWHERE = "ask elsewhere"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def get(server, tmp_path):
    """``get(name)`` downloads a file of the server into ``get.part``."""

    def run(name, *, url=None, attempts=2, **options):
        download(
            url or f"{server.url}/{name}", run.part, checksum_known=False, patience=Patience(attempts, 5, 0),
            elsewhere=ELSEWHERE, say=lambda line: None, **options,
        )  # fmt: skip
        return run.part.read_bytes()

    run.part = tmp_path / "raw" / "file.part"
    return run


def answer(status, headers, body=b""):
    def send(request):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return send


def left(get):
    return sorted(path.name for path in get.part.parent.iterdir())


def test_capitals_in_the_scheme(get, server):
    server.files["file"] = CONTENT
    assert get("", url=f"{server.url}/file".replace("http://", "HTTP://")) == CONTENT


def test_spaces_in_an_address(get, server):
    server.files["a%20file"] = CONTENT
    assert get("a file") == CONTENT


@pytest.mark.parametrize(
    ("to", "requests"),
    [
        ("/file", 11),  # urllib gives up after ten
        ("ftp://127.0.0.1/file", 1),
        ("file:///etc/passwd", 1),
        ("http://[::1/file", 1),
    ],
)
def test_redirects_in_circles_or_out_of_the_web(get, server, to, requests):
    server.answers["file"] = answer(302, {"Location": to})
    with pytest.raises(FfreproError) as error:
        get("file")
    assert error.value.where == f"{server.url}/file"
    assert error.value.fix == ELSEWHERE
    assert len(server.log) <= requests  # not tried again
    assert left(get) == []


def test_a_redirect_within_the_web(get, server):
    server.files["there"] = CONTENT
    server.answers["file"] = answer(301, {"Location": f"{server.url}/there"})
    assert get("file") == CONTENT


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_advises_what_the_caller_says_alone(get, server, status):
    server.answers["file"] = answer(status, {})
    with pytest.raises(FfreproError, match=str(status)) as error:
        get("file")
    assert error.value.fix.endswith(ELSEWHERE) and "MIRROR" not in error.value.fix
    assert len(server.log) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there(get, server, status):
    server.answers["file"] = answer(status, {})
    with pytest.raises(NotThere):
        get("file")


def test_an_unknown_host_is_not_asked_again(get):
    with pytest.raises(FfreproError) as error:
        get("", url="http://nowhere.invalid/file", attempts=100)
    assert error.value.where == "http://nowhere.invalid/file"


@pytest.mark.parametrize("length", ["5000", "7000"])
def test_a_body_shorter_than_announced(get, server, length):
    server.answers["file"] = answer(200, {"Content-Length": length}, b"x" * 4000)
    with pytest.raises(FfreproError, match=rf"4,000 of {int(length):,} bytes"):
        get("file")
    assert len(server.log) == 2


@pytest.mark.parametrize("length", ["many", "-3", ""])
def test_a_length_that_is_no_number_is_no_length(get, server, length):
    server.answers["file"] = answer(200, {"Content-Length": length}, b"x" * 4000)
    assert get("file") == b"x" * 4000


@pytest.mark.parametrize("length", ["1000001", "1" + "0" * 40])
def test_more_than_a_file_can_be_is_refused_before_it_comes(get, server, length):
    server.answers["file"] = answer(200, {"Content-Length": length}, b"x")
    with pytest.raises(FfreproError, match="1,000,000"):
        get("file", largest=1_000_000)
    assert left(get) == [] and len(server.log) == 1


def test_a_stream_without_end_is_cut(get, server):
    server.answers["file"] = answer(200, {}, b"x" * 3_000_000)
    with pytest.raises(FfreproError, match="1,000,000"):
        get("file", largest=1_000_000)
    assert left(get) == []


def test_a_file_that_comes_compressed_is_refused_and_a_gz_that_is_called_so_is_not(get, server):
    packed = gzip.compress(CONTENT)
    server.answers["file"] = server.answers["file.gz"] = answer(200, {"Content-Encoding": "gzip"}, packed)
    with pytest.raises(FfreproError, match="gzip"):
        get("file")
    assert left(get) == []
    assert get("file.gz") == packed


class FullDisk:
    """``open`` for a disk with little room: a write beyond it fails as it does there."""

    room = 300_000

    def __init__(self, path, mode):
        self._file = open(path, mode)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        if self._file.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._file.write(data)


def test_a_full_disk_is_the_disks_and_what_has_come_stays(get, server, monkeypatch):
    """The error names the partial file, no other attempt is made, and the next command goes on from there."""
    server.files["file"], server.etags["file"] = CONTENT, '"v1"'
    with monkeypatch.context() as patch:
        patch.setattr(module, "open", FullDisk, raising=False)
        with pytest.raises(OSError) as error:
            get("file")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(get.part))
    assert len(server.log) == 1
    have = get.part.stat().st_size
    assert 0 < have <= FullDisk.room
    assert get("file") == CONTENT
    assert server.log[-1] == ("file", f"bytes={have}-", len(CONTENT) - have)
