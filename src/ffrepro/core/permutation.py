"""Exact permutation tests for counts that no normal law describes: censored ones (log-rank) and bimodal ones.

With n and m runs there are (n + m)! / (n! m!) ways to deal them out, and no p can be smaller than the share of one of
them; 3 against 3 runs give .1 at best. Sources: Mantel 1966 (log-rank), Fisher 1935 (randomisation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

_MOST = 20_000  # ways to deal out; beyond that a run count is no handful any more
_TIE = 1e-9  # statistics closer than this are the same, computed in another order


def log_rank(a: Sequence[float], b: Sequence[float], a_censored: Sequence[bool], b_censored: Sequence[bool]) -> float:
    """Two-tailed exact p that two samples of times differ, where a censored one is only known to be longer.

    Args:
        a, b: (n,) and (m,) times until an end, or until they were cut short.
        a_censored, b_censored: whether each was cut short.

    Returns:
        The share of all ways to deal the n + m times out whose log-rank statistic is at least as far from 0.

    Raises:
        ValueError: an empty sample, or more ways than ``_MOST``.
    """
    times = np.array([*a, *b], dtype=float)
    ended = ~np.array([*a_censored, *b_censored], dtype=bool)
    scores = _log_rank_scores(times, ended)
    return _dealt(scores, len(a), len(b))


def means(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-tailed exact p that two samples differ in their means; otherwise as ``log_rank``."""
    values = np.array([*a, *b], dtype=float)
    return _dealt(values - values.mean(), len(a), len(b))


def around(sample: Sequence[float], value: float) -> float:
    """Two-tailed exact p that a sample lies around a number: all signs of the differences are as likely.

    Raises:
        ValueError: an empty sample, or more signs than ``_MOST``.
    """
    difference = np.asarray(sample, dtype=float) - value
    if not len(difference) or 2 ** len(difference) > _MOST:
        raise ValueError(f"a sample of 1 to {int(math.log2(_MOST))} runs is wanted, not {len(difference)}")
    found = abs(difference.sum())
    sums = np.array([abs(np.dot(signs, difference)) for signs in product((1, -1), repeat=len(difference))])
    return float(np.mean(sums >= found - _TIE * max(1.0, found)))


def is_bimodal(sample: Sequence[float]) -> bool:
    """Whether a few positive numbers fall into two groups: a gap of half their range that is also half their mean.

    A rule for choosing a test that asks for less, not a test: some runs stop at once, others go on to the end.
    """
    x = np.sort(np.asarray(sample, dtype=float))
    if len(x) < 3:
        return False
    gap = float(np.diff(x).max())
    return gap >= (x[-1] - x[0]) / 2 and gap >= x.mean() / 2


def _log_rank_scores(times: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """(n,) 1 for an end minus the hazard until then (Nelson-Aalen): their sum over a group is observed - expected."""
    ends = np.unique(times[ended])
    hazard = np.array([np.sum(ended & (times == t)) / np.sum(times >= t) for t in ends])
    return ended - np.array([hazard[ends <= t].sum() for t in times])


def _dealt(scores: np.ndarray, n: int, m: int) -> float:
    """Share of the ways to choose n of the scores whose sum is as far from its mean as that of the first n."""
    if min(n, m) < 1 or math.comb(n + m, n) > _MOST:
        raise ValueError(f"samples of {n} and {m} runs: neither may be empty, nor both large")
    centre = n * float(scores.mean())
    found = abs(float(scores[:n].sum()) - centre)
    sums = np.array([abs(float(scores[list(chosen)].sum()) - centre) for chosen in combinations(range(n + m), n)])
    return float(np.mean(sums >= found - _TIE * max(1.0, found)))
