"""Progress of one piece of work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts ``advance``d units of ``total``; writes to standard error.

    Args:
        label: what is going on.
        total: units in all, None where unknown.
        unit: "bytes" (shown in MB) or the plural of what is counted.
        done: units that were already there.
    """

    def __init__(self, label: str, *, total: int | None, unit: str, done: int = 0):
        self._label, self._total, self._unit, self._done = label, total, unit, done
        self._last_line = time.monotonic()
        self._bar: Any = _bar(label, total, unit, done) if sys.stderr.isatty() else None

    def advance(self, amount: int) -> None:
        """Count ``amount`` more units."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            print(f"{self._label}: {self._amount()}", file=sys.stderr, flush=True)

    def _amount(self) -> str:
        scale, unit = (1e6, "MB") if self._unit == "bytes" else (1, self._unit)
        of = f" of {self._total / scale:,.0f}" if self._total else ""
        return f"{self._done / scale:,.0f}{of} {unit}"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar(label: str, total: int | None, unit: str, done: int) -> Any:
    """A tqdm bar, or None without tqdm (then plain lines also serve a terminal)."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    in_bytes = unit == "bytes"
    return tqdm(
        desc=label, total=total, initial=done, unit="B" if in_bytes else f" {unit}", unit_scale=in_bytes, leave=False
    )
