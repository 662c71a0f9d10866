"""FF loss, goodness and normalisation against hand-computed values and autograd."""

import math

import pytest
import torch

from ffrepro.core import goodness, losses, normalisation


def test_goodness_by_hand():
    h = torch.tensor([[3.0, 4.0], [0.0, 1.0]], dtype=torch.float64)
    assert goodness.goodness(h, "sum").tolist() == pytest.approx([25.0, 1.0])
    assert goodness.goodness(h, "mean").tolist() == pytest.approx([12.5, 0.5])


@pytest.mark.parametrize("kind", goodness.KINDS)
def test_goodness_slope_is_its_gradient(kind):
    h = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    goodness.goodness(h, kind).sum().backward()
    torch.testing.assert_close(h.grad, goodness.slope(kind, 5) * h.detach())


def test_time_mean_leaves_padding_out():
    g_TB = torch.tensor([[1.0, 5.0], [3.0, 100.0]])
    mask_TB = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert goodness.time_mean(g_TB, mask_TB).tolist() == [2.0, 5.0]
    assert goodness.time_mean(g_TB, None).tolist() == [2.0, 52.5]
    assert goodness.time_mean(g_TB, torch.zeros(2, 2)).tolist() == [0.0, 0.0]


def test_logistic_loss_by_hand():
    g = torch.tensor([9.0, 9.0, 7.0], dtype=torch.float64)
    sign = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    expected = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(2)), math.log(2)]
    assert losses.logistic(g, sign, 7.0).tolist() == pytest.approx(expected, rel=1e-14)
    with_epsilon = [-math.log(1 / (1 + math.exp(-s * 2)) + 1e-10) for s in (1, -1)]
    assert losses.logistic(g[:2], sign[:2], 7.0, 1e-10).tolist() == pytest.approx(with_epsilon, rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 1e-10, 1e-3])
def test_logistic_slope_is_its_gradient(epsilon):
    g = torch.linspace(-30, 40, 29, dtype=torch.float64, requires_grad=True)
    for sign in (1.0, -1.0):
        sign = torch.tensor(sign, dtype=torch.float64)
        (expected,) = torch.autograd.grad(losses.logistic(g, sign, 7.0, epsilon).sum(), g)
        torch.testing.assert_close(
            losses.logistic_slope(g.detach(), sign, 7.0, epsilon), expected, rtol=1e-9, atol=1e-15
        )


def test_loss_does_not_overflow():
    g = torch.tensor([0.0, 1e4])
    assert losses.logistic(g, torch.tensor([1.0, -1.0]), 7.0).tolist() == pytest.approx([7.0009, 9993.0], rel=1e-4)


def test_step_weights_by_hand():
    label = torch.tensor([1, 1, 1, 0])
    count = torch.tensor([2.0, 4.0, 1.0, 5.0])
    assert losses.step_weights(label, count, "joint").tolist() == pytest.approx([1 / 8, 1 / 16, 1 / 4, 1 / 20])
    assert losses.step_weights(label, count, "per_class").tolist() == pytest.approx([1 / 6, 1 / 12, 1 / 3, 1 / 5])
    alone = losses.step_weights(torch.tensor([1, 1]), torch.tensor([1.0, 0.0]), "per_class")
    assert alone.tolist() == pytest.approx([0.5, 0.5])  # no negatives, and a sample without steps


def test_rms_by_hand():
    h = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    root = math.sqrt(12.5)
    inside = normalisation.rms(h, 0.5, "inside_root")
    assert inside.tolist()[0] == pytest.approx([3 / math.sqrt(13), 4 / math.sqrt(13)])
    outside = normalisation.rms(h, 0.5, "outside_root")
    assert outside.tolist()[0] == pytest.approx([3 / (root + 0.5), 4 / (root + 0.5)])
    assert normalisation.rms(torch.zeros(1, 3), 1e-5, "inside_root").tolist() == [[0.0, 0.0, 0.0]]


def test_standardize_batch_is_torchs_mean_and_std():
    h = torch.randn(4, 6, 3, dtype=torch.float64)
    expected = (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1e-5)
    torch.testing.assert_close(normalisation.standardize_batch(h, 1e-5), expected)
    assert normalisation.standardize_batch(h[:, :1], 1e-5).isnan().all()


def test_standardize_sample_uses_the_samples_own_valid_steps():
    h = torch.randn(5, 2, 3, dtype=torch.float64)
    mask = torch.ones(5, 2, 1, dtype=torch.float64)
    mask[3:, 1] = 0
    out = normalisation.standardize_sample(h * mask, 1e-5, mask)
    whole = (h[:, 0] - h[:, 0].mean(0)) / (h[:, 0].std(0, unbiased=False) + 1e-5)
    part = (h[:3, 1] - h[:3, 1].mean(0)) / (h[:3, 1].std(0, unbiased=False) + 1e-5)
    torch.testing.assert_close(out[:, 0], whole)
    torch.testing.assert_close(out[:3, 1], part)
    assert out[3:, 1].abs().max() == 0
    torch.testing.assert_close(normalisation.standardize_sample(h, 1e-5, None)[:, 0], whole)


def test_in_place_forms_give_the_same_and_write_there():
    mask = torch.ones(5, 4, 1)
    mask[2:, 1] = 0
    forms = [
        lambda h, **k: normalisation.rms(h, 1e-5, "inside_root", **k),
        lambda h, **k: normalisation.standardize_batch(h, 1e-5, **k),
        lambda h, **k: normalisation.standardize_sample(h, 1e-5, mask, **k),
    ]
    for form in forms:
        h = torch.randn(5, 4, 3) * mask
        before = h.clone()
        plain = form(h)
        assert torch.equal(h, before)
        assert torch.equal(form(h, in_place=True), plain)
        assert torch.equal(h, plain)
