"""Numbers that are counted, not measured: the parameters of a published net, and those that a planned run trains."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ffrepro.base.errors import FfreproError

_SIDE = 64  # pixels
_TRAINED: dict[str, dict[str, int]] = {}  # what was counted before, by its settings


def parameters(measure: dict, count: str) -> int:
    """Parameters of a net as it is built here.

    Args:
        measure: of a claim of kind ``counted``: the net's ``model`` and the shape of its ``inputs``.
        count: which of them, see ``ffrepro.nets.cnn.parameter_counts``.
    """
    return _counts(measure["model"], tuple(measure["inputs"]))[count]


def trained(plan: dict[str, Any]) -> dict[str, int]:
    """How many parameters a plan's run trains: ``net`` (blocks and head), ``auxiliary`` (what a method adds to them).

    Raises:
        FfreproError: its net has no cuts, its data set no images, or its blocks learn other classes than the data set
            declares; the method cannot train the net.
    """
    half, coarse = plan["data"].get("class_half", "all") != "all", plan["method"].get("coarse_blocks")
    if half or coarse:
        name = "class_half" if half else "coarse_blocks"
        raise FfreproError(f"{plan['run']} learns other classes ({name})", fix="count the parameters of another run")
    settings = {key: plan[key] for key in ("dataset", "net", "method")}
    key = json.dumps(settings, sort_keys=True)
    if key not in _TRAINED:
        _TRAINED[key] = _trained(settings)
    return _TRAINED[key]


def _trained(settings: dict[str, Any]) -> dict[str, int]:
    import torch  # slow to import, and most reports count nothing

    from ffrepro import data, methods, nets
    from ffrepro.nets.cut import Cut

    spec = data.module(settings["dataset"]).SPEC
    if not hasattr(spec, "shape"):
        raise FfreproError(f"{settings['dataset']} has no images", fix="count those of image classifiers alone")
    classes, generator = len(spec.classes), torch.Generator()
    # Pretrained weights are as many as drawn ones, and need not be here.
    drawn = settings["net"] | ({"weights": "drawn"} if "weights" in settings["net"] else {})
    net = nets.build(drawn, spec.shape, classes, generator)
    if not isinstance(net, Cut):
        raise FfreproError(f"net {drawn['name']} has no cuts", fix="count those of nets that are cut into blocks")
    # A part of a large image is enough: an auxiliary map depends on channels alone, and a net that depends on
    # the image's size was built for all of it and would refuse the part.
    sides = [min(side, _SIDE) for side in spec.shape[1:]]
    example = {"x": torch.zeros(2, spec.shape[0], *sides), "label": torch.arange(2)}
    own = {key: value for key, value in settings["method"].items() if key != "name"}
    method = methods.module(settings["method"]["name"]).Method(net, own, example, generator, 1e-3)
    beside = {id(parameter) for parameter in method.extra.parameters()}
    found = {"net": 0, "auxiliary": 0}
    for parameter in {id(p): p for part in method.parts.values() for p in part}.values():
        found["auxiliary" if id(parameter) in beside else "net"] += parameter.numel()
    return found


@cache
def _counts(model: str, inputs: tuple[int, int, int]) -> dict[str, int]:
    import torch  # slow to import, and most reports count nothing

    from ffrepro.nets.cnn import PUBLISHED_CLASSES, Cnn, parameter_counts

    settings = {"classes": PUBLISHED_CLASSES, "cfse": False, "init": "torch_default"}
    return parameter_counts(Cnn(inputs, model, **settings, generator=torch.Generator()))
