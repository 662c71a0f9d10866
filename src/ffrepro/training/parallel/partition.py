"""Groups of consecutive layers, one for each process, so that the slowest group is as fast as possible."""

from __future__ import annotations

from collections.abc import Sequence

from ffrepro.base.errors import FfreproError


def partition(costs: Sequence[float], groups: int) -> list[range]:
    """Consecutive ranges of layers, none empty, whose largest sum of costs is as small as possible.

    Args:
        costs: of each layer, in any unit.

    Raises:
        FfreproError: there are fewer layers than groups.
    """
    layers = len(costs)
    if groups > layers:
        raise FfreproError(
            f"{layers} layers or groups of layers that learn together cannot be shared by {groups} processes",
            where="processes",
            fix=f"give at most {layers} processes, or use a deeper net",
        )
    # best[n]: of the layers before n, shared by as many groups as were counted so far, (largest cost, their ends)
    best: dict[int, tuple[float, list[int]]] = {n: (sum(costs[:n]), [n]) for n in range(1, layers + 1)}
    for count in range(2, groups + 1):
        best = {
            n: min((max(best[cut][0], sum(costs[cut:n])), [*best[cut][1], n]) for cut in range(count - 1, n))
            for n in range(count, layers + 1)
        }
    ends = best[layers][1]
    return [range(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def bound(seconds: Sequence[float]) -> float:
    """The largest speed-up that a pipeline of groups can have: what all of them cost over what the slowest costs.

    Args:
        seconds: of each group, for the same batches.
    """
    return sum(seconds) / max(seconds)
