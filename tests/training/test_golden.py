"""Numbers of a tiny run of each method: while they stay the same, so does the method's version.

A record names the versions of its methods, and reports flag those of another one. After a change of numbers that is
meant, ``pytest tests/training/test_golden.py --write-golden`` writes the new ones and moves the version, in
``tests/golden/<method>.json`` and in the method's file.
"""

import platform
import re
from pathlib import Path

import pytest
import torch
from helpers.method_cases import (
    BP,
    BP_BLOCKS,
    BP_IMAGES,
    BP_TOKENS,
    CWC,
    CWC_BLOCKS,
    CWC_MAPS,
    CWC_TOKENS,
    EVOLUTION,
    FF,
    FF_IMAGES,
    FF_RECURRENT,
    FF_TOKENS,
    GENETIC,
    HYBRID,
    PAIRS,
    SFF,
    UFF,
    UNSUPERVISED,
    WORD_CASES,
)  # fmt: skip
from helpers.plans import TRANSFORMER, make_baseline_plan, make_image_plan, make_plan, make_text_plan

from ffrepro import methods
from ffrepro.base.files import read_json, read_json_lines, write_json
from ffrepro.training import classifiers, loop, method_versions, sklearn_baseline

GOLDEN = Path(__file__).parents[1] / "golden"
ACROSS_MACHINES = 1e-3  # relative: other processors sum in another order; AVX2 and AVX-512 differed by 1.1e-4
ROUNDING = 1e-6  # relative: what the order of a sum changes on one machine in two epochs
CNN = {"name": "cnn", "model": "test", "cfse": False, "init": "torch_default"}
FITS = {
    "gbt": {"trees": 5, "learning_rate": 0.1, "leaves": 7, "leaf_samples": 5, "l2": 0.0},
    "logreg": {"inverse_penalty": 1.0, "iterations": 200},
}


def make_words_plan(method):
    corruption = {"corruption": "random", "corruption_share": 0.15}
    return make_text_plan(method, WORD_CASES[method], view="denoise", data=corruption, task="denoise")


RUNS = {
    "backprop": lambda: make_image_plan("backprop", BP_IMAGES, net=CNN),
    "backprop_blocks": lambda: make_image_plan("backprop_blocks", BP_BLOCKS, net=CNN),
    "backprop_rnn": lambda: make_plan("backprop_rnn", BP, max_epochs=2),
    "backprop_tokens": lambda: make_text_plan("backprop_tokens", BP_TOKENS),
    "backprop_words": lambda: make_words_plan("backprop_words"),
    "cwc": lambda: make_image_plan("cwc", CWC, net=CNN),
    "cwc_blocks": lambda: make_image_plan("cwc_blocks", CWC_BLOCKS, net=CNN, inference="ensemble"),
    "cwc_maps_tokens": lambda: make_text_plan("cwc_maps_tokens", CWC_MAPS),
    "cwc_tokens": lambda: make_text_plan("cwc_tokens", CWC_TOKENS),
    "evolution": lambda: make_image_plan("evolution", EVOLUTION),
    "ff": lambda: make_image_plan("ff", FF_IMAGES, inference="multi_pass"),
    "ff_recurrent": lambda: make_plan(
        "ff_recurrent",
        {
            **FF_RECURRENT,
            "goodness_weights": "learnt",
            "theta_positive": [3.0, 2.0, 2.0],
            "readout": "linear",
            "calibrate": True,
            "early_exit": True,
        },
        net={"name": "recurrent", "cell": "lstm", "hidden": 16, "layers": 3, "init": "xavier_normal"},
        max_epochs=2,
    ),
    "ff_rnn": lambda: make_plan("ff_rnn", FF, max_epochs=2),
    "ff_tokens": lambda: make_text_plan("ff_tokens", FF_TOKENS),
    "ff_words": lambda: make_words_plan("ff_words"),
    "ff_unsupervised": lambda: make_image_plan("ff_unsupervised", UNSUPERVISED),
    "genetic": lambda: make_image_plan("genetic", GENETIC, lr=1e-2),
    "hybrid_tokens": lambda: make_text_plan(
        "hybrid_tokens", {**HYBRID, "local": "attention"}, net={**TRANSFORMER, "blocks": "sublayer"}
    ),
    "scff": lambda: make_image_plan("scff", PAIRS),
    "sff": lambda: make_image_plan("sff", SFF, net=CNN, inference="ensemble"),
    "uff": lambda: make_image_plan("uff", UFF),
    "fits": None,
}


