"""Two trained models on the same test samples: McNemar's test, a bootstrap over samples and seeds, and the smallest
difference that a test set of a given size can show.

Pure functions on arrays of hits and misses. Sources: McNemar 1947 (exact form: the discordant pairs are binomial with
1/2), Owen and Eckles 2012 (the bootstrap of data with two crossed factors).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

_CHUNK = 2_000_000  # entries of the largest array of resampling counts


class McNemar(NamedTuple):
    """How many samples only the first, or only the second model has right, and the exact two-tailed p."""

    only_first: int
    only_second: int
    p: float


class Difference(NamedTuple):
    """A difference of means with its percentile interval."""

    mean: float
    low: float
    high: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Exact McNemar test of two models' hits on the same samples.

    Args:
        first, second: (R,) whether each sample was right.

    Raises:
        ValueError: the two are not of the same samples, or there are none.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"McNemar's test needs two lists of equal length, not {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = term = 1
    for k in range(1, fewer + 1):  # each binomial coefficient from the one before, exactly
        term = term * (n - k + 1) // k
        tail += term
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**n))


def bootstrap(
    first: np.ndarray, second: np.ndarray, *, draws: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Difference of two models' means (first minus second), bootstrapped over seeds and samples at once.

    Every draw takes seeds of each model and samples, with replacement; samples are the same for both models, seeds are
    not. It is the interval for another seed *and* another test set; resampling one of the two alone gives less.

    Args:
        first: (S_1, R) per-seed values of the R samples; hits (0, 1) or any score.
        second: (S_2, R) those of the other model, on the same samples.
        draws: of the bootstrap.
        confidence: coverage of the percentile interval.
        seed: of the draws.

    Raises:
        ValueError: shapes do not fit, or nothing is there.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise ValueError(f"a bootstrap needs (seeds, samples) of the same samples, not {a.shape} and {b.shape}")
    rng = np.random.default_rng(seed)
    samples = a.shape[1]
    # Samples with the same values in all seeds of both models are alike. Of hits there are few such kinds; how often
    # each kind is drawn is multinomial, as the draws themselves are.
    kinds_SK, count_K = np.unique(np.concatenate([a, b]), axis=1, return_counts=True)
    size = max(1, min(draws, _CHUNK // len(count_K)))
    found = []
    for begin in range(0, draws, size):
        count = min(size, draws - begin)
        weights_DK = rng.multinomial(samples, count_K / samples, size=count) / samples
        means = [_mean_over_seeds(x, weights_DK, rng) for x in (kinds_SK[: len(a)], kinds_SK[len(a) :])]
        found.append(means[0] - means[1])
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(float(a.mean() - b.mean()), float(low), float(high))


def smallest_difference(rate: float, n: int, *, power: float = 0.5, alpha: float = 0.05) -> float:
    """The difference of two rates that a two-tailed test on two samples of n shows with a given power.

    At a power of .5 it is the smallest difference that is significant when observed. Normal approximation, unpaired.

    Args:
        rate: of both, in (0, 1). n: test samples of each.

    Raises:
        ValueError: a rate or power outside (0, 1), or no samples.
    """
    if not (0 < rate < 1 and 0 < power < 1 and 0 < alpha < 1 and n > 0):
        raise ValueError(f"a rate, a power and alpha lie between 0 and 1, n above 0: {rate}, {power}, {alpha}, {n}")
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return quantiles * math.sqrt(2 * rate * (1 - rate) / n)


def _mean_over_seeds(x_SK: np.ndarray, weights_DK: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(D,) mean of each draw over the weights of its kinds of samples and over its own seeds."""
    seeds = len(x_SK)
    weights_DS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=len(weights_DK)) / seeds
    return np.einsum("ds,dk,sk->d", weights_DS, weights_DK, x_SK, optimize=True)
