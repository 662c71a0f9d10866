"""``ffrepro prepare``: turn a data set's files in its archive into arrays and a manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro import data
from ffrepro.base.plans import SOURCES
from ffrepro.data import archives
from ffrepro.data.alone import alone
from ffrepro.data.fetch import to_stderr

_EPILOG = """\
example:
  ffrepro fetch trajectories && ffrepro prepare mcyt
  ffrepro prepare dollar --source standin

Samples that cannot be used are left out and listed in the manifest (the .json beside the .npz); above 1 % of them,
nothing is written.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "prepare",
        help="turn a fetched archive into a data set's arrays",
        description="Read a data set's files in its archive; write its arrays (.npz) and its manifest (.json).",
        epilog=_EPILOG + f"\ndata sets: {', '.join(data.names())}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", metavar="DATASET", help="the data set")
    parser.add_argument("--source", choices=SOURCES, default="upstream", help="real data or the stand-in (%(default)s)")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of raw data (%(default)s)")
    parser.add_argument(
        "--prepared", type=Path, default=Path("data/prepared"), help="folder of prepared data (%(default)s)"
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Prepare, and print what is in the data set and what is not."""
    spec = data.module(args.dataset).SPEC
    raw = [args.raw / args.source / archive.file for archive in archives.find_all(spec.name)]
    out = args.prepared / args.source / f"{spec.name}.npz"
    with alone(out, to_stderr):
        manifest = data.family(args.dataset).prepare(spec, *raw, out=out)
    counts = manifest["counts"]
    print(out)
    print("  " + ", ".join(f"{number:,} {what}" for what, number in counts.items()))
    print(f"  data: {manifest['archive']['provenance']}")
    for entry in manifest["bad"]:
        print(f"  left out: {entry['file']}: {entry['reason']}")
    for warning in manifest["warnings"]:
        print(f"  warning: {warning}")
    return 0
