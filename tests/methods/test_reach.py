"""What crosses a block's boundary, of every method; the table of docs/GRADIENTS.md."""

import copy
import re

import pytest
import torch
from helpers.method_cases import CASES, SEARCHES, batch_for, build
from torch import nn

import ffrepro
from ffrepro.nets import MLP
from ffrepro.training import reach

TRIED = [case for case, (name, _) in CASES.items() if name not in SEARCHES]  # theirs have a single block
PAGE, MARKED = "docs/GRADIENTS.md", re.compile(r"(<!-- reach -->\n).*(<!-- /reach -->)", re.DOTALL)


def down(found):
    """What comes from above, in words."""
    blocks = len(found.depends[0])
    if not found.from_above:
        return "nothing"
    if len(found.from_above) == blocks * (blocks - 1) // 2:
        return "from every block above"
    return ", ".join(f"{above} to {below}" for below, above in found.from_above)


@pytest.fixture(scope="module")
def reaches():
    return {case: reach.of_method(build(case), batch_for(case)) for case in TRIED}


def test_the_page_has_what_the_methods_do(reaches, project_root, request):
    rows = [f"| `{CASES[case][0]}` | {case} | {down(found)} |" for case, found in reaches.items()]
    table = "\n".join(["| method | case | what comes down |", "|---|---|---|", *rows, ""])
    path = project_root / PAGE
    text = path.read_text()
    new = MARKED.sub(lambda found: found[1] + table + found[2], text)
    if request.config.getoption("--write-golden"):
        path.write_text(new)
    assert MARKED.search(text) and path.read_text() == new


def test_backpropagation_comes_down_everywhere_and_no_gradient_in_local_methods(reaches):
    for case, found in reaches.items():
        name = CASES[case][0]
        if name.startswith("backprop"):
            assert down(found) == "from every block above", case
        elif name not in ("cwc", "hybrid_tokens") and case not in ("ff hard negatives", "ff_tokens aggregated"):
            assert found.from_above == [], case
            assert found.from_below or case == "ff_tokens nothing passed on", case


@pytest.mark.parametrize("case", ["cwc closed form", "cwc alternating", "ff hard negatives", "sff", "backprop"])
def test_looking_changes_nothing(case):
    method, batch = build(case), batch_for(case)
    method.step(batch)
    before, rng = copy.deepcopy(method.state_dict()), torch.get_rng_state()
    reach.of_method(method, batch)
    after = method.state_dict()
    assert all(torch.equal(before["weights"][name], value) for name, value in after["weights"].items())
    assert str(before["optimizers"]) == str(after["optimizers"]) and torch.equal(rng, torch.get_rng_state())


def test_of_learners():
    X, y = torch.rand(20, 64), torch.arange(20) % 10
    local = ffrepro.gradient_reach(ffrepro.Learner(MLP(64, (20, 20)), "ff", classes=10), X, y)
    assert local.depends == ((True, False), (True, True), (True, True)) and local.parts[-1] == "head"
    assert str(local).splitlines()[1] == "block0  x  ."
    model = nn.Sequential(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 10))
    wrapped = ffrepro.gradient_reach(ffrepro.wrap(model, at=["1", "3"], method="sff", classes=10), X, y)
    assert wrapped.from_above == [] and wrapped.from_below == [(1, 0)]
    whole = ffrepro.gradient_reach(ffrepro.wrap(model, at=["1", "3"], method="bp", classes=10), X, y)
    assert whole.from_above == [(0, 1)]
