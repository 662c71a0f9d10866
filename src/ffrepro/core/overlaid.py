"""A fully connected ReLU layer on images that bear labels in their first numbers: the images' product is shared.

A positive and a negative sample, the neutral one, and the ten labels of an image differ in as many numbers as there are
classes (Hinton 2022, Sec. 3.3). With ``r`` an image without these numbers and ``e`` the label's own,

    h = relu(W r + V e + b),    d W = (sum over samples of d)' r,    d V = d' e,

where ``V`` are the first columns of ``W`` and ``d`` is a sample's gradient at the pre-activation. ``W r`` and the
product with ``r`` in the weights' gradient are so computed once for all samples of an image. Where samples are divided
by their length, all labels of an image have the same one; the neutral label has another, which is a factor on ``W r``.

What comes out is what ``linear_block`` gives for the samples written out, but for the order of the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.core.batch_norm import Moments
from ffrepro.core.buffers import Buffers

Scale = Callable[[Tensor], Tensor]
"""Lengths of samples (B, 1) -> what samples are multiplied by (B, 1)."""


@dataclass(frozen=True)
class Samples:
    """K samples of each of B images.

    Attributes:
        images: what they share.
        own_KBC: each sample's first numbers, one a class, and a 1 for the bias.
        factor_B1: by which the images' rest is multiplied in these samples; None: 1.
    """

    images: Images
    own_KBC: Tensor
    factor_B1: Tensor | None = None

    def __len__(self) -> int:  # samples, as of a tensor of them
        return self.own_KBC.shape[0] * self.own_KBC.shape[1]

    def moments(self) -> Moments:
        """Mean and variance of each number over all samples; of the images' rest they are those of the images."""
        var_I, mean_I = torch.var_mean(self.images.rows_BI, 0, correction=0)
        own_NJ = self.own_KBC[..., :-1].flatten(0, 1)
        var_I[: self.images.classes], mean_I[: self.images.classes] = torch.var_mean(own_NJ, 0, correction=0)
        return Moments(mean_I, var_I, len(self))

    def product(self, weight_OI: Tensor, out_BO: Tensor) -> Tensor:
        """(B, O): ``W r`` of these samples; in ``out_BO`` where it is not the images' own."""
        if self.factor_B1 is None:
            return self.images.product(weight_OI)
        return torch.mul(self.images.product(weight_OI), self.factor_B1, out=out_BO)


class Images:
    """A batch of images whose samples differ in their first ``classes`` numbers.

    Args:
        x: (B, ...), flattened here and not changed.
        scale: value of a label's one, as of ``label_negatives.overlay``.
        length_scale: takes the length off every sample; None: samples keep it.
        buffers: workspace for the images' product.

    Attributes:
        rows_BI: the images without their first numbers (zeros), and without the length of a labelled sample.
    """

    def __init__(self, x: Tensor, classes: int, scale: float, length_scale: Scale | None, buffers: Buffers):
        self.classes, self._scale, self._buffers = classes, scale, buffers
        self.rows_BI = x.flatten(1).clone()
        self.rows_BI[:, :classes] = 0
        self._product_BO: Tensor | None = None
        self._labelled_B1 = self._neutral_B1 = None
        if length_scale is not None:
            rest_B1 = torch.linalg.vector_norm(self.rows_BI, dim=1, keepdim=True)
            self._labelled_B1 = length_scale(torch.hypot(rest_B1, rest_B1.new_tensor(scale)))
            self._neutral_B1 = length_scale(torch.hypot(rest_B1, rest_B1.new_tensor(scale / classes**0.5)))
            self.rows_BI *= self._labelled_B1

    def under(self, *labels_B: Tensor) -> Samples:
        """The samples of the images under each of several labels."""
        one_hot_KBJ = F.one_hot(torch.stack(labels_B), self.classes).to(self.rows_BI) * self._scale
        return Samples(self, self._own(one_hot_KBJ, self._labelled_B1))

    def neutral(self) -> Samples:
        """One sample of each image, with a label in favour of no class."""
        same_KBJ = self.rows_BI.new_full((1, len(self.rows_BI), self.classes), self._scale / self.classes)
        factor_B1 = None if self._labelled_B1 is None else self._neutral_B1 / self._labelled_B1
        return Samples(self, self._own(same_KBJ, self._neutral_B1), factor_B1)

    def product(self, weight_OI: Tensor) -> Tensor:
        """(B, O): ``W r``, computed at the first call. The weights may not change while the images are in use."""
        if self._product_BO is None:
            out_BO = self._buffers.get("product", (len(self.rows_BI), len(weight_OI)), weight_OI)
            self._product_BO = torch.mm(self.rows_BI, weight_OI.t(), out=out_BO)
        return self._product_BO

    def forget(self) -> None:
        """Other weights come now."""
        self._product_BO = None

    def each_label(self, weight_OI: Tensor, bias_O: Tensor, at_once: int) -> Iterator[Tensor]:
        """Activations of the samples under each label in turn, (K * B, O) of at most ``at_once`` labels; no graph.

        What is given is overwritten by the next.
        """
        base_BO = self.product(weight_OI) + bias_O
        terms_JO = weight_OI[:, : self.classes].t() * self._scale
        for terms_KO in terms_JO.contiguous().split(at_once):
            shape = (len(terms_KO), *base_BO.shape)
            h_KBO = self._buffers.get("labelled", shape, base_BO)
            if self._labelled_B1 is None:
                torch.add(base_BO, terms_KO.unsqueeze(1), out=h_KBO)
            else:
                torch.addcmul(base_BO, self._labelled_B1, terms_KO.unsqueeze(1), out=h_KBO)
            yield h_KBO.relu_().flatten(0, 1)

    @staticmethod
    def _own(values_KBJ: Tensor, scale_B1: Tensor | None) -> Tensor:
        return F.pad(values_KBJ if scale_B1 is None else values_KBJ * scale_B1, (0, 1), value=1.0)


