"""``ffrepro trace``: from a published number to the runs behind its verdict."""

from __future__ import annotations

import argparse

from ffrepro.cli import common, project
from ffrepro.cli.evidence import all_plans

_EPILOG = """\
example:
  ffrepro trace PAPER/027
  ffrepro trace table1 mcyt auc                 words of the claim: paper, table, data set, variant, metric

The way has six hops: the claim and its place in the paper; what measures it; the runs and their verdict, under each
treatment; the records' files with their hashes; the settings of the runs and where each comes from; the commands that
make the number again, and what they cost where nothing was run yet.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "trace",
        help="from a published number to the runs behind it",
        description="Print the way from a claim of a paper to the files that its verdict rests on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("claim", nargs="+", metavar="CLAIM", help="a claim's id, or words that occur in it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the trace of the one claim that is meant, or the list of those that fit."""
    from ffrepro.claims import trace
    from ffrepro.claims.records import Store
    from ffrepro.pipeline.estimates import Estimator

    root = project.folder()
    claims, found = trace.find(root, " ".join(args.claim))
    if len(found) > 1:
        print(f"{len(found)} claims fit; say more, or name one:")
        print("\n".join(f"  {trace.one_line(claims, claim_id)}" for claim_id in found))
        return 0
    workspace, plans = all_plans(root, None, None)
    store = Store(root, plans, workspace.hardware)
    print(trace.describe(claims, store, found[0], Estimator(workspace).hours), end="")
    return common.say_bad(store.bad)
