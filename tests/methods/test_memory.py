"""A local method's memory does not grow with depth: a block's activations are gone before the next block runs."""

from helpers.method_cases import build, make_batch

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
