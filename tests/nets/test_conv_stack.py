"""A stack of convolutions: its size, and where it is cut."""

from __future__ import annotations

import pytest
import torch

from ffrepro import nets
from ffrepro.base.errors import FfreproError
from ffrepro.nets.cut_check import examine

SETTINGS = {"name": "conv_stack", "channels": [64, 128, 256, 256], "batch_norm": True, "cut": "blocks"}


def built(inputs=(3, 32, 32), **changed):
    return nets.build(SETTINGS | changed, inputs, 10, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("batch_norm", "count"), [(True, 972_554), (False, 971_146)])
def test_parameters(batch_norm, count):
    # by hand: convolutions 9 * (3*64 + 64*128 + 128*256 + 256*256) + 704, BatchNorm 2 * 704, head 1024 * 10 + 10
    assert count == 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256) + 704 + 2 * 704 * batch_norm + 10_250
    assert sum(parameter.numel() for parameter in built(batch_norm=batch_norm).parameters()) == count


@pytest.mark.parametrize(
    ("batch_norm", "cut", "shapes"),
    [
        (True, "blocks", [(64, 16, 16), (128, 8, 8), (256, 4, 4), (256, 2, 2)]),
        (False, "layers", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (256, 4, 4)]),
        (True, "layers", [(c, s, s) for c, s in ((64, 32), (128, 16), (256, 8), (256, 4)) for _ in range(2)]),
        (True, "whole", [(256, 2, 2)]),
    ],
)
def test_blocks(batch_norm, cut, shapes):
    assert examine(built(batch_norm=batch_norm, cut=cut), torch.randn(2, 3, 32, 32)).shapes == shapes


def test_larger_images_are_averaged_to_the_same_head():
    assert built((3, 64, 64))(torch.randn(2, 3, 64, 64)).shape == (2, 10)


def test_images_too_small_for_the_poolings_are_refused():
    with pytest.raises(FfreproError) as error:
        built((3, 8, 8))
    assert error.value.where == "net.channels"
