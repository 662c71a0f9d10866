"""``ffrepro negatives``: duplicates of a data set's human samples, as a prepared set of its own."""

from __future__ import annotations

import argparse

_EPILOG = """\
example:
  ffrepro negatives dollar --level close

The strokes behind every human sample are extracted once (`ffrepro kinematics plan`; done here where it was not), then
perturbed, and recorded as the data set's own device would. Samples without a duplicate, and why, are in the manifest
(the .json beside the .npz).
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.kinematics import add_plan_options

    parser = subparsers.add_parser(
        "negatives",
        help="synthetic movements made here from the human ones",
        description="Make Sigma-Lognormal duplicates of a data set's human samples.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_plan_options(parser)
    parser.add_argument("--level", choices=["close", "medium", "far"], required=True, help="how far from the original")
    parser.add_argument("--copies", type=int, default=1, help="duplicates of each human sample (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Extract plans where there are none, make duplicates, say what there is."""
    from ffrepro.base.errors import FfreproError
    from ffrepro.cli.kinematics import human_set, make_plans
    from ffrepro.data import trajectory_set
    from ffrepro.data.alone import alone
    from ffrepro.data.fetch import to_stderr
    from ffrepro.data.negatives import duplicates, plans

    if args.copies < 1:
        raise FfreproError(f"{args.copies} copies of each sample", where="--copies", fix="ask for one or more")
    data, path = human_set(args)
    with alone(path, to_stderr):
        if not path.exists():
            make_plans(args, data, path)
        known = plans.load(path, data)
    out = args.prepared / args.source / f"{args.dataset}_{args.level}.npz"
    with alone(out, to_stderr):
        made = duplicates.with_duplicates(data, known, args.level, args.copies, args.seed)
        trajectory_set.save(made, out)
    counts = made.manifest["counts"]
    print(out)
    print(f"  {counts['human']:,} human samples, {counts['synthetic']:,} duplicates ({args.level})")
    for entry in made.manifest["negatives"]["without"]:
        print(f"  no duplicate: {entry['sample']}: {entry['reason']}")
    return 0
