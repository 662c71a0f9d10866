"""``ffrepro sync``: let the other engine see finished work."""

from __future__ import annotations

import argparse

from ffrepro.cli import project
from ffrepro.pipeline import sync
from ffrepro.pipeline.workspace import open_workspace

_EPILOG = """\
example:
  snakemake --cores all && ffrepro sync --to dvc     then `dvc status` is clean, `dvc metrics diff` compares
  dvc repro && ffrepro sync --to snakemake           then `snakemake -n` has nothing to do

Only jobs whose inputs, settings and code are those of their outputs are passed on; the rest is listed and stays
to be run.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "sync",
        help="let DVC or Snakemake see what the other has finished",
        description="Pass finished jobs on from one engine to the other. Nothing is run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to", required=True, choices=["dvc", "snakemake"], help="the engine that did not run")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sync, and say what is left."""
    workspace = open_workspace(project.folder())
    synced = sync.to_dvc(workspace) if args.to == "dvc" else sync.to_snakemake(workspace)
    left = len(synced.left)
    print(f"{synced.told} jobs passed on to {args.to}, {synced.known} known to it already, {left} still to run")
    for name in synced.left[:10]:
        print(f"  to run: {name}")
    if left > 10:
        print(f"  ... and {left - 10} more")
    return 0
