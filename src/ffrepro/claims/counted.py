"""Numbers that are counted, not measured: the parameters of a published net."""

from __future__ import annotations

from functools import cache


def parameters(measure: dict, count: str) -> int:
    """Parameters of a net as it is built here.

    Args:
        measure: of a claim of kind ``counted``: the net's ``model`` and the shape of its ``inputs``.
        count: which of them, see ``ffrepro.nets.cnn.parameter_counts``.
    """
    return _counts(measure["model"], tuple(measure["inputs"]))[count]


@cache
def _counts(model: str, inputs: tuple[int, int, int]) -> dict[str, int]:
    import torch  # slow to import, and most reports count nothing

    from ffrepro.nets.cnn import PUBLISHED_CLASSES, Cnn, parameter_counts

    settings = {"classes": PUBLISHED_CLASSES, "cfse": False, "init": "torch_default"}
    return parameter_counts(Cnn(inputs, model, **settings, generator=torch.Generator()))
