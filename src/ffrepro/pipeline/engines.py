"""What the two engines themselves say is up to date, and how to tell one what the other has done."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ffrepro.base import checkout
from ffrepro.base.errors import FfreproError
from ffrepro.base.reading import parse_json

_QUIET = {"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore"}
_PATIENCE = 5  # seconds that an engine has to end when it is interrupted


def snakemake_current(root: Path, scale: str, hardware: list[str]) -> set[str]:
    """The outputs that Snakemake finds up to date (paths; a folder without its last slash)."""
    config = ["--config", f"scale={scale}", f"hardware={','.join(hardware)}"]
    text = run(root, "snakemake", "--detailed-summary", "--cores", "1", *config)
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["output_file"].rstrip("/") for row in rows if row["plan"] == "no update" and row["status"] == "ok"}


def snakemake_touch(root: Path, scale: str, hardware: list[str], outputs: list[str]) -> None:
    """Let Snakemake take outputs for its own: it notes how they were made and sets their time stamps in order.

    Args:
        outputs: one of each job, of a set of jobs that holds, with a job, all the jobs it depends on.
    """
    config = ["--config", f"scale={scale}", f"hardware={','.join(hardware)}"]
    run(root, "snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all", *config, "--", *outputs)


def dvc_changed(root: Path) -> set[str]:
    """The stages that DVC would run again, as it addresses them."""
    return set(parse_json(run(root, "dvc", "status", "--json") or "{}", "dvc status --json"))


def dvc_commit(root: Path, targets: list[str]) -> None:
    """Let DVC take the outputs of stages (or of all stages of a dvc.yaml) for its own. A missing output stops it.

    The files stay as they are: relinked ones would get new time stamps, and Snakemake would run what follows them.
    """
    if targets:
        run(root, "dvc", "commit", "--force", "--no-relink", "--quiet", *targets)


def run(root: Path, module: str, *arguments: str, seconds: float | None = None) -> str:
    """What an engine prints.

    Args:
        seconds: how long it may take; None: as long as it likes.

    Raises:
        FfreproError: it cannot be started, takes too long, or fails; the message has what it said last.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = checkout.environment() | _QUIET
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "surrogateescape"}
    try:
        started = subprocess.Popen(command, cwd=root, env=environment, **pipes)
    except OSError as error:
        raise FfreproError(
            f"`{module}` cannot be started: {error.strerror}", where=sys.executable, fix="make setup"
        ) from None
    with started as process:
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _stop(process)
            raise FfreproError(
                f"`{module} {' '.join(arguments[:2])}` gave no answer within {seconds:g} s",
                where=root,
                fix="see whether another engine is at work here, and whether the disk answers",
            ) from None
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        lines = [line for line in (out + errors).strip().splitlines() if line.strip()]
        raise FfreproError(
            f"`{module} {' '.join(arguments[:2])}` failed: {' / '.join(lines[-3:]) or 'no message'}",
            where=root,
            fix=f"run it by hand and mend what it says; if {module} is running elsewhere, wait for it",
        )
    return out


def _stop(process: subprocess.Popen) -> None:
    """End an engine as Ctrl-C does: a killed Snakemake would leave its lock."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    process.kill()
