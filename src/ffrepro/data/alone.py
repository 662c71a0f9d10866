"""Make a file in one process at a time; others wait for it and then use it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ffrepro.base.lock import locked


def alone(target: Path, say: Callable[[str], None]) -> AbstractContextManager[bool]:
    """Make ``target`` while no other process does; ``say`` is called with a line where it has to be waited for.

    The lock is on ``.<name>.lock`` beside it; a process that ends, however it ends, gives it back.
    """
    place = target.with_name(f".{target.name}.lock")
    return locked(place, lambda holder: say(f"{target}: {holder} is making it; waiting for it to end"))
