"""Small tasks that any method can learn."""

import torch

from ffrepro import methods, nets
from ffrepro.base import extensions
from ffrepro.base.files import read_json
from ffrepro.nets.cnn import MODELS, Model
from ffrepro.nets.rnn import Rnn
from ffrepro.training.scaffold import CASES as CASES_FILE

T, HIDDEN, LAYERS = 9, 12, 3

FF = {
    "norm": "rms", "norm_statistics": "sample", "norm_epsilon": 1e-5, "rms_epsilon": "inside_root",
    "input_norm": "none", "goodness": "sum", "theta": 2.0, "loss_reduction": "per_class", "log_epsilon": 0.0,
    "gradient": "closed_form", "weight_decay": 0.0,
}  # fmt: skip
FF_PUBLISHED = {
    **FF, "norm_statistics": "batch", "rms_epsilon": "outside_root", "input_norm": "rms", "goodness": "mean",
    "loss_reduction": "joint", "log_epsilon": 1e-10, "weight_decay": 1e-5, "theta": 0.5,
}  # fmt: skip
FF_RECURRENT = {
    "norm": "standardize", "norm_epsilon": 1e-5, "goodness": "sum", "goodness_weights": "equal", "loss": "logistic",
    "theta_positive": [2.0], "theta_negative": [2.0], "kl_margin": 1.0, "kl_std": 1.0, "loss_reduction": "per_class",
    "readout": "none", "calibrate": False, "early_exit": False, "weight_decay": 0.0,
}  # fmt: skip
BP = {
    "readout": "all_steps", "clip_norm": 1.0, "weight_decay": 0.0, "gradient": "autograd", "checkpoint": False,
    "micro_batches": 1,
}  # fmt: skip

