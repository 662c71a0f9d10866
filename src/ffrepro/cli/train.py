"""``ffrepro train``: one run, from its plan file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive

    parser = subparsers.add_parser(
        "train",
        help="train one run of the plan",
        description="Train, validate and test one run, and leave its record under runs/. A killed run goes on from its "
        "last checkpoint; a finished one is not repeated.",
        epilog="example:\n  ffrepro train plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="plan file (`ffrepro plan --write` makes them)")
    parser.add_argument(
        "--threads", type=positive, default=1, help="threads of this run (default 1: run several at once)"
    )
    parser.add_argument("--force", action="store_true", help="run again even if this plan's record is there")
    parser.add_argument("--keep-weights", action="store_true", help="leave weights.pt in the record")
    add_folders(parser)
    parser.set_defaults(run=run)


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Where records and prepared data are."""
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the records (default runs)")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="default data/prepared")


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


def run(args: argparse.Namespace) -> int:
    """Train and print one line."""
    from ffrepro.base.gpus import one_gpu
    from ffrepro.training import loop, parts

    plan = read_plan(args.plan, "train")
    place = parts.Place(Path.cwd(), args.runs, args.prepared, args.threads)
    with one_gpu(plan["profile"]["device"]):
        result = loop.run(plan, place, force=args.force, keep_weights=args.keep_weights)
    print(
        f"{plan['run']}: {figures(result)}, "
        f"{result['epochs']} epochs (best {result['best_epoch']}), {result['time']['train_s']:.1f} s"
    )
    return 0