def machine():
    """What decides the last digits: processor, its instructions, torch."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = (re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE) for key in ("cpu family", "model", "model name"))
    names = [match[1] for match in found if match] or [platform.processor(), platform.machine()]
    return " / ".join([*names, torch.backends.cpu.get_cpu_capability(), torch.__version__])


def numbers_of(name, place):
    """Name -> number, of the run of a method, or of all classifiers."""
    if name == "fits":
        results = {
            fitted: sklearn_baseline.run(make_baseline_plan({"name": fitted, **hp}), place)
            for fitted, hp in FITS.items()
        }
        return {f"{f} {key}": value for f, result in results.items() for key, value in result["metrics"].items()}
    plan = RUNS[name]()
    result = loop.run(plan, place)
    lines = read_json_lines(place.runs / plan["run"] / "metrics.jsonl")
    losses = {f"epoch {line['epoch']} {key}": line[key] for line in lines for key in ("train/loss", "val/loss")}
    about = read_json(place.runs / plan["run"] / "run.json")
    assert about["methods"] == {name: methods.version(name)}
    return losses | {key: value for key, value in result["metrics"].items() if not re.search(r"_layer\d+$", key)}


def moved(name, version):
    """Write a version into the method's file."""
    module = classifiers if name == "fits" else methods.module(name)
    file = Path(module.__file__)
    file.write_text(re.sub(r"^VERSION = \d+", f"VERSION = {version}", file.read_text(), count=1, flags=re.MULTILINE))


def version_of(name):
    return classifiers.VERSION if name == "fits" else methods.version(name)


def same(numbers, golden):
    """Whether numbers are the golden ones: every digit on the machine that made these."""
    wanted = golden["numbers"]
    if golden["machine"] == machine() or numbers.keys() != wanted.keys():
        return numbers == wanted
    losses = [key for key in wanted if key.endswith("loss")]  # an error moves by a whole sample or not at all
    return all(numbers[key] == pytest.approx(wanted[key], rel=ACROSS_MACHINES, abs=0) for key in losses)


def rounded(numbers, golden):
    """Whether numbers are the golden ones but for rounding, which makes no new version."""
    return numbers == pytest.approx(golden["numbers"], rel=ROUNDING, abs=0)


def test_every_method_has_a_golden_run():
    assert sorted(RUNS) == sorted([*methods.names(), "fits"])
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(RUNS)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_versions_numbers_are_the_golden_ones(name, place, request):
    numbers, path = numbers_of(name, place), GOLDEN / f"{name}.json"
    if request.config.getoption("--write-golden"):
        old = read_json(path) if path.is_file() else None
        if old is None or not same(numbers, old):
            version = 1 if old is None else old["version"] + (not rounded(numbers, old))
            write_json(path, {"version": version, "machine": machine(), "numbers": numbers})
            moved(name, version)
        return
    golden = read_json(path)
    assert golden["version"] == version_of(name)
    assert same(numbers, golden), f"the numbers of {name} have changed; if they were to: --write-golden\n{numbers}"


def test_a_number_that_moves_is_noticed():
    golden = {"machine": machine(), "numbers": {"loss": 0.5}}
    assert same({"loss": 0.5}, golden) and not same({"loss": 0.5 + 1e-9}, golden) and not same({}, golden)
    elsewhere = golden | {"machine": "another"}
    assert same({"loss": 0.5 + 1e-9}, elsewhere) and not same({"loss": 0.5 + 1e-3}, elsewhere)
    assert rounded({"loss": 0.5 + 1e-9}, golden) and not rounded({"loss": 0.5 + 1e-5}, golden)


def test_records_name_the_versions_they_were_made_by():
    plan = RUNS["ff"]()
    assert method_versions.changes({"plan": plan}) == {}
    assert method_versions.changes({"plan": plan, "methods": {"ff": 99}}) == {"ff": (99, methods.version("ff"))}
