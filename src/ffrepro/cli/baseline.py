"""``ffrepro baseline``: one baseline classifier, from its plan file."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive
    from ffrepro.cli.train import add_folders

    parser = subparsers.add_parser(
        "baseline",
        help="fit one baseline classifier of the plan",
        description="Fit a classifier on kinematic features, test it, and leave its record under runs/. A finished run "
        "is not repeated.",
        epilog="example:\n  ffrepro baseline plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="plan file (`ffrepro plan --write` makes them)")
    parser.add_argument(
        "--threads", type=positive, default=1, help="threads of this run (default 1: run several at once)"
    )
    parser.add_argument("--force", action="store_true", help="run again even if this plan's record is there")
    add_folders(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit and print one line."""
    from ffrepro.cli.train import figures, read_plan
    from ffrepro.training import parts, sklearn_baseline

    plan = read_plan(args.plan, "sklearn_baseline")
    place = parts.Place(Path.cwd(), args.runs, args.prepared, args.threads)
    result = sklearn_baseline.run(plan, place, force=args.force)
    print(f"{plan['run']}: {figures(result)}, {result['time']['train_s']:.1f} s")
    return 0
