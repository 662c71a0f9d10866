"""Which records were found good before, by the hashes of their files and of the code that checked them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from ffrepro.base import extensions

FOLDER = ".ffrepro/proofs"
_PACKAGE = Path(__file__).parents[1]


class Proofs:
    """An empty file for each good record, in a folder for each state of the code; without a writable place, none.

    Args:
        root: the project's folder.
    """

    def __init__(self, root: str | Path):
        self._all = Path(root) / FOLDER
        self._folder = self._all / _code((_PACKAGE, *extensions.folders()))

    def has(self, run: str, files: Mapping[str, bytes]) -> bool:
        """Whether a record with these files was found good by the code as it is."""
        return (self._folder / _key(run, files)).exists()

    def add(self, run: str, files: Mapping[str, bytes]) -> None:
        """Remember a good record; those of another state of the code are forgotten."""
        with suppress(OSError):
            if not self._folder.is_dir():
                shutil.rmtree(self._all, ignore_errors=True)
                self._folder.mkdir(parents=True)
            (self._folder / _key(run, files)).touch()


def _key(run: str, files: Mapping[str, bytes]) -> str:
    digest = sha256(run.encode())
    for name, content in files.items():
        digest.update(f"\0{name}\0".encode() + sha256(content).digest())
    return digest.hexdigest()


@cache
def _code(folders: tuple[Path, ...]) -> str:
    """Of every module of the package and of its extensions: any of them may decide what a good record is."""
    digest = sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
