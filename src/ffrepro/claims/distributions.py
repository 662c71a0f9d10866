"""Laws that a sample is held to: fitted by its mean and standard deviation, the distance by Kolmogorov and Smirnov.

The parameters come from the same sample, so that a distance describes and no p-value follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_TINY = 1e-9
NEAREST = "nearest"


def _stats() -> Any:
    """scipy's laws, imported where one is needed: names of laws are read by commands that compute nothing."""
    from scipy import stats

    return stats


def _gamma(mean: float, std: float) -> Any:
    return _stats().gamma((mean / std) ** 2, scale=std**2 / mean)


def _lognormal(mean: float, std: float) -> Any:
    variance = math.log1p((std / mean) ** 2)
    return _stats().lognorm(math.sqrt(variance), scale=mean * math.exp(-variance / 2))


# Those that the values of a goodness, never below 0, may follow, and those of any values.
LAWS: dict[str, Callable[[float, float], Any]] = {
    "normal": lambda mean, std: _stats().norm(mean, std),
    "exponential": lambda mean, std: _stats().expon(0, mean),
    "lognormal": _lognormal,
    "gamma": _gamma,
    "uniform": lambda mean, std: _stats().uniform(mean - math.sqrt(3) * std, 2 * math.sqrt(3) * std),
    "logistic": lambda mean, std: _stats().logistic(mean, std * math.sqrt(3) / math.pi),
    "laplace": lambda mean, std: _stats().laplace(mean, std / math.sqrt(2)),
}


def fitted(values: np.ndarray, law: str) -> Any:
    """The law of a name in ``LAWS`` with the sample's mean and standard deviation, frozen, as scipy has it."""
    values = values.astype("float64")
    return LAWS[law](max(float(values.mean()), _TINY), max(float(values.std(ddof=1)), _TINY))


def ks_distance(values: np.ndarray, law: str) -> float:
    """The largest gap between the sample's distribution and the fitted law's; of ``nearest``, the least of all."""
    if law == NEAREST:
        return min(ks_distance(values, name) for name in LAWS)
    return float(_stats().kstest(values.astype("float64"), fitted(values, law).cdf).statistic)