def columns(weight_OI: Tensor, bias_O: Tensor, classes: int) -> Tensor:
    """(O, C): the weights of a sample's own numbers, the bias last."""
    return torch.cat([weight_OI[:, :classes], bias_O.unsqueeze(1)], 1)


def forward(samples: Samples, weight_OI: Tensor, bias_O: Tensor, out_NO: Tensor, work_BO: Tensor) -> Tensor:
    """Write the activations to ``out_NO``, the first sample of all images, then the second ones.

    Returns:
        Goodness (N, 1): mean of squares, as ``linear_block.forward``.
    """
    product_BO = samples.product(weight_OI, work_BO)
    columns_OC = columns(weight_OI, bias_O, samples.images.classes)
    for own_BC, out_BO in zip(samples.own_KBC, out_NO.view(-1, *product_BO.shape), strict=True):
        torch.addmm(product_BO, own_BC, columns_OC.t(), out=out_BO).relu_()
    return torch.linalg.vector_norm(out_NO, dim=1, keepdim=True).square_() / out_NO.shape[1]


def gradient(samples: Samples, h_NO: Tensor, slope_N1: Tensor, grads: tuple[Tensor, Tensor], work_BO: Tensor) -> None:
    """Gradient of a loss on the layer's goodness, as ``linear_block.gradient``; of samples without a factor.

    Args:
        h_NO: activations, as ``forward`` left them.
        slope_N1: d loss / d goodness of ``forward``.
        grads: (d weight, d bias), overwritten.
        work_BO: workspace.
    """
    d_weight, d_bias = grads
    passes, classes = len(samples.own_KBC), samples.images.classes
    h_KBO = h_NO.view(passes, -1, h_NO.shape[1])
    slope_KB1 = (slope_N1 * (2.0 / h_NO.shape[1])).view(passes, -1, 1)
    torch.mul(h_KBO[0], slope_KB1[0], out=work_BO)
    for h_BO, slope_B1 in zip(h_KBO[1:], slope_KB1[1:], strict=True):
        work_BO.addcmul_(h_BO, slope_B1)
    torch.mm(work_BO.t(), samples.images.rows_BI, out=d_weight)
    d_columns = h_NO.t() @ (samples.own_KBC * slope_KB1).flatten(0, 1)
    d_weight[:, :classes] = d_columns[:, :classes]
    d_bias.copy_(d_columns[:, classes])


def activations(samples: Samples, weight_OI: Tensor, bias_O: Tensor) -> Tensor:
    """(N, O): the same with a graph, for autograd; of samples without a factor."""
    shared_BO = samples.images.rows_BI @ weight_OI.t()
    own_KBO = samples.own_KBC @ columns(weight_OI, bias_O, samples.images.classes).t()
    return F.relu(shared_BO + own_KBO).flatten(0, 1)
