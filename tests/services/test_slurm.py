"""profiles/slurm on a real Slurm of one node that the test starts: limits from the plan, equal numbers, a run that is
ended by its time limit and goes on.

`make cluster-test` prints what was seen (``-s``).
"""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.engines import REPOSITORY, edit_yaml, make_project, snakemake

from ffrepro.base.plans import result_hash
from ffrepro.pipeline import limits
from ffrepro.pipeline.estimates import Estimator
from ffrepro.pipeline.workspace import open_workspace

PAPER = "chikhachev2025_rnn"
STUDY = f"src/ffrepro/studies/{PAPER}/study.yaml"
TABLE = f"{PAPER}_table1"
RUNS = {name: f"smoke/cpu/rnn_dollar_corrected/{name}/seed0" for name in ("bptt", "ff_std", "ff_rms")}
LONG = RUNS["bptt"]  # the only one of its method
LONG_S = 40  # of training, so that it can be caught with a checkpoint behind it and epochs before it
SCRIPT = REPOSITORY / "workflow/cluster/one_node_slurm.sh"
PLUGIN = REPOSITORY / ".services/slurm"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
SECONDS = 1200  # for the whole DAG; ten minutes on a machine with much else to do


@pytest.fixture(scope="module")
def slurm():
    """The environment of commands that use the cluster; the cluster is stopped afterwards."""
    where = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=where) is None]
    if absent:
        pytest.skip(f"no Slurm here ({', '.join(absent)} absent): make cluster-test installs it where it may")
    if not PLUGIN.is_dir():
        pytest.skip("no Slurm plugin of Snakemake: make cluster-test installs it")
    folder = Path(tempfile.mkdtemp(prefix="ffrepro_slurm_", dir="/tmp"))  # a socket's path must be short
    try:
        started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, timeout=120)
        assert started.returncode == 0, started.stderr
        yield os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}{os.pathsep}{where}"}
    finally:
        subprocess.run([SCRIPT, "stop", folder], capture_output=True, timeout=120)
        left = [path.name for path in folder.glob("*.pid") if Path("/proc", path.read_text().strip()).is_dir()]
        shutil.rmtree(folder)
        assert left == []


def one_paper(raw):
    """One paper, one seed."""
    raw["scales"]["smoke"]["seeds"] = 1
    raw["studies"] = [PAPER]


def three_runs(study):
    """One data set, one treatment, three variants."""
    rnn = study["experiments"]["rnn"] | {"datasets": ["dollar"], "treatments": ["corrected"], "variants": list(RUNS)}
    study["experiments"] = {"rnn": rnn}
    study["settings"]["scales"]["smoke"]["max_epochs"] = {"value": 3, "source": "test: enough to time an epoch"}


def epochs_of_the_long_run(epochs):
    """A change of the study that lets one variant train longer than its finished record says."""

    def change(study):
        source = "test: longer than its record says"
        longer = {name: {"value": epochs, "source": source} for name in ("max_epochs", "early_stop_epochs")}
        study["settings"]["scales"]["smoke"].setdefault("when", []).append({"method": "backprop_rnn", "set": longer})

    return change


@pytest.fixture(scope="module")
def projects(slurm, tmp_path_factory):
    """A project that this machine has finished without Slurm, and a fresh one with its records to reckon by."""
    local, cluster = (tmp_path_factory.mktemp(name) for name in ("local", "cluster"))
    make_project(local, {"params.yaml": one_paper, STUDY: three_runs})
    snakemake(local, "--cores", "2", TABLE)
    done = shutil.ignore_patterns("runs", "logs", "benchmarks", "prepared", "raw", "smoke", ".snakemake", "__pycache__")
    shutil.copytree(local, cluster, ignore=done, dirs_exist_ok=True)
    for run in RUNS.values():
        shutil.copytree(local / "runs" / run, cluster / "reports/reference" / run)
    result = json.loads((local / "runs" / LONG / "result.json").read_text())
    epochs = math.ceil(LONG_S / result["time"]["epoch_s_median"])
    edit_yaml(cluster, STUDY, epochs_of_the_long_run(epochs))
    return local, cluster


