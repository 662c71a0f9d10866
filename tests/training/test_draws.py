"""What PyTorch's global generators give, dropout above all, follows from the seed of a training."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ffrepro
from ffrepro.core import seeds
from ffrepro.data.in_memory import ArrayTask
from ffrepro.training.trainer import Trainer


def data(count=24):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 6, generator=generator), torch.arange(count) % 3


def net():
    generator = torch.Generator().manual_seed(1)
    first = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.ReLU())
    second = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.5))
    made = nn.Sequential(first, second, nn.Linear(12, 3))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made


def wrapped(method, seed=0):
    return ffrepro.wrap(net(), ["0", "1"], method, classes=3, seed=seed, batch_size=8, lr=1e-2, progress=False)


def weights(learner):
    return torch.cat([value.flatten() for value in learner.unwrap().state_dict().values()])


def test_draws_follow_from_their_parts_alone_and_leave_the_generator_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with seeds.drawing("cpu", "draws", 3, 0):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    with seeds.drawing("cpu", "draws", 3, 0):
        assert torch.equal(torch.rand(4), first)
    with seeds.drawing("cpu", "draws", 3, 1):
        assert not torch.equal(torch.rand(4), first)
    with pytest.raises(ZeroDivisionError), seeds.drawing("cpu", 0):
        torch.manual_seed(7)
        raise ZeroDivisionError
    torch.manual_seed(6)
    expected = torch.rand(1)
    torch.manual_seed(6)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("method", ["sff", "cwc_blocks", "bp"])
def test_fit_and_step_do_not_depend_on_the_callers_generator(method):
    x, y = data()

    def fitted(learner):
        return learner.fit(x, y, epochs=2)

    def loaded(learner):
        return learner.fit(DataLoader(TensorDataset(x, y), 8, shuffle=True), epochs=2)

    def stepped(learner):
        for begin in range(0, 24, 8):
            learner.step(x[begin : begin + 8], y[begin : begin + 8])
        return learner

    for train in (fitted, loaded, stepped):
        torch.manual_seed(1)
        one = weights(train(wrapped(method)))
        learner = wrapped(method)
        torch.manual_seed(2)
        before = torch.get_rng_state()
        two = weights(train(learner))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(one, two)


def test_dropout_is_drawn_anew_in_every_step_and_epoch():
    x, y = data(8)
    seen = []
    learner = wrapped("bp")
    learner.prepared(x, y)
    learner.model[0][1].register_forward_hook(lambda _, __, out: seen.append((out == 0).float().clone()))
    for _ in range(2):
        learner.step(x, y)
    learner.fit(x, y, epochs=2)
    assert len(seen) >= 4
    assert all(not torch.equal(seen[a], seen[b]) for a in range(4) for b in range(a))


def test_a_resume_draws_what_the_whole_training_drew():
    parts = {"train": data(), "val": data(9)}

    def trainer(method):
        task = ArrayTask(parts, 3, 8, "cpu", "ensemble")
        return Trainer(method, task, {**learner.training, "max_epochs": 4}, order=torch.Generator().manual_seed(3))

    def method():
        nonlocal learner
        learner = wrapped("sff")
        return learner.prepared(*data(8))[0]

    learner = None
    whole, lines = trainer(method()), []
    whole.train(lines.append)
    half, first = trainer(method()), []
    half.max_epochs = 2
    half.train(first.append)
    state = half.state_dict() | {"ended": []}
    torch.manual_seed(9)
    rest, second = trainer(method()), []
    rest.load_state_dict(state)
    rest.train(second.append)
    timeless = [{name: value for name, value in line.items() if name != "seconds"} for line in [*first, *second]]
    assert timeless == [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
