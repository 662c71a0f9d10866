"""Unknown names: always say what was meant and what there is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ffrepro.base.errors import FfreproError


def nearest(name: str, available: Iterable[str]) -> str | None:
    """The available name closest to ``name``, or None where none is close."""
    matches = difflib.get_close_matches(str(name), [str(a) for a in available], n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(kind: str, name: str, available: Iterable[str], *, where: object = None, more: str = "") -> FfreproError:
    """The error for a name that does not exist: nearest name first, then all of them.

    Args:
        more: where else such a name may come from, as a sentence.
    """
    options = sorted(str(a) for a in available)
    close = nearest(name, options)
    hint = f"Did you mean {close!r}? " if close else ""
    fix = f"{hint}Available: {', '.join(options) or 'none'}{f'. {more}' if more else ''}"
    return FfreproError(f"unknown {kind} {name!r}", where=where, fix=fix)
