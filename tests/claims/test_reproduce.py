"""What a claim still needs: the runs that are planned, on one hardware profile."""

import pytest

from ffrepro.claims import reproduce
from ffrepro.claims.assess import assess
from ffrepro.claims.records import Store


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [([], {"cpu"}), (["cpu"], {"cpu"}), (["cuda"], {"cuda"}), (["cpu", "cuda"], {"cpu", "cuda"})],
)
def test_runs_are_counted_on_the_preferred_hardware_or_on_one(world, preferred, expected):
    """Three seeds of FF-Std on MCYT, planned on two profiles."""
    for hardware in ("cpu", "cuda"):
        world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"], hardware=hardware)
    claims, store = world.claims(), Store(world.root, world.plans, preferred)
    found = reproduce.needed(claims, store, claims.claim("035"))
    assert {plan["hardware"] for plan in found} == expected
    assert len(found) == 3 * len(expected) and {plan["variant"] for plan in found} == {"ff_std"}
    assert reproduce.cost(found, store, None) == f"{len(found)} runs at scale lite"


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([2.0, 0.5, 0.0], "3 runs at scale lite, about 2.5 hours"),
        ([2.0, None, 0.5], "3 runs at scale lite, about 2.5 hours and 1 run of unknown length"),
        ([None, 2.0, None], "3 runs at scale lite, about 2.0 hours and 2 runs of unknown length"),
        ([None, 0.01, 0.01], "3 runs at scale lite, some minutes and 1 run of unknown length"),
        ([None, None, None], "3 runs at scale lite, of unknown length"),
    ],
)
def test_hours_that_are_known_are_summed(world, hours, expected):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    claims, store = world.claims(), Store(world.root, world.plans, [])
    found = reproduce.needed(claims, store, claims.claim("035"))
    assert reproduce.cost(found, store, lambda plan: hours[plan["seed"]]) == expected


@pytest.mark.parametrize(
    ("committed", "preferred", "expected"),
    [
        ("cpu_bf16", [], "cpu_bf16"),
        ("cpu_bf16", ["cpu"], "cpu_bf16"),  # same device
        ("cpu", ["cpu"], "cpu"),
        ("cpu_bf16", ["cuda"], "cuda"),  # asked for
    ],
)
def test_runs_are_of_the_profile_that_the_experiments_committed_runs_have(world, committed, preferred, expected):
    for hardware in ("cpu", "cpu_bf16", "cuda"):
        world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"], hardware=hardware)
    for plan in world.plans:
        plan["profile"] |= {"device": "cuda" if plan["hardware"] == "cuda" else "cpu"}
    bptt = world.find("rnn_mcyt_corrected", "bptt")
    world.commit_records([plan for plan in bptt if plan["hardware"] == committed], epochs=30)
    claims, store = world.claims(), Store(world.root, world.plans, preferred)
    assert {plan["hardware"] for plan in reproduce.needed(claims, store, claims.claim("035"))} == {expected}
    lines = reproduce.makes(claims, store, assess(claims, store)[f"{claims.paper}/035"], ["table1"])
    assert len(lines) == 2 and all(line.endswith(f"hardware={expected}") for line in lines)


def test_a_conclusion_of_published_numbers_needs_no_run(world):
    """Claim 077 is held to the paper's own layers, and speaks of its own number."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    claims, store = world.claims(), Store(world.root, world.plans, [])
    assert reproduce.needed(claims, store, claims.claim("077")) == []


def test_runs_of_a_scale_with_too_few_seeds_are_not_what_a_verdict_needs(world):
    """One seed at scale lite decides nothing: three at scale paper are asked for; without those, what there is."""
    claims = world.claims()
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    world.plans[:] = [plan for plan in world.plans if plan["seed"] == 0]
    few = Store(world.root, world.plans, [])
    assert {plan["scale"] for plan in reproduce.needed(claims, few, claims.claim("035"))} == {"lite"}
    world.add_plans("paper", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    found = reproduce.needed(claims, Store(world.root, world.plans, []), claims.claim("035"))
    assert {plan["scale"] for plan in found} == {"paper"} and len({plan["seed"] for plan in found}) >= 3
