"""The genetic algorithm and the evolution strategy: what is theirs alone; the rest is in test_conformance.py."""

import sys

import pytest
import torch
from helpers.method_cases import build, make_images

from ffrepro.base.errors import FfreproError


def test_a_vector_is_all_trainable_parameters_and_its_loss_is_the_nets():
    method = build("evolution")
    batch = make_images(20)
    vector = method.vector()
    assert len(vector) == sum(p.numel() for p in [*method.net.parameters(), *method.extra.parameters()])
    assert method.loss(vector, batch) == pytest.approx(method.evaluate_batch(batch)["loss"].mean().item())
    method.load_vector(vector + 1)
    assert torch.equal(method.vector(), vector + 1)


def test_frozen_parameters_are_no_part_of_it():
    from ffrepro import methods, nets

    settings = {"name": "mlp", "layers": [5], "input_norm": "none", "bias": True, "groups": None,
                "init": "torch_default"}  # fmt: skip
    net = nets.build(settings, (3, 10, 10), 10, torch.Generator())
    net.blocks.requires_grad_(False)
    kept = [p.clone() for p in net.parameters()]
    hp = {"sigma": 0.02, "pairs": 2, "weight_decay": 0.0}
    method = methods.module("evolution").Method(net, hp, make_images(2), torch.Generator(), 0.1)
    assert len(method.vector()) == 5 * 10 + 10
    method.step(make_images(8))
    assert all(torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))


def test_no_gradient_graph_is_built(monkeypatch):
    for case in ("evolution", "genetic"):
        monkeypatch.setattr(torch.Tensor, "backward", lambda *a, **k: pytest.fail("backpropagation"))
        out = build(case).step(make_images(8))
        assert not out["loss"].requires_grad


def test_the_best_vector_is_the_nets_and_lives_on():
    method, batch = build("genetic"), make_images(20)
    for _ in range(3):
        out = method.step(batch)
    vectors = method.population_PD
    losses = torch.stack([method.loss(v, batch) for v in vectors])
    assert out["loss"] == losses.min()
    assert torch.equal(method.vector(), vectors[losses.argmin()])
    method.step(batch)
    assert any(torch.equal(v, vectors[losses.argmin()]) for v in method.population_PD)
    assert method.population_PD.shape == vectors.shape


def test_a_loss_that_is_no_number_never_wins(monkeypatch):
    method, batch = build("genetic"), make_images(20)
    method.step(batch)
    elite, plain = method.vector(), method.loss
    monkeypatch.setattr(
        method, "loss", lambda v, b: torch.tensor(float("nan")) if torch.equal(v, elite) else plain(v, b)
    )
    assert method.step(batch)["loss"].isfinite()
    assert not torch.equal(method.vector(), elite)


def test_numpys_and_pythons_own_random_numbers_are_left_alone():
    import random

    import numpy as np

    np.random.seed(1)
    random.seed(1)
    expected = np.random.RandomState(1).rand(), random.Random(1).random()
    method = build("genetic")
    method.step(make_images(8))
    assert (np.random.rand(), random.random()) == expected


def test_without_pygad_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygad", None)
    with pytest.raises(FfreproError) as error:
        build("genetic")
    assert error.value.where == "method.name" and "pygad" in error.value.fix
