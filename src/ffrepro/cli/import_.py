"""``ffrepro import``: take in run records from another machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.claims import probed
from ffrepro.cli import project
from ffrepro.pipeline import archive, params, transfer
from ffrepro.pipeline.workspace import open_workspace

RUNS, REFERENCE = "runs", "reports/reference"
_EPILOG = """\
example:
  ffrepro import records.tar.gz                             into runs/
  ffrepro import records.tar.gz --to reports/reference      as evidence to commit, with its index

A record that is there already is left alone. One that differs from what is there, or was made with other settings
than params.yaml plans, is refused unless --replace is given. One that is damaged, or says what no run can have left, is
refused in any case; the others are taken in. Beside evidence to commit stands what claims ask of the data that are
prepared here (reports/reference/probes.json).
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "import",
        help="take in run records from another machine",
        description="Check an archive made by `ffrepro export` and put its records where they belong.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("archive", type=Path, help="the archive")
    parser.add_argument("--to", choices=[RUNS, REFERENCE], default=RUNS, help="where to (default: runs)")
    parser.add_argument("--replace", action="store_true", help="overwrite records that differ")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import, and say what became of each record; 1 if any was refused."""
    root = project.folder()
    packed = archive.unpack(args.archive)
    raw = params.load(root).raw
    scales = {run.split("/")[0] for run in packed} & set(raw["scales"])
    planned = {
        plan["run"]: plan for scale in scales for plan in open_workspace(root, scale, raw["hardware_profiles"]).plans
    }
    taken = transfer.take_in(packed, root, planned, replace=args.replace, reference=args.to == REFERENCE)
    print(
        f"{args.to}: {len(taken.imported)} imported, {len(taken.unchanged)} there already, "
        f"{len(taken.refused) + len(taken.bad)} refused"
    )
    for run, note in taken.notes.items():
        print(f"  {run}: {note}")
    for run, reason in taken.refused.items():
        print(f"  refused: {run}: {reason}; --replace takes it all the same")
    for run, reason in taken.bad.items():
        print(f"  refused: {run}: {reason}")
    for run, who in taken.busy.items():
        print(f"  not now: {run}: {who}; import again when it has ended")
    for found in probed.keep(root) if args.to == REFERENCE else []:
        print(f"  of the data prepared here: {found}")
    return 1 if taken.refused or taken.bad or taken.busy else 0
