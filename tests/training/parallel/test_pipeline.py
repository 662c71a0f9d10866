"""Several processes learn what one learns, and end together."""

import multiprocessing
import os
import signal
import subprocess
import sys
import warnings

import pytest
import torch
from helpers.parallel_parts import FailsElsewhere
from torch import nn

import ffrepro
from ffrepro.base.errors import FfreproError

SAMPLES, CLASSES = 61, 3  # in batches of 16: an uneven last one


def data(*shape):
    generator = torch.Generator().manual_seed(1)
    label_N = torch.arange(SAMPLES) % CLASSES
    x_N = torch.rand(SAMPLES, *shape, generator=generator)
    return x_N + 0.3 * label_N.view(-1, *[1] * len(shape)), label_N


def model(last=nn.Linear):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), last(4 * 16, CLASSES),
    )  # fmt: skip


def mlp():
    return ffrepro.Learner(
        ffrepro.nets.MLP(36, [20, 16, 12], seed=0), "ff", batch_size=16, device="cpu", progress=False
    )


def cnn():
    net = ffrepro.nets.CNN((1, 6, 6), [6, 6, 6], pools=[3], classes=CLASSES, grouped=True, seed=0)
    return ffrepro.Learner(net, "cwc", update="chunked", batch_size=16, device="cpu", progress=False)


def wrapped(last=nn.Linear):
    return ffrepro.wrap(model(last), ["2", "5"], classes=CLASSES, batch_size=16, device="cpu", progress=False)


def recurrent():
    net = ffrepro.nets.RNN(2, 8, 3, seed=0)
    return ffrepro.Learner(net, "ff_rnn", batch_size=16, device="cpu", progress=False)


def sequences():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(SAMPLES, 9, 2, generator=generator), torch.arange(SAMPLES) % 2


def unlabelled(method, **settings):
    """Makes a learner whose labels are for the readout alone."""
    return lambda: ffrepro.Learner(
        ffrepro.nets.MLP(36, [20, 16, 12], classes=CLASSES, seed=0), method, batch_size=16, device="cpu",
        progress=False, **settings,
    )  # fmt: skip


def transformer(method, dropout=0.0, **settings):
    """Makes a learner of token ids; dropout would be drawn in each process by itself."""
    sizes = {"width": 12, "heads": 2, "feedforward": 16, "layers": 3, "embedding_std": 0.1}
    return lambda: ffrepro.Learner(
        ffrepro.nets.Transformer(30, 8, CLASSES, dropout=dropout, **sizes, seed=0), method, batch_size=16,
        device="cpu", progress=False, **settings,
    )  # fmt: skip


def tokens():
    generator = torch.Generator().manual_seed(1)
    label_N = torch.arange(SAMPLES) % CLASSES
    ids_NT = torch.randint(1, 10, (SAMPLES, 8), generator=generator) + 10 * label_N.unsqueeze(1) % 30
    ids_NT[::2, 5:] = 0  # padding
    return ids_NT.clamp(max=29), label_N


@pytest.mark.parametrize(
    ("make", "samples"),
    [
        (mlp, data(36)), (cnn, data(1, 6, 6)), (wrapped, data(1, 6, 6)), (recurrent, sequences()),
        (unlabelled("scff"), data(36)), (unlabelled("ff_unsupervised", negatives="noise"), data(36)),
        (unlabelled("uff"), data(36)), (transformer("ff"), tokens()),
        (transformer("ff", negatives="swap", active_set=True), tokens()), (transformer("cwc"), tokens()),
    ],
    ids=["ff", "cwc", "sff", "ff_rnn", "scff", "ff_unsupervised", "uff", "ff_tokens", "active set", "cwc_tokens"],
)  # fmt: skip
def test_two_processes_learn_what_one_learns(make, samples):
    one, two = make(), make()
    before = {name: value.clone() for name, value in initial_weights(one, samples).items()}
    one = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.fit(samples, epochs=3, validation=0.2)
        two.fit(samples, epochs=3, validation=0.2, processes=2)
    moved = 0.0
    for name, value in one.method.weights().items():
        torch.testing.assert_close(two.method.weights()[name], value, rtol=1e-5, atol=1e-6)
        moved = max(moved, float((value.double() - before[name].double()).abs().max()))
    assert moved > 1e-3
    for line, expected in zip(two.history, one.history, strict=True):
        assert set(line) == set(expected)
        for name in set(line) - {"seconds", "phase"}:
            assert line[name] == (pytest.approx(expected[name], rel=1e-5, abs=1e-6))
    assert two.score(*samples) == pytest.approx(one.score(*samples), abs=1 / SAMPLES)
    assert not multiprocessing.active_children()


