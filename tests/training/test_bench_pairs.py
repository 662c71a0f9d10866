"""The bench of pair steps: its ways are the functions that it says, and its counts those of the layers."""

import pytest
import torch

from ffrepro.core import seeds
from ffrepro.data import label_negatives
from ffrepro.training import bench_pairs

LAYERS, BATCH = (30, 20, 20), 12
READOUT = (20 + 20) * 10


def test_the_plain_script_is_the_step_with_a_readout(monkeypatch):
    """Blocks' weights after three steps of each, in float64, with the same wrong labels."""
    samples = bench_pairs.make_batch(BATCH, torch.float64)
    net = bench_pairs.mlp(LAYERS, samples["x"])
    method = bench_pairs.ff(LAYERS, samples, first_layer="shared")
    method.generator = seeds.generator("bench", "wrong")
    start = {name: value.clone() for name, value in net.state_dict().items()}
    step = bench_pairs.script(net, samples)
    for _ in range(3):
        step()
        method.step(samples)
    for name, value in net.state_dict().items():
        assert not torch.equal(value, start[name])
        torch.testing.assert_close(method.net.state_dict()[name], value, rtol=1e-9, atol=1e-12)


def test_multiply_adds_are_those_of_the_layers():
    """By hand: forward, weights' gradients and, of BP, the inputs' gradients of all layers but the first."""
    first, rest, label = 784 * 30, 30 * 20 + 20 * 20, 11 * 30
    found = bench_pairs.measure_steps(BATCH, 1, LAYERS)
    rows = {row["name"]: row for row in found["rows"]}
    bp = 2 * (first + rest + 200) + rest + 200
    per_image = {
        **{name: bp for name in rows if name.startswith("BP")},
        "FF, separate, blocks alone": 4 * (first + rest),
        "FF, shared, blocks alone": 2 * first + 4 * label + 4 * rest,
        "FF, shared, readout": 2 * first + 5 * label + 5 * rest + 2 * READOUT,
        "FF, shared, readout, hard negatives": 2 * first + 5 * label + 5 * rest + 3 * READOUT,
        bench_pairs.SCRIPT: 5 * (first + rest) + 2 * READOUT,
    }
    for name, expected in per_image.items():
        assert rows[name]["multiply_adds"] == BATCH * expected, name
        assert rows[name]["multiply_adds_ratio"] == pytest.approx(expected / bp)
    assert rows[bench_pairs.SCRIPT]["ratio_to_script"] == rows[found["baseline"]]["ratio_to_bp"] == 1.0
    fastest = min((row for name, row in rows.items() if name.startswith("BP")), key=lambda row: row["ms_median"])
    assert found["baseline"] == fastest["name"]
    assert all(name in bench_pairs.describe(found) for name in rows)


def test_multiply_adds_of_inference():
    first, rest = 784 * 30, 30 * 20 + 20 * 20
    found = bench_pairs.measure_inference(LAYERS, BATCH, 1)
    counts = {row["name"]: row["multiply_adds"] / BATCH for row in found["rows"]}
    assert counts == {
        "one-pass, separate": first + rest + READOUT,
        "multi-pass, separate": 10 * (first + rest),
        "multi-pass, shared": first + 10 * rest,  # the labels' columns are added, not multiplied
    }


def test_wrong_labels_are_drawn_alike():
    samples = bench_pairs.make_batch(50)
    method = bench_pairs.ff(LAYERS, samples, first_layer="shared")
    method.generator, other = seeds.generator("bench", "wrong"), seeds.generator("bench", "wrong")
    expected = label_negatives.wrong_labels(samples["label"], 10, other)
    assert torch.equal(method._wrong_labels(None, samples["label"]), expected)
