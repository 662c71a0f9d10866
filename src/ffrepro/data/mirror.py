"""Mirrors: a folder or URL that holds archives under their upstream names.

Beside the archives a mirror has ``SHA256SUMS`` (as ``sha256sum`` writes it) and, where a file is not upstream's byte
for byte, ``PROVENANCE.json`` ({file name: how it differs}).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.reading import parse_json
from ffrepro.data import checksums
from ffrepro.data.download import NotThere, Patience, discard, download, is_web, naming

SUMS, PROVENANCE = "SHA256SUMS", "PROVENANCE.json"
_LARGEST_TEXT = 1 << 20  # bytes of either
_SILENT = "copy from a mirror that does not say whether it differs from upstream"
_SET_IT_RIGHT = "check --mirror or FFREPRO_MIRROR, or unset it to fetch from upstream"


class Mirror:
    """One mirror.

    Args:
        place: a folder, or an http(s) or file URL; schemes may be written in capitals.
        patience: for downloads.
        say: called with one line for what a user should know.

    Raises:
        FfreproError: another kind of URL, or the folder is not there.
    """

    def __init__(self, place: str | Path, *, patience: Patience, say: Callable[[str], None]):
        self._url = str(place).rstrip("/") if is_web(str(place)) else None
        self._folder = None if self._url else _folder(str(place))
        self._patience, self._say = patience, say
        self.place = str(place)
        if self._folder is not None and not self._folder.is_dir():
            raise FfreproError("the mirror is not a folder and not an http(s) URL", where=place, fix=_SET_IT_RIGHT)

    def obtain(self, file: str, part: Path) -> str | None:
        """Copy or download ``file`` into ``part`` and check it against the mirror's SHA256SUMS.

        Returns:
            How the file differs from upstream, in words; None where the mirror does not have it (it says so).

        Raises:
            FfreproError: the mirror lists no checksum for a file that it has, or the content does not match.
            OSError: of the disk, with ``part`` as ``filename``.
        """
        expected = self._checksum(file, part)
        if expected is None:
            self._say(f"{file} is not in the mirror {self.place}: going on to upstream")
            return None
        provenance = self._provenance(file, part)  # before a long download
        try:
            self._copy(file, part)
        except NotThere:
            self._say(f"{file} is in the {SUMS} of the mirror {self.place} and not on it: going on to upstream")
            return None
        found = files.sha256_file(part)
        if found != expected:
            page = ", and it is an HTML page" if checksums.begins_as_html(part) else ""
            discard(part)
            raise FfreproError(
                f"checksum mismatch for {file}: sha256 {found}, {SUMS} says {expected}{page}",
                where=f"mirror {self.place}",
                fix=f"put an intact copy there (or renew its {SUMS}) and run the same command again, or unset "
                "FFREPRO_MIRROR to fetch from upstream",
            )
        return provenance

    def _copy(self, file: str, part: Path) -> None:
        if self._url:
            self._download(file, part, checksum_known=True)
            return
        if not (self._folder / file).is_file():
            raise NotThere("no such file", where=self._folder / file)
        part.parent.mkdir(parents=True, exist_ok=True)
        discard(part)  # what an interrupted download left
        try:
            with open(self._folder / file, "rb") as source, naming(part), open(part, "wb") as target:
                shutil.copyfileobj(source, target)
        except OSError:
            part.unlink(missing_ok=True)  # half a copy is of no use, and may be what fills the disk
            raise

    def _download(self, name: str, part: Path, **options: object) -> None:
        download(
            f"{self._url}/{name}", part, patience=self._patience, elsewhere=_SET_IT_RIGHT, say=self._say, **options
        )

    def _checksum(self, file: str, part: Path) -> str | None:
        """The file's SHA-256 by SHA256SUMS; None where the mirror does not offer the file."""
        listing = self._text(SUMS, part)
        if listing is not None:
            digest = checksums.digest_of(file, listing, f"{SUMS} of the mirror {self.place}")
            if digest is not None:
                return digest
        if self._folder is not None and not (self._folder / file).is_file():
            return None
        if self._url and listing is not None:
            return None
        raise FfreproError(
            f"the mirror has no checksum for {file}" if listing is not None else f"the mirror has no {SUMS}",
            where=self.place,
            fix=f"in the mirror's folder run: sha256sum '{file}' >> {SUMS}; or {_SET_IT_RIGHT}",
        )

    def _provenance(self, file: str, part: Path) -> str:
        content = self._text(PROVENANCE, part)
        if content is None:
            return _SILENT
        try:
            stated = parse_json(checksums.decode(content), f"{PROVENANCE} of the mirror {self.place}")
            said = stated.get(file, _SILENT)
            if not (isinstance(said, str) and said.strip()):
                raise ValueError(f"what it says of {file} is no text")
        except ValueError as error:
            raise FfreproError(
                f"{PROVENANCE} is not a JSON object of texts by file name ({error})",
                where=f"mirror {self.place}",
                fix=f"mend it there: {{file name: how it differs from upstream}}; or {_SET_IT_RIGHT}",
            ) from error
        return said

    def _text(self, name: str, part: Path) -> bytes | None:
        """A small file of the mirror; None where it has none."""
        if self._folder is not None:
            path = self._folder / name
            if not path.is_file():
                return None
            with open(path, "rb") as file:
                content = file.read(_LARGEST_TEXT + 1)
            if len(content) > _LARGEST_TEXT:
                raise FfreproError(f"{name} has more than {_LARGEST_TEXT:,} bytes", where=path, fix=_SET_IT_RIGHT)
            return content
        # Named after the archive: fetches of other archives run at the same time.
        small = part.with_name(f".{part.stem}.{name}.part")
        try:
            self._download(name, small, checksum_known=False, largest=_LARGEST_TEXT)
            return small.read_bytes()
        except NotThere:
            return None
        finally:
            discard(small)


def _folder(place: str) -> Path:
    """The folder that a path or a file URL names.

    Raises:
        FfreproError: another URL.
    """
    if "://" not in place:
        return Path(place).expanduser()
    try:
        parts = urlsplit(place)
    except ValueError:
        parts = None
    if parts is None or parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise FfreproError("a mirror is a folder, or an http(s) or file URL", where=place, fix=_SET_IT_RIGHT)
    return Path(url2pathname(parts.path))
