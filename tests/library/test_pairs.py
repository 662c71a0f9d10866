"""Every method on every net of the library: it trains, or refuses in the project's words."""

import warnings
from pathlib import Path

import pytest
import torch
from helpers.method_cases import make_tokens
from torch import nn

import ffrepro
from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.nets.cut import Cut

CLASSES = 2


def images():
    y = torch.arange(16) % CLASSES
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return x + y[:, None, None, None], y


def numbers():
    x, y = images()
    return x.flatten(1), y


def sequences():
    y = torch.arange(16) % CLASSES
    return torch.randn(16, 6, 2, generator=torch.Generator().manual_seed(0)) + y[:, None, None], y


def tokens():
    batch = make_tokens(16, masked=True, classes=CLASSES)
    return batch["x"], batch["label"]


def cut():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES)]
    return Cut(nn.Sequential(*layers), ["1", "3"])


def transformer(**settings):
    return nets.Transformer(30, 12, CLASSES, width=8, heads=2, feedforward=8, **settings)


GROUPED = {"classes": CLASSES, "grouped": True}
NETS = {
    "MLP": (lambda: nets.MLP(64, (8, 8)), numbers),
    "MLP, grouped": (lambda: nets.MLP(64, (8, 8), **GROUPED), numbers),
    "CNN": (lambda: nets.CNN((1, 8, 8), (4, 4)), images),
    "CNN, grouped": (lambda: nets.CNN((1, 8, 8), (4, 4), **GROUPED), images),
    "RNN": (lambda: nets.RNN(2, 6, 2), sequences),
    "Transformer": (transformer, tokens),
    "Transformer of sublayers": (lambda: transformer(blocks="sublayer"), tokens),
    "cut": (cut, images),
}
PLAIN, OF_TOKENS = {"MLP", "MLP, grouped", "CNN", "CNN, grouped"}, {"Transformer", "Transformer of sublayers"}
TRAINS = {
    "backprop": PLAIN | OF_TOKENS,
    "backprop_blocks": {"MLP", "CNN, grouped", "cut"},  # end in an output for each class
    "backprop_rnn": {"RNN"},
    "backprop_tokens": OF_TOKENS,
    "backprop_words": set(),  # a task of the pipeline
    "cwc": {"MLP, grouped", "CNN, grouped"} | OF_TOKENS,
    "cwc_blocks": {"MLP", "CNN", "CNN, grouped", "cut"},
    "cwc_maps_tokens": OF_TOKENS,
    "cwc_tokens": OF_TOKENS,
    "evolution": PLAIN | {"cut"},
    "ff": PLAIN | OF_TOKENS,
    "ff_recurrent": {"RNN"},
    "ff_rnn": {"RNN"},
    "ff_tokens": OF_TOKENS,
    "ff_unsupervised": {"CNN", "CNN, grouped"},  # images
    "ff_words": set(),  # a task of the pipeline
    "genetic": PLAIN | {"cut"},
    "hybrid_tokens": {"Transformer of sublayers"},
    "scff": PLAIN,
    "sff": {"MLP", "CNN", "CNN, grouped", "cut"},
    "uff": {"MLP", "MLP, grouped"},  # fully connected
}


def test_every_method_is_listed():
    own = {path.stem for path in Path(methods.__file__).parent.glob("*.py")}  # other tests add methods of their own
    assert set(TRAINS) == own & set(methods.names())


@pytest.mark.parametrize("method", TRAINS)
def test_a_method_trains_a_net_or_refuses_it(method):
    trained = set()
    for name, (build, data) in NETS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # labels that overwrite much of a sample
                learner = ffrepro.Learner(build(), method, progress=False).fit(*data(), epochs=1)
        except FfreproError as error:
            assert error.what and error.fix, name
            continue
        trained.add(name)
        assert torch.isfinite(torch.tensor(learner.history[0]["train/loss"])), name
        assert learner.predict(data()[0]).shape == (16,), name
    assert trained == TRAINS[method]
