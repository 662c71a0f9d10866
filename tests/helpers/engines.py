"""A cut-down copy of this very project, and both engines run on it for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
COPIED = (
    "Snakefile",
    "profiles",
    "workflow",
    "src/ffrepro",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvcignore",
)


def make_project(root, cut_down):
    """Copy the project to ``root``; the copy's own code runs in it.

    Args:
        cut_down: YAML file -> a function that changes its content.
    """
    ignore = shutil.ignore_patterns("__pycache__", "dvc")
    for name in COPIED:
        source, target = REPOSITORY / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)
    shutil.copy(REPOSITORY / "params.yaml", root)
    for file, change in cut_down.items():
        edit_yaml(root, file, change)
    (root / "reports/reference").mkdir(parents=True)
    (root / "reports/reference/index.json").write_text("{}\n")
    run(root, "git", "init", "--quiet")
    run(root, "git", "config", "user.name", "test")
    run(root, "git", "config", "user.email", "test@example.org")
    run(root, "ffrepro", "plan", "--write")
    commit(root, "project")


def edit_yaml(root, file, change):
    """Let ``change(content)`` change a YAML file."""
    content = yaml.safe_load((root / file).read_text())
    change(content)
    (root / file).write_text(yaml.safe_dump(content, sort_keys=False, width=120))


def commit(root, message):
    """Commit everything that git does not ignore."""
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", message)


def run(root, *command, code=0):
    """Run a program of this environment in ``root``; returns what it prints, errors included."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root / "src"),
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "400",
    }
    for name in ("FFREPRO_MIRROR", "MLFLOW_TRACKING_URI", "GIT_DIR", "GIT_WORK_TREE"):
        environment.pop(name, None)
    done = subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    )
    assert done.returncode == code, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def snakemake(root, *arguments, code=0):
    """Run Snakemake on one core."""
    return run(root, "snakemake", "--cores", "1", *arguments, code=code)


def nothing_to_do(root):
    """Whether Snakemake finds nothing to do."""
    return "Nothing to be done" in snakemake(root, "--dry-run")


def dvc_ran(output):
    """The stages that `dvc repro` ran, without the path of their file."""
    return sorted(name.rpartition(":")[2] for name in re.findall(r"Running stage '([^']+)'", output))


def snakemake_jobs(root):
    """command -> (inputs, outputs) of every job of a forced dry run, `all` left out."""
    jobs = {}
    printed = snakemake(root, "--dry-run", "--forceall")
    assert "Exception" not in printed  # of a rule that was tried for another one's file
    for block in printed.split("\n\n"):
        for part in re.split(r"^\[.*\]$", block, flags=re.MULTILINE):
            command = re.search(r"^Shell command: (.*) > \S+ 2>&1$", part, re.MULTILINE)
            if command:
                lists = (re.search(rf"^    {key}: (.*)$", part, re.MULTILINE) for key in ("input", "output"))
                jobs[command[1]] = tuple({path.rstrip("/") for path in m[1].split(", ")} if m else set() for m in lists)
    return jobs


def dvc_jobs(root):
    """command -> (inputs, outputs) of every stage of the generated files, `plan` left out."""
    jobs = {}
    for file in [root / "dvc.yaml", *sorted(root.glob("workflow/dvc/*/dvc.yaml"))]:
        for stage in yaml.safe_load(file.read_text())["stages"].values():
            parameters = {path for entry in stage.get("params", []) for path in entry}
            outputs = {path for key in ("outs", "metrics") for path in stage.get(key, []) if isinstance(path, str)}
            jobs[stage["cmd"]] = ({*stage.get("deps", []), *parameters}, outputs)
    return {command: job for command, job in jobs.items() if not command.startswith("ffrepro plan ")}
