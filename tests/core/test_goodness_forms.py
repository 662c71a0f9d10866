"""Forms of goodness against values by hand, scipy and autograd."""

import pytest
import torch
from scipy import stats

from ffrepro.core import goodness_forms
from ffrepro.core.goodness_forms import FORMS, counted, goodness, gradient, threshold_scale


def test_by_hand():
    h = torch.tensor([[3.0, 0.0, 1.0, 2.0], [0.0, 0.0, 0.0, 4.0]], dtype=torch.float64)
    assert goodness(h, "topk", 0.5).tolist() == [13.0, 16.0]  # the two largest
    assert goodness(h, "topk", 0.01).tolist() == [9.0, 16.0]  # one at least
    assert goodness(h, "cubes", 0.5).tolist() == [36.0, 64.0]
    # Deviations of the first: 1.5, -1.5, -.5, .5: m2 = 1.25, m4 = 2.5625; of the second -1, -1, -1, 3: 3 and 21.
    assert goodness(h, "kurtosis", 0.5).tolist() == pytest.approx([2.5625 / 1.25**2, 21 / 9], rel=1e-7)


def test_kurtosis_is_that_of_scipy_and_knows_no_scale():
    h = torch.randn(6, 40, dtype=torch.float64).relu()
    expected = stats.kurtosis(h.numpy(), axis=1, fisher=False)
    assert goodness(h, "kurtosis", 0.1).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert goodness(100 * h, "kurtosis", 0.1).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert goodness(torch.zeros(1, 5), "kurtosis", 0.1).tolist() == [0.0]


def test_kurtosis_of_a_new_layer():
    """Of a rectified normal distribution: what the default threshold is near to."""
    g = goodness(torch.randn(20, 100_000, generator=torch.Generator().manual_seed(0)).relu(), "kurtosis", 0.1)
    assert float(g.mean()) == pytest.approx(5.41, abs=0.05)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rectified", [True, False])
def test_gradient_is_that_of_autograd(form, rectified):
    h = torch.randn(8, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    h = (h.relu() if rectified else h).requires_grad_()
    goodness(h, form, 0.2).sum().backward()
    assert h.grad.abs().max() > 1e-2
    torch.testing.assert_close(gradient(h.detach(), form, 0.2), h.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_half_precision_is_summed_in_float32(form):
    h = torch.rand(4, 500).bfloat16()
    found = goodness(h, form, 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, goodness(h.float(), form, 0.1))
    assert torch.isfinite(gradient(torch.zeros(2, 5), form, 0.1)).all()


def test_thresholds_are_per_unit_counted():
    assert [counted(units, 0.05) for units in (500, 100, 9)] == [25, 5, 1]
    scales = {form: threshold_scale(form, 500, 0.05) for form in ("sum", "mean", *goodness_forms.FORMS)}
    assert scales == {"sum": 500, "mean": 1, "topk": 25, "cubes": 500, "kurtosis": 1}
