"""Progress of a run: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time

from ffrepro.data.task import Task

SECONDS_BETWEEN_LINES = 10.0


class EpochProgress:
    """Counts epochs towards at most ``total``; writes to standard error, with the metrics that the task shows.

    ``bar``: draw one; None: on a terminal.
    """

    def __init__(self, label: str, total: int, done: int, task: Task, *, bar: bool | None = None):
        self._label, self._total, self._done = label, total, done
        self._shown = list(dict.fromkeys([task.watch[0], *task.shown]))
        self._last = time.monotonic()
        self._bar = _bar(label, total, done) if (sys.stderr.isatty() if bar is None else bar) else None
        if done:
            self._say(f"goes on after epoch {done}")

    def advance(self, line: dict) -> None:
        """An epoch ended with this line of metrics."""
        self._done += 1
        found = [f"{name} {line[f'val/{name}']:.4f}" for name in self._shown if f"val/{name}" in line]
        text = f"val {', '.join(found)}" if found else f"train loss {line['train/loss']:.4f}"
        if self._bar is not None:
            self._bar.set_postfix_str(text)
            self._bar.update()
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._say(f"epoch {self._done} of at most {self._total}, {line['seconds']:.1f} s each, {text}")

    def _say(self, text: str) -> None:
        print(f"{self._label}: {text}", file=sys.stderr, flush=True)

    def __enter__(self) -> EpochProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar(label: str, total: int, done: int):
    try:
        from tqdm import tqdm
    except ImportError:  # a bare GPU machine: plain lines
        return None
    return tqdm(desc=label, total=total, initial=done, unit=" epochs", leave=False)
