"""Times of several machines: never one sample, never compared, a column each."""

import pytest

from ffrepro.claims import compare, conclusions, machines, tables, verdict
from ffrepro.claims.records import Store

A = {"cpu": "CPU A", "cores": 2, "threads": 1, "device": "CPU A", "platform": "Linux x86_64"}
B = A | {"cpu": "CPU B", "device": "CPU B", "cores": 8, "instructions": "AVX512"}
GPU = B | {"device": "GPU C"}
NAME_A, NAME_B = "CPU A, 2 cores", "CPU B, 8 cores, AVX512"


@pytest.mark.parametrize(
    ("metric", "of_machine"),
    [
        ("time/epoch_s_median", True),
        ("memory/peak_bytes", True),
        ("bench/ratio_to_bp", True),
        ("bench/ms_median", True),
        ("bench/attention_entropy", False),
        ("test/accuracy", False),
        ("epochs", False),
    ],
)
def test_what_belongs_to_a_machine(metric, of_machine):
    assert machines.is_of_machine(metric) is of_machine


def benches(world, described):
    """Three processes of the bench on $1 with a ratio of 1.41, on machines as described."""
    world.add_plans("lite", datasets=["dollar"], families=["bench"], processes=len(described))
    for plan in world.find("bench_dollar_corrected", "interleaved"):
        seed = plan["seed"]
        ratio = {"FF-Norm, plain autograd": 1.41 + 0.001 * (seed - 1)}
        world.record(plan, ratio=ratio, machine=described[seed])
    return world.claims(), Store(world.root, world.plans)


def times_claim(claims):
    """A ratio of epoch times on $1 that is judged."""
    return next(
        claim
        for claim in claims.claims.values()
        if claim.get("measure", {}).get("metric") == "bench/ratio_to_bp"
        and claim["measure"].get("row") == "FF-Norm, plain autograd"
        and claim["measure"]["dataset"] == "dollar"
    )


@pytest.mark.parametrize(("described", "several"), [([A, A, A], False), ([A, A, B], True)])
def test_times_of_two_machines_decide_no_claim(world, described, several):
    claims, store = benches(world, described)
    cell = compare.compare(claims, store, times_claim(claims), "corrected", compare.scale_pick(store, "lite"))
    assert cell.n == 3
    if several:
        assert cell.verdict.kind == verdict.INCONCLUSIVE
        assert NAME_A in cell.verdict.reason and NAME_B in cell.verdict.reason
        assert cell.tests.equivalent != cell.tests.equivalent  # never computed
    else:
        assert cell.verdict.kind != verdict.INCONCLUSIVE and "machine" not in cell.verdict.reason


def test_a_column_for_each_machine(world):
    claims, store = benches(world, [A, A, B])
    result = tables.build(claims, store, "table3", compare.scale_pick(store, "lite"), "scale lite")
    table = result.by_machine
    assert table.header[4:] == [NAME_A, NAME_B]
    claim = times_claim(claims)
    (row,) = [r for r in table.rows if r[:3] == [claim["row"], claim["metric"], "corrected"]]
    assert "1.41" in row[4] and row[4].endswith("n = 2")  # seeds 0 and 1 of machine A
    assert "1.41" in row[5] and row[5].endswith("n = 1")


def test_a_table_without_times_has_no_such_columns(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    world.record_all("lite")
    store = Store(world.root, world.plans)
    assert tables.build(world.claims(), store, "table1", compare.scale_pick(store, "lite"), "").by_machine is None


def conclude(world, metric, quantity, other):
    """Whether BPTT's number is less than FF-Norm's, whose runs are of another machine or not."""
    world.add_plans("lite", datasets=["dollar"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        fast = plan["variant"] == "bptt"
        accuracy = (0.8 if fast else 0.9) + 0.001 * plan["seed"]
        world.record(plan, accuracy=accuracy, epochs=20, machine=A if fast else other)
    claims, store = world.claims(), Store(world.root, world.plans)
    used = {
        name: compare.operand(
            claims,
            {"label": name, "quantity": quantity, "experiment": "rnn", "dataset": "dollar", "variant": variant,
             "metric": metric},
            "corrected", compare.scale_pick(store, "lite"),
        )
        for name, variant in (("x1", "bptt"), ("x2", "ff_rms"))
    }  # fmt: skip
    return conclusions.on_runs(claims, "x1 < x2", used)[0]


def test_a_conclusion_on_times_is_not_decided_across_machines(world):
    found = conclude(world, "time/train_s", "seconds", B)
    assert found.kind == verdict.INCONCLUSIVE and NAME_A in found.reason and NAME_B in found.reason


def test_a_conclusion_on_accuracies_is(world):
    assert conclude(world, "test/accuracy", "accuracy", GPU).kind == verdict.HOLDS


@pytest.mark.parametrize(("how", "told"), [("profiler: allocator events", False), ("max_memory_allocated", True)])
def test_bytes_that_were_counted_are_of_no_machine(world, how, told):
    """Bytes that PyTorch asked for on a CPU are the same on any; a GPU's peak, and times, are the machine's."""
    _, store = benches(world, [A, A, B])
    evidence = store.groups("bench_dollar_corrected", "interleaved")[0]
    for record in evidence.records:
        record.result["config"]["memory"] = how
    assert bool(machines.apart([("bench/peak_bytes", evidence)])) is told
    assert machines.apart([("bench/ms_median", evidence)])
