"""A plain stack of convolutions, cut behind every layer or behind every block.

One unit is a 3 x 3 convolution with padding 1, BatchNorm (or none), ReLU and 2 x 2 max pooling. Behind the last cut the
maps are averaged to 2 x 2 (on images of 32 x 32 and four units they are so already) and read by a linear map.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, flag, integer, list_of
from ffrepro.nets.cut import Cut
from ffrepro.nets.layers import POOL, initialise

SETTINGS = {
    "channels": list_of(integer("", minimum=1), "of each convolution's output", [64, 128, 256, 256], shortest=1),
    "batch_norm": flag("whether BatchNorm follows each convolution", True),
    "cut": choice(
        "behind which parts: convolution to pooling; every layer with weights; the whole net",
        "blocks",
        "layers",
        "whole",
        default="blocks",
    ),
}
_LAST_SIDE = 2  # of the maps that the linear map reads


def build(settings: dict, inputs: tuple[int, int, int], classes: int, generator: torch.Generator) -> Cut:
    """Build the net of a plan file's ``net`` section.

    Cuts: ``blocks``, behind each unit. ``layers``, behind each layer with weights and the ReLU that follows it:
    convolution with ReLU or, where there is BatchNorm, the convolution and the normalised, rectified map apart.
    ``whole``: one block, behind the last unit.

    Raises:
        FfreproError: images too small for so many poolings.
    """
    if min(inputs[1:]) < POOL ** len(settings["channels"]):
        raise FfreproError(
            f"images of {tuple(inputs)} are too small for {len(settings['channels'])} poolings",
            where="net.channels",
            fix="give fewer channels, or larger images",
        )
    units, before = [], inputs[0]
    for channels in settings["channels"]:
        unit = OrderedDict(conv=nn.Conv2d(before, channels, 3, padding=1))
        if settings["batch_norm"]:
            unit["norm"] = nn.BatchNorm2d(channels)
        unit |= {"relu": nn.ReLU(), "pool": nn.MaxPool2d(POOL)}
        units.append(nn.Sequential(unit))
        before = channels
    head = nn.Sequential(nn.AdaptiveAvgPool2d(_LAST_SIDE), nn.Flatten(), nn.Linear(before * _LAST_SIDE**2, classes))
    model = nn.Sequential(OrderedDict(units=nn.Sequential(*units), head=head))
    initialise(model, "torch_default", generator)
    return Cut(model, _places(settings))


def _places(settings: dict) -> list[str]:
    units = [f"units.{index}" for index in range(len(settings["channels"]))]
    if settings["cut"] == "whole":
        return units[-1:]
    if settings["cut"] == "blocks":
        return units
    ends = ["conv", "relu"] if settings["batch_norm"] else ["relu"]
    return [f"{unit}.{end}" for unit in units for end in ends]
