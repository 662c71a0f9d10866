"""``ffrepro report``: tables, figures, verdicts and the report from run records."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.cli import common, project
from ffrepro.cli.evidence import all_plans
from ffrepro.pipeline import params

_EPILOG = """\
example:
  ffrepro report                                             everything, at params.yaml's scale
  ffrepro report --scale lite --table PAPER/table1
  ffrepro report --headline                                  what the report that is there says, in a few lines

Tables and figures are of the scale; each verdict rests on the best evidence there is, committed records included.
Missing records are named in the report and are no error. Records that are damaged, or say what no run can have left,
are left out: the report names them, and the exit status is 1.
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report or one table and say where; or print what it says."""
    from ffrepro.claims.records import Store
    from ffrepro.claims.report import build_report, build_table  # matplotlib: not for `--help`

    root = project.folder()
    if args.headline:
        return _headline(root, params.load(root).scale(args.scale))
    workspace, plans = all_plans(root, args.scale, args.hardware)
    store = Store(root, plans, workspace.hardware)
    if args.table is None:
        print(build_report(store, workspace.scale).relative_to(root))
        return common.say_bad(store.bad)
    paper, _, table = args.table.partition("/")
    if not table:
        papers = workspace.params.raw["papers"]
        names = [f"{name}/{table}" for name, study in papers.items() for table in study["tables"]]
        raise FfreproError(f"no table {args.table!r}", fix=f"name paper and table: {', '.join(names)}")
    for path in build_table(store, workspace.scale, paper, table):
        print(path.relative_to(root))
    return common.say_bad(store.bad)


def _headline(root: Path, scale: str) -> int:
    from ffrepro.claims.headline import headline

    print("\n".join(headline(root, scale)))
    print(f"report: {root / 'reports' / scale / 'report.html'}")
    return 0
