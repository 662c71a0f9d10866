"""The committed files themselves: params.yaml, plan files, dvc.yaml, pins."""

import itertools
import json
import os
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from ffrepro.base.settings import REQUIRED
from ffrepro.core import schedules
from ffrepro.pipeline import params
from ffrepro.pipeline.estimates import Estimator, over_limits
from ffrepro.pipeline.refresh import committed_out_of_date
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training import benches, classifiers

ROOT = Path(__file__).parents[2]


def test_generated_files_are_up_to_date():
    assert committed_out_of_date(open_workspace(ROOT)) == [], "run `ffrepro plan --write` and commit what it writes"


def test_every_scale_is_valid_and_keeps_its_limits():
    for scale in ("smoke", "lite", "paper"):
        workspace = open_workspace(ROOT, scale)
        assert workspace.plans and over_limits(workspace, Estimator(workspace)) == []
        assert all(len(plan["code"]) == 64 for plan in workspace.plans)
        assert set(rules_of_runs(workspace.runnable).values()) == {1}


def rules_of_runs(plans):
    """How many of Snakemake's rules take each run, by the constraints on the wildcard `run` in runs.smk."""

    def of(wanted):
        found = "|".join(sorted({plan["experiment"] for plan in plans if wanted(plan)}))
        return rf"[^/]+/[^/]+/({found})/" if found else "(?!)"

    names = {
        "IS_FITTED": of(lambda plan: plan["kind"] == "sklearn_baseline"),
        "IS_SEARCH": of(lambda plan: plan["kind"] == "search"),
        "IS_KEPT": of(lambda plan: plan.get("keep_weights")),
    }
    source = (ROOT / "workflow/rules/runs.smk").read_text()
    constraints = [eval(text, names) for text in re.findall(r'run=(rf?"[^"\n]+")', source)]
    assert len(constraints) == source.count("wildcard_constraints:") == 5
    return {plan["run"]: sum(bool(re.fullmatch(one, plan["run"])) for one in constraints) for plan in plans}


def test_committed_records_tell_how_long_the_runs_of_scale_lite_take():
    """Of every variant that has a committed training of that scale, and of its points of a grid."""
    workspace = open_workspace(ROOT, "lite", ["cpu"])
    committed = json.loads((ROOT / "reports/reference/index.json").read_text())

    def variant(plan):
        """As the study declares it; a grid's points have longer names."""
        declared = workspace.params.raw["papers"][plan["paper"]]["variants"]
        names = [name for name in declared if f"{plan['variant']}_".startswith(f"{name}_")]
        return plan["paper"], max(names, key=len)

    trainings = [plan for plan in workspace.plans if plan["kind"] == "train"]
    tried = {variant(plan) for plan in trainings if plan["run"] in committed}
    assert {"chikhachev2025_rnn", "ortiz2025_advancements"} <= {paper for paper, _ in tried} and len(tried) > 20
    estimator = Estimator(workspace)
    estimator.probes = []  # whatever was tried on this machine
    asked = [plan for plan in trainings if variant(plan) in tried]
    assert len(asked) > 200
    assert [plan["run"] for plan in asked if estimator.of_run(plan).seconds is None] == []


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


def imported(group):
    """The declarations of a group, from the module itself."""
    part, _, name = group.partition(".")
    if part in ("schedule", "classifier"):
        return {"schedule": schedules, "classifier": classifiers}[part].SETTINGS[name]
    if part == "bench":
        return benches.find(name).SETTINGS
    module = {
        "training": "training.loop",
        "search": "training.search",
        "data": f"data.{name}_task",
        "evaluation": f"data.{name}_task",
        "net": f"nets.{name}",
        "method": f"methods.{name}",
    }[part]
    return getattr(import_module(f"ffrepro.{module}"), "EVALUATION_SETTINGS" if part == "evaluation" else "SETTINGS")


@pytest.mark.parametrize("group", sorted(VOCABULARY))
def test_declarations_read_without_importing_are_those_of_the_module(group):
    assert imported(group) == VOCABULARY[group]
    assert list(imported(group)) == list(VOCABULARY[group])


@pytest.mark.parametrize("group", sorted(VOCABULARY))
def test_every_declaration_says_what_it_is_and_allows_its_default(group):
    for name, declaration in VOCABULARY[group].items():
        assert declaration.meaning, name
        assert declaration.default is REQUIRED or declaration.allows(declaration.default), name
        assert not declaration.allows(object()), name


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


def make(*arguments, cwd, check=False):
    """Run make as a user does, though these tests are run by make themselves: it passes its own options down."""
    passed_down = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    environment = {name: value for name, value in os.environ.items() if name not in passed_down}
    return subprocess.run(["make", *arguments], cwd=cwd, env=environment, check=check, capture_output=True, text=True)


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
    make("setup", f"PYTHON={whole}", cwd=tmp_path, check=True)
    calls = log.read_text().splitlines()
    assert "-m venv .venv" in calls
    assert "-m pip install --no-deps --editable ." in calls[calls.index("-m venv .venv") :]
    assert (tmp_path / ".venv/.installed").is_file()


def test_set_up_says_its_steps_and_what_pip_said_only_where_it_failed(tmp_path):
    for name in ("Makefile", "requirements.txt", "requirements.lock.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    for pip, code in (("exit 0", 0), ('case "$*" in *torchvision*) exit 7;; esac', 2)):
        python.write_text(f'#!/bin/sh\n[ "$3" != --version ] || exit 0\necho "pip: $*"\n{pip}\n')
        python.chmod(0o755)
        done = make("setup", "PYTHON=true", cwd=tmp_path)
        assert done.returncode == code
        lines = done.stdout.splitlines()
        steps = [line for line in lines if re.match(r"set-up: \d of 4", line)]
        assert len(steps) == (4 if code == 0 else 2)
        assert [line for line in lines if "torchvision" in line and line.startswith("pip: ")] == lines[3:4] * (code > 0)
        assert (tmp_path / ".venv/.installed").is_file() == (code == 0)
        (tmp_path / ".venv/.installed").unlink(missing_ok=True)


@pytest.mark.parametrize("there", [False, True])
def test_make_prints_the_path_of_a_report_that_is_there(tmp_path, project_root, there):
    """As after `make reproduce ARGS=-n`."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\n[ "$2" != ffrepro ] || echo "$@"\n')
    python.chmod(0o755)
    report = tmp_path / "reports/smoke/report.html"
    if there:
        report.parent.mkdir(parents=True)
        report.touch()
    options = ("-f", project_root / "Makefile", "-o", "setup", "BIN=bin", "SCALE=smoke", "ARGS=-n")
    done = make(*options, "reproduce", cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == ["-m ffrepro report --scale smoke --headline"] * there
