"""One HTTP download into a partial file: resume, retries, and noticing a transfer that stopped early."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data.progress import Progress

_CHUNK = 1 << 17
_GONE = (404, 410)
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
LARGEST = 16 << 30  # bytes of a file; no archive here has a tenth of it
_OF_A_URL = "%/:=&?~#+!$,;'@()*[]"  # what stays as it is in an address


class NotThere(FfreproError):
    """The server answers, and says that it does not have the file."""


class _Unfinished(Exception):
    """A transfer that another attempt may finish."""


class _Useless(Exception):
    """An answer that no other attempt would make better."""


# Not OSError as a whole: a full disk must not be answered by downloading again.
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
    _Unfinished,
)


@dataclass(frozen=True)
class Patience:
    """How long to try: ``attempts`` in all, waiting ``backoff`` s before the second and twice as long each time."""

    attempts: int = 5
    timeout: float = 30.0
    backoff: float = 1.0


def download(
    url: str,
    part: Path,
    *,
    checksum_known: bool,
    patience: Patience,
    elsewhere: str,
    say: Callable[[str], None] = print,
    largest: int = LARGEST,
) -> None:
    """Fetch ``url`` into ``part``, going on from what ``part`` already holds.

    A partial file goes on only if the server can tell whether the file is still the same one (ETag, Last-Modified),
    or if the caller will compare a checksum; else it would be possible to join halves of two different files.

    Args:
        url: http or https.
        part: the partial file; complete on return, kept on a broken connection and on a full disk. ``<part>.json``
            beside it remembers where it comes from, and is removed on return.
        checksum_known: the caller compares a checksum afterwards.
        patience: attempts, timeout, waiting.
        elsewhere: what to do where this address cannot help, for the errors' ``fix``.
        say: called with one line for every attempt that failed.
        largest: bytes; a file that is longer is refused, whether the server says so or goes on sending.

    Raises:
        NotThere: 404 or 410.
        FfreproError: another refusal, no usable answer, or every attempt failed.
        OSError: of the disk, with ``part`` (or its note) as ``filename``.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(patience.attempts):
        try:
            _attempt(url, part, checksum_known=checksum_known, timeout=patience.timeout, largest=largest)
            _note(part).unlink(missing_ok=True)
            return
        except urllib.error.HTTPError as error:
            if error.code not in _RETRIED:
                discard(part)
                raise _refused(url, error, elsewhere) from error
            why = f"HTTP {error.code} {error.reason}"
        except _Useless as error:
            discard(part)
            raise FfreproError(str(error), where=url, fix=elsewhere) from error
        except _BROKEN as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME:
                fix = f"check the address and the connection, or {elsewhere}"
                raise FfreproError("no host of this name is known", where=url, fix=fix) from error
            why = str(reason) or type(error).__name__
        if attempt + 1 < patience.attempts:
            say(f"{url}: {why}; attempt {attempt + 2} of {patience.attempts} follows")
            time.sleep(patience.backoff * 2**attempt)
    raise FfreproError(
        f"download failed after {patience.attempts} attempts ({why})",
        where=url,
        fix="check the connection and run the same command again (it goes on from what has arrived where the "
        f"server allows it), or {elsewhere}",
    )