def initial_weights(learner, samples):
    """The initial weights, of a method that was made and did no step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner._begin(samples, learner._classes_of(samples[1]))
    return learner.method.weights()


class Kills:
    """A loader whose third batch comes with the end of the other process."""

    def __iter__(self):
        x_N, label_N = data(1, 6, 6)
        for number in range(40):
            if number == 3:
                os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
            yield x_N[:16], label_N[:16]

    def __len__(self):
        return 40


def test_a_killed_process_ends_the_others_and_is_named():
    learner = wrapped()
    with pytest.raises(FfreproError) as caught:
        learner.fit(Kills(), epochs=2, processes=2)
    assert caught.value.where == "rank 1"
    assert "-9" in str(caught.value)
    assert not multiprocessing.active_children()


def test_an_error_in_another_process_arrives():
    learner = wrapped(FailsElsewhere)
    with pytest.raises(FfreproError) as caught:
        learner.fit(*data(1, 6, 6), epochs=1, processes=2)
    assert caught.value.where == "rank 1"
    assert "broken part 4711" in str(caught.value) and "ArithmeticError" in str(caught.value)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ffrepro.Learner(ffrepro.nets.MLP(36, [8, 8], classes=CLASSES), "backprop", progress=False),
        lambda: ffrepro.Learner(ffrepro.nets.MLP(36, [8, 8]), "ff", negatives="hard", progress=False),
        lambda: ffrepro.Learner(ffrepro.nets.MLP(36, [9, 9], classes=CLASSES, grouped=True), "cwc", progress=False),
        lambda: ffrepro.wrap(nn.Sequential(nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)),
                             ["1", "3"], classes=CLASSES, aux_sharing="channels", progress=False),
        lambda: ffrepro.wrap(nn.Sequential(nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3)), ["1"], classes=CLASSES,
                             progress=False),
        unlabelled("uff", cell="gan"),
    ],
    ids=["backprop", "hard negatives", "alternating", "shared maps", "one block", "gan"],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused_before_a_process_starts(make):
    with warnings.catch_warnings(), pytest.raises(FfreproError) as caught:
        warnings.simplefilter("ignore")
        make().fit(*data(36), epochs=1, processes=2)
    assert caught.value.where == "processes"


@pytest.mark.parametrize("settings", [
    {"hinge": "aggregated"}, {"margin": "adaptive"}, {"pass_on": "nothing"},
])  # fmt: skip
def test_layers_of_tokens_that_need_each_other_are_refused(settings):
    with pytest.raises(FfreproError) as caught:
        transformer("ff", **settings)().fit(*tokens(), epochs=1, processes=2)
    assert caught.value.where == "processes"


def test_dropout_is_drawn_in_each_process_and_repeats():
    learners = [transformer("cwc", dropout=0.2)() for _ in range(2)]
    for learner in learners:
        learner.fit(tokens(), epochs=2, processes=2)
    for name, value in learners[0].method.weights().items():
        assert torch.equal(value, learners[1].method.weights()[name])


def test_what_no_file_can_name_is_refused():
    learner = ffrepro.wrap(
        model(), ["2", "5"], method=lambda h, label_B: h.square().mean(), classes=CLASSES, progress=False
    )
    with pytest.raises(FfreproError) as caught:
        learner.fit(*data(1, 6, 6), epochs=1, processes=2)
    assert caught.value.where == "processes"


def test_a_process_that_cannot_begin_is_named():
    """A script read from a pipe has no file that another process could import; the net is larger than a pipe holds."""
    script = """
import torch, ffrepro
net = ffrepro.nets.MLP(36, [400, 400], classes=3)
ffrepro.Learner(net, "ff", progress=False).fit(torch.rand(32, 36), torch.arange(32) % 3, epochs=1, processes=2)
"""
    run = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, timeout=240)
    assert run.returncode == 1
    assert "FfreproError" in run.stderr and "where: rank 1" in run.stderr and "exit code 1" in run.stderr
