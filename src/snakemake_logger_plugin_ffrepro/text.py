"""The words of the plain view: a line for each finished job, a paragraph for each failed one."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from snakemake_interface_logger_plugins.common import LogEvent

_LOG_LINES = 15  # of a failed job's log
_LONGEST = 400  # characters of a line that others wrote
_SAID = ("Nothing to be done", "This was a dry-run", "Complete log")  # of Snakemake's remarks
_REDIRECTION = re.compile(r" > \S+ 2>&1\s*$")


@dataclass(frozen=True)
class Job:
    """A job as Snakemake announces it.

    Attributes:
        rule: the rule's name.
        name: the rule with its wildcards' values.
        command: as in a terminal, without the redirection into the log.
        logs: paths.
    """

    rule: str
    name: str
    command: str
    logs: tuple[str, ...]

    @classmethod
    def of(cls, record: logging.LogRecord) -> Job:
        """The job that a record of the kinds JOB_INFO or JOB_ERROR is about."""
        values = getattr(record, "wildcards", None) or {}
        command = _REDIRECTION.sub("", (record.shellcmd or "").strip())
        if command.startswith("ffrepro "):
            command = f"{_shown(Path(sys.executable).parent)}/{command}"
        name = " ".join([record.rule_name, "/".join(map(str, values.values()))]).strip()
        return cls(record.rule_name, name, command, tuple(record.log or ()))

    def failure(self, root: Path) -> str:
        """What failed, the end of its log, and how to repeat it.

        Args:
            root: the folder that the log's path is relative to.
        """
        said = [f"FAILED  {self.name}"]
        for log in self.logs:
            said += [f"  {log} ends:", *(f"    {line}" for line in _tail(root / log))]
        if self.command:
            said.append(f"  again: {self.command}")
        return "\n".join(said)


class Lines:
    """Plain lines on a stream.

    Args:
        stream: where to.
        dry_run: whether jobs are only listed.
    """

    def __init__(self, stream: TextIO, *, dry_run: bool):
        self._stream, self._dry_run = stream, dry_run
        self._done = self._total = 0
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Write a text and a line end, at once."""
        print(text, file=self._stream, flush=True)

    def show(self, record: logging.LogRecord, jobs: dict[int, Job]) -> None:
        """Show what counts: how much there is to do, each finished job, warnings, errors.

        Args:
            jobs: the announced ones by their number.
        """
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._plan(record.stats)
        elif event == LogEvent.JOB_FINISHED and not self._dry_run:
            self._finished(jobs[record.job_id])
        elif event == LogEvent.ERROR or (event is None and _matters(record)):
            self.say("\n".join(line[:_LONGEST] for line in record.getMessage().splitlines()))

    def failures(self, jobs: list[Job]) -> None:
        """A line for each failed job."""
        self.say(f"{len(jobs)} failed; what needs them has not run. Finished work is kept. To repeat what failed:")
        for job in jobs:
            self.say(f"  {job.name}: {job.command or 'no command'}")

    def _plan(self, stats: dict[str, int]) -> None:
        if self._total:
            return  # a dry run says it twice
        self._total = stats["total"]
        kinds: Counter[str] = Counter()
        for rule, count in stats.items():
            if rule not in ("total", "all"):
                kinds[rule.partition("_")[0]] += count
        self.say(f"{self._total} jobs: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")

    def _finished(self, job: Job) -> None:
        self._done += 1
        width = len(str(self._total))
        elapsed = timedelta(seconds=int(time.monotonic() - self._began))
        self.say(f"[{self._done:{width}}/{self._total}] {elapsed} {job.name}"[:_LONGEST])


def _matters(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.getMessage().startswith(_SAID)


def _tail(log: Path) -> list[str]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_LINES * _LONGEST))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return [f"(cannot be read: {error.strerror})"]
    return [line.rpartition("\r")[2][:_LONGEST] for line in lines[-_LOG_LINES:]]


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
