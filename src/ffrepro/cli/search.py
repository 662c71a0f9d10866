"""``ffrepro search``: the trials of one search, from its plan file."""

from __future__ import annotations

import argparse

from ffrepro.cli.one_run import add_run_parser, place, read_plan


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = add_run_parser(
        subparsers,
        "search",
        help="try settings on the validation part",
        description="Train with the values that a search's space has, one trial after the other, and leave a record of "
        "all of them under runs/. The test part is not read. A killed search goes on after its last whole trial. "
        "`ffrepro plan --adopt RUN` then writes the best values into the study.",
        threads="threads of this search (default 1)",
        force="search again even if this plan's record is there",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search and print one line."""
    from ffrepro.base.gpus import one_gpu
    from ffrepro.training import search

    plan = read_plan(args.plan, "search")
    with one_gpu(plan["profile"]["device"]):
        result = search.run(plan, place(args), force=args.force)
    best = result["trials"][result["best"]]
    values = ", ".join(f"{name} {value}" for name, value in best["values"].items())
    print(
        f"{plan['run']}: best of {len(result['trials'])} trials: {values}, val {result['watch'][0]} "
        f"{best['value']:.4f}, {result['time']['train_s']:.1f} s"
    )
    return 0
