"""From a claim to its files: by id, by words, and what happens where nothing fits."""

import re

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_file
from ffrepro.claims import trace
from ffrepro.claims.records import Store

PAPER = "chikhachev2025_rnn"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (f"{PAPER}/027", ["027"]),
        ("table1 mcyt ff_std auc", ["036"]),
        ("Table 1 MCYT Standardization AUC", ["036"]),
        ("table2 $1 ff_std accuracy", ["027"]),  # a cell of two tables
        ("table3 raton bptt", ["071", "072"]),
        ("threshold", ["018", "102", "104"]),
    ],
)
def test_find(world, wanted, expected):
    _, found = trace.find(world.root, wanted)
    assert [claim_id.split("/")[1] for claim_id in found] == expected


def test_unknown_ids_name_the_nearest(world):
    with pytest.raises(FfreproError, match=r"nearest: .*chikhachev2025_rnn/079") as error:
        trace.find(world.root, f"{PAPER}/0799")
    assert "no claim" in error.value.what
    with pytest.raises(FfreproError, match=r"nearest: chikhachev2025_rnn/"):
        trace.find(world.root, "table1 mcyt ff_tsd")
    with pytest.raises(FfreproError, match="nearest: none"):
        trace.find(world.root, "bananas")


def test_six_hops_from_a_claim_to_its_commands(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    world.record_all("lite", epochs=30)
    claims, store = world.claims(), Store(world.root, world.plans)
    text = trace.describe(claims, store, f"{PAPER}/036")
    assert [line[0] for line in text.splitlines() if re.match(r"\d\. ", line)] == ["1", "2", "3", "3", "4", "5", "6"]
    assert '"MCYT 0.9046 0.9528 0.8876 0.9602"' in text
    assert "2. measured as test/auc of ff_std in rnn_mcyt_corrected, rnn_mcyt_as_published" in text
    assert re.search(r"^3\. runs \(corrected\): \S.*\bmargin\b", text, re.M)
    run = "lite/cpu/rnn_mcyt_corrected/ff_std/seed1"
    assert f"   runs/{run}  (data ffffffffffff)" in text
    assert sha256_file(world.root / "runs" / run / "result.json") in text
    assert "   net.hidden = 96  [paper, Sec. 3.5]" in text
    assert str(world.root) not in text
    again = text.partition("6. to make it again\n")[2]
    for treatment in ("corrected", "as_published"):
        assert f"runs/lite/cpu/rnn_mcyt_{treatment}/ff_std/seed{{0,1" in again
    assert f"snakemake --cores all {PAPER}_table1 --config scale=lite" in again


@pytest.mark.parametrize(
    ("short", "hop"),
    [
        ("014", "2. checked: setting net.hidden, experiment rnn"),
        ("073", "2. evaluated on the published numbers, then on ours: count("),
        ("078", "2. judged without runs"),
        ("052", "2. measured as bench/ratio_to_bp of FF-Norm, plain autograd in bench_mobiletouch_corrected"),
    ],
)
def test_claims_of_every_kind_without_any_run(world, short, hop):
    text = trace.describe(world.claims(), Store(world.root, []), f"{PAPER}/{short}")
    assert hop in text and "4. records\n   none" in text
    assert list(dict.fromkeys(re.findall(r"^(\d)\. ", text, re.M))) == ["1", "2", "3", "4", "5", "6"]


def test_a_claim_that_is_not_run_names_its_cost(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    claims, plans = world.claims(), world.find("rnn_mcyt_corrected", "ff_std")

    def last(store):
        text = trace.describe(claims, store, f"{PAPER}/036", lambda plan: 2.0 if plan["seed"] else None)
        return text.splitlines()[-1].strip()

    waiting = Store(world.root, world.plans)
    assert last(waiting) == f"not run: {len(plans)} runs at scale lite, about 4.0 hours and 1 run of unknown length"
    world.record_all("lite", epochs=30)
    assert not last(Store(world.root, world.plans)).startswith("not run")


def test_one_line(world):
    assert (
        trace.one_line(world.claims(), f"{PAPER}/050") == f"{PAPER}/050: Table 3, $1, FF-Norm: time per epoch = 1.36 s"
    )
    assert trace.one_line(world.claims(), f"{PAPER}/049").endswith("epochs = 160")
