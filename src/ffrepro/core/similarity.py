"""How alike two nets represent the same samples: centered kernel alignment (CKA) with linear kernels.

The estimate of the Hilbert-Schmidt independence criterion is the unbiased one (Song et al. 2012; in CKA: Nguyen et al.
2021). The usual one is biased towards 1 where there are more features than samples, as in convolutional maps: it finds
even two drawn nets, or two matrices of noise, alike.
"""

from __future__ import annotations

from torch import Tensor


def gram(x_SD: Tensor) -> Tensor:
    """(S, S), float64: inner products of samples.

    Features are centered first, which changes no similarity and keeps the products small.
    """
    x_SD = x_SD.flatten(1).double()
    x_SD = x_SD - x_SD.mean(0)
    return x_SD @ x_SD.T


def hsic(k_SS: Tensor, l_SS: Tensor) -> float:
    """Unbiased estimate of the independence criterion of two representations, from their Gram matrices.

    Args:
        k_SS, l_SS: of the same samples in the same order, four or more.
    """
    n = len(k_SS)
    k_SS, l_SS = (m - m.diagonal().diag() for m in (k_SS, l_SS))
    k_S, l_S = k_SS.sum(0), l_SS.sum(0)
    together = (k_SS * l_SS).sum() + k_S.sum() * l_S.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k_S @ l_S)
    return float(together) / (n * (n - 3))


def cka(k_SS: Tensor, l_SS: Tensor) -> float:
    """Similarity of two representations: 1 where they differ by a rotation and a factor, around 0 of unrelated ones.

    Args:
        k_SS, l_SS: see ``hsic``.

    Returns:
        NaN where a representation does not vary.
    """
    own = hsic(k_SS, k_SS) * hsic(l_SS, l_SS)
    return hsic(k_SS, l_SS) / own**0.5 if own > 0 else float("nan")
