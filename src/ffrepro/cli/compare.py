"""``ffrepro compare``: two runs, or two variants with their seeds, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ffrepro.base.files import dump_json
from ffrepro.cli import common, project

_EPILOG = """\
example:
  ffrepro compare EXPERIMENT/VARIANT/seed0 EXPERIMENT/OTHER_VARIANT/seed0
  ffrepro compare paper/cpu/EXPERIMENT/VARIANT paper/cpu/EXPERIMENT/OTHER_VARIANT --margin 0.02
  ffrepro compare EXPERIMENT/VARIANT/seed0 ../other/runs/lite/cpu/EXPERIMENT/VARIANT/seed0

A run is named by its folder, by its name or by a part of it; with its seed it is that run alone, without it all seeds
of the variant. Names are looked up in runs/, then in reports/reference/. Differences are B - A. Over seeds: mean,
standard deviation, Welch's test, where the runs of a seed share data and split the paired test as well, Holm's
correction over the numbers in common (of the paired test, else Welch's) and, with --margin, equivalence (TOST).
"""
_WIDEST = 48  # characters of a value


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "compare",
        help="two runs side by side: settings, code, machine, metrics",
        description="Show in what two finished runs differ: settings with their sources, code, data, machine, numbers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="RUN_A", help="a run, or a variant with all its seeds")
    parser.add_argument("b", metavar="RUN_B", help="the other one")
    parser.add_argument("--margin", type=_margin, help="equivalence margin, in the units of the metrics")
    parser.add_argument("--all", action="store_true", help="every number, not those alone that tables of runs show")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the comparison."""
    from ffrepro.claims import run_lookup, two_runs

    root = project.folder()
    a, b = (run_lookup.find(root, wanted, lambda: _planned(root)) for wanted in (args.a, args.b))
    found = two_runs.compare(a, b, args.margin)
    if args.json:
        print(dump_json(found), end="")
    else:
        _print(found, every=args.all)
    return 0


def _planned(root: Path) -> list[dict[str, Any]]:
    from ffrepro.cli.evidence import all_plans

    return all_plans(root, None, None)[1]


def _print(found: dict[str, Any], *, every: bool) -> None:
    for label, side in (("A", found["a"]), ("B", found["b"])):
        seeds = f", {len(side['runs'])} seeds" if len(side["runs"]) > 1 else ""
        print(f"{label}: {side['name']}{seeds}{' (committed)' if side['committed'] else ''}")
    print(f"\nsettings that differ: {len(found['settings'])}; {found['equal']} are equal")
    if found["settings"]:
        rows = [(row["name"], _text(row["a"]), _text(row["b"]), _source(row)) for row in found["settings"]]
        print("\n".join(common.columns([("setting", "A", "B", "source"), *rows])))
    print(f"\ncode, data and machine: {'what differs' if found['facts'] else 'the same'}")
    if found["facts"]:
        rows = [(row["name"], _text(row["a"]), _text(row["b"])) for row in found["facts"]]
        print("\n".join(common.columns([("of the record", "A", "B"), *rows])))
    metrics = [metric for metric in found["metrics"] if every or metric["shown"]]
    print(f"\nnumbers: {len(metrics)} of {len(found['metrics'])} in common{'' if every else ' (--all: every one)'}")
    if metrics:
        print("\n".join(common.columns([_header(found), *(_row(metric, found) for metric in metrics)])))
    several = [m for m in metrics if len(m["per_seed"]) > 1 and not m["name"].startswith(("time/", "memory/"))]
    if several:
        rows = [
            (metric["name"], str(one["seed"]), _number(one["a"]), _number(one["b"]), _number(one["difference"], "+"))
            for metric in several
            for one in metric["per_seed"]
        ]
        print("\n".join(["", *common.columns([("by seed", "seed", "A", "B", "B - A"), *rows])]))
    for label, names in (("A", found["only_a"]), ("B", found["only_b"])):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 and not every else ""
            print(f"of {label} alone: {', '.join(names if every else names[:8])}{more}")
    print("".join(f"note: {note}\n" for note in found["notes"]), end="")


def _header(found: dict[str, Any]) -> tuple[str, ...]:
    tested = any(metric["welch_p"] is not None for metric in found["metrics"])
    tests: tuple[str, ...] = ("95 % interval (Welch)", "p (Welch)") if tested else ()
    if tested and found["paired"]:
        tests += ("95 % interval (paired)", "p (paired by seed)", "p (paired, else Welch; Holm)")
    elif tested:
        tests += ("p (Holm)",)
    equivalent = (f"p (within {found['margin']:g})",) if tested and found["margin"] else ()
    return ("number", "A", "B", "B - A", *tests, *equivalent)


def _row(metric: dict[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    from ffrepro.claims import formats

    width = len(_header(found))
    tests: tuple[str, ...] = (_interval(metric["low"], metric["high"]), formats.p_value(metric["welch_p"]))
    if found["paired"]:
        tests += (_interval(metric["paired_low"], metric["paired_high"]), formats.p_value(metric["paired_p"]))
    tests += (formats.p_value(metric["holm_p"]),)
    row = (metric["name"], _mean(metric["a"]), _mean(metric["b"]), _number(metric["difference"], "+"), *tests)
    return (*row, formats.p_value(metric["tost_p"]))[:width]


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{_number(low, '+')} to {_number(high, '+')}"


def _mean(side: dict[str, Any] | None) -> str:
    if side is None:
        return _number(None)
    return _number(side["mean"]) + ("" if side["std"] is None else f" ± {_number(side['std'])}")


def _number(value: float | None, sign: str = "") -> str:
    from ffrepro.claims import formats

    if value is None:
        return formats.DASH
    return f"{value:{sign},.0f}" if abs(value) >= 10_000 or isinstance(value, int) else f"{value:{sign}.4g}"


def _source(row: dict[str, Any]) -> str:
    a, b = row["source_a"], row["source_b"]
    return a if a == b else "; ".join(f"{label}: {source}" for label, source in (("A", a), ("B", b)) if source)


def _text(value: Any) -> str:
    from ffrepro.claims import formats

    text = formats.DASH if value is None else formats.plain(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value
