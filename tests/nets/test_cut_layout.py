"""The side of a block's features, from the layers that ran in it."""

import pytest
import torch
from torch import nn

from ffrepro.nets.cut_layout import FIRST, LAST, observed, side

CASES = {
    "the last layer's shape": ([(FIRST, (6, 18))], (6, 18), FIRST),
    "a linear map's shape": ([(LAST, (6, 18))], (6, 18), LAST),
    "as many features, pooled by a function": ([(FIRST, (6, 18))], (6, 9), FIRST),
    "the same positions, joined by a function": ([(FIRST, (6, 9)), (FIRST, (4, 9))], (10, 9), FIRST),
    "turned by a function": ([(FIRST, (6, 18))], (18, 6), LAST),
    "turned back by a function": ([(LAST, (8, 8, 16))], (16, 8, 8), FIRST),
    "mixing tokens before channels": ([(LAST, (16, 49)), (LAST, (49, 16))], (49, 16), LAST),
    "one of the same shape before all others": ([(LAST, (4, 4, 8)), (FIRST, (8, 4, 4))], (8, 4, 4), FIRST),
    "squeeze and excitation, on vectors": ([(FIRST, (32, 8, 8)), (LAST, (8,)), (LAST, (32,))], (32, 8, 8), FIRST),
    "both": ([(FIRST, (6, 6)), (LAST, (6, 6))], (6, 6), None),
    "nothing, a sequence": ([], (6, 18), LAST),
    "nothing, a map": ([], (6, 18, 18), FIRST),
    "features alone": ([(LAST, (6,))], (6,), LAST),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_side_of_the_features(name):
    seen, shape, expected = CASES[name]
    assert side(seen, shape) == expected


def test_layers_say_where_their_features_are():
    class LayerNorm2d(nn.LayerNorm):
        """Over the channels of a map, as in torchvision: its size is not the last axis's."""

        def forward(self, x):
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    model = nn.Sequential(
        nn.Conv2d(3, 5, 3), LayerNorm2d(5), nn.AvgPool2d(2), nn.Flatten(2), nn.Linear(9, 4), nn.LayerNorm(4),
        nn.LayerNorm([5, 4]), nn.LSTM(4, 7, batch_first=True),
    )  # fmt: skip
    with observed(model) as seen:
        model(torch.randn(2, 3, 8, 8))
    assert seen == [(FIRST, (5, 6, 6)), (FIRST, (5, 3, 3)), (LAST, (5, 4)), (LAST, (5, 4)), (LAST, (5, 7))]
    assert not any(module._forward_hooks for module in model.modules())
