"""What the commands for one run of the plan share: their options, the plan file, the line of figures."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffrepro.training.parts import Place


def add_run_parser(
    subparsers: argparse._SubParsersAction,
    name: str,
    *,
    help: str,
    description: str,
    threads: str = "threads of this run (default 1: run several at once)",
    force: str = "run again even if this plan's record is there",
) -> argparse.ArgumentParser:
    """The parser of a command that makes a record from a plan file.

    Args:
        threads, force: help of these options.
    """
    parser = subparsers.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"example:\n  ffrepro {name} plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="plan file (`ffrepro plan --write` makes them)")
    add_place(parser, threads)
    parser.add_argument("--force", action="store_true", help=force)
    return parser


def add_place(parser: argparse.ArgumentParser, threads: str = "default 1") -> None:
    """``--threads``, ``--runs``, ``--prepared``: what ``place`` reads."""
    from ffrepro.cli.common import positive

    parser.add_argument("--threads", type=positive, default=1, help=threads)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the records (default runs)")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="default data/prepared")


def place(args: argparse.Namespace) -> Place:
    """Where a run works, and with how many threads: as the options say, in this folder."""
    from ffrepro.training.parts import Place

    return Place(Path.cwd(), args.runs, args.prepared, args.threads)


def read_plan(path: Path, kind: str) -> dict:
    """A plan file of the wanted kind.

    Raises:
        FfreproError: no such file, no JSON, another kind, something in it that no run may be made from.
    """
    from ffrepro.base import files
    from ffrepro.base.errors import DataFileError, FfreproError
    from ffrepro.base.plans import migrate
    from ffrepro.base.records import COMMANDS

    try:
        plan = files.read_json(path)
    except FileNotFoundError:
        raise FfreproError("no such plan file", where=path, fix="make the plan files: ffrepro plan --write") from None
    except DataFileError as error:
        raise FfreproError(
            f"not a plan file: {error.what}", where=error.where, fix="make it again: ffrepro plan --write"
        ) from None
    found = migrate(plan).get("kind")
    if found != kind:
        other = COMMANDS.get(str(found), "ffrepro plan --write")
        raise FfreproError(f"a plan of kind {found!r}, not {kind!r}", where=path, fix=f"use `{other}`")
    from ffrepro.training.plan_check import check

    return check(plan, path)


def figures(result: dict) -> str:
    """What a run's line says of its test metrics: those that the task shows, then all others but the layers'."""
    names = [name.removeprefix("test/") for name in result["metrics"] if name.startswith("test/")]
    own = [name for name in names if not re.search(r"_layer\d+$", name)]
    first = [name for name in result.get("shown", ()) if name in own]
    return "test " + ", ".join(f"{name} {result['metrics'][f'test/{name}']:.4f}" for name in dict.fromkeys(first + own))
