"""Probes of upstream data: computed where the data are, else the committed value of the same data and code."""

import json

import numpy as np
import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import write_json
from ffrepro.claims import facts, load, probed, reference, verdict
from ffrepro.studies.chikhachev2025_rnn import probes

PAPER = "chikhachev2025_rnn"
DATASETS = ("mobiletouch", "mcyt", "raton")


@pytest.fixture
def prepared(world):
    """Two trajectories of each set, one human on the grid and one synthetic off it, with committed manifests."""
    world.claims()  # its schema
    for dataset in DATASETS:
        path = world.root / f"data/prepared/upstream/{dataset}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.array([1.0, 2.0, 1.23456, 2.0])
        np.savez(
            path, x=x, y=np.zeros(4), stroke=np.array([1, 2, 1, 1]), offsets=np.array([0, 2, 4]), label=np.array([1, 0])
        )
        for folder in (path.parent, world.root / reference.FOLDER / "data"):
            write_json(folder / f"{dataset}.json", {"fingerprint": dataset * 2})
    return world.root


def _forget(root):
    for path in (root / "data/prepared/upstream").iterdir():
        path.unlink()


def test_what_is_kept_stands_for_the_data_where_they_are_not(prepared, world):
    computed = probed.keep(prepared)
    assert {f"{PAPER} decimals {dataset}" for dataset in DATASETS} < set(computed)
    assert f"{PAPER} movements raton" in computed
    assert probed.keep(prepared) == []  # of these data, by this code, already
    _forget(prepared)
    assert probed.keep(prepared) == []
    assert probed.value(prepared, PAPER, "raton", "decimals") == 1.0
    assert probed.value(prepared, PAPER, "raton", "movements") == 2.0
    claims = world.claims()
    assert facts.data(claims, prepared, claims.claim("079")).verdict.kind == verdict.MET
    assert facts.data(claims, prepared, claims.claim("085")).verdict.kind == verdict.NOT_MET


@pytest.mark.parametrize("key", ["fingerprint", "code"])
def test_a_value_of_other_data_or_code_counts_for_nothing(prepared, key):
    probed.keep(prepared)
    kept = json.loads((prepared / probed.FILE).read_text())
    kept[PAPER]["decimals"]["raton"][key] = "other"
    write_json(prepared / probed.FILE, kept)
    assert probed.value(prepared, PAPER, "raton", "decimals") == 1.0  # the data themselves are here
    _forget(prepared)
    assert probed.value(prepared, PAPER, "raton", "decimals") is None
    assert probed.value(prepared, PAPER, "mcyt", "decimals") == 1.0


def test_other_data_than_the_records_are_of_are_not_kept(prepared):
    write_json(prepared / "data/prepared/upstream/raton.json", {"fingerprint": "other"})
    assert not [entry for entry in probed.keep(prepared) if entry.endswith("raton")]


def test_nothing_is_kept_without_data(world):
    assert probed.keep(world.root) == [] and not (world.root / probed.FILE).exists()
    assert probed.value(world.root, PAPER, "raton", "decimals") is None


def test_an_unknown_probe_is_named(world):
    with pytest.raises(FfreproError, match="decimal_places"):
        probed.value(world.root, PAPER, "raton", "decimal_places")
    assert probes.decimals.__module__ == probes.__name__


def test_every_probe_of_a_claim_is_committed(project_root):
    """In a fresh clone, without any data, no claim of a probe stays open."""
    kept = json.loads((project_root / probed.FILE).read_text())
    checks = [claim.get("check", {}) for claim in load.load(project_root, PAPER).claims.values()]
    wanted = {(check["probe"], dataset) for check in checks if "probe" in check for dataset in check["datasets"]}
    assert wanted == {(probe, dataset) for probe, found in kept[PAPER].items() for dataset in found}
    manifests = project_root / reference.FOLDER / "data"
    for probe, found in kept[PAPER].items():
        for dataset, entry in found.items():
            manifest = json.loads((manifests / f"{dataset}.json").read_text())
            assert entry["fingerprint"] == manifest["fingerprint"], (probe, dataset)
            assert entry["code"] == probed.code_of(probes), "ffrepro import --to reports/reference computes them again"
