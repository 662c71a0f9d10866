"""The bench of local learning: its steps train, equal each other where they must, and its numbers are what they say."""

import subprocess
import sys

import pytest
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.studies.ortiz2025_advancements import bench_local, local_steps
from ffrepro.training import memory


@pytest.fixture(scope="module")
def result():
    return bench_local.measure("ff_tiny", batch=128, rounds=1)


def test_rows_and_baselines(result):
    rows = {row["name"]: row for row in result["rows"]}
    adams = [f"BP, {layout}, {adam} Adam" for layout in bench_local.LAYOUTS for adam in bench_local.ADAMS]
    baselines = [*adams, bench_local.SCRIPT]
    others = ["BP, checkpointed", "BP, 4 micro-batches", "local, plain autograd"]
    assert list(rows) == [*baselines, *others, "local, closed form"]
    assert rows[result["baseline"]]["ms_median"] == min(rows[name]["ms_median"] for name in baselines)
    assert rows[result["baseline"]]["ratio_to_bp"] == 1.0
    assert rows[result["memory_baseline"]]["activation_ratio_to_bp"] == 1.0
    table = bench_local.describe(result)
    assert all(name in table for name in rows)


def test_micro_batches_are_a_baseline_where_they_are_the_same_function():
    """Without BatchNorm: an update by four micro-batches is that of the whole batch."""
    for name in ("ff_tiny", bench_local.MLP):
        x, label = torch.randn(8, *bench_local.NETS[name]), torch.randint(10, (8,))
        makers, baselines = bench_local._makers(name, x, label)
        assert bench_local.MICRO in makers
        assert (bench_local.MICRO in baselines) == (bench_local._net(name, x).blocks[0].bn is None)
    x = torch.randn(8, 784, dtype=torch.float64)
    gradients = []
    for micro in (1, 4):
        torch.manual_seed(0)  # of the head
        net = bench_local._net(bench_local.MLP, x).double()
        step = local_steps.backprop(
            net, lambda activations, net=net: net.head(activations[-1]), x, label, {}, local_steps.plain, micro
        )
        step()
        gradients.append([parameter.grad for parameter in net.parameters()])
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-14)


def test_the_profiler_writes_no_lines_of_its_own():
    code = """import torch
from ffrepro.training import memory
with memory.Peak("cpu") as peak:
    torch.empty(9)
print(peak.bytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("36\n", "")


def test_activation_memory(result):
    """Least: the first two maps of 50 channels, 16 x 16, of 128 samples. Measured: no more than a tenth above it."""
    assert result["minimum_bytes"] == 128 * 2 * 50 * 16 * 16 * 4
    rows = {row["name"]: row["activation_bytes"] for row in result["rows"]}
    assert result["minimum_bytes"] < rows["local, closed form"] <= 1.1 * result["minimum_bytes"]
    assert rows["BP, checkpointed"] < rows[result["memory_baseline"]]
    assert rows["BP, 4 micro-batches"] < 0.5 * rows[result["memory_baseline"]]


@pytest.mark.parametrize("name", bench_local.DEFAULT)
def test_activation_memory_of_the_closed_form_is_near_the_least_in_every_net(name):
    """With the bench's batches; with smaller ones the copies of FF_deep's weights outweigh its maps."""
    batch = bench_local.BATCH[name]
    x = torch.randn(batch, *bench_local.NETS[name])
    makers, _ = bench_local._makers(name, x, torch.randint(10, (batch,)))
    row = "local, closed form"
    peak = bench_local.activation_peaks(name, {row: makers[row]}, "cpu")[row]
    least = bench_local._minimum(name, x)
    assert least < peak <= 1.1 * least


@pytest.mark.parametrize("name", bench_local.DEFAULT)
def test_a_plain_script_computes_the_same_map(name):
    net = bench_local._net(name, torch.empty(1, *bench_local.NETS[name]))
    plain = scripted = torch.randn(4, *bench_local.NETS[name])
    for block in net.blocks:
        plain, scripted = local_steps.plain(block, plain), local_steps.scripted(block, scripted)
        assert torch.equal(plain, scripted)


def test_sizes_left_out_are_not_counted():
    with memory.Peak("cpu", without=frozenset({4000})) as peak:
        torch.empty(1000), torch.empty(2000)
    assert peak.bytes == 8000


@pytest.mark.parametrize("name", ["ff_tiny", bench_local.MLP])
def test_closed_form_and_autograd_take_the_same_steps(name, monkeypatch):
    """Weights after two Adam steps. Adam's first step is lr * sign(gradient), so compare the gradients of a step."""
    torch.manual_seed(0)
    x = torch.randn(8, *bench_local.NETS[name], dtype=torch.float64)
    label = torch.randint(10, (8,))
    gradients = []
    for form in ("autograd", "closed"):
        net = bench_local._net(name, x).double()
        del net.head
        seen = {}
        monkeypatch.setattr(torch.optim.Adam, "step", _remember(net, seen))
        if form == "autograd":
            local_steps.local_autograd(net, x, label)()
        elif name == bench_local.MLP:
            local_steps.local_linear(net, x, label)()
        else:
            local_steps.local_conv(net, x, label)()
        gradients.append(seen)
    assert gradients[0].keys() == gradients[1].keys() == {n for n, _ in net.named_parameters()}
    for key, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], expected, rtol=1e-9, atol=1e-12)


def _remember(net, seen):
    names = {id(p): n for n, p in net.named_parameters()}

    def step(optimizer):
        for parameter in optimizer.param_groups[0]["params"]:
            seen[names[id(parameter)]] = parameter.grad.clone()

    return step


def test_unknown_net_names_the_known_ones():
    with pytest.raises(FfreproError, match="ff_huge"):
        bench_local.measure("ff_huge", 8, 1)
