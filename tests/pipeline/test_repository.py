"""The committed files themselves: params.yaml, plan files, dvc.yaml, pins."""

import itertools
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from ffrepro.claims.reference import index
from ffrepro.core import schedules
from ffrepro.pipeline import params
from ffrepro.pipeline.estimates import Estimator, over_limits
from ffrepro.pipeline.refresh import out_of_date
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training import benches, classifiers

ROOT = Path(__file__).parents[2]


def test_generated_files_are_up_to_date():
    assert out_of_date(open_workspace(ROOT)) == [], "run `ffrepro plan --write` and commit what it writes"


def test_every_scale_is_valid_and_keeps_its_limits():
    for scale in ("smoke", "lite", "paper"):
        workspace = open_workspace(ROOT, scale)
        assert workspace.plans and over_limits(workspace, Estimator(workspace)) == []
        assert all(len(plan["code"]) == 64 for plan in workspace.plans)


@pytest.mark.parametrize(("scale", "hardware"), [("lite", "cpu"), ("paper", "cpu"), ("paper", "cuda")])
def test_every_training_has_an_estimated_time(scale, hardware):
    workspace = open_workspace(ROOT, scale, [hardware])
    estimator = Estimator(workspace)
    found = {plan["run"]: estimator.of_run(plan) for plan in workspace.plans if plan["seed"] == 0}
    assert [run for run, estimate in found.items() if estimate.seconds is None] == []
    if hardware == "cuda":
        guessed = [e.source for run, e in found.items() if run not in index(ROOT)]
        assert all(source.startswith("from ") or "never measured" in source for source in guessed)


def test_direct_requirements_are_pinned_and_agree_with_the_lock():
    def pins(name):
        lines = (ROOT / name).read_text().splitlines()
        pinned = [line for line in lines if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line) for line in pinned), pinned
        return dict(line.lower().replace("_", "-").split("==") for line in pinned)

    direct, lock = pins("requirements.txt"), pins("requirements.lock.txt")
    assert not {"torch", "torchvision"} & set(lock)
    assert {name: version for name, version in direct.items() if lock.get(name) != version}.keys() == {
        "torch",
        "torchvision",
    }


VOCABULARY = params.load_vocabulary(ROOT).groups


@pytest.mark.parametrize("group", sorted(group for group in VOCABULARY if not group.startswith(("method.", "eval"))))
def test_every_group_of_settings_is_what_the_code_behind_it_reads(group):
    part, _, name = group.partition(".")
    if part == "schedule":
        settings = schedules.SETTINGS[name]
    elif part == "fit":
        settings = classifiers.SETTINGS[name]
    elif part == "bench":
        settings = benches.find(name).SETTINGS
    else:
        module = {
            "training": "training.loop",
            "data": f"data.{name}_task",
            "net": f"nets.{name}",
        }[part]
        settings = import_module(f"ffrepro.{module}").SETTINGS
    assert settings == set(VOCABULARY[group])


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_documented_commands_name_targets_before_config():
    """`--config` takes every word up to the next option: a target after it ends Snakemake with an error."""
    commands = [
        match.group(1).split()
        for path in DOCUMENTS
        for match in re.finditer(r"(snakemake --[^\n`#]*--config[^\n`#]*)", path.read_text())
    ]
    assert len(commands) >= 4
    for words in commands:
        taken = itertools.takewhile(lambda word: not word.startswith("-"), words[words.index("--config") + 1 :])
        assert [word for word in taken if "=" not in word] == [], " ".join(words)


def test_a_half_made_environment_is_made_again(tmp_path):
    """Without Debian's python3-venv the first call leaves .venv with an interpreter and no pip."""
    for name in ("Makefile", "requirements.txt", "requirements.lock.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    log, broken = tmp_path / "log", tmp_path / ".venv/bin/python"
    whole = tmp_path / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    whole.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$2" != venv ] || cp "$0" "$3/bin/python"\n')
    broken.chmod(0o755)
    whole.chmod(0o755)
    subprocess.run(["make", "setup", f"PYTHON={whole}"], cwd=tmp_path, check=True, capture_output=True)
    calls = log.read_text().splitlines()
    assert "-m venv .venv" in calls
    assert "-m pip install --quiet --no-deps --editable ." in calls[calls.index("-m venv .venv") :]
    assert (tmp_path / ".venv/.installed").is_file()
