"""What several commands share: the options that choose runs, and words for times and sizes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from ffrepro.pipeline.selection import Selection


def add_scale(parser: argparse.ArgumentParser) -> None:
    """``--scale`` and ``--hardware``."""
    parser.add_argument("--scale", help="smoke, lite or paper (default: params.yaml's)")
    parser.add_argument(
        "--hardware", nargs="+", metavar="PROFILE", help="hardware profiles, or `auto` (default: params.yaml's)"
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """``--paper``, ``--table``, ``--experiment``, ``--max-hours``."""
    parser.add_argument("--paper", help="only this paper's runs")
    parser.add_argument("--table", help="only the runs behind a table: table1, or PAPER/table1")
    parser.add_argument("--experiment", help="only this experiment: as its study names it, or as in a run's name")
    parser.add_argument("--max-hours", type=float, metavar="H", help="only runs that take at most H hours")


def selection(args: argparse.Namespace) -> Selection:
    """The choice that the options make."""
    return Selection(args.paper, args.table, args.experiment, args.max_hours)


def count(text: str) -> int:
    """An option's whole number, 0 or more (an argparse ``type``)."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """An option's whole number, 1 or more (an argparse ``type``)."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def columns(rows: list[Iterable[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    table = [list(row) for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))] if table else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def duration(seconds: float | None) -> str:
    """``unknown``, ``0.4 s``, ``12 s``, ``3.5 min``, ``2.1 h``."""
    if seconds is None:
        return "unknown"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(mb: float | None) -> str:
    """``unknown``, ``340 MB`` or ``1.2 GB``."""
    if mb is None:
        return "unknown"
    return f"{mb:.0f} MB" if mb < 1000 else f"{mb / 1024:.1f} GB"


def say_bad(found: Iterable[tuple[str, str]]) -> int:
    """Name the records that were left out, with the reason, on standard error; the exit status that they make."""
    found = list(found)
    for run, reason in found:
        print(f"left out: {run}: {reason}", file=sys.stderr)
    return 1 if found else 0
