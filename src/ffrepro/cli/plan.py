"""``ffrepro plan``: what there is to run, what is done, and what the rest costs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import asdict

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import dump_json
from ffrepro.cli import common, project
from ffrepro.pipeline import adopt, probes, show, status
from ffrepro.pipeline.estimates import Estimate, Estimator, over_limits, totals
from ffrepro.pipeline.plan import Plan, left_out
from ffrepro.pipeline.probes import Probe
from ffrepro.pipeline.refresh import committed_out_of_date, refresh
from ffrepro.pipeline.status import NOT_HERE, Status
from ffrepro.pipeline.studies import file_of
from ffrepro.pipeline.workspace import Workspace, open_workspace

_EPILOG = """\
example:
  ffrepro plan                                  what is done and what is left, with times
  ffrepro plan --scale lite --table table1      what table 1 would cost on real data, cut down
  ffrepro plan --scale paper --hardware cpu cuda  what everything costs on either, whether it is here or not
  ffrepro plan --probe --table table1           time some seconds of each kind of run whose time is unknown
  ffrepro plan --probe --keep                   keep what was timed on this machine in reports/reference, too
  ffrepro plan --show RUN                       a run's settings: values, the lines that set them, sources
  ffrepro plan --adopt RUN                      write the best values of a finished search into its study
  ffrepro plan --write                          make plan/ and dvc.yaml after an edit of params.yaml or a study

Times come from finished runs of the same experiment and variant, else from runs like them at another scale or
in another experiment, by epochs and samples, else from a probe (on this machine, or a committed one, of a machine
that reports/reference/times.json names). All but the first are upper bounds:
early stopping may end a run before. `unknown` is counted in no sum. To run everything: `snakemake --cores all`
or `dvc repro`; one run: `snakemake --cores 1 runs/RUN/result.json`.

States: done; todo; partial, stopped or at work, goes on from there; failed, its log ends in an error; stale, a
record of other settings or other code; bad, a record that is damaged.
"""
Row = tuple[Plan, Status, Estimate]


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "plan",
        help="which runs there are, what is done, what the rest costs",
        description="List the runs that params.yaml and its studies declare: state, time, memory and disk.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common.add_scale(parser)
    common.add_selection(parser)
    parser.add_argument("--json", action="store_true", help="print every run as JSON instead of a table")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="write all plan files and dvc.yaml where they changed")
    action.add_argument(
        "--check", action="store_true", help="check that the committed dvc.yaml files are up to date and limits kept"
    )
    action.add_argument(
        "--probe", action="store_true", help="train the chosen runs of unknown length for some seconds each, then list"
    )
    action.add_argument(
        "--show", metavar="RUN", help="print the settings of a run: its name, or a part that fits it alone"
    )
    action.add_argument(
        "--adopt", metavar="RUN", help="write the best values of a finished search into its study: its name, or a part"
    )
    parser.add_argument(
        "--keep", action="store_true", help=f"with --probe: write this machine's probes into {probes.COMMITTED}, too"
    )
    parser.add_argument(
        "--into", metavar="VARIANT", help="with --adopt: the variant that takes the values (default: the one searched)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write, check or list."""
    if args.into and not args.adopt:
        raise FfreproError(
            "values for a variant, and no search to take them from", where="--into", fix="give --adopt RUN"
        )
    if args.keep and not args.probe:
        raise FfreproError("nothing is timed that could be kept", where="--keep", fix="give --probe")
    workspace = open_workspace(project.folder(), args.scale, args.hardware)
    if args.write:
        return _write(workspace)
    if args.show:
        return _show(_where(workspace, args.show), args.show)
    if args.adopt:
        return _adopt(_where(workspace, args.adopt), args.adopt, args.into)
    estimator = Estimator(workspace)
    if args.check:
        return _check(workspace, estimator)
    chosen = common.selection(args).choose(workspace.params.raw, workspace.plans, estimator.hours)
    if args.probe:
        _probe(workspace, chosen, estimator)
        if args.keep:
            count = estimator.keep()
            print(f"{probes.COMMITTED}: {count} probes", file=sys.stderr)
    rows = [(plan, status.of_run(workspace, plan), estimator.of_run(plan)) for plan in chosen]
    if args.json:
        print(dump_json(_document(workspace, rows, over_limits(workspace, estimator))), end="")
    else:
        _print_table(workspace, rows, estimator)
        if args.experiment:
            for name, variants in left_out(workspace.params.raw, workspace.scale, args.experiment).items():
                print(f"not at scale {workspace.scale}, by `scales` of {name} in its study: {', '.join(variants)}")
    return common.say_bad((plan["run"], found.detail) for plan, found, _ in rows if found.state == "bad")


