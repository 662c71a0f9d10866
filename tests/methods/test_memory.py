"""A local method's memory does not grow with depth: a block's activations are gone before the next block runs."""

import pytest
import torch
from helpers.method_cases import CWC, build, make_batch, make_images

from ffrepro import methods
from ffrepro.nets.cnn import Cnn
from ffrepro.studies.ortiz2025_advancements import bench_local
from ffrepro.training.memory import Peak

STEPS, HIDDEN, BATCH = 40, 64, 64


def peak(case, layers):
    batch = make_batch(BATCH, steps=STEPS)
    with Peak("cpu") as measured:
        method = build(case, layers=layers, hidden=HIDDEN, steps=STEPS)
        method.step(batch)
        method.step(batch)
    return measured.bytes


def test_ff_holds_two_layers_of_states_whatever_the_depth():
    states = STEPS * BATCH * HIDDEN * 4
    parameters = (2 * HIDDEN * HIDDEN + 2 * HIDDEN) * 4
    shallow, deep = peak("ff_rnn rms", 3), peak("ff_rnn rms", 8)
    assert 2 * states < shallow < 3 * states + 3 * 8 * parameters
    assert deep - shallow < 5 * 6 * parameters  # weights, gradients, Adam: no states


def test_backpropagation_holds_all_of_them():
    states = STEPS * BATCH * HIDDEN * 4
    assert peak("backprop_rnn", 8) - peak("backprop_rnn", 3) > 5 * states


@pytest.mark.parametrize("case", ["ff", "ff closed form", "scff"])
def test_pairs_hold_one_layer_whatever_the_depth(case):
    """What five more layers cost is their weights, gradients and optimizers' state: no activations."""
    batch, peaks = make_images(500), {}
    for layers in (3, 8):
        method = build(case, layers=layers, head="after")  # beside the blocks, it needs all activations
        method.begin_phase(method.phases()[0])
        with Peak("cpu") as measured:
            method.step(batch)
            method.step(batch)
        peaks[layers] = measured.bytes
    activations = 2 * 500 * 40 * 4
    assert peaks[8] - peaks[3] < activations


def test_class_competition_in_closed_form_trains_in_the_memory_that_its_bench_states():
    """Least: the first two maps of 50 channels, 16 x 16, of 128 samples. The head learns in a phase of its own."""
    generator = torch.Generator().manual_seed(0)
    net = Cnn((3, 32, 32), "ff_tiny", classes=10, cfse=False, init="torch_default", generator=generator)
    batch = {"x": torch.randn(128, 3, 32, 32, generator=generator), "label": torch.arange(128) % 10}
    settings = {**CWC, "gradient": "closed_form", "head": "after"}
    method = methods.module("cwc").Method(net, settings, batch, generator, 1e-3)
    method.begin_phase(method.phases()[0])
    method.step(batch)  # what stays, the optimizers' state, is there now
    with Peak("cpu", without=bench_local.weight_sizes("ff_tiny")) as measured:
        method.step(batch)
    least = 128 * 2 * 50 * 16 * 16 * 4
    assert least < measured.bytes <= 1.1 * least
