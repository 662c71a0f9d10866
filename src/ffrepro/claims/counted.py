"""Numbers that are counted, not measured: the parameters of a published net, the layers of a planned one."""

from __future__ import annotations

from functools import cache

from ffrepro.base.errors import FfreproError


def parameters(measure: dict, count: str) -> int:
    """Parameters of a net as it is built here.

    Args:
        measure: of a claim of kind ``counted``: the net's ``model`` and the shape of its ``inputs``.
        count: which of them, see ``ffrepro.nets.cnn.parameter_counts``.
    """
    return _counts(measure["model"], tuple(measure["inputs"]))[count]


def layers(net: dict) -> int:
    """Layers that learn on their own, of the net that a plan's ``net`` section describes.

    Raises:
        FfreproError: a net that is no stack of such layers, or of an unknown model.
    """
    if net["name"] == "mlp":
        return len(net["layers"])
    if net["name"] == "cnn":
        from ffrepro.nets.cnn import MODELS

        if net["model"] in MODELS:
            model = MODELS[net["model"]]
            return len(model.channels) + len(model.linear)
    raise FfreproError(
        f"a net {net['name']} has no number of layers to learn one by one", where=str(net), fix="use mlp or cnn"
    )


@cache
def _counts(model: str, inputs: tuple[int, int, int]) -> dict[str, int]:
    import torch  # slow to import, and most reports count nothing

    from ffrepro.nets.cnn import PUBLISHED_CLASSES, Cnn, parameter_counts

    settings = {"classes": PUBLISHED_CLASSES, "cfse": False, "init": "torch_default"}
    return parameter_counts(Cnn(inputs, model, **settings, generator=torch.Generator()))
