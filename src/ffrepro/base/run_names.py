"""Runs by name: the name in full, or a part of it that fits one variant of one experiment alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown

_LISTED = 8


def find(wanted: str, names: Iterable[str], *, where: object) -> list[str]:
    """The runs that a user means: of one experiment, variant, scale and hardware; they differ by seed alone.

    Args:
        wanted: a run's name (``<scale>/<hardware>/<experiment>/<variant>/seed<N>``), whole words of it
            (``<experiment>/<variant>``), or any part of it.
        names: of the runs there are. where: these are, for messages.

    Raises:
        FfreproError: no run fits (the nearest names are given), or runs of several variants do.
    """
    names = list(names)
    part = wanted.strip("/")
    found = [name for name in names if f"/{part}/" in f"/{name}/"]  # whole words of the path first
    found = found or [name for name in names if part in name]
    if not found:
        parts = {part for name in names for part in (name, name.rpartition("/")[0], *name.split("/")[2:4])}
        raise unknown("run", wanted, parts if len(parts) <= _LISTED else _near(wanted, parts), where=where)
    several = list(dict.fromkeys(name.rpartition("/")[0] for name in found))
    if len(several) > 1:
        more = f" and {len(several) - _LISTED} more" if len(several) > _LISTED else ""
        raise FfreproError(
            f"{wanted!r} is part of {len(several)} runs' names",
            where=where,
            fix=f"say more of one: {', '.join(several[:_LISTED])}{more}",
        )
    return found


def _near(wanted: str, names: set[str]) -> list[str]:
    """Some names to choose from, the nearest first."""
    return difflib.get_close_matches(wanted, sorted(names), _LISTED, 0.3) or sorted(names)[:_LISTED]
