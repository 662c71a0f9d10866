"""``ffrepro doctor``: check environment, hardware, mirrors and disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.cli import common
from ffrepro.pipeline import doctor
from ffrepro.pipeline.finding import FAIL

_EPILOG = """\
example:
  ffrepro doctor

Exit code 1 if anything is missing that every run needs (FAIL); `warn` marks what only some runs need.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="check environment, hardware, mirrors and disk",
        description="Look for what a reproduction needs, and say how to get what is missing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine, print, and fail if something needed is missing."""
    findings = list(doctor.examine(Path.cwd()))
    print("\n".join(common.columns([(found.state, found.name, found.detail) for found in findings])))
    for found in findings:
        if found.fix:
            print(f"{found.state}: {found.name}: {found.fix}")
    return 1 if any(found.state == FAIL for found in findings) else 0