LOCAL_IMAGES = {
    "update": "simultaneous", "gradient": "autograd", "head": "concurrent", "head_epochs": 1, "weight_decay": 0.0,
    "loss": "logistic", "theta": 1.0, "alpha": 4.0, "margin": 1.0, "mixing_weight": 0.5,
}  # fmt: skip
CWC = {
    **LOCAL_IMAGES, "block_layers": 2, "feedback": "exact", "loss": "cwc", "infer_layers": 2, "layer_epochs": [],
    "ilt_patience": None, "negative_goodness": "sum",
}  # fmt: skip
FF_IMAGES = {
    **LOCAL_IMAGES, "label": "overlay", "label_scale": 1.0, "negatives": "uniform", "goodness": "sum", "norm": "rms",
    "top_share": 0.1, "norm_epsilon": 1e-5, "normalise_samples": False, "optimizer": "adam", "momentum": 0.9,
    "first_layer": "separate",
    "readouts": ["from_second", "all", "last_1", "last_2"],
}  # fmt: skip
OF_LABELS = (
    "label", "label_scale", "negatives", "normalise_samples", "optimizer", "momentum", "readouts", "first_layer"
)  # fmt: skip
PAIRS = {key: value for key, value in FF_IMAGES.items() if key not in OF_LABELS}
UNSUPERVISED = {**PAIRS, "negatives": "hybrid", "blurs": 2, "noise_std": 0.5, "patch_side": 5}
UFF = {
    "update": "simultaneous", "gradient": "autograd", "head": "concurrent", "head_epochs": 1, "weight_decay": 0.0,
    "cell": "autoencoder", "noise_size": 4, "norm": "rms", "norm_epsilon": 1e-5,
}  # fmt: skip
CUT = {
    "weight_decay": 0.0, "head_lr": None, "clip_norm": None, "norm": "layer", "norm_epsilon": 1e-5,
    "channels_last": True,
}  # fmt: skip
CWC_BLOCKS = {**CUT, "run": "fast", "head": "own", "ensemble": [], "coarse_blocks": 0}
AUX = {"aux_kernel": 1, "aux_pool": 0, "aux_sharing": "none", "aux_keep": 1.0}
SFF = {**CWC_BLOCKS, **AUX, "goodness": "mean_sq"}
BP_BLOCKS = {**CUT, "norm": "none", "checkpoint": False, "micro_batches": 1}
EVOLUTION = {"sigma": 0.02, "pairs": 8, "weight_decay": 0.0}
GENETIC = {"population": 24, "parents": 6, "elite": 1, "crossover": "uniform"}
BP_IMAGES = {"weight_decay": 0.0, "checkpoint": False, "micro_batches": 1}
BP_TOKENS = {"weight_decay": 0.0, "checkpoint": False, "micro_batches": 1, "trained": "all"}
FF_TOKENS = {
    "negatives": "label", "corrupted": 0.3, "noise_std": 0.1, "label": "everywhere", "goodness": "mean",
    "goodness_of": "sample", "goodness_activation": "relu", "hinge": "layer", "delta": 1.0, "margin": "fixed",
    "pass_on": "normalised", "active_set": False, "checkpoint": False, "l1": 0.0, "weight_decay": 0.0,
}  # fmt: skip
CWC_TOKENS = {"steepness": 1.0, "weight_decay": 0.0}
CWC_MAPS = {**CWC_TOKENS, "gradient": "closed_form"}
WORD_CASES = {  # methods that foretell words: tests/methods/test_words.py
    "backprop_words": BP_TOKENS,
    "ff_words": {
        "negatives": "task", "corrupted": 0.3, "goodness": "mean", "goodness_of": "sample",
        "goodness_activation": "relu", "hinge": "layer", "delta": 1.0, "pass_on": "normalised", "weight_decay": 0.0,
    },
}  # fmt: skip
MODELS["test"] = Model((20, 20, 20), (3, 3, 3), (1,))
MODELS["original"] = Model((24, 24), (5, 3), (1,), padding=0, linear=(20,), grouped=False)
SIDE, CLASSES = 10, 10
CNN, MLP = "cnn", "mlp"
IMAGE_NETS = {"cwc": CNN, "ff": MLP, "ff_unsupervised": MLP, "scff": MLP, "uff": MLP, "backprop": CNN}
IMAGE_NETS |= {"sff": CNN, "cwc_blocks": CNN, "backprop_blocks": CNN}
IMAGE_NETS |= {"evolution": MLP, "genetic": MLP}
SEARCHES = ("evolution", "genetic")  # the fewer parameters, the fewer steps
HYBRID = {
    key: value for key, value in FF_TOKENS.items()
    if key not in ("noise_std", "margin", "pass_on", "active_set", "checkpoint", "l1")
}  # fmt: skip
TOKEN_METHODS = ("backprop_tokens", "cwc_maps_tokens", "cwc_tokens", "ff_tokens", "hybrid_tokens")
TOKENS = {
    "name": "transformer", "layers": 2, "width": 20, "heads": 2, "feedforward": 24, "activation": "relu",
    "dropout": 0.1, "positions": "learnt", "causal": "no", "window": None, "blocks": "layer", "embedding_std": 0.1,
}  # fmt: skip
WORDS, LENGTH = 30, 9  # of the token cases
CELLS = ("gru", "lstm")  # a recurrent case of another cell ends with its name
OTHER_NETS = {"ff convolutions": "test", "ff convolutions closed form": "original"}  # case -> its model

