"""What came out, in a table for the terminal: made from the report's own CSV files, a column for each paper."""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ffrepro.base.errors import FfreproError
from ffrepro.claims import load, verdict

RESULTS, VERDICTS = "results.csv", "verdicts.csv"
_ACCURACY, _TIME = "test/accuracy", "time/epoch_s_median"
_STANDIN = "STAND-IN DATA: errors and times of this scale show that everything runs, and nothing else."
_Rows = list[dict[str, str]]


class Pair(NamedTuple):
    """A variant beside its twin: mean test errors over seeds, and the ratio of their times of an epoch."""

    error: float
    error_bp: float
    time: float


def headline(root: str | Path, scale: str) -> list[str]:
    """Lines: each paper's claims by verdict, its test errors and times beside backpropagation.

    Verdicts rest on the best evidence there is, as in the report; errors and times are of this scale.

    Raises:
        FfreproError: the scale has no report.
    """
    folder = Path(root) / "reports" / scale
    verdicts, results = _read(folder / VERDICTS), _read(folder / RESULTS)
    # A claim's first line is its headline; facts of the project's own are no claims of the paper.
    headlines = list({row["claim"]: row for row in reversed(verdicts) if not row["own"]}.values())
    papers = sorted({_paper(row) for row in headlines})
    counts = {paper: Counter(row["verdict"] for row in headlines if _paper(row) == paper) for paper in papers}
    pairs = {paper: _pairs(root, paper, results) for paper in papers}

    def row(label: str, cell: Callable[[str], str]) -> list[str]:
        return [label, *map(cell, papers)]

    table = [row("", str), row("published figures", lambda paper: str(counts[paper].total()))]
    for kind in verdict.KINDS:
        if any(counts[paper][kind] for paper in papers):
            table.append(row(f"  {kind}", lambda paper, kind=kind: str(counts[paper][kind])))
    table += [
        row(f"variants beside backpropagation at scale {scale}", lambda paper: str(len(pairs[paper]))),
        row("  their test error (median)", lambda paper: _median([p.error for p in pairs[paper]], "{:.1%}")),
        row("  backpropagation's", lambda paper: _median([p.error_bp for p in pairs[paper]], "{:.1%}")),
        row("  time of an epoch over its (median)", lambda paper: _median([p.time for p in pairs[paper]], "{:.2f}")),
    ]
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in table
    ]
    return lines + [_STANDIN] * any(row["source"] == "standin" for row in results)


def _read(path: Path) -> _Rows:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise FfreproError("there is no report", where=path.parent, fix="make it: ffrepro report") from None


def _paper(row: dict[str, str]) -> str:
    return row["claim"].partition("/")[0]


def _pairs(root: str | Path, paper: str, results: _Rows) -> list[Pair]:
    """Each variant of an experiment in which its backpropagation twin has runs, too."""
    runs: dict[tuple[str, str], _Rows] = {}
    for row in results:
        if row["paper"] == paper and row.get(_ACCURACY) and row.get(_TIME):
            runs.setdefault((row["experiment"], row["variant"]), []).append(row)
    twin = load.load(root, paper).twin
    both = [(found, runs.get((experiment, twin(variant)))) for (experiment, variant), found in runs.items()]
    return [
        Pair(1 - _mean(found, _ACCURACY), 1 - _mean(bp, _ACCURACY), _mean(found, _TIME) / _mean(bp, _TIME))
        for found, bp in both
        if bp
    ]


def _mean(rows: _Rows, column: str) -> float:
    return statistics.mean(float(row[column]) for row in rows)


def _median(values: list[float], form: str) -> str:
    return form.format(statistics.median(values)) if values else "-"