def discard(part: Path) -> None:
    """Remove a partial file and the note beside it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, *, checksum_known: bool, timeout: float, largest: int) -> None:
    have, validator = _resumable(url, part, checksum_known)
    headers = {"Accept-Encoding": "identity", "User-Agent": "ffrepro"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = _open(url, headers, timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            discard(part)  # as long as the file or longer: nothing to go on from, whatever it is
            raise _Unfinished("the partial file does not fit the file on the server") from error
        raise
    with response:
        if response.status != 206:
            have = 0  # the whole file comes: no Range support, or the file changed since
        elif not _starts_at(response.headers.get("Content-Range", ""), have):
            discard(part)
            raise _Unfinished("the server sent another range than the one asked for")
        total = _total(url, response.headers, have, largest)
        validator = _validator(response.headers) or (validator if have else "")
        files.write_json(_note(part), {"url": url, "validator": validator})
        got = have
        with (
            naming(part),
            open(part, "ab" if have else "wb") as file,
            Progress(part.stem, total=total, unit="bytes", done=have) as bar,
        ):
            while chunk := _read(response):
                got += len(chunk)
                if got > largest:
                    raise _Useless(f"the server sends more than {largest:,} bytes, too much for this file")
                file.write(chunk)
                bar.advance(len(chunk))
    if total is not None and got != total:
        raise _Unfinished(f"the connection closed after {got:,} of {total:,} bytes")


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Redirects to other addresses of the web, and nowhere else (urllib would go to ftp, too)."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Message, newurl: str) -> Any:
        if not is_web(newurl):
            raise _Useless(f"the server sends on to {newurl[:200]!r}, which is not http(s)")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_web(place: str) -> bool:
    """Whether a place is an http(s) address; a scheme may be written in capitals."""
    return place.lower().startswith(("http://", "https://"))


def _open(url: str, headers: dict[str, str], timeout: float) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(urllib.parse.quote(url, safe=_OF_A_URL), headers=headers)
        return urllib.request.build_opener(_WebOnly).open(request, timeout=timeout)
    except (ValueError, http.client.InvalidURL) as error:  # of this address, or of one that it leads to
        raise _Useless(f"not a usable address ({error})") from error


def _total(url: str, headers: Message, have: int, largest: int) -> int | None:
    """Bytes of the whole file, None where the server does not say.

    Raises:
        _Useless: more than ``largest``, or sent in a form that is not the file itself.
    """
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    # Of a .gz, servers like to say "gzip" and mean the file itself; its checksum or its content will tell.
    if coding not in ("identity", "") and not (coding in ("gzip", "x-gzip") and url.endswith(("gz", ".GZ"))):
        raise _Useless(f"the server sends the file encoded (Content-Encoding: {coding[:40]}), and was asked not to")
    length = headers.get("Content-Length", "").strip()
    if not length.isdecimal():
        return None
    if have + int(length[:30]) > largest:
        raise _Useless(f"the server announces {length[:30]} bytes, too much for this file (at most {largest:,})")
    return have + int(length)


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except _BROKEN:
        raise
    except OSError as error:  # of the network: those of the disk must not be taken for it
        raise _Unfinished(str(error)) from error


@contextmanager
def naming(part: Path) -> Iterator[None]:
    """Say of errors of the disk which file they are about: ``write`` names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not isinstance(error, _BROKEN):
            error.filename = str(part)
        raise


def _resumable(url: str, part: Path, checksum_known: bool) -> tuple[int, str]:
    """Bytes to go on from (0 to start anew) and the validator that says whether the file is still the same."""
    note = _note(part)
    if not (part.is_file() and note.is_file()):
        return 0, ""
    try:
        remembered = files.read_json(note)
        validator = remembered["validator"] if remembered["url"] == url else None
    except (ValueError, KeyError, TypeError):
        return 0, ""
    if validator is None or not (validator or checksum_known):
        return 0, ""
    return part.stat().st_size, validator


def _validator(headers: Message) -> str:
    """What If-Range accepts: a strong ETag, else the time of the last change, else nothing."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _starts_at(content_range: str, start: int) -> bool:
    found = re.match(r"bytes (\d+)-", content_range)
    return found is not None and int(found[1]) == start


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _refused(url: str, error: urllib.error.HTTPError, elsewhere: str) -> FfreproError:
    if error.code in _GONE:
        return NotThere(f"the server does not have the file (HTTP {error.code})", where=url, fix=elsewhere)
    if 300 <= error.code < 400:
        what = f"the server sends on and on, or to nowhere (HTTP {error.code})"
        return FfreproError(what, where=url, fix=elsewhere)
    return FfreproError(
        f"the server refused the download (HTTP {error.code} {error.reason})",
        where=url,
        fix=f"try later, or {elsewhere}",
    )
