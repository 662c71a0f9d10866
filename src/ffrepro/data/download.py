"""One HTTP download into a partial file: resume, retries, and noticing a transfer that stopped early."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data.progress import Progress

_CHUNK = 1 << 17
_GONE = (404, 410)
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


class NotThere(FfreproError):
    """The server answers, and says that it does not have the file."""


class _Unfinished(Exception):
    """A transfer that another attempt may finish."""


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
    url: str, part: Path, *, checksum_known: bool, patience: Patience, say: Callable[[str], None] = print
) -> None:
    """Fetch ``url`` into ``part``, going on from what ``part`` already holds.

    A partial file goes on only if the server can tell whether the file is still the same one (ETag, Last-Modified),
    or if the caller will compare a checksum; else it would be possible to join halves of two different files.

    Args:
        url: http or https.
        part: the partial file; complete on return, kept on a broken connection. ``<part>.json`` beside it remembers
            where it comes from, and is removed on return.
        checksum_known: the caller compares a checksum afterwards.
        patience: attempts, timeout, waiting.
        say: called with one line for every attempt that failed.

    Raises:
        NotThere: 404 or 410.
        FfreproError: another refusal, or every attempt failed.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(patience.attempts):
        try:
            _attempt(url, part, checksum_known=checksum_known, timeout=patience.timeout)
            _note(part).unlink(missing_ok=True)
            return
        except urllib.error.HTTPError as error:
            if error.code not in _RETRIED:
                discard(part)
                raise _refused(url, error) from error
            why = f"HTTP {error.code} {error.reason}"
        except _BROKEN as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt + 1 < patience.attempts:
            say(f"{url}: {why}; attempt {attempt + 2} of {patience.attempts} follows")
            time.sleep(patience.backoff * 2**attempt)
    raise FfreproError(
        f"download failed after {patience.attempts} attempts ({why})",
        where=url,
        fix="check the connection and run the same command again (it goes on from what has arrived where the "
        "server allows it), or set FFREPRO_MIRROR to a folder or URL that holds the file",
    )


def discard(part: Path) -> None:
    """Remove a partial file and the note beside it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, *, checksum_known: bool, timeout: float) -> None:
    have, validator = _resumable(url, part, checksum_known)
    headers = {"Accept-Encoding": "identity", "User-Agent": "ffrepro"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
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
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        validator = _validator(response.headers) or (validator if have else "")
        files.write_json(_note(part), {"url": url, "validator": validator})
        with (
            open(part, "ab" if have else "wb") as file,
            Progress(part.stem, total=total, unit="bytes", done=have) as bar,
        ):
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.advance(len(chunk))
    got = part.stat().st_size
    if total is not None and got != total:
        raise _Unfinished(f"the connection closed after {got:,} of {total:,} bytes")


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


def _refused(url: str, error: urllib.error.HTTPError) -> FfreproError:
    if error.code in _GONE:
        return NotThere(
            f"the server does not have the file (HTTP {error.code})",
            where=url,
            fix="get the file elsewhere, put it in a folder with SHA256SUMS and PROVENANCE.json, and set "
            "FFREPRO_MIRROR to that folder",
        )
    return FfreproError(
        f"the server refused the download (HTTP {error.code} {error.reason})",
        where=url,
        fix="try later, or set FFREPRO_MIRROR to a folder or URL that holds the file",
    )
