"""The DLR paper's nets: parameter counts of Table III, map sizes, and the order of the parts."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffrepro import nets
from ffrepro.base.errors import FfreproError
from ffrepro.nets import cnn
from ffrepro.nets.layers import ConvBlock, initialise

# name: (published in Table III, without the unused embedding, inputs of the head, sides of the maps)
TABLE_III = {
    "ff_tiny": (164_706, 154_466, 5650, [16, 16, 8, 7]),
    "ff_small": (239_266, 229_026, 7910, [16, 16, 8, 7]),
    "ff_medium": (484_506, 474_266, 13_750, [16, 16, 8, 7]),
    "ff_optimal": (754_386, 744_146, 15_680, [16, 16, 8, 7, 7]),
    "ff_deep": (4_131_346, 4_121_106, 13_950, [16, 16, 8, 6, 6, 3]),
}
CIFAR, MNIST = (3, 32, 32), (1, 28, 28)


def build(model, inputs=CIFAR, seed=0, cfse=False, classes=10):
    settings = {"name": "cnn", "model": model, "cfse": cfse, "init": "torch_default"}
    return nets.build(settings, inputs, classes, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("model", TABLE_III)
def test_parameter_counts_are_table_iiis(model):
    published, without_embedding, features, sides = TABLE_III[model]
    net = build(model)
    counts = cnn.parameter_counts(net)
    assert counts["published"] == published
    assert counts["trained"] == without_embedding == sum(p.numel() for p in net.parameters())
    assert counts["unused_embedding"] == published - without_embedding == nn.Embedding(10, 32 * 32).weight.numel()
    assert net.head.linear.in_features == net.head.bn.num_features == features
    assert counts["head"] == 12 * features + 10
    assert [shape[1:] for shape in net.shapes] == [(side, side) for side in sides]


@pytest.mark.parametrize("model", cnn.MODELS)
def test_stated_shapes_are_the_computed_ones(model):
    inputs = CIFAR if model != "mnist_original" else MNIST
    net, x = build(model, inputs), torch.rand(2, *inputs)
    for block, shape in zip(net.blocks, net.shapes, strict=True):
        x = block(x)
        assert x.shape[1:] == shape


def test_ff_deep_on_mnist_has_one_input_channel():
    net = build("ff_deep", MNIST)
    assert net.blocks[0].conv.in_channels == 1
    assert net.shapes[-2:] == [(260, 5, 5), (510, 2, 2)]
    assert net(torch.rand(2, *MNIST)).shape == (2, 10)


def test_original_nets():
    net = build("mnist_original", MNIST)
    assert [block.conv.out_channels for block in net.blocks[:2]] == [32, 64]
    assert net.blocks[2].linear.weight.shape == (100, 256)  # "a linear layer of 256x100"
    deep = build("cifar10_original")
    assert [block.conv.out_channels for block in deep.blocks] == [128, 264, 512, 1024]
    for original in (net, deep):
        assert original.head is None
        assert all(block.bn is None and block.groups is None for block in original.blocks)
        assert cnn.parameter_counts(original)["unused_embedding"] == 0


def test_forward_is_batchnorm_conv_relu_pool_and_the_head_on_the_last_two():
    net, x = build("ff_small"), torch.randn(4, *CIFAR)
    assert all(block.groups == 10 and block.conv.bias is None for block in net.blocks)
    assert [block.pool for block in net.blocks] == [True, False, True, False]
    with torch.no_grad():
        for block in net.blocks:
            block.bn.weight.uniform_(0.5, 1.5)
            block.bn.bias.uniform_(-0.5, 0.5)
        activation, activations = x, []
        for block in net.blocks:
            mean = activation.mean((0, 2, 3), keepdim=True)
            variance = activation.var((0, 2, 3), unbiased=False, keepdim=True)
            scale, shift = block.bn.weight.view(1, -1, 1, 1), block.bn.bias.view(1, -1, 1, 1)
            normed = (activation - mean) / (variance + block.bn.eps).sqrt() * scale + shift
            activation = F.conv2d(normed, block.conv.weight, padding=1).clamp(min=0)
            if block.pool:
                activation = activation.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
            activations.append(activation)
        joined = torch.cat([activations[2].flatten(1), activations[3].flatten(1)], 1)
        normed = (joined - joined.mean(0)) / (joined.var(0, unbiased=False) + net.head.bn.eps).sqrt()
        expected = normed @ net.head.linear.weight.T + net.head.linear.bias
        torch.testing.assert_close(net(x), expected, atol=1e-4, rtol=1e-4)


def test_a_gradient_reaches_every_weight_end_to_end():
    net = build("ff_tiny")
    F.cross_entropy(net(torch.rand(8, *CIFAR)), torch.arange(8)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_cfse_keeps_classes_apart_in_every_second_layer():
    net, plain = build("ff_small", cfse=True), build("ff_small")
    assert [block.conv.groups for block in net.blocks] == [1, 10, 1, 10]
    assert net.shapes == plain.shapes
    assert cnn.parameter_counts(net)["blocks"] < cnn.parameter_counts(plain)["blocks"]
    block = net.blocks[1].eval()
    x = torch.rand(1, 50, 16, 16)
    other = x.clone()
    other[:, 15:20] += 1  # the channels of class 3
    changed = (block(x) != block(other)).flatten(2).any(2)[0].view(10, 5).any(1)
    assert changed.tolist() == [c == 3 for c in range(10)]
    with pytest.raises(FfreproError, match="no channel groups"):
        build("mnist_original", MNIST, cfse=True)


def test_initial_weights_are_pytorchs_distribution_from_the_generator_alone():
    torch.manual_seed(1)
    first = build("ff_tiny")
    torch.manual_seed(2)
    second, other = build("ff_tiny"), build("ff_tiny", seed=1)
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(first.blocks[0].conv.weight, other.blocks[0].conv.weight)
    for module in (first.blocks[1].conv, first.head.linear):
        bound = module.weight[0].numel() ** -0.5
        assert module.weight.abs().max() <= bound
        assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    pytorchs = nn.Conv2d(50, 50, 3, bias=False)
    assert pytorchs.weight.std().item() == pytest.approx(first.blocks[1].conv.weight.std().item(), rel=0.03)
    assert (first.blocks[0].bn.weight == 1).all() and (first.blocks[0].bn.bias == 0).all()


def test_unknown_names_and_small_images():
    with pytest.raises(FfreproError, match=r"unknown model 'ff_tinny'[\s\S]*Did you mean 'ff_tiny'"):
        build("ff_tinny")
    with pytest.raises(FfreproError, match="too small for ff_deep"):
        build("ff_deep", (3, 8, 8))
    with pytest.raises(FfreproError, match="unknown init"):
        nets.build({"name": "cnn", "model": "ff_tiny", "cfse": False, "init": "x"}, CIFAR, 10, torch.Generator())


@pytest.mark.parametrize("pool", [True, False])
def test_relu_behind_the_pool_changes_no_bit(pool):
    """The paper's order, ReLU before the pool, written out: the same activations and gradients."""
    block = ConvBlock(3, 8, 3, padding=1, pool=pool, batch_norm=True, bias=False, groups=None)
    initialise(block, "torch_default", torch.Generator().manual_seed(1))
    x = torch.randn(5, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    out, wanted = block(x), torch.relu(block.conv(block.bn(x)))
    wanted = torch.max_pool2d(wanted, 2) if pool else wanted
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(3))
    assert torch.equal(out, wanted)
    assert (out == 0).any()
    parameters = list(block.parameters())
    gradients = [torch.autograd.grad((y * weight).sum(), parameters) for y in (out, wanted)]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("classes", [2, 5, 25])
def test_any_number_of_classes_that_divides_the_channels(classes):
    net, x = build("ff_tiny", cfse=True, classes=classes), torch.randn(3, *CIFAR)
    assert net.classes == classes and net(x).shape == (3, classes)
    assert {block.groups for block in net.blocks} == {classes}
    assert nets.cnn.parameter_counts(net)["unused_embedding"] == classes * 1024


def test_channels_that_do_not_divide_by_the_classes_are_refused():
    with pytest.raises(FfreproError, match="20 groups") as error:
        build("ff_tiny", classes=20)
    assert error.value.where == "net"
    assert build("cifar10_original", classes=20).head is None  # no groups, nothing to divide
