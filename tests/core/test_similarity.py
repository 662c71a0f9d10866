"""Similarity of representations, beside the definition of its estimate over all quadruples of samples."""

from itertools import permutations

import pytest
import torch

from ffrepro.core import similarity


def drawn(samples, features, seed):
    return torch.randn(samples, features, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_estimate_is_the_mean_over_quadruples_of_different_samples():
    """Song et al. (2012), Eq. 4: mean of k_ij l_ij + k_ij l_qr - 2 k_ij l_iq."""
    x, y = drawn(6, 3, 0), drawn(6, 2, 1)
    k, ell = x @ x.T, y @ y.T
    terms = [
        float(k[i, j] * ell[i, j] + k[i, j] * ell[q, r] - 2 * k[i, j] * ell[i, q])
        for i, j, q, r in permutations(range(6), 4)
    ]
    assert similarity.hsic(k, ell) == pytest.approx(sum(terms) / len(terms), rel=1e-12)
    assert similarity.hsic(similarity.gram(x), similarity.gram(y)) == pytest.approx(similarity.hsic(k, ell), rel=1e-9)


def test_a_rotation_a_factor_and_a_shift_change_nothing():
    x = drawn(40, 8, 2)
    turned = 3 * x @ torch.linalg.qr(drawn(8, 8, 3)).Q + 5
    assert similarity.cka(similarity.gram(x), similarity.gram(turned)) == pytest.approx(1.0, abs=1e-12)


def test_noise_is_not_alike_however_many_features_it_has():
    """Where the usual estimate finds 1 in the limit."""
    x, y = drawn(60, 4000, 4), drawn(60, 4000, 5)
    assert abs(similarity.cka(similarity.gram(x), similarity.gram(y))) < 0.2
    k, ell = (m - m.mean(0) - m.mean(1, keepdim=True) + m.mean() for m in (x @ x.T, y @ y.T))
    assert float((k * ell).sum() / (k.norm() * ell.norm())) > 0.95


def test_maps_are_flattened_and_what_does_not_vary_has_no_similarity():
    x = drawn(10, 12, 6).view(10, 3, 2, 2)
    assert torch.equal(similarity.gram(x), similarity.gram(x.flatten(1)))
    still = similarity.gram(torch.ones(10, 3))
    assert similarity.cka(still, similarity.gram(x)) != similarity.cka(still, similarity.gram(x))
