"""``ffrepro evaluate``: a finished run's weights on a split."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.cli.one_run import add_place, place, read_plan


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
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
    add_place(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print JSON."""
    from ffrepro.base.files import dump_json
    from ffrepro.training import loop

    plan = read_plan(args.plan, "train")
    print(dump_json(loop.evaluate_again(plan, place(args), args.split)), end="")
    return 0
