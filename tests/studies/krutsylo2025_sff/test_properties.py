"""What the SFF paper promises of its method, shown on a net and numbers: claims.yaml names this file."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.core import losses
from ffrepro.methods import module
from ffrepro.nets import Cut

SFF = {
    "goodness": "mean_sq", "aux_kernel": 1, "aux_pool": 0, "aux_sharing": "none", "aux_keep": 1.0, "coarse_blocks": 0,
    "run": "low_memory", "head": "own", "ensemble": [],
    "weight_decay": 0.0, "head_lr": None, "clip_norm": None, "norm": "layer", "norm_epsilon": 1e-5,
    "channels_last": False,
}  # fmt: skip
CWC = {key: value for key, value in SFF.items() if not key.startswith(("goodness", "aux_"))}


class Rounded(nn.Module):
    """A part without a useful gradient."""

    def forward(self, x):
        return (x * 8).round() / 8


def stack(channels=(6, 6), between: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, channels[0], 3, padding=1), nn.BatchNorm2d(channels[0]), nn.ReLU())
    second = nn.Sequential(between or nn.Identity(), nn.Conv2d(channels[0], channels[1], 3, padding=1), nn.ReLU())
    return nn.Sequential(first, second, nn.Flatten(), nn.Linear(channels[1] * 36, 10))


def batch(classes=10):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(20, 3, 6, 6, generator=generator, dtype=torch.float64)
    return {"x": x, "label": torch.arange(20) % classes}


def learner(name="sff", net=None, classes=10, **changed):
    cut = Cut((net or stack()).double(), ["0", "1"])
    cut.classes = classes
    settings = (SFF if name == "sff" else CWC) | changed
    return module(name).Method(cut, settings, batch(classes), torch.Generator().manual_seed(2), 1e-2)


def weights(method, prefix):
    return torch.cat([value.flatten() for name, value in method.weights().items() if prefix in name])


def test_the_loss_is_that_of_cwc_and_cross_entropy_in_value_and_gradient():
    g = torch.randn(50, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    label = torch.arange(50) % 10
    sff = -(g.gather(1, label[:, None])[:, 0] - torch.logsumexp(g, 1)).mean()
    cwc = losses.cwc(g, label).mean()
    entropy = F.cross_entropy(g, label)
    torch.testing.assert_close(sff, cwc, atol=1e-14, rtol=0)
    torch.testing.assert_close(sff, entropy, atol=1e-14, rtol=0)
    slopes = [torch.autograd.grad(loss, g, retain_graph=True)[0] for loss in (sff, cwc, entropy)]
    assert (slopes[0] - slopes[1]).abs().max() < 1e-16 and (slopes[0] - slopes[2]).abs().max() < 1e-16
    assert (torch.logsumexp(g, 1) - g.gather(1, label[:, None])[:, 0] > 0).all()  # above zero: there is no margin


def test_the_methods_loss_is_that_of_the_goodness_before_the_norm():
    method, data = learner(), batch()
    with torch.no_grad():
        method.train()
        h = method.cut.model[0](data["x"])
        g = method.maps[0].map(h).square().mean((2, 3))
    assert g.shape == (20, 10) and (g >= 0).all()
    method = learner()
    assert float(method.step(data)["loss_layer0"]) == pytest.approx(float(F.cross_entropy(g, data["label"])), rel=1e-12)


def test_the_original_loss_of_the_true_class_alone_does_not_see_the_others():
    """Nearly zero where no class is told from another; with the others' goodness beside it, it is not."""
    g = torch.full((20, 10), 30.0, dtype=torch.float64, requires_grad=True)
    label, theta = torch.arange(20) % 10, 1.0
    true = g.gather(1, label[:, None])[:, 0]
    alone = losses.logistic(true, torch.ones(20), theta).mean()
    (slope,) = torch.autograd.grad(alone, g, retain_graph=True)
    assert alone.item() < 1e-12 and torch.equal(slope != 0, F.one_hot(label, 10) == 1)
    both = losses.pair_logistic(true, (g.sum(1) - true) / 9, theta).mean()
    assert both.item() == pytest.approx(29.0) and F.cross_entropy(g, label).item() == pytest.approx(2.302585, rel=1e-6)
    (slope,) = torch.autograd.grad(both, g)
    assert (slope[F.one_hot(label, 10) == 0] > 0).all()


