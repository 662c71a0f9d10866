"""What a linear probe of a net of tokens reads."""

import pytest
import torch
from helpers.method_cases import CASES, build, make_tokens
from torch.nn import functional as F


@pytest.mark.parametrize("pass_on", ["normalised", "nothing"])
def test_features_are_of_the_inputs_that_blocks_learn_from(pass_on):
    """Where no output is passed on, the second block's features are of the embedded text as well."""
    (case,) = [name for name, entry in CASES.items() if name.startswith("ff_tokens") and same(entry, pass_on)][:1]
    method = build(case, dtype=torch.float64)
    batch = make_tokens(8, masked=True)
    start, layout = method.net.embed(batch["x"].long())
    first, second = method.net.blocks
    below = start if pass_on == "nothing" else first(start, layout)
    expected = [layout.mean(F.layer_norm(z, z.shape[1:])) for z in (first(start, layout), second(below, layout))]
    assert torch.allclose(method.features(batch), torch.cat(expected, 1), rtol=1e-12)


def same(entry, pass_on):
    settings = entry[1]
    return settings.get("pass_on") == pass_on and not settings.get("active_set")
