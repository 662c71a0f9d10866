"""Multiplications of a step where every block is one layer: those of the closed form, and none besides."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import ffrepro

CLASSES, SAMPLES = 4, 20


def counted(net, x):
    """Floating point operations of products in one step of SFF, without a head."""
    learner = ffrepro.wrap(net, ["1", "3"], classes=CLASSES, head="none")
    y = torch.arange(SAMPLES) % CLASSES
    learner.step(x, y)  # makes the auxiliary maps
    method, batch = learner.prepared(x, y)
    with FlopCounterMode(display=False) as counter:
        method.step(batch)
    return counter.get_total_flops()


def test_linear_layers_take_a_product_forward_and_one_for_their_weights():
    net = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    layers = SAMPLES * (12 * 24 + 24 * 16)
    auxiliary = SAMPLES * (24 + 16) * CLASSES  # forward, its weights, the activations
    assert counted(net, torch.rand(SAMPLES, 12)) == 2 * (2 * layers + 3 * auxiliary)


def test_convolutions_take_one_forward_and_one_for_their_weights():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(16 * 64, CLASSES),
    )  # fmt: skip
    layers = SAMPLES * 64 * 9 * (3 * 8 + 8 * 16)
    auxiliary = SAMPLES * 64 * (8 + 16) * CLASSES
    assert counted(net, torch.rand(SAMPLES, 3, 8, 8)) == 2 * (2 * layers + 3 * auxiliary)
