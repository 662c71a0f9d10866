"""Peak memory: of a whole process, and of a piece of work (the allocator's own events)."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Mapping

import torch

from ffrepro.base.records import COUNTED

_SILENT = "99"  # of the profiler's own log, which would come between the lines of a bench; read at its first start


def of_process(device: str) -> dict:
    """Peak memory since the process started: what a run needs of the machine.

    Returns:
        ``peak_bytes`` and ``how``: the resident set (Python and libraries included), or the CUDA allocator's peak.
    """
    if device == "cuda":
        return {"peak_bytes": torch.cuda.max_memory_allocated(), "how": "max_memory_allocated"}
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"peak_bytes": peak, "how": "resident set of the process"}


class Peak:
    """Context manager; afterwards ``bytes`` (None where it cannot be measured) and ``how``.

    On CPU the allocations and frees that PyTorch's profiler records are added up in order, starting from zero: what
    was allocated before the block is not counted. The profiler slows the block down; never time inside it.

    Args:
        without: sizes in bytes of tensors to leave out, on CPU: those of parameters, to count activations alone.
    """

    def __init__(self, device: str, without: frozenset[int] = frozenset()):
        self._device, self._without = device, without
        self.bytes: int | None = None
        self.how = {"cpu": COUNTED, "cuda": "max_memory_allocated"}.get(device, "not measured")

    def __enter__(self) -> Peak:
        if self._device == "cpu":
            os.environ.setdefault("KINETO_LOG_LEVEL", _SILENT)
            self._profile = torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
            )
            self._profile.__enter__()
        elif self._device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        return self

    def __exit__(self, *error: object) -> None:
        if self._device == "cpu":
            self._profile.__exit__(*error)
            now = peak = 0
            for event in sorted(_memory_events(self._profile), key=lambda e: e.start_ns()):
                if abs(event.nbytes()) in self._without:
                    continue
                now += event.nbytes()
                peak = max(peak, now)
            self.bytes = peak
        elif self._device == "cuda":
            torch.cuda.synchronize()
            self.bytes = torch.cuda.max_memory_allocated() - self._before


def peaks(
    makers: Mapping[str, Callable[[], Callable[[], object]]], device: str, without: frozenset[int] = frozenset()
) -> dict[str, int | None]:
    """Peak bytes of each row of a bench: its state is made and two steps taken.

    The second step has everything that stays: optimizer state, workspace.

    Args:
        makers: row -> makes a step from scratch.
        device, without: as of ``Peak``.
    """
    found = {}
    for name, make in makers.items():
        with Peak(device, without) as peak:
            step = make()
            step(), step()
            del step
        found[name] = peak.bytes
    return found


def ratio(peak: int | None, base: int | None) -> float | None:
    """Of two peaks; None where they cannot be measured."""
    return None if peak is None or base is None else peak / base


def _memory_events(profile: torch.profiler.profile) -> list:
    return [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
