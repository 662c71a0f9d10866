"""``ffrepro evaluate``: a finished run's weights on a split."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive
    from ffrepro.cli.train import add_folders

    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a finished run's weights again",
        description="Load the weights of a run that was trained with --keep-weights; print its metrics on a split as "
        "JSON. The record is left as it is.",
        epilog="example:\n  ffrepro train --keep-weights plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json\n"
        "  ffrepro evaluate plan/SCALE/HARDWARE/EXPERIMENT/VARIANT/seed0.json --split val",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="the run's plan file")
    parser.add_argument("--split", choices=["train", "val", "test"], default="test", help="default test")
    parser.add_argument("--threads", type=positive, default=1, help="default 1")
    add_folders(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print JSON."""
    from ffrepro.base.files import dump_json
    from ffrepro.cli.train import read_plan
    from ffrepro.training import loop, parts

    plan = read_plan(args.plan, "train")
    place = parts.Place(Path.cwd(), args.runs, args.prepared, args.threads)
    print(dump_json(loop.evaluate_again(plan, place, args.split)), end="")
    return 0
