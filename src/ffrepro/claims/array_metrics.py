"""Numbers of a detector's run that its ``result.json`` does not have and that follow from its arrays.

Claims name them as they name other metrics:

- ``arrays/accuracy_above_<x>``: share of the test samples on their side if a sample counts as positive where the mean
  of its layers' goodness is above x, whatever threshold the net was trained with;
- ``arrays/ks_<law>_<class>_layer<l>``: distance of a layer's goodness, over the test samples of a class (``positive``,
  ``negative``), from a law of ``ffrepro.claims.distributions``, or from the ``nearest`` of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ffrepro.claims import distributions

if TYPE_CHECKING:
    import numpy as np

PREFIX = "arrays/"
_LABELS = {"positive": True, "negative": False}
_LAWS = "|".join([*distributions.LAWS, distributions.NEAREST])
_ABOVE = re.compile(r"accuracy_above_(\d+(?:\.\d+)?)")
_DISTANCE = re.compile(rf"ks_({_LAWS})_({'|'.join(_LABELS)})_layer(\d+)")


def is_known(metric: str) -> bool:
    """Whether there is such a number, ``arrays/`` included in its name."""
    name = metric.removeprefix(PREFIX)
    return name != metric and bool(_ABOVE.fullmatch(name) or _DISTANCE.fullmatch(name))


def value(arrays: Mapping[str, np.ndarray], metric: str) -> float | None:
    """The number, None where the run left no goodness, not so many layers, or no sample of the class."""
    name = metric.removeprefix(PREFIX)
    if "test_goodness" not in arrays or "test_label" not in arrays:
        return None
    goodness_SL, positive_S = arrays["test_goodness"].astype("float64"), arrays["test_label"] > 0.5
    if above := _ABOVE.fullmatch(name):
        return float(((goodness_SL.mean(1) > float(above[1])) == positive_S).mean())
    if distance := _DISTANCE.fullmatch(name):
        law, kind, layer = distance[1], distance[2], int(distance[3])
        chosen_S = positive_S == _LABELS[kind]
        if layer < goodness_SL.shape[1] and chosen_S.sum() > 1:
            return distributions.ks_distance(goodness_SL[chosen_S, layer], law)
    return None
