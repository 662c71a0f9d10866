"""Filters in the record: which weights, how many of them, and of which class."""

import numpy as np
import pytest
import torch

from ffrepro.core import filters
from ffrepro.nets.layers import ConvBlock, LinearBlock


def net(block):
    """What the filters are read from, its weights counted up from zero: exact in float16."""
    layer = getattr(block, "conv", None) or block.linear
    with torch.no_grad():
        layer.weight.copy_(torch.arange(layer.weight.numel()).remainder(2048).view_as(layer.weight))
    return torch.nn.Sequential(block)


def conv(memory_format=torch.contiguous_format):
    block = ConvBlock(3, 20, 3, padding=1, pool=False, batch_norm=True, bias=True, groups=10)
    return block.to(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_kept_whole(memory_format):
    found = filters.of_first_layer(net(conv(memory_format)), (3, 32, 32), 10)
    assert found["filters"].dtype == np.float16
    np.testing.assert_array_equal(found["filters"], np.arange(540).reshape(20, 3, 3, 3))
    assert found["filters_of"] == 20
    assert found["filters_class"].tolist() == [c for c in range(10) for _ in range(2)]


def test_a_method_without_groups_says_nothing_of_classes():
    assert sorted(filters.of_first_layer(net(conv()), (3, 32, 32), None)) == ["filters", "filters_of"]


def test_units_of_a_linear_map_are_images_at_equal_distances(monkeypatch):
    monkeypatch.setattr(filters, "BYTES", 3 * 2 * 12 + 5)  # three units of twelve weights, and a bit
    block = LinearBlock(12, 7, batch_norm=False, bias=True, groups=None)
    found = filters.of_first_layer(net(block), (3, 2, 2), None)
    assert found["filters"].shape == (3, 3, 2, 2) and found["filters_of"] == 7
    assert found["filters"][:, 0, 0, 0].tolist() == [0, 2 * 12, 4 * 12]  # units 0, 2 and 4
    assert found["filters"][1, 2].tolist() == [[24 + 8, 24 + 9], [24 + 10, 24 + 11]]


def test_as_many_units_of_every_group(monkeypatch):
    monkeypatch.setattr(filters, "BYTES", 7 * 2 * 4)
    block = LinearBlock(4, 9, batch_norm=False, bias=False, groups=3)
    found = filters.of_first_layer(net(block), (1, 2, 2), 3)
    assert found["filters"][:, 0, 0, 0].tolist() == [4 * unit for unit in (0, 1, 3, 4, 6, 7)]
    assert found["filters_class"].tolist() == [0, 0, 1, 1, 2, 2]


def test_the_papers_layers_stay_small():
    mlp = LinearBlock(784, 2000, batch_norm=False, bias=True, groups=None)
    found = filters.of_first_layer(net(mlp), (1, 28, 28), None)
    assert 20 <= len(found["filters"]) <= 50 and found["filters"].nbytes <= 60_000
    wide = LinearBlock(3072, 3072, batch_norm=False, bias=True, groups=None)
    assert filters.of_first_layer(net(wide), (3, 32, 32), None)["filters"].nbytes <= 60_000


def test_a_layer_that_sees_no_images_has_no_filters():
    assert (
        filters.of_first_layer(net(LinearBlock(5, 4, batch_norm=False, bias=True, groups=None)), (1, 2, 2), None) == {}
    )
    recurrent = torch.nn.Sequential(torch.nn.RNN(2, 3))
    assert filters.of_first_layer(recurrent, (1, 2, 2), None) == {}
