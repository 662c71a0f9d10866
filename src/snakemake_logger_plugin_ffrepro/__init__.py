"""Snakemake's output for people: ``snakemake --logger ffrepro``, as `make reproduce` calls it.

Progress bars on a terminal (those of snakemake-logger-plugin-rich), else one line for each finished job. Either way a
failed job is told with the end of its log and the command that repeats it, and again at the end. Snakemake looks for
logger plugins by the name of this package.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from rich.text import Text
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_rich.handler import RichLogHandler

from snakemake_logger_plugin_ffrepro.text import Job, Lines

# What Snakemake says of a failed job besides: the paragraph and the summary made here have it all.
_TWICE = ("Job failed, going on", "Exiting because", "Removing output files of failed job", "RuleException:\nCalled")


class LogHandler(LogHandlerBase):
    """Chooses the view, and tells failed jobs."""

    def __post_init__(self) -> None:
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.jobs: dict[int, Job] = {}
        self.failed: dict[int, Job] = {}
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.bars = RichLogHandler(self.common_settings) if terminal else None
        self.lines = Lines(stream, dry_run=self.common_settings.dryrun)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, where the view shows its kind."""
        try:
            self._show(record)
        except Exception:  # a picture of the work must not stop the work
            self.handleError(record)

    def close(self) -> None:
        """Tell once more what failed. Snakemake calls this more than once."""
        if self.bars is not None:
            self.bars.close()
        if self.failed:
            self.lines.failures(list(self.failed.values()))
            self.failed = {}
        super().close()

    def _show(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = Job.of(record)
        if event == LogEvent.JOB_ERROR:
            self._fail(self.jobs.get(record.jobid) or Job.of(record), record.jobid)
        elif record.getMessage().startswith(_TWICE):
            return
        elif self.bars is not None:
            self.bars.emit(record)
        else:
            self.lines.show(record, self.jobs)

    def _fail(self, job: Job, number: int) -> None:
        if number in self.failed:
            return
        self.failed[number] = job
        text = job.failure(Path.cwd())
        if self.bars is None:
            self.lines.say(text)
        else:
            self.bars.event_handler.progress_display.mark_rule_failed(job.rule)
            self.bars.console.print(Text(text), soft_wrap=True)

    @property
    def writes_to_stream(self) -> bool:
        """Takes the place of Snakemake's own output; its log file stays as it is."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """No."""
        return False

    @property
    def has_filter(self) -> bool:
        """Sees every record."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Makes its own text."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False