def _where(workspace: Workspace, wanted: str) -> Workspace:
    """The workspace of the run that is asked for: a name in full begins with its scale and hardware."""
    scale, _, rest = wanted.partition("/")
    hardware = rest.partition("/")[0]
    raw = workspace.params.raw
    if scale not in raw["scales"] or hardware not in raw["hardware_profiles"]:
        return workspace
    if (scale, [hardware]) == (workspace.scale, workspace.hardware):
        return workspace
    return open_workspace(workspace.root, scale, [hardware])


def _show(workspace: Workspace, wanted: str) -> int:
    plan = show.find(workspace, wanted)
    print(f"{plan['run']} ({plan['kind']}), by {file_of(plan['paper'])}")
    print("\n".join(common.columns([("setting", "value", "set in", "source"), *show.rows(workspace, plan)])))
    return 0


def _adopt(workspace: Workspace, wanted: str, into: str | None) -> int:
    plan = show.find(workspace, wanted)
    values = adopt.adopt(workspace, plan, into)
    print(f"{file_of(plan['paper'])}: adopted from {plan['run']} for {into or plan['variant']}")
    print("\n".join(f"  {name} {value}" for name, value in values.items()))
    return 0


def _probe(workspace: Workspace, plans: list[Plan], estimator: Estimator) -> None:
    """Time one run of each kind whose time is unknown; what could not be timed is said, once a reason."""
    from ffrepro.training import parts, probe

    skipped: Counter[str] = Counter()
    for plan in plans:
        if estimator.of_run(plan).seconds is not None:
            continue
        if plan["hardware"] in workspace.absent:
            skipped[f"{plan['hardware']} is not this machine"] += 1
            continue
        if plan["kind"] not in probes.KINDS:
            skipped[f"a {plan['kind']} has no epochs: its first run tells"] += 1
            continue
        profile = workspace.params.raw["hardware_profiles"][plan["hardware"]]
        root = workspace.root
        try:
            result = probe.measure(plan, parts.Place(root, root / "runs", root / "data/prepared", profile["threads"]))
        except FfreproError as error:
            skipped[f"{error.what} ({error.fix})"] += 1
            continue
        estimator.learn(Probe(plan, result))
        print(f"{plan['run']}: {common.duration(result['time']['train_s'])} an epoch", file=sys.stderr, flush=True)
    for reason, count in skipped.items():
        print(f"not probed: {count} runs: {reason}", file=sys.stderr)


def _write(workspace: Workspace) -> int:
    changed = refresh(workspace)
    print(f"{len(workspace.plans)} runs planned at scale {workspace.scale}; {len(changed)} files written or removed")
    for path in changed[:20]:
        print(f"  {path}")
    if len(changed) > 20:
        print(f"  ... and {len(changed) - 20} more")
    return 0


def _check(workspace: Workspace, estimator: Estimator) -> int:
    findings = [
        f"{path}: not up to date (`ffrepro plan --write` makes it)" for path in committed_out_of_date(workspace)
    ]
    findings += adopt.findings(workspace)
    findings += over_limits(workspace, estimator)
    print("\n".join(findings) if findings else f"dvc.yaml is up to date, {len(workspace.plans)} runs are planned")
    return 1 if findings else 0


