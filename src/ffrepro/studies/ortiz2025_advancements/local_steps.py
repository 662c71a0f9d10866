"""The training steps that ``bench_local`` compares: each function builds one from scratch and returns it.

All steps of a net start from the same weights, see the same batch and take Adam steps. Backpropagation trains the net
with its linear head and cross-entropy; the local steps train the blocks by class competition on grouped goodness,
each block with its own optimizer, and no head.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ffrepro.core import conv_block, conv_layer, linear_block, losses
from ffrepro.core.buffers import Buffers
from ffrepro.nets.layers import POOL, ConvBlock

Step = Callable[[], object]
LR = 1e-3
EPSILON = 1e-5


def backprop(
    net: nn.Module, head: Callable, x: Tensor, label: Tensor, adam: dict, forward: Callable, micro: int
) -> Step:
    """Backpropagation through all blocks; ``micro`` batches' gradients are added up before the optimizer's step."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, **adam)

    def step() -> None:
        optimizer.zero_grad()
        for x_part, label_part in zip(x.chunk(micro), label.chunk(micro), strict=True):
            activations, h = [], x_part
            for block in net.blocks:
                h = forward(block, h)
                activations = [*activations[-1:], h]
            (F.cross_entropy(head(activations), label_part) / micro).backward()
        optimizer.step()

    return step


def plain(block: nn.Module, x: Tensor) -> Tensor:
    """A block as its module computes it."""
    return block(x)


def scripted(block: nn.Module, x: Tensor) -> Tensor:
    """The same map as a script with PyTorch's layers has it: ReLU, not in place, before the pool."""
    if not isinstance(block, ConvBlock):
        return F.relu(block.linear(x))
    h = F.relu(block.conv(block.bn(x)))
    return F.max_pool2d(h, POOL) if block.pool else h


def checkpointed(block: nn.Module, x: Tensor) -> Tensor:
    """The same, its activations forgotten and computed again in the backward pass."""
    return checkpoint(block, x, use_reentrant=False)


def local_autograd(net: nn.Module, x: Tensor, label: Tensor) -> Step:
    """Class competition block by block through plain autograd."""
    optimizers = [torch.optim.Adam(block.parameters(), lr=LR, fused=True) for block in net.blocks]

    def step() -> None:
        h = x
        for block, optimizer in zip(net.blocks, optimizers, strict=True):
            h = block(h)
            g = h.unflatten(1, (block.groups, -1)).flatten(2).square().mean(2)
            optimizer.zero_grad()
            F.cross_entropy(g, label).backward()
            optimizer.step()
            h = h.detach()
            if h.dim() == 2:
                h.mul_((g.detach().mean(1, keepdim=True) + EPSILON).rsqrt())

    return step


def local_conv(net: nn.Module, x: Tensor, label: Tensor) -> Step:
    """Class competition block by block in closed form, convolutional net."""
    layers, grads, optimizers = [], [], []
    for block in net.blocks:
        layers.append(conv_layer.layer_of(block.conv, block.bn, block.pool))
        grads.append(conv_layer.gradients_of(block.conv, block.bn))
        optimizers.append(torch.optim.Adam(block.parameters(), lr=LR, fused=True))
    classes = net.blocks[0].groups
    shape = (x.shape[0], *x.shape[2:], x.shape[1] + 1)
    chunks = conv_block.chunks(layers, shape, x.element_size())

    def slope(g: Tensor, some: slice) -> Tensor:
        return losses.cwc_slope(g, label[some]).div_(len(label))

    def step() -> None:
        h, moments = conv_block.load(x)
        for layer, grad, optimizer, chunk in zip(layers, grads, optimizers, chunks, strict=True):
            h, _, moments = conv_block.learn(layer, h, moments, classes, slope, grad, chunk)
            optimizer.step()

    return step


def local_linear(net: nn.Module, x: Tensor, label: Tensor) -> Step:
    """Class competition block by block in closed form, fully connected net; one gradient's memory for all blocks."""
    blocks, classes = [block.linear for block in net.blocks], net.blocks[0].groups
    buffers = Buffers()
    largest = max((b.weight for b in blocks), key=Tensor.numel)
    buffers.get("gradient", largest.shape, x)  # asked for once in full, so that it never grows
    grads = [
        _set_gradients((b.weight, b.bias), [buffers.get("gradient", b.weight.shape, x), torch.empty_like(b.bias)])
        for b in blocks
    ]
    optimizers = [torch.optim.Adam(b.parameters(), lr=LR, fused=True) for b in blocks]

    @torch.no_grad()
    def step() -> None:
        h = x
        for number, (block, grad, optimizer) in enumerate(zip(blocks, grads, optimizers, strict=True)):
            out = buffers.get(number % 2, (len(x), block.out_features), x)
            g = linear_block.forward(h, block.weight, block.bias, classes, out)
            slope = losses.cwc_slope(g, label).div_(len(label))
            work = buffers.get("work", linear_block.workspace_shape(*out.shape, classes), x)
            linear_block.gradient(h, out, slope, grad, work)
            optimizer.step()
            h = linear_block.pass_on(out, g, EPSILON)

    return step


def _set_gradients(parameters: tuple[nn.Parameter, ...], grads: list[Tensor]) -> tuple[Tensor, ...]:
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad
    return tuple(grads)