def test_the_classifiers_rate_moves_the_classifier_alone():
    one, other = learner(), learner(head_lr=1.0)
    for _ in range(3):
        one.step(batch())
        other.step(batch())
    for part in ("model.0", "model.1", "auxiliary"):
        torch.testing.assert_close(weights(one, part), weights(other, part), atol=0, rtol=0)
    assert not torch.allclose(weights(one, "model.3"), weights(other, "model.3"))


def test_a_step_takes_one_forward_pass_of_each_block_and_reads_images_and_labels_alone():
    method, calls = learner(), []
    for index in ("0", "1"):
        method.cut.model.get_submodule(index).register_forward_hook(lambda *_, i=index: calls.append(i))
    method.step(batch())
    assert calls == ["0", "1"]


def test_what_goes_on_does_not_depend_on_the_auxiliary_map():
    outs = []
    for scale in (1.0, 5.0):
        method = learner()
        with torch.no_grad():
            method.maps[0].map.weight.mul_(scale)
        outs.append(method.evaluate_batch(batch())["layer_scores"])
    assert not torch.allclose(outs[0][:, 0], outs[1][:, 0])
    torch.testing.assert_close(outs[0][:, 1], outs[1][:, 1], atol=0, rtol=0)


def test_a_block_learns_the_same_whether_the_other_learns_or_not():
    free, alone = learner(), learner()
    before = weights(alone, "model.1.1")
    for parameter in alone.maps[1].parameters():
        parameter.requires_grad_(False)
    net = stack()
    for parameter in net[1].parameters():
        parameter.requires_grad_(False)
    frozen = learner(net=net)
    free.step(batch())
    frozen.step(batch())
    assert not torch.equal(weights(free, "model.1.1"), before)
    torch.testing.assert_close(weights(free, "model.0"), weights(frozen, "model.0"), atol=0, rtol=0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_updates_of_one_forward_pass_commute(order):
    method, data = learner(run="fast"), batch()
    reference = learner(run="low_memory")
    reference.step(data)
    found = []
    method.cut.run(data["x"], lambda block, h: found.append((block, h)) or method.normalise(h.detach()), head=False)
    for block in order:
        F.cross_entropy(method.goodness(block, found[block][1]), data["label"]).backward()
    method.optimizers[0].step()
    for part in ("model.0", "model.1", "auxiliary"):
        torch.testing.assert_close(weights(method, part), weights(reference, part), atol=1e-12, rtol=0)


def test_without_gradients_nothing_learns():
    method = learner()
    before = weights(method, "weight")  # buffers of BatchNorm count what they have seen
    with torch.no_grad(), pytest.raises(RuntimeError):
        F.cross_entropy(method.goodness(0, method.cut.model[0](batch()["x"])), batch()["label"]).backward()
    torch.testing.assert_close(weights(method, "weight"), before, atol=0, rtol=0)


def test_a_part_without_gradient_between_blocks_leaves_both_to_learn_and_inside_of_one_stops_it():
    method = learner(net=stack(between=Rounded()))
    before = {part: weights(method, part) for part in ("model.0.0", "model.1.1")}
    for _ in range(3):
        method.step(batch())
    assert all(not torch.equal(weights(method, part), old) for part, old in before.items())
    # The same net under backpropagation: the first layer's gradient is zero.
    net = stack(between=Rounded()).double()
    F.cross_entropy(net(batch()["x"]), batch()["label"]).backward()
    assert net[0][0].weight.grad.abs().max() == 0 and net[1][1].weight.grad.abs().max() > 0


def test_sff_takes_more_classes_than_channels_and_cwc_does_not():
    net = stack((4, 7))
    method = learner(net=net)
    first = float(method.step(batch())["loss"])
    for _ in range(20):
        last = float(method.step(batch())["loss"])
    assert last < first
    with pytest.raises(FfreproError) as error:
        learner("cwc_blocks", net=stack((4, 20)))
    assert error.value.where == "net"


def test_channels_that_do_not_divide_are_no_hindrance():
    assert torch.isfinite(learner("cwc_blocks", net=stack((11, 13))).step(batch())["loss"])
