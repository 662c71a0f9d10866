"""Training in mixed precision: other sums, the same kind of numbers, float32 wherever something is kept or read."""

import json

import pytest
import torch
from helpers.method_cases import BP_IMAGES, CASES, CWC, FF_IMAGES, batch_for, build
from helpers.plans import make_image_plan, make_plan
from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.core.goodness import goodness
from ffrepro.training import bench_inference, loop, machine, sklearn_baseline

PROFILE = {"device": "cpu", "precision": "bfloat16_mixed", "memory_cap_gb": None}
TINY = {"name": "cnn", "model": "ff_tiny", "cfse": False, "init": "torch_default"}
AUTOGRAD = [name for name, (_, settings) in CASES.items() if settings.get("gradient", "autograd") == "autograd"]


def image_plan(method, settings, **changes):
    inference = "goodness" if method == "cwc" else "one_pass"
    return make_image_plan(method, settings, net=TINY, inference=inference) | changes


def lines_of(place, plan):
    return [json.loads(line) for line in (place.runs / plan["run"] / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("method", "settings"), [("cwc", {**CWC, "update": "alternating"}), ("backprop", BP_IMAGES)])
def test_losses_are_near_those_of_float32(place, method, settings):
    exact, mixed = (image_plan(method, settings, run=f"smoke/cpu/{name}/a/seed0") for name in ("exact", "mixed"))
    mixed["profile"] = PROFILE
    results = [loop.run(plan, place, keep_weights=True) for plan in (exact, mixed)]
    losses = [[line["train/loss"] for line in lines_of(place, plan)] for plan in (exact, mixed)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    assert results[1]["metrics"]["test/loss"] == pytest.approx(results[0]["metrics"]["test/loss"], rel=0.1)
    # kept weights, evaluated by a run of float32, give the same numbers: evaluation was float32 already
    again = loop.evaluate_again(mixed, place, "test")
    assert again["loss"] == results[1]["metrics"]["test/loss"]


@pytest.mark.parametrize("case", AUTOGRAD)
def test_every_method_learns_with_it(case):
    """The loss falls, and weights and the optimizers' state stay float32."""
    method, batch = build(case), batch_for(case)
    losses = []
    for _ in range(30):
        with machine.autocast(PROFILE):
            losses.append(float(method.step(batch)["loss"]))
    assert sum(losses[-5:]) < sum(losses[:5])
    assert {p.dtype for module in (method.net, method.extra) for p in module.parameters()} <= {torch.float32}
    states = [state for optimizer in method.optimizers for state in optimizer.state.values()]
    found = {value.dtype for state in states for value in state.values()}
    assert found == ({torch.float32} if method.optimizers else set())


def test_float32_is_left_alone():
    layer = nn.Linear(3, 2)
    with machine.autocast({**PROFILE, "precision": "float32"}):
        assert layer(torch.ones(1, 3)).dtype == torch.float32
    with machine.autocast(PROFILE):
        assert layer(torch.ones(1, 3)).dtype == torch.bfloat16


def test_float32_is_no_tf32():
    """PyTorch's own default lets convolutions on a GPU round their inputs to ten bits."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    machine.use({**PROFILE, "precision": "float32"}, 1)
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


def test_goodness_of_half_precision_is_summed_in_float32():
    """In bfloat16, 1 + 1/512 is 1; a sum of 512 squares of 1 and one of 1/16 shows the type of the sum."""
    h = torch.ones(513, dtype=torch.bfloat16)
    h[-1] = 1 / 16
    assert float(goodness(h, "sum")) == pytest.approx(512 + 1 / 256, abs=1e-4)
    assert float(build("ff").goodness(h[None])) == pytest.approx(512 + 1 / 256, abs=1e-4)


def test_a_gradient_by_hand_is_refused(place):
    plan = make_image_plan("ff", {**FF_IMAGES, "gradient": "closed_form"}) | {"profile": PROFILE}
    with pytest.raises(FfreproError) as error:
        loop.run(plan, place)
    assert error.value.where == plan["run"] and "`gradient`" in error.value.fix


def test_fits_and_benches_are_refused(place):
    for run in (sklearn_baseline.run, bench_inference.run):
        plan = make_plan("backprop_rnn", {}) | {"profile": PROFILE}
        with pytest.raises(FfreproError, match="only training runs"):
            run(plan, place)
