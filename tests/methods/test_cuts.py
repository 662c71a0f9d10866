"""The methods of cut nets against plain loops, and their two runs against each other."""

import copy
import math

import pytest
import torch
from helpers.method_cases import BP_BLOCKS, CWC_BLOCKS, SFF
from torch import nn
from torch.nn import functional as F

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.methods import loss_blocks
from ffrepro.methods.cwc_blocks import group_means
from ffrepro.nets.auxiliary import Auxiliary
from ffrepro.nets.cut import Cut

CLASSES, LR = 3, 1e-2


class Net(nn.Module):
    """Two convolutions and a classifier; BatchNorm, dropout, and an activation that works in place behind a cut."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5))
        self.two = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(5, 4, 3, stride=2), nn.Sigmoid())
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))

    def forward(self, x):
        return self.fc(self.relu(self.two(self.one(x))))


def build(name="sff", settings=SFF, seed=0, dtype=torch.float64, module=None, **changed):
    torch.manual_seed(seed)
    net = Cut(Net().to(dtype) if module is None else module, ["one", "two"])
    net.classes = CLASSES
    method = methods.module(name) if isinstance(name, str) else name
    generator = torch.Generator().manual_seed(seed)
    return method.Method(net, {**settings, **changed}, batch(dtype=dtype), generator, LR)


def of_bp():
    """The same net for backpropagation, which a sigmoid before an in-place ReLU stops."""
    torch.manual_seed(0)
    net = Net().double()
    net.relu = nn.ReLU()
    return net


def batch(size=8, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 2, 5, 5, generator=generator, dtype=dtype)
    return {"x": x, "label": torch.arange(size) % CLASSES, "index": torch.arange(size)}


def weights(method):
    return {name: value.clone() for name, value in method.weights().items()}


def furthest(a, b):
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.mark.parametrize("changed", [
    {}, {"norm": "none"}, {"norm": "none", "head": "all"}, {"clip_norm": 1e-2, "head": "none"}, {"goodness": "mean"},
], ids=str)  # fmt: skip
def test_both_runs_give_the_same_numbers(changed):
    fast, slow = build(**changed), build(run="low_memory", **changed)
    for step in range(4):
        given = batch(seed=step)
        ours, theirs = fast.step(given), slow.step(given)
        assert {name: float(value) for name, value in ours.items()} == pytest.approx(
            {name: float(value) for name, value in theirs.items()}, abs=1e-12
        )
    assert furthest(weights(fast), weights(slow)) < 1e-12


def test_a_step_is_that_of_a_plain_loop():
    """Each block and its map by an AdamW of its own, in words of torch alone."""
    method = build(weight_decay=0.1, head_lr=3e-3)
    net, maps = copy.deepcopy(method.cut.model), copy.deepcopy(method.maps)
    parts = [[*net.one.parameters(), *maps[0].parameters()], [*net.two.parameters(), *maps[1].parameters()]]
    optimizers = [torch.optim.AdamW(part, lr=LR, weight_decay=0.1) for part in parts]
    optimizers.append(torch.optim.AdamW(net.fc.parameters(), lr=3e-3, weight_decay=0.1))
    for step in range(3):
        given = batch(seed=step)
        x, label, losses = given["x"], given["label"], []
        for block, aux, optimizer in zip([net.one, net.two], maps, optimizers, strict=False):
            h = block(x)
            g = aux.map(h).square().mean((2, 3))
            loss = -(g[torch.arange(len(label)), label] - g.exp().sum(1).log()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
            x = F.layer_norm(h.detach(), h.shape[1:], eps=1e-5)
        loss = F.cross_entropy(net.fc(net.relu(x)), label)
        optimizers[2].zero_grad()
        loss.backward()
        optimizers[2].step()
        out = method.step(given)
        assert [float(out[f"loss_layer{block}"]) for block in (0, 1)] == pytest.approx(losses, abs=1e-12)
        assert float(out["loss_head"]) == pytest.approx(float(loss.detach()), abs=1e-12)
        assert float(out["loss"]) == pytest.approx(sum(losses), abs=1e-12)
    assert furthest(method.cut.model.state_dict(), net.state_dict()) < 1e-12
    assert furthest(method.maps.state_dict(), maps.state_dict()) < 1e-12


def test_backpropagation_is_that_of_a_plain_loop_with_and_without_checkpoints():
    plain, saving = (build("backprop_blocks", BP_BLOCKS, checkpoint=on, module=of_bp()) for on in (False, True))
    net = copy.deepcopy(plain.cut.model)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0)
    for step in range(3):
        given = batch(seed=step)
        loss = F.cross_entropy(net(given["x"]), given["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert float(plain.step(given)["loss"]) == pytest.approx(float(loss.detach()), abs=1e-12)
        saving.step(given)
    assert furthest(plain.cut.model.state_dict(), net.state_dict()) < 1e-12
    assert furthest(weights(plain), weights(saving)) < 1e-12
    assert "forward" not in vars(saving.cut.model.one)


def test_readings_of_the_goodness_by_hand():
    h = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])  # one channel of 2 x 2
    w, b = 2.0, 1.0

    def goodness(reading, kernel=1, pool=0):
        aux = Auxiliary(
            (1, 2, 2), 1, kernel=kernel, reading=reading, pool=pool, generator=torch.Generator().manual_seed(0)
        )
        with torch.no_grad():
            aux.map.weight.zero_()
            aux.map.weight[..., kernel // 2, kernel // 2] = w
            aux.map.bias.fill_(b)
            return float(aux(h))

    z = [3.0, 5.0, 7.0, -7.0]
    assert goodness("mean_sq") == goodness("mean_sq", kernel=3) == sum(v * v for v in z) / 4
    assert goodness("mean") == goodness("mean", kernel=3) == goodness("mean", pool=1) == sum(z) / 4
    assert goodness("aux_of_sq") == goodness("aux_of_sq", kernel=3) == 2 * (1 + 4 + 9 + 16) / 4 + 1
    assert goodness("mean_sq", pool=1) == (2 * 0.5 + 1) ** 2  # another function: the map of the mean, squared


@pytest.mark.parametrize("reading", ["mean_sq", "mean", "aux_of_sq"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_maps_goodness_is_the_same_in_both_layouts(reading, kernel):
    aux = Auxiliary((5, 4, 3), 6, kernel=kernel, reading=reading, pool=0, generator=torch.Generator()).double()
    drawn, found = torch.randn(2, 5, 4, 3, dtype=torch.float64), []
    for layout in (torch.contiguous_format, torch.channels_last):
        h = drawn.contiguous(memory_format=layout).requires_grad_()
        g = aux(h)
        gradients = torch.autograd.grad((g * torch.arange(6)).sum(), [h, aux.map.weight, aux.map.bias])
        found.append([g, *gradients])
    torch.testing.assert_close(*found)


def test_activations_of_tokens_and_of_features_have_maps_and_others_none():
    def aux(shape):
        return Auxiliary(shape, 4, kernel=1, reading="mean_sq", pool=0, generator=torch.Generator().manual_seed(0))

    tokens = torch.randn(2, 7, 5)
    assert torch.allclose(aux((7, 5))(tokens), aux((5,)).map(tokens).square().mean(1))
    assert aux((5,))(tokens[:, 0]).shape == (2, 4)
    with pytest.raises(FfreproError):
        aux((2, 3, 4, 5))


def test_groups_of_channels_differ_by_one_at_most():
    means = group_means(7, 3)
    sizes = (means > 0).sum(0).tolist()
    assert sorted(sizes) == [2, 2, 3] and torch.allclose(means.sum(0), torch.ones(3))
    assert (means > 0).sum(1).tolist() == [1] * 7
    assert torch.equal(group_means(6, 3)[:2, 0], torch.full((2,), 0.5))


def test_goodness_of_the_groups_by_hand_and_too_few_channels():
    method = build("cwc_blocks", CWC_BLOCKS)
    h = torch.arange(1.0, 17.0, dtype=torch.float64).view(1, 4, 2, 2)  # block 1 has four channels: groups of 2, 1, 1
    squares = h.square().mean((2, 3))[0]
    expected = [(squares[0] + squares[1]) / 2, squares[2], squares[3]]
    assert method.goodness(1, h)[0].tolist() == pytest.approx([float(value) for value in expected])
    narrow = nn.Sequential()
    narrow.add_module("one", nn.Conv2d(2, 2, 3))
    narrow.add_module("two", nn.Conv2d(2, 5, 3))
    narrow.add_module("fc", nn.Sequential(nn.Flatten(), nn.Linear(5, CLASSES)))
    with pytest.raises(FfreproError) as error:
        build("cwc_blocks", CWC_BLOCKS, module=narrow.double())
    assert error.value.where == "net"


def test_the_gradient_is_cut_to_each_parts_own_length():
    method = build(clip_norm=1e-3, run="low_memory")
    seen = {}
    for name, optimizer in zip(method.parts, method.optimizers, strict=True):

        def step(name=name, own=optimizer.step):
            seen[name] = math.sqrt(sum(float(p.grad.square().sum()) for p in method.parts[name]))
            own()

        optimizer.step = step
    method.step(batch())
    assert seen == pytest.approx(dict.fromkeys(("layer0", "layer1", "head"), 1e-3), rel=1e-3)


def test_every_part_has_a_plateau_of_its_own():
    method = build(head_lr=0.5)
    settings = {"schedule": "plateau", "lr": 0.1, "plateau_on": "validation", "plateau_epochs": 1,
                "plateau_factor": 0.5, "plateau_threshold": 0.0}  # fmt: skip
    method.begin_schedule(settings, 9)
    first = {"loss_layer0": 1.0, "loss_layer1": 1.0, "loss": 3.0}  # the head's is what is left: 1.0
    method.end_epoch({}, first)
    assert method.rates() == {"lr": 0.1, "lr_layer0": 0.1, "lr_layer1": 0.1, "lr_head": 0.5}
    method.end_epoch({}, {"loss_layer0": 2.0, "loss_layer1": 0.5, "loss": 3.0})  # worse, better, better
    assert method.rates() == {"lr": 0.05, "lr_layer0": 0.05, "lr_layer1": 0.1, "lr_head": 0.5}
    method.end_epoch({}, {"loss_layer0": 0.5, "loss_layer1": 0.4, "loss": 1.9})  # better, better, worse
    assert method.rates() == {"lr": 0.05, "lr_layer0": 0.05, "lr_layer1": 0.1, "lr_head": 0.25}
    groups = [group["lr"] for optimizer in method.optimizers for group in optimizer.param_groups]
    assert groups == [0.05, 0.1, 0.25]
    method.begin_schedule(settings | {"plateau_on": "train"}, 9)
    method.end_epoch({"loss_layer0": 1.0, "loss_layer1": 1.0, "loss_head": 1.0, "loss": 2.0}, {})
    method.end_epoch({"loss_layer0": 0.5, "loss_layer1": 2.0, "loss_head": 0.5, "loss": 2.0}, {})
    assert method.rates() == {"lr": 0.1, "lr_layer0": 0.1, "lr_layer1": 0.05, "lr_head": 0.5}


def test_predictions_of_chosen_blocks():
    method, given = build(ensemble=[1]), batch()
    out = method.evaluate_batch(given)
    assert torch.equal(out["scores_ensemble"], out["layer_scores"][:, 1])
    assert torch.equal(out["scores_last"], out["layer_scores"][:, 1])
    assert torch.equal(method.scores(given, "last"), out["scores_last"])
    every = build().evaluate_batch(given)
    assert torch.allclose(every["scores_ensemble"], every["layer_scores"].mean(1))
    assert "scores_head" not in build(head="none").evaluate_batch(given)
    with pytest.raises(FfreproError) as error:
        build(ensemble=[2])
    assert error.value.where == "method.ensemble"


@pytest.mark.parametrize("run", ["fast", "low_memory"])
def test_a_frozen_block_stays_and_the_others_learn(run):
    torch.manual_seed(0)
    module = Net().double()
    module.two.requires_grad_(False)
    module.one[1].eval()  # beside modules in training mode it stays in evaluation mode
    method = build(module=module, run=run)
    before = weights(method)
    for _ in range(2):
        method.step(batch())
    after = weights(method)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if ".two." in name} <= same
    assert {"model.one.1.running_mean", "model.one.1.running_var"} <= same
    assert {"model.one.0.weight", "extra.auxiliary.1.map.weight", "model.fc.1.weight"}.isdisjoint(same)
    if run == "low_memory":
        cwc = build("cwc_blocks", CWC_BLOCKS, module=copy.deepcopy(module), run=run)
        assert cwc.step(batch())["loss"].isfinite()  # a block without anything to learn


@pytest.mark.parametrize("run", ["fast", "low_memory"])
def test_a_loss_of_ones_own(run):
    def squares(h, label):
        return (h.flatten(1).mean(1) - label).square()

    own = {name: value for name, value in CWC_BLOCKS.items() if name != "ensemble"}
    method = build(loss_blocks.method_of(squares), own, run=run)
    first = method.step(batch())
    for _ in range(30):
        last = method.step(batch())
    assert last["loss"] < first["loss"] and last["loss_head"] < first["loss_head"]
    out = method.evaluate_batch(batch())
    assert out["loss"].shape == (8, 3) and torch.equal(out["scores_head"], method.scores(batch(), "head"))
    with pytest.raises(FfreproError) as error:
        loss_blocks.method_of(nn.Linear(2, 2))
    assert error.value.where == "method"


class Rounded(nn.Module):
    """A part without a gradient between two blocks, which backpropagation could not cross."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.fc = nn.Linear(2, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 3)

    def forward(self, x):
        h = torch.round(4 * self.one(x.mean((2, 3))))
        return self.fc(self.two(torch.where(h > 0, h, torch.zeros_like(h))))