def jobs_of(environment):
    """What Slurm knows of its jobs, finished ones too: run or rule -> one dict of fields for each attempt, in order."""
    printed = subprocess.run(
        ["scontrol", "show", "job", "--oneliner"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    jobs = {}
    for line in printed.splitlines():
        if not line.startswith("JobId="):
            continue
        fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
        jobs.setdefault(fields["Comment"], []).append(fields)
    return {name: sorted(found, key=lambda job: int(job["JobId"])) for name, found in jobs.items()}


def of_run(jobs, run):
    """The attempts of a run: the plugin's comment names the rule and its wildcards, slashes written otherwise."""
    (found,) = [attempts for name, attempts in jobs.items() if re.sub(r"\W", "_", run) in re.sub(r"\W", "_", name)]
    return found


def process_of(root, run):
    """The id of the process that trains a run in a project; None where there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            if words[-3:-1] == ["train", f"plan/{run}.json"] and (process / "cwd").samefile(root):
                return int(process.name)
    return None


def lines_of(path):
    """The whole lines of a file that may be in writing."""
    return path.read_text().rpartition("\n")[0].splitlines()


def go(root, environment):
    """Run the table's part of the DAG on the cluster; the long run hangs once it has a checkpoint.

    A stopped process is as slow as a process can be: whatever the machine's speed, Slurm's time limit ends it.

    Returns:
        Slurm's jobs, and the epochs that the long run had done when it hung.
    """
    command = ["snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5", TABLE]
    environment = environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": f"{root / 'src'}{os.pathsep}{PLUGIN}",
        "OMP_NUM_THREADS": "1",
    }
    before, end = [], time.monotonic() + SECONDS
    with (root / "snakemake.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.3)
                states = list((root / "runs" / LONG).glob(".partial-*/state.pt"))
                if states and not before and (number := process_of(root, LONG)):
                    os.kill(number, signal.SIGSTOP)
                    before = lines_of(states[0].with_name("metrics.jsonl"))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
        assert process.returncode == 0, (root / "snakemake.log").read_text()[-6000:]
    return jobs_of(environment), before


def show(jobs):
    """Print what Slurm says of every job."""
    print()
    for attempts in jobs.values():
        for job in attempts:
            shown = ("JobId", "JobState", "RunTime", "TimeLimit", "MinMemoryNode", "NumCPUs", "Partition", "Comment")
            print("Slurm:", *(f"{name}={job[name]}" for name in shown))


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def estimates(projects):
    """What the records of the first project let one expect, by run."""
    workspace = open_workspace(projects[1], assume_hardware=True)
    estimator = Estimator(workspace)
    found = {plan["run"]: estimator.of_run(plan) for plan in workspace.plans}
    assert all(estimate.source == "mean of 1 finished" for estimate in found.values())
    return found


@pytest.fixture(scope="module")
def table(projects, estimates, slurm):
    """The table made on Slurm, once: its jobs, and the epochs that the long run had done when it hung."""
    jobs, before = go(projects[1], slurm)
    show(jobs)
    assert (projects[1] / f"reports/smoke/tables/{PAPER}/table1.md").is_file()
    return jobs, before


def test_every_rule_is_a_job_and_every_run_asks_for_what_its_plan_says(table, estimates):
    jobs, _ = table
    assert {name.split("_wildcards_")[0] for name in jobs} == {
        "rule_fetch_trajectories", "rule_prepare", "rule_train", "rule_table"
    }  # fmt: skip
    for run in RUNS.values():
        for attempt, job in enumerate(of_run(jobs, run), 1):
            hours, minutes, seconds = map(int, job["TimeLimit"].split(":"))
            assert (60 * hours + minutes, seconds) == (limits.minutes(estimates[run], attempt), 0)
            number, unit = re.fullmatch(r"(\d+)([MG])", job["MinMemoryNode"]).groups()
            assert int(number) * {"M": 1, "G": 1024}[unit] == limits.megabytes(estimates[run], attempt)
            assert (job["NumCPUs"], job["Partition"]) == ("1", "main")


@pytest.mark.parametrize("name", ["ff_rms", "ff_std"])
def test_the_numbers_are_those_of_a_run_without_slurm(table, projects, name):
    (jobs, _), run = table, RUNS[name]
    local, cluster = projects
    assert of_run(jobs, run)[-1]["JobState"] == "COMPLETED"  # a loaded machine may need a second attempt
    assert result_hash(read(local / f"plan/{run}.json")) == result_hash(read(cluster / f"plan/{run}.json"))
    here, there = (root / "runs" / run for root in (local, cluster))
    assert read(here / "result.json")["metrics"] == read(there / "result.json")["metrics"]
    with np.load(here / "arrays.npz") as one, np.load(there / "arrays.npz") as other:
        assert sorted(one) == sorted(other)
        for array in one:
            np.testing.assert_array_equal(one[array], other[array])


def test_a_run_that_its_time_limit_ends_gets_more_and_goes_on_from_its_checkpoint(table, projects):
    (jobs, before), (_, cluster) = table, projects
    assert [job["JobState"] for job in of_run(jobs, LONG)] == ["TIMEOUT", "COMPLETED"]
    plan = read(cluster / f"plan/{LONG}.json")
    lines = lines_of(cluster / "runs" / LONG / "metrics.jsonl")
    assert len(lines) == plan["training"]["max_epochs"]
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    kept = sum(one == other for one, other in zip(before, lines, strict=False))  # their seconds are equal, too
    print(f"{LONG}: {len(before)} epochs when its time was up, {kept} of them kept, {len(lines)} in all")
    assert 1 <= kept <= len(before) < len(lines) and lines[:kept] == before[:kept]