def _print_table(workspace: Workspace, rows: list[Row], estimator: Estimator) -> None:
    absent = "".join(f"; {name} is not this machine" for name in workspace.hardware if name in workspace.absent)
    print(f"scale {workspace.scale}, hardware {', '.join(workspace.hardware)}{absent}")
    if not rows:
        print("no run fits (with --max-hours, a run of unknown length never does)")
        return
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row[0]["hardware"], row[0]["experiment"], row[0]["variant"]), []).append(row)
    lines = [("hardware", "experiment", "variant", "seeds", "state", "time each", "from")]
    for key, members in groups.items():
        states = Counter(found.state for _, found, _ in members)
        state = members[0][1].state if len(states) == 1 else ", ".join(f"{n} {name}" for name, n in states.items())
        estimate = members[0][2]
        lines.append((*key, str(len(members)), state, common.duration(estimate.seconds), estimate.source))
    print("\n".join(common.columns(lines)))
    for plan, found, _ in rows:
        if found.detail and found.state in ("failed", "stale", "partial"):
            print(f"  {found.state}: {plan['run']}: {found.detail}")
    _print_totals(workspace, rows, estimator)


def _print_totals(workspace: Workspace, rows: list[Row], estimator: Estimator) -> None:
    states = Counter(found.state for _, found, _ in rows)
    print(f"{len(rows)} runs: " + ", ".join(f"{states[name]} {name}" for name in status.STATES if states[name]))
    here = _by_hardware(_open(rows))
    for hardware, members in here.items():
        place = f" on {hardware}" if len(here) > 1 else ""
        print(f"to do{place}: {_costs(workspace, members, estimator)}")
    for hardware, members in _by_hardware(_elsewhere(rows)).items():
        print(f"on {hardware}, which is not this machine: {_costs(workspace, members, estimator)}")
    _print_committed(workspace, [*_open(rows), *_elsewhere(rows)])
    for finding in over_limits(workspace, estimator):
        print(f"over the limit: {finding}")


def _print_committed(workspace: Workspace, rows: list[Row]) -> None:
    """How many of the runs have a committed record, under this name or an older one; engines run them all the same."""
    from ffrepro.base.words import older_runs
    from ffrepro.claims import reference  # numpy: not for `--help`

    listed = reference.index(workspace.root)
    count = sum(any(run in listed for run in (plan["run"], *older_runs(plan))) for plan, _, _ in rows)
    if count:
        print(f"{count} of them have a record in {reference.FOLDER}, which a report counts")


def _costs(workspace: Workspace, rows: list[Row], estimator: Estimator) -> str:
    """What runs of one hardware profile cost together."""
    left = totals([estimate for _, _, estimate in rows])
    data = estimator.data_mb(row[0] for row in rows)
    rest = f"memory of the largest {common.size(left.memory_mb)}, records {common.size(left.disk_mb)}, "
    rest += f"data {common.size(data)}" if data is not None else "data not all here"
    if left.unknown == left.runs:
        return f"{left.runs} runs of unknown length; {rest}"
    unknown = f", {left.unknown} of unknown length not counted" if left.unknown else ""
    jobs = workspace.params.raw["hardware_profiles"][rows[0][0]["hardware"]]["jobs"]
    wall = common.duration(max(left.longest, left.seconds / jobs))
    return (
        f"{left.runs} runs, {common.duration(left.seconds)} of work{unknown}, about {wall} with {jobs} at once, "
        f"longest run {common.duration(left.longest)}; {rest}"
    )


def _document(workspace: Workspace, rows: list[Row], findings: list[str]) -> dict:
    runs = [
        {
            "run": plan["run"],
            "paper": plan["paper"],
            "tables": plan["tags"]["tables"],
            **asdict(found),
            **asdict(estimate),
        }
        for plan, found, estimate in rows
    ]
    return {
        "scale": workspace.scale,
        "hardware": workspace.hardware,
        "absent": sorted(workspace.absent),
        "runs": runs,
        "to_do": asdict(totals([estimate for _, _, estimate in _open(rows)])),
        "elsewhere": {
            hardware: asdict(totals([estimate for _, _, estimate in members]))
            for hardware, members in _by_hardware(_elsewhere(rows)).items()
        },
        "over_limits": findings,
    }


def _open(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1].state not in ("done", NOT_HERE)]


def _elsewhere(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1].state == NOT_HERE]


def _by_hardware(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[0]["hardware"], []).append(row)
    return groups
