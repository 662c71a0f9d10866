"""A web server that can be told to misbehave, small archives in the upstream formats, and stand-in reviews."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers.plans import prepare_standin

from ffrepro.base import files
from ffrepro.data import reviews


class Server:
    """Serves ``files``; ``log`` holds (path, Range header or None, bytes sent) of every request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.ranges = True
        self.cut_after: list[int | None] = []  # for each coming request: close the connection after so many bytes
        self.statuses: list[int] = []  # for each coming request: answer with this error instead
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}  # in place of a file
        self.log: list[tuple[str, str | None, int]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, asked = request.path.lstrip("/"), request.headers.get("Range")
        if name in self.answers:
            self.log.append((name, asked, 0))
            self.answers[name](request)
            return
        status = self.statuses.pop(0) if self.statuses else None
        if status or name not in self.files:
            self.log.append((name, asked, 0))
            request.send_error(status or 404)
            return
        content, etag = self.files[name], self.etags.get(name)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start and request.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(content):
            self.log.append((name, asked, 0))
            request.send_error(416)
            return
        body = content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if etag:
            request.send_header("ETag", etag)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        cut = self.cut_after.pop(0) if self.cut_after else None
        request.wfile.write(body[:cut])
        self.log.append((name, asked, len(body[:cut])))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def tar_gz(members: dict[str, bytes]) -> bytes:
    """A .tar.gz of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path):
    """``archive({path without root: bytes}) -> Path`` of a fetched archive with its provenance record."""

    def make(members: dict[str, bytes], source: str = "upstream") -> Path:
        path = tmp_path / "archive.tar.gz"
        path.write_bytes(tar_gz({f"root-1234/{name}": content for name, content in members.items()}))
        record = {
            "archive": "trajectories",
            "file": path.name,
            "source": source,
            "from": "mirror",
            "location": f"mirror/{path.name}",
            "sha256": files.sha256_file(path),
            "bytes": path.stat().st_size,
            "provenance": "made for a test",
            "fetched": "2020-01-01T00:00:00+00:00",
        }
        files.write_json(tmp_path / "archive.tar.gz.json", record)
        return path

    return make


@pytest.fixture(scope="session")
def standin_reviews(tmp_path_factory):
    """Prepared stand-in reviews."""
    return reviews.load(prepare_standin(tmp_path_factory.mktemp("reviews"), "imdb") / "standin/imdb.npz")
