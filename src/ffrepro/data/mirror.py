"""Mirrors: a folder or URL that holds archives under their upstream names.

Beside the archives a mirror has ``SHA256SUMS`` (as ``sha256sum`` writes it) and, where a file is not upstream's byte
for byte, ``PROVENANCE.json`` ({file name: how it differs}).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data.download import NotThere, Patience, discard, download

SUMS, PROVENANCE = "SHA256SUMS", "PROVENANCE.json"
_SET_IT_RIGHT = "check --mirror or FFREPRO_MIRROR, or unset it to fetch from upstream"


class Mirror:
    """One mirror.

    Args:
        place: a folder, or an http(s) URL.
        patience: for downloads.
        say: called with one line for what a user should know.

    Raises:
        FfreproError: the folder is not there.
    """

    def __init__(self, place: str | Path, *, patience: Patience, say: Callable[[str], None]):
        self._url = str(place).rstrip("/") if str(place).startswith(("http://", "https://")) else None
        self._folder = None if self._url else Path(place).expanduser()
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
        """
        expected = self._checksum(file, part)
        if expected is None:
            self._say(f"{file} is not in the mirror {self.place}: going on to upstream")
            return None
        try:
            self._copy(file, part)
        except NotThere:
            self._say(f"{file} is in the {SUMS} of the mirror {self.place} and not on it: going on to upstream")
            return None
        found = files.sha256_file(part)
        if found != expected:
            discard(part)
            raise FfreproError(
                f"checksum mismatch for {file}: sha256 {found}, {SUMS} says {expected}",
                where=f"mirror {self.place}",
                fix=f"put an intact copy there (or renew its {SUMS}) and run the same command again, or unset "
                "FFREPRO_MIRROR to fetch from upstream",
            )
        return self._provenance(file, part)

    def _copy(self, file: str, part: Path) -> None:
        if self._url:
            download(f"{self._url}/{file}", part, checksum_known=True, patience=self._patience, say=self._say)
            return
        if not (self._folder / file).is_file():
            raise NotThere("no such file", where=self._folder / file)
        part.parent.mkdir(parents=True, exist_ok=True)
        discard(part)  # what an interrupted download left
        shutil.copyfile(self._folder / file, part)

    def _checksum(self, file: str, part: Path) -> str | None:
        """The file's SHA-256 by SHA256SUMS; None where the mirror does not offer the file."""
        listing = self._text(SUMS, part)
        for line in (listing or "").splitlines():
            digest, _, name = line.strip().partition(" ")
            if name.strip().removeprefix("*").removeprefix("./") == file:
                return digest.lower()
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
        try:
            stated = json.loads(self._text(PROVENANCE, part) or "{}").get(file)
        except (ValueError, AttributeError) as error:
            raise FfreproError(
                f"{PROVENANCE} of the mirror is not a JSON object ({error})", where=self.place, fix="mend or remove it"
            ) from error
        return stated or "copy from a mirror that does not say whether it differs from upstream"

    def _text(self, name: str, part: Path) -> str | None:
        """A small text file of the mirror; None where it has none."""
        if self._folder is not None:
            path = self._folder / name
            return path.read_text(encoding="utf-8") if path.is_file() else None
        small = part.with_name(f".{name}.part")
        try:
            download(f"{self._url}/{name}", small, checksum_known=False, patience=self._patience, say=self._say)
            return small.read_text(encoding="utf-8")
        except NotThere:
            return None
        finally:
            discard(small)