# Every method with the settings it is run with; test_conformance refuses a method without a case.
CASES = {
    "ff_rnn rms": ("ff_rnn", FF),
    "ff_rnn standardize": ("ff_rnn", {**FF, "norm": "standardize"}),
    "ff_rnn rms autograd": ("ff_rnn", {**FF, "gradient": "autograd"}),
    "ff_rnn rms published": ("ff_rnn", FF_PUBLISHED),
    "ff_rnn standardize published": ("ff_rnn", {**FF_PUBLISHED, "norm": "standardize"}),
    "ff_recurrent": ("ff_recurrent", FF_RECURRENT),
    "ff_recurrent gru": ("ff_recurrent", FF_RECURRENT),
    "ff_recurrent lstm": ("ff_recurrent", {**FF_RECURRENT, "norm": "rms", "loss_reduction": "joint"}),
    "ff_recurrent thetas": (
        "ff_recurrent",
        {**FF_RECURRENT, "theta_positive": [2.0, 3.0, 4.0], "theta_negative": [1.0], "calibrate": True},
    ),
    "ff_recurrent weighted": ("ff_recurrent", {**FF_RECURRENT, "goodness_weights": "learnt", "goodness": "mean"}),
    "ff_recurrent kl": ("ff_recurrent", {**FF_RECURRENT, "loss": "kl", "early_exit": True}),
    "ff_recurrent readout": ("ff_recurrent", {**FF_RECURRENT, "readout": "linear"}),
    "backprop_rnn": ("backprop_rnn", BP),
    "backprop_rnn gru": ("backprop_rnn", BP),
    "backprop_rnn lstm": ("backprop_rnn", {**BP, "checkpoint": True}),
    "backprop_rnn by hand": ("backprop_rnn", {**BP, "gradient": "closed_form"}),
    "backprop_rnn checkpointed": ("backprop_rnn", {**BP, "checkpoint": True}),
    "backprop_rnn micro-batches": ("backprop_rnn", {**BP, "micro_batches": 4}),
    "cwc simultaneous": ("cwc", CWC),
    "cwc closed form": ("cwc", {**CWC, "gradient": "closed_form"}),
    "cwc alternating": ("cwc", {**CWC, "update": "alternating"}),
    "cwc overlapping": ("cwc", {**CWC, "update": "overlapping"}),
    "cwc chunked": ("cwc", {**CWC, "update": "chunked"}),
    "cwc greedy": ("cwc", {**CWC, "update": "greedy"}),
    "cwc interleaved": ("cwc", {**CWC, "update": "alternating", "layer_epochs": [[0, 1], [0, 2], [0, 9]]}),
    "cwc cfse": ("cwc", {**CWC, "update": "alternating"}),
    "cwc logistic": ("cwc", {**CWC, "loss": "logistic"}),
    "cwc mean of negatives": ("cwc", {**CWC, "loss": "logistic", "negative_goodness": "mean", "theta": 2.0}),
    "cwc symba": ("cwc", {**CWC, "loss": "symba"}),
    "cwc random feedback": ("cwc", {**CWC, "update": "chunked", "feedback": "random"}),
    "cwc distance": ("cwc", {**CWC, "loss": "distance", "theta": 2.0, "margin": 2.0}),
    "ff": ("ff", FF_IMAGES),
    "ff closed form": ("ff", {**FF_IMAGES, "gradient": "closed_form"}),
    "ff hard negatives": ("ff", {**FF_IMAGES, "negatives": "hard"}),
    "ff convolutions": ("ff", {**FF_IMAGES, "label": "fourier", "goodness": "mean"}),
    "ff convolutions closed form": (
        "ff",
        {**FF_IMAGES, "label": "fourier", "goodness": "mean", "gradient": "closed_form"},
    ),
    "ff sgd": ("ff", {**FF_IMAGES, "normalise_samples": True, "optimizer": "sgd", "gradient": "closed_form"}),
    "ff waves": ("ff", {**FF_IMAGES, "label": "fourier", "loss": "symba", "goodness": "mean", "norm": "length"}),
    "ff distance": ("ff", {**FF_IMAGES, "loss": "distance", "goodness": "mean", "theta": 2.0, "margin": 2.0}),
    "ff topk": ("ff", {**FF_IMAGES, "goodness": "topk"}),
    "ff cubes": ("ff", {**FF_IMAGES, "goodness": "cubes", "gradient": "closed_form"}),
    "ff kurtosis": ("ff", {**FF_IMAGES, "goodness": "kurtosis", "theta": 5.0, "gradient": "closed_form"}),
    "ff learnt labels": ("ff", {**FF_IMAGES, "label": "embedding"}),
    "ff learnt labels closed form": ("ff", {**FF_IMAGES, "label": "embedding", "gradient": "closed_form"}),
    "ff_unsupervised hybrid": ("ff_unsupervised", UNSUPERVISED),
    "ff_unsupervised noise": ("ff_unsupervised", {**UNSUPERVISED, "negatives": "noise", "gradient": "closed_form"}),
    "ff_unsupervised patches": ("ff_unsupervised", {**UNSUPERVISED, "negatives": "patches", "loss": "symba"}),
    "scff": ("scff", PAIRS),
    "uff autoencoder": ("uff", UFF),
    "uff gan": ("uff", {**UFF, "cell": "gan"}),
    "backprop": ("backprop", BP_IMAGES),
    "backprop checkpointed": ("backprop", {**BP_IMAGES, "checkpoint": True}),
    "sff": ("sff", SFF),
    "sff low memory": ("sff", {**SFF, "run": "low_memory", "norm": "none", "head": "all"}),
    "sff mean": ("sff", {**SFF, "goodness": "mean", "ensemble": [1, 2]}),
    "sff aux of squares": ("sff", {**SFF, "goodness": "aux_of_sq", "aux_kernel": 3, "clip_norm": 1.0}),
    "sff pooled": ("sff", {**SFF, "aux_pool": 2, "head_lr": 1e-2}),
    "sff shared": ("sff", {**SFF, "aux_sharing": "channels"}),
    "sff pruned": ("sff", {**SFF, "aux_keep": 0.5}),
    "cwc_blocks": ("cwc_blocks", CWC_BLOCKS),
    "backprop_blocks": ("backprop_blocks", BP_BLOCKS),
    "backprop_blocks checkpointed": ("backprop_blocks", {**BP_BLOCKS, "norm": "layer", "checkpoint": True}),
    "evolution": ("evolution", EVOLUTION),
    "genetic": ("genetic", GENETIC),
    "backprop_tokens": ("backprop_tokens", BP_TOKENS),
    "backprop_tokens checkpointed": ("backprop_tokens", {**BP_TOKENS, "checkpoint": True, "micro_batches": 3}),
    "cwc_tokens": ("cwc_tokens", CWC_TOKENS),
    "cwc_maps_tokens": ("cwc_maps_tokens", CWC_MAPS),
    "cwc_maps_tokens autograd": ("cwc_maps_tokens", {**CWC_MAPS, "gradient": "autograd"}),
    "ff_tokens": ("ff_tokens", FF_TOKENS),
    "ff_tokens sublayers": ("ff_tokens", {**FF_TOKENS, "goodness_of": "token"}),
    "ff_tokens active set": ("ff_tokens", {**FF_TOKENS, "active_set": True, "l1": 1e-6}),
    "ff_tokens aggregated": ("ff_tokens", {**FF_TOKENS, "hinge": "aggregated", "goodness": "norm"}),
    "ff_tokens adaptive": ("ff_tokens", {**FF_TOKENS, "margin": "adaptive", "goodness": "linear"}),
    "ff_tokens sigmoid": ("ff_tokens", {**FF_TOKENS, "goodness_activation": "sigmoid", "delta": 0.1}),
    "hybrid_tokens attention sublayers": ("hybrid_tokens", {**HYBRID, "local": "attention"}),
    "hybrid_tokens feed-forward sublayers": ("hybrid_tokens", {**HYBRID, "local": "feedforward"}),
    "ff_tokens nothing passed on": (
        "ff_tokens",
        {**FF_TOKENS, "pass_on": "nothing", "goodness": "sum", "delta": 150.0},
    ),
}
for _folder in extensions.folders():  # `ffrepro new method` writes a case beside the method that it makes
    for _name, _case in (read_json(_folder / CASES_FILE) if (_folder / CASES_FILE).is_file() else {}).items():
        CASES[_name], IMAGE_NETS[_case["method"]] = (_case["method"], _case["settings"]), _case["net"]
