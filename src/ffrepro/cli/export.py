"""``ffrepro export``: pack run records for another machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.cli import common, project
from ffrepro.pipeline import archive, status
from ffrepro.pipeline.estimates import Estimator
from ffrepro.pipeline.workspace import open_workspace

_EPILOG = """\
example:
  ffrepro export --scale paper --hardware h200 records.tar.gz
  ffrepro export --experiment theta --state theta.tar.gz     unfinished runs too, to go on elsewhere

The archive holds a SHA-256 of every file; `ffrepro import` checks it.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "export",
        help="pack run records for another machine",
        description="Write the finished records of the chosen runs into a tar archive.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("archive", type=Path, help="the file to write (.tar.gz)")
    common.add_scale(parser)
    common.add_selection(parser)
    parser.add_argument("--weights", action="store_true", help="take weights.pt along where it was kept")
    parser.add_argument("--state", action="store_true", help="take unfinished runs along, with their checkpoints")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Pack, and say what."""
    workspace = open_workspace(project.folder(), args.scale, args.hardware)
    estimator = Estimator(workspace)
    chosen = common.selection(args).choose(workspace.params.raw, workspace.plans, estimator.hours)
    wanted = ("done", "partial", "failed") if args.state else ("done",)
    found = {plan["run"]: status.of_run(workspace, plan) for plan in chosen}
    states = {run: one.state for run, one in found.items()}
    bad = common.say_bad((run, one.detail) for run, one in found.items() if one.state == "bad")
    folders = {run: workspace.root / "runs" / run for run, state in states.items() if state in wanted}
    folders = {run: folder for run, folder in folders.items() if folder.is_dir()}
    if not folders:
        raise FfreproError(
            f"none of the {len(chosen)} chosen runs is finished",
            where="runs/",
            fix="`ffrepro plan` shows their states; --state exports unfinished ones",
        )
    packed = archive.pack(args.archive, folders, weights=args.weights, state=args.state)
    stale = sum(state == "stale" for state in states.values())
    print(f"{args.archive}: {len(packed)} records, {args.archive.stat().st_size / 1e6:.1f} MB")
    if stale:
        print(f"  left out: {stale} records of other settings or code than planned now")
    return bad
