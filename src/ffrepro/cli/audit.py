"""``ffrepro audit``: hold a paper's statements to its own figures; nothing is trained."""

from __future__ import annotations

import argparse

_EPILOG = """\
example:
  ffrepro audit                          the papers of this project
  ffrepro audit PAPER                    one of them
  ffrepro audit my_paper.yaml            your own: docs/AUDIT.md says how to write the file

It recomputes p-values, percentages, totals and parameter counts from what is printed, with the intervals that rounding
leaves, and holds statements like "highest", "all" or "fewer" to the tables' cells.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "audit",
        help="hold a paper's statements to its own figures",
        description="Check what a paper says against the figures that it prints, without training anything.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paper", nargs="*", metavar="PAPER", help="a paper's key, or a YAML file (default: all papers)")
    parser.add_argument("--all", action="store_true", help="show how the consistent ones were computed, too")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where something is inconsistent")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the audits; 1 under ``--strict`` where a check is inconsistent, else 0."""
    from ffrepro.base.files import dump_json
    from ffrepro.claims.audit import checks, form, section

    found = [form.load(form.find(name)) for name in args.paper or form.papers()]
    audits = [(one, checks.rows(one)) for one in found]
    if args.json:
        print(dump_json({one.paper: [row._asdict() for row in rows] for one, rows in audits}), end="")
    else:
        texts = [section.as_text(f"{one.paper}: {one.content['title']}", rows, every=args.all) for one, rows in audits]
        print("\n".join(texts), end="")
    wrong = any(row.result == checks.INCONSISTENT for _, rows in audits for row in rows)
    return 1 if args.strict and wrong else 0
