"""The results version: a number that moves whenever a published number or a verdict on one moves.

``reports/reference/verdicts.csv`` has every claim's published number, ours and the verdict by committed records alone;
``reports/reference/results.json`` has that file's digest and the version. Both are generated with the pages
(``ffrepro docs --write``), which also tells what moved.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from ffrepro.base.files import dump_json, read_json
from ffrepro.claims.assess import Assessment
from ffrepro.claims.formats import plain
from ffrepro.claims.table_files import write_csv

VERDICTS = "reports/reference/verdicts.csv"
VERSION = "reports/reference/results.json"
COLUMNS = ("claim", "where", "row", "metric", "treatment", "published", "ours", "n", "verdict", "reason")
_DECIDING = ("claim", "treatment", "published", "ours", "n", "verdict")  # a better word for a reason moves nothing


class Moved(NamedTuple):
    """A claim under one treatment whose verdict is another one; empty where it was not there."""

    claim: str
    treatment: str
    before: str
    after: str
    reason: str


def table(assessments: list[dict[str, Assessment]]) -> str:
    """verdicts.csv: a line for each claim and treatment."""
    rows = []
    for assessment in (found for paper in assessments for found in paper.values()):
        claim = assessment.claim
        for treatment, finding in assessment.findings.items():
            comparison = assessment.comparisons.get(treatment)
            summary = comparison.summary if comparison else None
            ours = f"{summary.mean:.6g}" if summary else ""
            rows.append([
                claim["id"], claim["where"], claim["row"], claim["metric"], treatment, plain(claim["value"]), ours,
                comparison.n if comparison and comparison.n else "", finding.verdict.kind, finding.verdict.reason,
            ])  # fmt: skip
    return write_csv(COLUMNS, rows)


def digest(text: str) -> str:
    """SHA-256 of what decides the results version: published numbers, ours, verdicts."""
    lines = ["\x1f".join(row[name] for name in _DECIDING) for row in _rows(text)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def version(root: str | Path, text: str) -> str:
    """results.json for a table: the committed version where nothing moved, else the next one."""
    path = Path(root) / VERSION
    committed = read_json(path) if path.is_file() else {"version": 0, "sha256": ""}
    found = digest(text)
    moved = found != committed["sha256"]
    return dump_json({"version": committed["version"] + moved, "sha256": found})


def moved(before: str, after: str) -> list[Moved]:
    """Verdicts in which two tables differ, in the order of the second one, then what it lacks."""
    old = {(row["claim"], row["treatment"]): row for row in _rows(before)}
    new = {(row["claim"], row["treatment"]): row for row in _rows(after)}
    nothing = {"verdict": "", "reason": ""}
    pairs = {key: (old.get(key, nothing), new.get(key, nothing)) for key in [*new, *(k for k in old if k not in new)]}
    return [Moved(*key, a["verdict"], b["verdict"], b["reason"]) for key, (a, b) in pairs.items()
            if a["verdict"] != b["verdict"]]  # fmt: skip


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
