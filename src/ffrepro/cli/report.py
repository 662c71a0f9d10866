"""``ffrepro report``: tables, figures, verdicts and the report from run records."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffrepro.base.files import write_text
from ffrepro.claims import bad_records
from ffrepro.cli import common, project
from ffrepro.cli.evidence import all_plans, plans_behind_table
from ffrepro.pipeline import params
from ffrepro.pipeline.estimates import Estimator

if TYPE_CHECKING:
    from ffrepro.claims.records import Store

_EPILOG = """\
example:
  ffrepro report                                             everything, at params.yaml's scale
  ffrepro report --scale lite --table PAPER/table1
  ffrepro report --headline                                  what the report that is there says, in a few lines

Tables and figures are of the scale; each verdict rests on the best evidence there is, committed records included.
Missing records are named in the report and are no error. Records that are damaged, or say what no run can have left,
are left out: the report names them, and the exit status is 1. Snakemake and DVC make the report with --exit-zero, so
that it stays, and ask with --check afterwards.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "report",
        help="tables, figures, verdicts and the report from run records",
        description="Compare run records with what the papers published; write reports/SCALE/.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common.add_scale(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--table", metavar="PAPER/TABLE", help="only this table's files")
    what.add_argument("--headline", action="store_true", help="print a summary of the report that is there")
    what.add_argument("--check", action="store_true", help="fail where the report that is there left bad records out")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 though bad records were left out")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report or one table and say where; or print what it says."""
    root = project.folder()
    if args.check:
        return _check(root, params.load(root).scale(args.scale))
    if args.headline:
        return _headline(root, params.load(root).scale(args.scale))
    from ffrepro.claims.records import Store  # numpy and scipy: seconds that the lines above need not wait

    if args.table is not None:
        from ffrepro.claims.table_files import build_table

        scale, hardware, plans = plans_behind_table(root, args.table, args.scale, args.hardware)
        store = Store(root, plans, hardware)
        for path in build_table(store, scale, *args.table.split("/")):
            print(path.relative_to(root))
        return _say_bad(store, args)
    from ffrepro.claims.report import build_report  # matplotlib: not for a table

    workspace, plans = all_plans(root, args.scale, args.hardware)
    store = Store(root, plans, workspace.hardware)
    print(build_report(store, workspace.scale, Estimator(workspace).hours).relative_to(root))
    return _say_bad(store, args)


def _say_bad(store: Store, args: argparse.Namespace) -> int:
    code = common.say_bad(store.bad)
    return 0 if args.exit_zero else code


def _check(root: Path, scale: str) -> int:
    """Whether the last report had to leave records out; ``check.txt`` stands where it had not."""
    folder = root / "reports" / scale
    passed = folder / "check.txt"
    passed.unlink(missing_ok=True)
    bad = bad_records.read(folder)
    if bad:
        print(f"{folder.relative_to(root)}/report.html was made without them", file=sys.stderr)
        return common.say_bad(bad)
    write_text(passed, "No record was left out of the report as bad.\n")
    print(passed.relative_to(root))
    return 0


def _headline(root: Path, scale: str) -> int:
    from ffrepro.claims.headline import headline

    print("\n".join(headline(root, scale)))
    print(f"report: {root / 'reports' / scale / 'report.html'}")
    return 0
