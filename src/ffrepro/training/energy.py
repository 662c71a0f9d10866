"""Energy of the processor from its own counter (RAPL), where the system lets a process read it."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/sys/class/powercap")
_DOMAIN = "intel-rapl:[0-9]*"  # a package each; its parts have a second colon


class Meter:
    """Joules that the processors take between ``start`` and ``stop``.

    Args:
        folder: where the counters are.

    Attributes:
        how: where the numbers come from, or that they cannot be read.
    """

    def __init__(self, folder: Path = FOLDER):
        self._files = [path / "energy_uj" for path in sorted(folder.glob(_DOMAIN)) if path.name.count(":") == 1]
        self._start = self._read()
        self.how = "not readable" if self._start is None else f"RAPL, {len(self._files)} package(s)"

    def start(self) -> None:
        """Begin to count."""
        self._start = self._read()

    def stop(self) -> float | None:
        """Joules since ``start``; None where there is no counter, or one began anew."""
        now = self._read()
        if now is None or self._start is None or any(b < a for a, b in zip(self._start, now, strict=True)):
            return None
        return sum(b - a for a, b in zip(self._start, now, strict=True)) / 1e6

    def _read(self) -> list[int] | None:
        try:
            return [int(file.read_text()) for file in self._files] or None
        except (OSError, ValueError):
            return None
