"""torchvision's image classifiers, cut into blocks: ResNets, MobileNetV3 and a small vision transformer.

Definitions and initial weights are torchvision's own; the latter are drawn from the run's generator. For small images
the stem can be made gentler: a 3 x 3 kernel, no stride, no pooling. MobileNetV3 averages BatchNorm's statistics with a
momentum of .01, so that they follow the weights over hundreds of updates; few images make few updates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice
from ffrepro.nets.cut import Cut

SETTINGS = {
    "model": choice(
        "torchvision's", "resnet18", "resnet50", "mobilenet_v3_small", "mobilenet_v3_large", "vit", default="resnet18"
    ),
    "stem_kernel": choice("of the first convolution: torchvision's, or 3 x 3", "own", "three", default="own"),
    "stem_stride": choice("of the first convolution: torchvision's, or 1", "kept", "one", default="kept"),
    "stem_pool": choice("behind the first convolution: torchvision's, or none", "kept", "none", default="kept"),
    "cut": choice(
        "behind which parts: residual blocks; single layers; stages of one resolution; the whole net",
        "blocks",
        "layers",
        "stages",
        "whole",
        default="blocks",
    ),
    "norm_momentum": choice(
        "of BatchNorm's running statistics: torchvision's, or .1, as everywhere else in PyTorch",
        "own",
        "tenth",
        default="own",
    ),
    "weights": choice("initial ones: drawn, or pretrained on ImageNet", "drawn", "imagenet", default="drawn"),
}
_VIT = {"patch": 8, "layers": 6, "heads": 3, "width": 192, "mlp": 384}  # patches: so many a side of the image


def build(settings: dict, inputs: tuple[int, int, int], classes: int, generator: torch.Generator) -> Cut:
    """Build the net of a plan file's ``net`` section.

    Cuts: ``blocks``, behind the stem and each residual block (encoder layer, of a transformer); ``layers``, behind
    each convolution's normalisation as well; ``stages``, behind the stem and wherever the resolution falls next (of a
    transformer, halves of its layers); ``whole``, behind the last block.

    Raises:
        FfreproError: a stem that the net does not have, pretrained weights that there are none of or that cannot be
            had.
    """
    name = settings["model"]
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        model = _made(name, settings["weights"] == "imagenet", inputs, classes)
        _change_stem(name, model, settings)
    if settings["norm_momentum"] == "tenth":
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 0.1
    return Cut(model, _places(name, model, settings["cut"]))


def _made(name: str, pretrained: bool, inputs: tuple[int, int, int], classes: int) -> nn.Module:
    from ffrepro.data.vision import torchvision  # slow to import, and not every run needs it

    models = torchvision.models
    if name == "vit":
        if pretrained:
            raise FfreproError("the small transformer has no pretrained weights", where="net.weights", fix="set: drawn")
        side = inputs[1]
        return models.VisionTransformer(
            image_size=side, patch_size=max(1, side // _VIT["patch"]), num_layers=_VIT["layers"],
            num_heads=_VIT["heads"], hidden_dim=_VIT["width"], mlp_dim=_VIT["mlp"], num_classes=classes,
        )  # fmt: skip
    make: Callable[..., Any] = getattr(models, name)
    if not pretrained:
        return make(num_classes=classes)
    try:
        model = make(weights=models.get_model_weights(name).IMAGENET1K_V1)
    except Exception as error:  # whatever a download, a cache or a checksum raises
        raise FfreproError(
            f"the weights of {name} pretrained on ImageNet cannot be had ({type(error).__name__}: {error})",
            where="net.weights",
            fix=f"put torchvision's file into {torch.hub.get_dir()}/checkpoints, or set `weights` to drawn",
        ) from error
    last = model.fc if name.startswith("resnet") else model.classifier[-1]
    new = nn.Linear(last.in_features, classes)
    if name.startswith("resnet"):
        model.fc = new
    else:
        model.classifier[-1] = new
    return model


def _change_stem(name: str, model: Any, settings: dict) -> None:
    kernel, stride, pool = (settings[f"stem_{part}"] for part in ("kernel", "stride", "pool"))
    if name == "vit":
        if (kernel, stride, pool) != ("own", "kept", "kept"):
            raise FfreproError(f"{name} has no such stem", where="net.stem_kernel", fix="set: own, kept, kept")
        return
    first = model.conv1 if name.startswith("resnet") else model.features[0][0]
    size = 3 if kernel == "three" else first.kernel_size[0]
    step = 1 if stride == "one" else first.stride[0]
    if size != first.kernel_size[0]:
        made = nn.Conv2d(first.in_channels, first.out_channels, size, step, padding=size // 2, bias=False)
        nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
        model.conv1 = made
    first = model.conv1 if name.startswith("resnet") else model.features[0][0]
    first.stride = (step, step)
    if pool == "none" and name.startswith("resnet"):  # MobileNets have none
        model.maxpool = nn.Identity()


def _places(name: str, model: Any, cut: str) -> list[str]:
    if name == "vit":
        if cut == "layers":
            raise FfreproError(
                "the parts of a transformer's layer are joined by skips that reach over them",
                where="net.cut",
                fix="set `cut` to blocks, stages or whole",
            )
        every = [f"encoder.layers.{layer}" for layer, _ in model.encoder.layers.named_children()]
        return {
            "blocks": every,
            "stages": [every[len(every) // 2 - 1], every[-1]],
            "whole": every[-1:],
        }[cut]
    return (_resnet_places if name.startswith("resnet") else _mobilenet_places)(model, cut)


def _resnet_places(model: Any, cut: str) -> list[str]:
    stages = [f"layer{number}" for number in range(1, 5)]
    if cut == "whole":
        return stages[-1:]
    if cut == "stages":
        return ["maxpool", *stages]
    places = ["maxpool"]
    for stage in stages:
        for index, block in enumerate(getattr(model, stage)):
            if cut == "layers":
                # The last convolution's norm is added to the skip: its layer ends behind the sum.
                norms = [part for part, _ in block.named_children() if part.startswith("bn")]
                places += [f"{stage}.{index}.{norm}" for norm in norms[:-1]]
            places.append(f"{stage}.{index}")
    return places


def _mobilenet_places(model: Any, cut: str) -> list[str]:
    places = [f"features.{index}" for index in range(len(model.features))]
    if cut == "blocks":
        return places
    if cut == "whole":
        return places[-1:]
    if cut == "stages":
        falls = [any(max(getattr(part, "stride", (1,)) if isinstance(part, nn.Conv2d) else (1,)) > 1
                     for part in block.modules()) for block in model.features]  # fmt: skip
        return [place for place, next_falls in zip(places, [*falls[1:], True], strict=True) if next_falls]
    inner = []
    for place, block in zip(places, model.features, strict=True):
        parts = list(getattr(block, "block", []))
        inner += [f"{place}.block.{index}" for index in range(len(parts) - 1)] + [place]
    return inner
