# Reads params.yaml (and --config scale=..., hardware=...), writes the plan files that changed, and looks jobs up.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ffrepro.base.errors import FfreproError
from ffrepro.base.gpus import VARIABLE, devices
from ffrepro.base.names import nearest
from ffrepro.pipeline import limits
from ffrepro.pipeline.estimates import Estimator
from ffrepro.pipeline.hardware import listed
from ffrepro.pipeline.jobs import PLANNERS
from ffrepro.pipeline.plan import why_left_out
from ffrepro.pipeline.refresh import refresh
from ffrepro.pipeline.workspace import open_workspace

# The GPUs of profiles/multi_gpu, [] where runs take the machine's first: each run takes one that no other holds.
GPUS = devices(str(config["gpus"]).strip("[]")) if "gpus" in config else []

# The jobs' `ffrepro` is the one beside this interpreter, whether or not its environment is activated.
shell.prefix(
    f'export PATH="{Path(sys.executable).parent}:$PATH"; '
    + (f"export {VARIABLE}={','.join(GPUS)}; " if GPUS else "")
)


def open_project():
    try:
        project = open_workspace(
            Path.cwd(),
            config.get("scale"),
            listed(config.get("hardware")),
            assume_hardware=bool(config.get("assume_hardware")),
        )
        if not config.get("look_only"):
            refresh(project)
        return project, {job.name: job for job in project.jobs}
    except FfreproError as error:
        raise WorkflowError(str(error)) from None


PROJECT, JOBS = open_project()
PAPERS = PROJECT.params.raw["papers"]
PLANS = {plan["run"]: plan for plan in PROJECT.runnable}
ESTIMATES = Estimator(PROJECT)

# Experiments whose runs are fitted, not trained: their records have the same names.
FITTED = sorted(
    {
        plan["experiment"]
        for plan in PLANS.values()
        if plan["kind"] == "sklearn_baseline"
    }
)
# Experiments whose runs search for settings.
SEARCHES = sorted(
    {plan["experiment"] for plan in PLANS.values() if plan["kind"] == "search"}
)
IS_SEARCH = rf"[^/]+/[^/]+/({'|'.join(SEARCHES)})/" if SEARCHES else "(?!)"
# Experiments whose runs keep their weights: others start from them.
KEPT = sorted(
    {plan["experiment"] for plan in PLANS.values() if plan.get("keep_weights")}
)
IS_KEPT = rf"[^/]+/[^/]+/({'|'.join(KEPT)})/" if KEPT else "(?!)"
IS_FITTED = rf"[^/]+/[^/]+/({'|'.join(FITTED)})/" if FITTED else "(?!)"

# As many GPU runs at once as the profile allows, unless --resources says otherwise; on a cluster its own queue decides.
if "gpu" not in workflow.global_resources and not config.get("assume_hardware"):
    workflow.register_resource("gpu", len(GPUS) or PROJECT.gpu_jobs)


def inputs_of(name):
    """The inputs of the job whose name is `name` with the wildcards filled in."""

    def inputs(wildcards):
        wanted = name.format(**wildcards)
        if wanted not in JOBS:
            close = nearest(wanted, JOBS)
            hint = f"did you mean {close}? " if close else ""
            hint += why_left_out(PROJECT.params.raw, PROJECT.scale, wanted)
            raise WorkflowError(
                f"{wanted} is not planned: {hint}`ffrepro plan` lists what is"
            )
        # A prepared set's manifest holds its fingerprint and changes with it. The arrays themselves may be written
        # anew without a change; their time stamp says nothing.
        return [
            ancient(path) if path.endswith(".npz") else path
            for path in JOBS[wanted].inputs
        ]

    return inputs


def gpus(wildcards):
    """How many GPUs a run takes."""
    return 0 if PLANS[wildcards.run]["profile"]["device"] == "cpu" else 1


def minutes_of(wildcards, attempt):
    """A run's time limit on a cluster."""
    return asked_of_cluster("runtime", limits.minutes, wildcards.run, attempt)


def megabytes_of(wildcards, attempt):
    """A run's memory on a cluster."""
    return asked_of_cluster("mem_mb", limits.megabytes, wildcards.run, attempt)


def asked_of_cluster(name, limit, run, attempt):
    """A limit from the estimates of `ffrepro plan`; where it has none, the profile's default, else Slurm's: 0."""
    known = limit(ESTIMATES.of_run(PLANS[run]), attempt)
    defaults = workflow.resource_settings.default_resources or {}
    if known is None:
        known = defaults[name] if name in defaults else 0
    return known


# What a run asks for besides threads and GPUs. On this machine itself nothing limits them, and estimates take time.
LIMITS = (
    {"runtime": minutes_of, "mem_mb": megabytes_of}
    if config.get("assume_hardware")
    else {}
)


def threads_of(wildcards):
    """A run's threads, as its hardware profile says."""
    profiles = PROJECT.params.raw["hardware_profiles"]
    return profiles[PLANS[wildcards.run]["hardware"]]["threads"]


def threads_of_bench(wildcards):
    """All cores, though a bench computes on one: nothing else may run beside a measurement.

    A cluster gives it a core alone; at scale smoke it shows that it runs, and what it measures counts for nothing.
    """
    alone = (
        not config.get("assume_hardware") and PLANS[wildcards.run]["scale"] != "smoke"
    )
    return os.cpu_count() if alone else 1


def threads_option(wildcards):
    """The same for the command line, which takes one thread unasked."""
    threads = threads_of(wildcards)
    return f" --threads {threads}" if threads > 1 else ""


def outputs_of_table(paper, table):
    """What one published table needs, and the table."""
    job = JOBS[f"table/{PROJECT.scale}/{paper}/{table}"]
    return [*job.outputs, *(path for path in job.inputs if path.startswith("runs/"))]


def outputs_of_paper(paper):
    """Every run of a paper, and its tables."""
    runs = [
        f"runs/{run}/result.json"
        for run, plan in PLANS.items()
        if plan["paper"] == paper
    ]
    return [
        *runs,
        *(
            path
            for table in PAPERS[paper]["tables"]
            for path in outputs_of_table(paper, table)
        ),
    ]
