"""Choosing runs: by paper, table, experiment, or how long they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ffrepro.base.names import unknown
from ffrepro.pipeline.plan import Plan, cases


@dataclass(frozen=True)
class Selection:
    """What to choose; None chooses everything.

    Attributes:
        paper: a paper's key.
        table: ``table1``, or ``PAPER/table1`` where several papers have one of that name.
        experiment: an experiment of a study, or that on one data set under one treatment (as in a run's name).
        max_hours: longest run to choose; a run of unknown length is not chosen.
    """

    paper: str | None = None
    table: str | None = None
    experiment: str | None = None
    max_hours: float | None = None

    def check(self, raw: dict) -> None:
        """Raise FfreproError for a name that no study has."""
        papers = raw["papers"]
        if self.paper is not None and self.paper not in papers:
            raise unknown("paper", self.paper, papers)
        tables = {
            name for paper, study in papers.items() for table in study["tables"] for name in (table, f"{paper}/{table}")
        }
        if self.table is not None and self.table not in tables:
            raise unknown("table", self.table, tables)
        families = {case.family for case in cases(raw)}
        if self.experiment is not None and self.experiment not in families | {case.experiment for case in cases(raw)}:
            raise unknown("experiment", self.experiment, families)

    def choose(self, raw: dict, plans: list[Plan], hours: Callable[[Plan], float | None]) -> list[Plan]:
        """The plans that fit.

        Args:
            hours: estimate for a run, None where unknown.
        """
        self.check(raw)
        members = {case.experiment for case in cases(raw) if self.experiment in (case.family, case.experiment)}
        return [
            plan
            for plan in plans
            if self.paper in (None, plan["paper"])
            and (self.table is None or self._shows(plan))
            and (self.experiment is None or plan["experiment"] in members)
            and (self.max_hours is None or _at_most(hours(plan), self.max_hours))
        ]

    def _shows(self, plan: Plan) -> bool:
        paper, _, table = self.table.rpartition("/")
        return paper in ("", plan["paper"]) and table in plan["tags"]["tables"]


def _at_most(hours: float | None, limit: float) -> bool:
    return hours is not None and hours <= limit
