"""``ffrepro docs``: result tables and numbers of pages, generated between markers."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffrepro.cli import common
from ffrepro.cli.evidence import all_plans

_EPILOG = """\
example:
  ffrepro docs             which parts of which pages are generated, and which are out of date
  ffrepro docs --write     make them anew

A page (README.md, docs/*.md) has markers; what stands between them comes from committed records, claims and JSON
files, as src/ffrepro/studies/PAPER/docs.yaml defines it (workflow/schemas/docs.schema.yaml has the vocabulary):

  <!-- ffrepro: table PAPER/NAME -->
  <!-- /ffrepro -->

  an error of <!-- ffrepro: value PAPER/NAME --><!-- /ffrepro --> percent

docs/first_screen.svg, the README's picture, is the report's first screen from committed records: of the studies whose
docs.yaml says `picture: true`, what claims.yaml declares under `first_screen`.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "docs",
        help="result tables and numbers of pages, generated between markers",
        description="Make the result tables and numbers of pages from committed records.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="write the pages that are out of date")
    action.add_argument("--check", action="store_true", help="exit with 1 where a page is out of date")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write, check or list."""
    from ffrepro.claims import docs  # scipy: not for `--help`
    from ffrepro.claims.records import Store
    from ffrepro.pipeline.estimates import Estimator

    root = Path.cwd()
    workspace, plans = all_plans(root, None, None)
    store = Store(root, plans, local=False)
    bad = common.say_bad(store.bad)
    pages = docs.generate(store, Estimator(workspace, committed=True).hours)
    if args.write:
        written = docs.write(root, pages)
        print("\n".join(written) if written else f"{len(pages)} pages are up to date")
        return bad
    stale = 0
    for page in pages:
        for block in page.blocks:
            changed = block in page.changed
            stale += changed
            if changed or not args.check:
                state = "out of date" if changed else "up to date"
                print(f"{page.path}:{block.line}: {block.kind} {block.paper}/{block.name}: {state}")
    total = sum(len(page.blocks) for page in pages)
    print(f"{stale} of {total} are out of date: `ffrepro docs --write` makes them" if stale else f"{total} up to date")
    return 1 if stale and args.check else bad