# Without labels, what blocks of forty units learn of twenty images at 1e-2 says little about their labels.
LR = {
    "ff_unsupervised": 2e-3,
    "scff": 2e-3,
    "uff": 1e-3,
    "ff sgd": 1e-3,
    "ff cubes": 3e-3,
    "cwc symba": 3e-3,
    "cwc logistic": 3e-3,
}
LR |= {"evolution": 3e-2, "genetic": 5e-2}
OF_CUTS = [case for case, (name, _) in CASES.items() if name in ("sff", "cwc_blocks", "backprop_blocks")]
# Under searches, as under backpropagation, a layer learns from what lies above it.
LOCAL = [case for case, (name, _) in CASES.items() if not name.startswith(("backprop", "hybrid", *SEARCHES))]


def is_image_case(case):
    """Whether a case is a classifier of images, and no detector of sequences."""
    return CASES[case][0] in IMAGE_NETS


def is_token_case(case):
    """Whether a case is a classifier of token sequences."""
    return CASES[case][0] in TOKEN_METHODS


def is_classifier(case):
    """Whether a case tells ten classes apart, of images or of tokens."""
    return is_image_case(case) or is_token_case(case)


def build(
    case, *, seed=0, lr=None, dtype=torch.float32, layers=LAYERS, hidden=HIDDEN, steps=T, classes=CLASSES, **changed
):
    """A fresh method for a case; ``classes`` of an image case."""
    name, hyperparameters = CASES[case]
    lr = lr or LR.get(case, LR.get(name, 1e-2))
    generator = torch.Generator().manual_seed(seed)
    if is_image_case(case):
        if IMAGE_NETS[name] == CNN or case in OTHER_NETS:
            model = OTHER_NETS.get(case, "test")
            settings = {"name": CNN, "model": model, "cfse": case == "cwc cfse", "init": "torch_default"}
        else:
            settings = {
                "name": MLP, "layers": [12] if name in SEARCHES else [40] * layers, "input_norm": "none", "bias": True,
                "groups": None, "init": "torch_default",
            }  # fmt: skip
        net = nets.build(settings, (3, SIDE, SIDE), classes, generator)
        example = make_images(4, dtype=dtype)
        return methods.module(name).Method(net.to(dtype), {**hyperparameters, **changed}, example, generator, lr)
    if is_token_case(case):
        settings = {**TOKENS, "blocks": "sublayer" if case.endswith("sublayers") else "layer"}
        settings["feedforward"] = 30 if name == "cwc_maps_tokens" else TOKENS["feedforward"]  # units of ten classes
        net = nets.build(settings, (WORDS, LENGTH), classes, generator).to(dtype)
        return methods.module(name).Method(net, {**hyperparameters, **changed}, make_tokens(4), generator, lr)
    init = "torch_default" if name.startswith("backprop") else "xavier_normal"
    cell = next((cell for cell in CELLS if case.endswith(f" {cell}")), "rnn")
    net = Rnn(2, hidden, layers, init, generator, cell).to(dtype)
    example = {"x": torch.zeros(steps, 4, 2, dtype=dtype)}
    return methods.module(name).Method(net, {**hyperparameters, **changed}, example, generator, lr)


