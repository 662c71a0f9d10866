"""``ffrepro search``: the trials of one search, from its plan file."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive
    from ffrepro.cli.train import add_folders

    parser = subparsers.add_parser(
        "search",
        help="try settings on the validation part",
        description="Train with the values that a search's space has, one trial after the other, and leave a record of "
        "all of them under runs/. The test part is not read. A killed search goes on after its last whole trial. "
        "`ffrepro plan --adopt RUN` then writes the best values into the study.",
        epilog="example:\n  ffrepro search plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="plan file (`ffrepro plan --write` makes them)")
    parser.add_argument("--threads", type=positive, default=1, help="threads of this search (default 1)")
    parser.add_argument("--force", action="store_true", help="search again even if this plan's record is there")
    add_folders(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search and print one line."""
    from ffrepro.base.gpus import one_gpu
    from ffrepro.cli.train import read_plan
    from ffrepro.training import parts, search

    plan = read_plan(args.plan, "search")
    place = parts.Place(Path.cwd(), args.runs, args.prepared, args.threads)
    with one_gpu(plan["profile"]["device"]):
        result = search.run(plan, place, force=args.force)
    best = result["trials"][result["best"]]
    values = ", ".join(f"{name} {value}" for name, value in best["values"].items())
    print(
        f"{plan['run']}: best of {len(result['trials'])} trials: {values}, val {result['watch'][0]} "
        f"{best['value']:.4f}, {result['time']['train_s']:.1f} s"
    )
    return 0
