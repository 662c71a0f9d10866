"""What the process of a command is set up for: being ended politely, and terminals that cannot write every letter."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def set_up() -> None:
    """Take a request to end like a Ctrl-C, and write what the terminal's encoding lacks as ``\\xb1``.

    Slurm and Snakemake end a job by SIGTERM, a closed terminal by SIGHUP. What is ignored (``nohup``) stays so.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a process without a terminal may have none
            stream.reconfigure(errors="backslashreplace")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
