"""Small tasks that any method can learn."""

import torch

from ffrepro import methods
from ffrepro.nets.rnn import Rnn

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
BP = {
    "readout": "all_steps", "clip_norm": 1.0, "weight_decay": 0.0, "gradient": "autograd", "checkpoint": False,
    "micro_batches": 1,
}  # fmt: skip

# Every method with the settings it is run with; test_conformance refuses a method without a case.
CASES = {
    "ff_rnn rms": ("ff_rnn", FF),
    "ff_rnn standardize": ("ff_rnn", {**FF, "norm": "standardize"}),
    "ff_rnn rms autograd": ("ff_rnn", {**FF, "gradient": "autograd"}),
    "ff_rnn rms published": ("ff_rnn", FF_PUBLISHED),
    "ff_rnn standardize published": ("ff_rnn", {**FF_PUBLISHED, "norm": "standardize"}),
    "backprop_rnn": ("backprop_rnn", BP),
    "backprop_rnn by hand": ("backprop_rnn", {**BP, "gradient": "closed_form"}),
    "backprop_rnn checkpointed": ("backprop_rnn", {**BP, "checkpoint": True}),
    "backprop_rnn micro-batches": ("backprop_rnn", {**BP, "micro_batches": 4}),
}
LOCAL = [case for case, (name, _) in CASES.items() if not name.startswith("backprop")]


def build(case, *, seed=0, lr=1e-2, dtype=torch.float32, layers=LAYERS, hidden=HIDDEN, steps=T, **changed):
    """A fresh method for a case."""
    name, hyperparameters = CASES[case]
    generator = torch.Generator().manual_seed(seed)
    init = "torch_default" if name.startswith("backprop") else "xavier_normal"
    net = Rnn(2, hidden, layers, init, generator).to(dtype)
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
