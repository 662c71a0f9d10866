"""First-layer filters of an image classifier, small enough to be kept in every record."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

BYTES = 60_000  # of a record's filters at most, as float16; random digits hardly compress


def of_first_layer(net: nn.Module, inputs: tuple[int, int, int], groups: int | None) -> dict[str, np.ndarray]:
    """Weights of the net's first convolution or linear map, one small image for each unit.

    Of a layer too large for ``BYTES``, units at equal distances from the first to the last stand for the others: as
    many from every class's group.

    Args:
        net: after training; it is read, and changed in nothing.
        inputs: (C, H, W) of the images, which a linear map sees flattened.
        groups: into how many, one a class, the method divides the layer's units; None: none.

    Returns:
        ``filters``: float16 (F, C, K, K) of a convolution, (F, C, H, W) of a linear map; without what lies between
        image and weights (BatchNorm). ``filters_of``: int64, units of the whole layer. ``filters_class``: uint8 (F,),
        whose group each belongs to (a wider type where there are more than 256); only with ``groups``. Nothing where
        the first layer does not see images.
    """
    layer = next((module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)), None)
    if layer is None or (isinstance(layer, nn.Linear) and layer.in_features != math.prod(inputs)):
        return {}
    weight = layer.weight.detach().float().cpu().contiguous().numpy()
    total = len(weight)
    images = weight.reshape(total, *inputs) if isinstance(layer, nn.Linear) else weight
    shown = _units(total, BYTES // (2 * images[0].size), groups or 1)
    out = {"filters": images[shown].astype(np.float16), "filters_of": np.int64(total)}
    if groups is not None:
        out["filters_class"] = (shown * groups // total).astype(np.min_scalar_type(groups - 1))
    return out


def _units(total: int, limit: int, groups: int) -> np.ndarray:
    """Indices of at most ``limit`` of ``total`` units, evenly spaced; equally many of each group where possible."""
    count = min(total, limit)
    if count > groups:
        count -= count % groups
    return np.arange(count) * total // count
