"""What a user brings, as movements: a CSV, SVC2004's text, InkML, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_csv, user_points, user_text
from ffrepro.data.user_points import Recording

ENDINGS = (".csv", ".tsv", ".txt", ".svc", ".inkml")  # of the files that are read in a folder, also with .gz


class Reading(NamedTuple):
    """Attributes: ``movements``: x, y, t (ms) of each; ``line``: how the file was read; ``notes``: warnings."""

    movements: list[Recording]
    line: str
    notes: list[str]


def read(path: Path, unit: str | None = None) -> Reading:
    """The movements of a file.

    Args:
        unit: of its times: s, ms, us or ns; None: as the file says, or as the steps tell.

    Raises:
        FfreproError: see ``user_text.read``, ``user_csv.parse`` and ``user_inkml.parse``.
    """
    text = user_text.read(path)
    if text.lstrip().startswith("<"):
        from ffrepro.data import user_inkml  # its parser is only needed here

        points = user_inkml.parse(text, path, unit)
    else:
        points = user_csv.parse(text, path, unit)
    made = user_points.movements(points)
    several = len(made) > 1
    notes = list(points.notes)
    for number, one in enumerate(made, start=1):
        notes += [f"movement {number}: {note}" if several else note for note in user_points.odd(one)]
    return Reading(made, user_points.describe(points, made), notes)


def files(folder: Path) -> list[Path]:
    """The files of a folder that may hold movements, by name.

    Raises:
        FfreproError: there is none.
    """
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name.lower().removesuffix(".gz").endswith(ENDINGS)
    )
    if not found:
        raise FfreproError(
            "no file of movements in the folder", where=folder, fix=f"files end in {', '.join(ENDINGS)} (or these .gz)"
        )
    return found


def label(path: Path) -> str:
    """The name of a file's movements: its own without its ending."""
    stem = Path(path.name.removesuffix(".gz")).stem
    return stem.encode("utf-8", "backslashreplace").decode()  # a picture shows no byte that is no letter