def make_batch(size=20, seed=0, masked=False, dtype=torch.float32, steps=T):
    """Real sequences drift to the right, synthetic ones to the left; both are noisy."""
    g = torch.Generator().manual_seed(seed)
    label = torch.arange(size) % 2
    x = torch.randn(steps, size, 2, generator=g, dtype=dtype) * 0.5
    x[:, :, 0] += (2 * label - 1).to(dtype)
    batch = {"x": x, "label": label, "index": torch.arange(size)}
    if masked:
        lengths = torch.randint(1, steps + 1, (size,), generator=g)
        batch["mask"] = (torch.arange(steps)[:, None] < lengths).to(dtype)
        batch["x"] = x * batch["mask"].unsqueeze(-1)
    return batch


def make_images(size=20, seed=0, dtype=torch.float32, classes=CLASSES):
    """Noisy images of up to ten classes, each with a bright column of its own (of more, some share one)."""
    g = torch.Generator().manual_seed(seed)
    label = torch.arange(size) % classes
    x = torch.rand(size, 3, SIDE, SIDE, generator=g, dtype=dtype) * 0.5
    x[torch.arange(size), :, 2:, label % SIDE] += 1.0  # the first rows may carry a label
    return {"x": x, "label": label, "index": torch.arange(size)}


def make_tokens(size=20, seed=0, masked=False, classes=CLASSES):
    """Sequences of words that say nothing, with two of a class's own word; masked: some are shorter."""
    g = torch.Generator().manual_seed(seed)
    label = torch.arange(size) % classes
    x = torch.randint(classes + 2, WORDS, (size, LENGTH), generator=g)
    x[torch.arange(size), torch.randint(0, 4, (size,), generator=g)] = label + 2
    x[torch.arange(size), torch.randint(0, 4, (size,), generator=g)] = label + 2
    if masked:
        length = torch.randint(4, LENGTH + 1, (size, 1), generator=g)
        x[torch.arange(LENGTH) >= length] = 0
    return {"x": x, "label": label, "index": torch.arange(size)}


def batch_for(case, size=20, seed=0, masked=False, dtype=torch.float32):
    """A batch of the kind that a case learns from."""
    if is_token_case(case):
        return make_tokens(size, seed, masked)
    return make_images(size, seed, dtype) if is_image_case(case) else make_batch(size, seed, masked, dtype)
