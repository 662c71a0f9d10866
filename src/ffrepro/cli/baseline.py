"""``ffrepro baseline``: one baseline classifier, from its plan file."""

from __future__ import annotations

import argparse

from ffrepro.cli.one_run import add_run_parser, figures, place, read_plan


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = add_run_parser(
        subparsers,
        "baseline",
        help="fit one baseline classifier of the plan",
        description="Fit a classifier on kinematic features, test it, and leave its record under runs/. A finished run "
        "is not repeated.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit and print one line."""
    from ffrepro.training import sklearn_baseline

    plan = read_plan(args.plan, "sklearn_baseline")
    result = sklearn_baseline.run(plan, place(args), force=args.force)
    print(f"{plan['run']}: {figures(result)}, {result['time']['train_s']:.1f} s")
    return 0
