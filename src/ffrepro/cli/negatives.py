"""``ffrepro negatives``: plans of a data set's human samples, and duplicates made from them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffrepro.data.trajectory_set import TrajectorySet

_EPILOG = """\
examples:
  ffrepro negatives plan dollar --workers 2
  ffrepro negatives make dollar --level close

`plan` extracts the strokes behind every human sample, once; `make` perturbs them and records the result as the data
set's own device would. Samples without a plan, and why, are in the manifest (the .json beside the .npz).
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "negatives",
        help="synthetic movements made here from the human ones",
        description="Make Sigma-Lognormal duplicates of a data set's human samples.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    plan = actions.add_parser(
        "plan", help="extract the stroke plans of the human samples",
        epilog="example:\n  ffrepro negatives plan dollar --workers 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    plan.add_argument("--workers", type=int, default=1, help="processes; the plans do not depend on it (default 1)")
    plan.set_defaults(action_run=_plan)
    make = actions.add_parser(
        "make", help="make duplicates from the plans",
        epilog="example:\n  ffrepro negatives make dollar --level far --copies 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    make.add_argument("--level", choices=["close", "medium", "far"], required=True, help="how far from the original")
    make.add_argument("--copies", type=int, default=1, help="duplicates of each human sample (default 1)")
    make.add_argument("--seed", type=int, default=0, help="default 0")
    make.add_argument("--negatives", type=Path, default=Path("data/negatives"), help="folder to write (%(default)s)")
    make.set_defaults(action_run=_make)
    for action in (plan, make):
        action.add_argument("dataset", metavar="DATASET", help="the data set")
        action.add_argument("--source", choices=["upstream", "standin"], default="upstream", help="default upstream")
        action.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="default data/prepared")
        action.add_argument("--plans", type=Path, default=Path("data/plans"), help="folder of the plans (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One of the actions."""
    import torch

    from ffrepro import data as datasets
    from ffrepro.data import trajectory_set

    torch.set_num_threads(1)  # small batches: more threads only wait for one another
    datasets.module(args.dataset)  # an unknown name gets its nearest
    data = trajectory_set.load(args.prepared / args.source / f"{args.dataset}.npz")
    return args.action_run(args, data, args.plans / args.source / f"{args.dataset}.npz")


def _plan(args: argparse.Namespace, data: TrajectorySet, path: Path) -> int:
    from ffrepro.data.negatives import planning, plans
    from ffrepro.kinematics.extraction import Settings

    found = planning.extract_set(data, Settings(), args.workers)
    plans.save(found, path)
    quality = found.manifest["quality"]
    print(path)
    print("  " + ", ".join(f"{number:,} {what}" for what, number in found.manifest["counts"].items()))
    print("  " + ", ".join(f"{name} {q['median']} dB (5th percentile {q['p5']})" for name, q in quality.items()))
    for entry in found.manifest["bad"]:
        print(f"  no plan: {entry['sample']}: {entry['reason']}")
    return 0


def _make(args: argparse.Namespace, data: TrajectorySet, path: Path) -> int:
    from ffrepro.base.errors import FfreproError
    from ffrepro.data import trajectory_set
    from ffrepro.data.negatives import duplicates, plans

    if args.copies < 1:
        raise FfreproError(f"{args.copies} copies of each sample", where="--copies", fix="ask for one or more")
    found = plans.load(path, data)
    made = duplicates.with_duplicates(data, found, args.level, args.copies, args.seed)
    out = args.negatives / args.source / f"{args.dataset}_{args.level}.npz"
    trajectory_set.save(made, out)
    counts = made.manifest["counts"]
    print(out)
    print(f"  {counts['human']:,} human samples, {counts['synthetic']:,} duplicates ({args.level})")
    for entry in made.manifest["negatives"]["without"]:
        print(f"  no duplicate: {entry['sample']}: {entry['reason']}")
    return 0
