"""Norms of gradients by part of a net: their spread, their middle, and how far the parts lie apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import torch
from torch import nn


def norms(parts: Iterable[Iterable[nn.Parameter]]) -> list[float]:
    """Norm of each part's gradient; 0 of one that has none."""
    found = []
    for part in parts:
        grads = [p.grad.flatten() for p in part if p.grad is not None]
        found.append(float(torch.cat(grads).norm()) if grads else 0.0)
    return found


def spread(norms: Iterable[float]) -> float | None:
    """Standard deviation of the logarithms of norms; None of fewer than two, which have none."""
    logs = _logs(norms)
    return statistics.pstdev(logs) if len(logs) > 1 else None


def middle(norms: Iterable[float]) -> float | None:
    """Geometric mean of norms; None without any."""
    logs = _logs(norms)
    return math.exp(statistics.fmean(logs)) if logs else None


def apart(updates: Iterable[Sequence[float]]) -> float | None:
    """Largest norm of a part over the smallest one, the geometric mean of updates; None without any.

    Args:
        updates: the parts' norms of each; one in which fewer than two parts have a norm does not count.
    """
    logs = [found for norms in updates if len(found := _logs(norms)) > 1]
    return math.exp(statistics.fmean(max(found) - min(found) for found in logs)) if logs else None


def _logs(norms: Iterable[float]) -> list[float]:
    """Of norms that have one: a part whose loss is met has no gradient, a diverged net no finite one."""
    return [math.log(norm) for norm in norms if norm > 0 and math.isfinite(norm)]