def test_what_lies_between_blocks_needs_no_gradient():
    method = build(module=Rounded().double())
    before = weights(method)
    for _ in range(20):
        loss = method.step(batch())["loss_layer0"]
    assert not torch.equal(before["model.one.weight"], method.weights()["model.one.weight"])
    assert loss < build(module=Rounded().double()).step(batch())["loss_layer0"]


def test_nets_that_have_no_head_of_their_own():
    module = nn.Sequential()
    module.add_module("one", nn.Linear(2, 8))
    module.add_module("two", nn.Linear(8, 2))
    given = {"x": torch.randn(6, 2), "label": torch.arange(6) % 2, "index": torch.arange(6)}

    def method(head):
        net = Cut(copy.deepcopy(module), ["one", "two"])
        net.classes = 2
        return methods.module("sff").Method(net, {**SFF, "head": head}, given, torch.Generator(), LR)

    with pytest.raises(FfreproError) as error:
        method("own")
    assert error.value.where == "method.head"
    assert method("all").evaluate_batch(given)["scores_head"].shape == (6, 2)
    few = Net()
    few.fc = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES - 1))
    with pytest.raises(FfreproError) as error:
        build(module=few.double())
    assert error.value.where == "net"


class Equal(nn.Module):
    """Three blocks of four channels each and a classifier: their auxiliary maps can be one."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(c, 4, 3, padding=1) for c in (2, 4, 4))
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(100, CLASSES))

    def forward(self, x):
        return self.fc(self.three(torch.tanh(self.two(torch.tanh(self.one(x))))))


def build_equal(superclass_of=None, name="sff", settings=SFF, **changed):
    torch.manual_seed(0)
    net = Cut(Equal().double(), ["one", "two", "three"])
    net.classes, net.superclass_of = CLASSES, superclass_of
    generator = torch.Generator().manual_seed(0)
    return methods.module(name).Method(net, {**settings, **changed}, batch(), generator, LR)


def test_a_shared_map_learns_from_all_its_blocks_in_both_runs():
    shared = [build_equal(aux_sharing="channels", run=run, clip_norm=0.1) for run in ("fast", "low_memory")]
    first = shared[0]
    assert len(set(first.maps)) == 1 and list(first.parts) == ["layer0", "layer1", "layer2", "shared", "head"]
    for step in range(3):
        for method in shared:
            method.step(batch(seed=step))
    assert furthest(weights(first), weights(shared[1])) < 1e-12
    first.step(batch(seed=9))  # for Adam's state
    grad = torch.zeros_like(first.maps[0].map.weight)
    hs = first.forward(batch(seed=3), lambda _, h: h, head=False)[0]
    for h in hs:
        with torch.enable_grad():
            loss = first.loss(0, h, batch()["label"])
            grad += torch.autograd.grad(loss, first.maps[0].map.weight)[0]
    with torch.enable_grad():
        total = sum(first.loss(block, h, batch()["label"]) for block, h in enumerate(hs))
        (together,) = torch.autograd.grad(total, first.maps[0].map.weight)
    assert torch.allclose(grad, together, atol=1e-14)


def test_a_shared_maps_plateau_goes_by_the_losses_of_all_blocks():
    method = build_equal(aux_sharing="channels")
    values = {"loss_layer0": 1.0, "loss_layer1": 2.0, "loss_layer2": 4.0, "loss": 12.0}
    assert method.own_loss("shared", values) == {"loss": 7.0} and method.own_loss("head", values) == {"loss": 5.0}


def test_maps_of_other_sizes_are_not_shared():
    method = build(aux_sharing="channels")  # five and four channels
    assert len(set(method.maps)) == 2 and "shared" not in method.parts


@pytest.mark.parametrize("reading", ["mean_sq", "mean", "aux_of_sq"])
def test_a_pruned_map_reads_the_channels_with_the_largest_weights(reading):
    method = build(aux_keep=0.5, goodness=reading)
    one = method.maps[0]
    with torch.no_grad():
        one.map.weight.copy_(torch.tensor([3.0, -0.1, 2.0, 0.2, -1.0]).view(1, 5, 1, 1).expand(CLASSES, -1, -1, -1))
    method.begin_schedule({"schedule": "multistep", "milestones": [], "gamma": 0.1, "lr": LR}, 2)
    method.end_epoch({}, {})
    assert one.kept.tolist() == [True, False, True, False, False]  # half of five, rounded: two
    h = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    zeroed = h.clone()
    zeroed[:, ~one.kept] = 0
    assert torch.allclose(one(h), one(zeroed))
    full = Auxiliary((5, 3, 3), CLASSES, kernel=1, reading=reading, pool=0, generator=torch.Generator()).double()
    full.map.load_state_dict(one.map.state_dict())
    assert torch.allclose(one(h), full(zeroed))
    assert torch.allclose(one(h.contiguous(memory_format=torch.channels_last)), full(zeroed))
    before = one.kept.clone()
    with torch.no_grad():
        one.map.weight.copy_(one.map.weight.flip(1))
    method.end_epoch({}, {})
    assert torch.equal(one.kept, before)  # once


def test_a_pruned_map_is_loaded_as_it_was():
    trained, fresh = build(aux_keep=0.5), build(aux_keep=0.5, seed=1)
    given = batch()
    trained.step(given)
    for one in trained.maps:
        one.prune(0.5)
    fresh.scores(given, "ensemble")
    fresh.load_weights(trained.weights())
    assert torch.equal(fresh.scores(given, "ensemble"), trained.scores(given, "ensemble"))


@pytest.mark.parametrize(("name", "settings"), [("sff", SFF), ("cwc_blocks", CWC_BLOCKS)])
def test_first_blocks_learn_superclasses(name, settings):
    above = [0, 1, 0]
    method = build_equal(above, name, settings, coarse_blocks=2)
    given = batch()
    goods = method.forward(given, method.goodness, head=False)[0]
    assert [g.shape[1] for g in goods] == [2, 2, CLASSES]
    target = torch.tensor(above)[given["label"]]
    seen = method.evaluate_batch(given)
    assert torch.allclose(seen["loss"][:, 0], F.cross_entropy(goods[0], target, reduction="none"))
    assert torch.allclose(seen["loss"][:, 2], F.cross_entropy(goods[2], given["label"], reduction="none"))
    assert torch.equal(seen["layer_scores"][:, 0], goods[0][:, above])
    expected = (goods[0][:, above] + goods[1][:, above] + goods[2]) / 3
    assert torch.allclose(method.scores(given, "ensemble"), expected)
    losses = [method.step(given)["loss_layer0"] for _ in range(5)]
    assert losses[-1] < losses[0]


def test_superclasses_that_are_not_known_are_asked_for():
    for above, blocks in ((None, 1), ([0, 0], 1), ([0, 0, 1], 4)):
        with pytest.raises(FfreproError) as caught:
            build_equal(above, coarse_blocks=blocks)
        assert caught.value.where == "method.coarse_blocks"
