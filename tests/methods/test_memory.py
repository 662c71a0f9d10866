"""A local method's memory does not grow with depth: a block's activations are gone before the next block runs."""

import torch
from helpers.method_cases import CWC, build, make_batch

from ffrepro import methods
from ffrepro.nets.cnn import Cnn
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


def test_class_competition_in_closed_form_trains_in_the_memory_that_its_bench_states():
    """Least: the first two maps of 50 channels, 16 x 16, of 128 samples. The head learns in a phase of its own."""
    generator = torch.Generator().manual_seed(0)
    net = Cnn((3, 32, 32), "ff_tiny", cfse=False, init="torch_default", generator=generator)
    batch = {"x": torch.randn(128, 3, 32, 32, generator=generator), "label": torch.arange(128) % 10}
    settings = {**CWC, "gradient": "closed_form", "head": "after"}
    method = methods.module("cwc").Method(net, settings, batch, generator, 1e-3)
    method.begin_phase(method.phases()[0])
    method.step(batch)  # what stays, the optimizers' state, is there now
    with Peak("cpu", without=frozenset(p.numel() * p.element_size() for p in net.parameters())) as measured:
        method.step(batch)
    least = 128 * 2 * 50 * 16 * 16 * 4
    assert least < measured.bytes <= 1.1 * least
