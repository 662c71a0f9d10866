"""``ffrepro train``: one run, from its plan file."""

from __future__ import annotations

import argparse

from ffrepro.cli.one_run import add_run_parser, figures, place, read_plan


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = add_run_parser(
        subparsers,
        "train",
        help="train one run of the plan",
        description="Train, validate and test one run, and leave its record under runs/. A killed run goes on from its "
        "last checkpoint; a finished one is not repeated.",
    )
    parser.add_argument("--keep-weights", action="store_true", help="leave weights.pt in the record")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print one line."""
    from ffrepro.base.gpus import one_gpu
    from ffrepro.training import loop

    plan = read_plan(args.plan, "train")
    with one_gpu(plan["profile"]["device"]):
        result = loop.run(plan, place(args), force=args.force, keep_weights=args.keep_weights)
    print(
        f"{plan['run']}: {figures(result)}, "
        f"{result['epochs']} epochs (best {result['best_epoch']}), {result['time']['train_s']:.1f} s"
    )
    return 0
