"""Statistics of a handful of runs: summaries, t-tests, prediction, effect size, Holm, equivalence (TOST), ROC curves.

Pure functions on numbers and one-dimensional arrays. A sample is what n runs with different seeds gave for
one metric; the standard deviation is always the sample's (ddof 1) and every interval is a t interval. A
quantity that n does not allow (a spread of one run, say) is NaN, never zero. Samples without any spread are
legal (epoch counts often agree): their tests answer by comparing the means exactly.

Sources: Student 1908 and Welch 1947 (t-tests), Hedges 1981 (g), Holm 1979, Schuirmann 1987 (TOST). The AUC stands
in ``ffrepro.core.detection``, which the training core can use without scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

NAN = float("nan")


class Summary(NamedTuple):
    """n runs in four numbers: mean, standard deviation (ddof 1), and the confidence interval of the mean."""

    n: int
    mean: float
    std: float
    low: float
    high: float


class Test(NamedTuple):
    """A t-test: statistic, degrees of freedom, two-tailed p."""

    __test__ = False  # pytest would collect a class of this name

    t: float
    df: float
    p: float


class Interval(NamedTuple):
    """A two-tailed p that a difference is 0, and its confidence interval."""

    p: float
    low: float
    high: float


class Effect(NamedTuple):
    """Hedges' g with its confidence interval; positive where the first sample is larger."""

    g: float
    low: float
    high: float


def cut(summary: Summary, low: float, high: float) -> Summary:
    """A summary whose interval ends where no value of its kind can be; NaN bounds stay."""
    if math.isnan(summary.low):
        return summary
    return summary._replace(low=max(summary.low, low), high=min(summary.high, high))


