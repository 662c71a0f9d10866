"""``ffrepro fetch``: get an archive from the cache, a mirror or upstream, or make its stand-in."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.base.plans import SOURCES
from ffrepro.data import archive_record, archives
from ffrepro.data.fetch import MIRROR_VARIABLE, fetch

_EPILOG = f"""\
example:
  ffrepro fetch trajectories
  ffrepro fetch trajectories --source standin
  {MIRROR_VARIABLE}=/data/mirror ffrepro fetch dollar

The archive is looked for in the cache (RAW/SOURCE/), then in the mirror, then upstream. Beside it, a .json file of
the same name says where it came from and how it differs from upstream.

archives: {", ".join(f"{a.name} (data sets {', '.join(a.datasets)})" for a in archives.ARCHIVES.values())}
"""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "fetch",
        help="get an archive of raw data",
        description="Get an archive of raw data from the cache, a mirror or upstream, or make its stand-in.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("archive", metavar="ARCHIVE", help="an archive, or a data set: all its archives")
    parser.add_argument("--source", choices=SOURCES, default="upstream", help="real data or the stand-in (%(default)s)")
    parser.add_argument(
        "--mirror", metavar="PATH_OR_URL", help=f"try this before upstream (default: ${MIRROR_VARIABLE})"
    )
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of raw data (%(default)s)")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Fetch, and print where the archives are and where they come from."""
    for archive in archives.find_all(args.archive):
        path = fetch(archive.name, args.source, args.raw, args.mirror)
        record = archive_record.read(archive_record.path_of(path))
        print(path)
        print(f"  {record['from']}: {record['location']}, {record['bytes'] / 1e6:,.1f} MB, sha256 {record['sha256']}")
        print(f"  {record['provenance']}")
        print(f"  licence: {archive.licence}")
        if record["source"] == "upstream" and archive.note:
            print(f"  note: {archive.note}")
    return 0
