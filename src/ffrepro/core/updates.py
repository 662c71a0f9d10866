"""Which layers learn together: the local update schedules of the DLR paper, Sec. II-B c (after Laskin et al. 2021)."""

from __future__ import annotations

from itertools import pairwise

HEAD = "head"  # the phase of a head that learns behind all layers


def groups(schedule: str, layers: int, size: int, step: int) -> list[list[int]]:
    """Groups of consecutive layers, bottom up; each learns from a loss at its last layer, without gradient from above.

    Args:
        schedule: ``simultaneous`` (every layer on its own; ``greedy`` is the same with one layer at a time, which is
            the caller's business), ``overlapping`` (groups of ``size``, each starting with the last layer of the one
            before), ``chunked`` (groups of ``size`` without overlap, the last may be smaller), ``alternating``
            (chunked at even steps; at odd steps the cuts are shifted by one layer, so that with ``size`` 2 every layer
            is the last of a group at least every second step). The paper says "chunked local updates that alternate
            in between iterations" and no more: this is our reading.
        step: number of the training step, from 0.
    """
    if schedule in ("greedy", "simultaneous"):
        return [[layer] for layer in range(layers)]
    if schedule == "overlapping":
        starts = range(0, max(layers - 1, 1), max(size - 1, 1))
        return [list(range(first, min(first + size, layers))) for first in starts]
    first = 1 if schedule == "alternating" and step % 2 else 0
    cuts = [0, *range(first, layers, size), layers] if first else [*range(0, layers, size), layers]
    return [list(range(begin, end)) for begin, end in pairwise(cuts) if end > begin]


def phases(schedule: str | None, layers: int, head: str | None) -> list[str]:
    """Names of a training's phases in order: every layer in one of its own (``greedy``) or all in ``train``; then
    ``HEAD``, where the head learns ``after`` them."""
    names = [f"layer{index}" for index in range(layers)] if schedule == "greedy" else ["train"]
    return [*names, HEAD] if head == "after" else names