def summarize(sample: Sequence[float], confidence: float = 0.95) -> Summary:
    """Mean, standard deviation and t interval of the mean.

    Args:
        sample: (n,) finite numbers.
        confidence: coverage of the interval.

    Raises:
        ValueError: the sample is empty or holds a number that is not finite.
    """
    x = _sample(sample)
    n, mean = len(x), float(x.mean())
    if n < 2:
        return Summary(n, mean, NAN, NAN, NAN)
    std = float(x.std(ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * std / math.sqrt(n)
    return Summary(n, mean, std, mean - half, mean + half)


def spread(sample: Summary, confidence: float = 0.95) -> Summary:
    """A sample's standard deviation in the place of the mean, with its chi-square interval (normal values).

    A sample without any spread has an interval of no width, one of a single run none.
    """
    if sample.n < 2:
        return Summary(sample.n, NAN, NAN, NAN, NAN)
    tails = stats.chi2.ppf([0.5 + confidence / 2, 0.5 - confidence / 2], sample.n - 1)
    low, high = (sample.std * math.sqrt((sample.n - 1) / float(tail)) for tail in tails)
    return Summary(sample.n, sample.std, NAN, low, high)


def one_sample_t(sample: Summary, value: float, draws: int | None = None) -> Test:
    """Two-tailed t-test of a mean against a number.

    Args:
        draws: None: the number is exact. Else it is the mean of so many runs whose spread is not known and taken to be
            the sample's, such as a published one: p < .05 where it lies outside of ``prediction_interval``.
    """
    if sample.n < 2:
        return Test(NAN, NAN, NAN)
    return _test(sample.mean - value, _error(sample, draws), sample.n - 1)


def prediction_interval(sample: Summary, draws: int = 1, confidence: float = 0.95) -> tuple[float, float]:
    """Where the mean of so many further runs falls, if they are like the sample's."""
    if sample.n < 2:
        return NAN, NAN
    half = float(stats.t.ppf(0.5 + confidence / 2, sample.n - 1)) * _error(sample, draws)
    return sample.mean - half, sample.mean + half


def detectable_difference(
    n: int, std: float, draws: int | None = None, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest true difference that ``one_sample_t`` finds with the given power; NaN of fewer than three runs."""
    if n < 3:
        return NAN
    df, critical = n - 1, float(stats.t.ppf(1 - alpha / 2, n - 1))

    def lacks(shift: float) -> float:
        found = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
        return power - float(found)

    enough = critical
    while lacks(enough) > 0:  # from the inside: far out the noncentral t has no numbers
        enough *= 1.5
    return float(optimize.brentq(lacks, 0.0, enough)) * std * math.sqrt(1 / n + (1 / draws if draws else 0))


def largest_spread(n: int, margin: float, draws: int | None = None, alpha: float = 0.05) -> float:
    """The largest standard deviation at which ``tost_one_sample`` reaches ``alpha``: means that agree exactly."""
    if n < 2:
        return NAN
    return margin / float(stats.t.ppf(1 - alpha, n - 1)) / math.sqrt(1 / n + (1 / draws if draws else 0))


def two_sample_t(a: Summary, b: Summary, *, equal_variance: bool) -> Test:
    """Two-tailed independent t-test from summaries: Student's (equal variances) or Welch's.

    Only ``n``, ``mean`` and ``std`` are read, so that a published "mean ± std, n" serves as a sample.
    """
    if min(a.n, b.n) < 2:
        return Test(NAN, NAN, NAN)
    error, df = _standard_error(a, b, equal_variance)
    return _test(a.mean - b.mean, error, df)


def combined(difference: float, parts: Sequence[Summary], confidence: float = 0.95) -> Interval:
    """Welch's test of a sum of independent means against 0, Satterthwaite's degrees of freedom.

    Args:
        difference: the sum. parts: n and std of each term, its factor in the std; of at least two runs each.
    """
    variances = [part.std**2 / part.n for part in parts]
    spread = sum(variances)
    if spread == 0:
        test = _test(difference, 0.0, 1)
        return Interval(test.p, difference, difference)
    df = spread**2 / sum(v**2 / (part.n - 1) for v, part in zip(variances, parts, strict=True))
    half = float(stats.t.ppf(0.5 + confidence / 2, df)) * math.sqrt(spread)
    return Interval(_test(difference, math.sqrt(spread), df).p, difference - half, difference + half)


def hedges_g(a: Summary, b: Summary, confidence: float = 0.95) -> Effect:
    """Standardised difference of means with Hedges' small-sample correction.

    The interval is the normal one with variance (n_a + n_b) / (n_a n_b) + g^2 / (2 (n_a + n_b)); with a few
    runs a side it is rough, which is why verdicts rest on the t-tests and not on it.
    """
    if min(a.n, b.n) < 2:
        return Effect(NAN, NAN, NAN)
    df = a.n + b.n - 2
    pooled = math.sqrt(((a.n - 1) * a.std**2 + (b.n - 1) * b.std**2) / df)
    difference = a.mean - b.mean
    if pooled == 0:
        g = 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return Effect(g, NAN, NAN)
    g = (1 - 3 / (4 * df - 1)) * difference / pooled
    variance = (a.n + b.n) / (a.n * b.n) + g**2 / (2 * (a.n + b.n))
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * math.sqrt(variance)
    return Effect(g, g - half, g + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the given order; NaN entries are no tests and stay NaN."""
    adjusted = [NAN] * len(p_values)
    tests = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    running = 0.0
    for rank, (p, i) in enumerate(tests):
        running = max(running, min(1.0, (len(tests) - rank) * p))
        adjusted[i] = running
    return adjusted


def tost_one_sample(sample: Summary, value: float, margin: float, draws: int | None = None) -> float:
    """p of two one-sided tests that the mean lies within ``margin`` of a number; ``draws`` as in ``one_sample_t``.

    A small p is evidence of equivalence; equal to asking whether the 90 % interval (for alpha .05) lies
    inside value ± margin.

    Raises:
        ValueError: the margin is not positive.
    """
    if sample.n < 2:
        return NAN
    return _tost(sample.mean - value, _error(sample, draws), sample.n - 1, margin)


def tost_two_sample(a: Summary, b: Summary, margin: float) -> float:
    """p of two one-sided Welch tests that two means lie within ``margin`` of each other.

    Raises:
        ValueError: the margin is not positive.
    """
    if min(a.n, b.n) < 2:
        return NAN
    error, df = _standard_error(a, b, equal_variance=False)
    return _tost(a.mean - b.mean, error, df, margin)


def roc_curve(scores: Sequence[float], labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every distinct threshold, from (0, 0) to (1, 1).

    Args:
        scores: (S,) any monotone score, larger for positives; logits rather than saturated probabilities.
        labels: (S,) 0 or 1.

    Raises:
        ValueError: shapes differ, a score is NaN, or one class is missing.
    """
    s, positive = np.asarray(scores, dtype=float), np.asarray(labels) == 1
    if s.shape != positive.shape or s.ndim != 1:
        raise ValueError(f"scores and labels differ in shape: {s.shape} and {positive.shape}")
    if np.isnan(s).any():
        raise ValueError("scores hold NaN")
    if not positive.any() or positive.all():
        raise ValueError("an ROC curve needs both classes")
    order = np.argsort(-s, kind="stable")
    s, positive = s[order], positive[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    true = np.cumsum(positive)[last_of_tie]
    false = last_of_tie + 1 - true
    return np.insert(false / false[-1], 0, 0.0), np.insert(true / true[-1], 0, 0.0)


def _sample(values: Sequence[float]) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"a sample is a non-empty list of finite numbers, got {values!r}")
    return x


def _error(sample: Summary, draws: int | None) -> float:
    """Standard error of the difference to a number that is exact, or the mean of so many runs like the sample's."""
    return sample.std * math.sqrt(1 / sample.n + (1 / draws if draws else 0))


def _standard_error(a: Summary, b: Summary, equal_variance: bool) -> tuple[float, float]:
    """Standard error of the difference of means and its degrees of freedom."""
    if equal_variance:
        df = a.n + b.n - 2
        pooled = ((a.n - 1) * a.std**2 + (b.n - 1) * b.std**2) / df
        return math.sqrt(pooled * (1 / a.n + 1 / b.n)), df
    va, vb = a.std**2 / a.n, b.std**2 / b.n
    spread = va + vb
    df = spread**2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1)) if spread else a.n + b.n - 2
    return math.sqrt(spread), df


def _test(difference: float, error: float, df: float) -> Test:
    if error == 0:  # no spread at all: the means are equal or they are not
        return Test(0.0, df, 1.0) if difference == 0 else Test(math.copysign(math.inf, difference), df, 0.0)
    t = difference / error
    return Test(t, df, float(2 * stats.t.sf(abs(t), df)))


def _tost(difference: float, error: float, df: float, margin: float) -> float:
    if not margin > 0:
        raise ValueError(f"an equivalence margin is positive, got {margin}")
    if error == 0:
        return 0.0 if abs(difference) < margin else 1.0
    lower = stats.t.sf((difference + margin) / error, df)
    upper = stats.t.cdf((difference - margin) / error, df)
    return float(max(lower, upper))
