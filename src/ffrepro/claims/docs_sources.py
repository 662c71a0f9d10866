"""What the generated parts of pages are made of: a paper's claims, committed records, JSON files of the project.

Records under ``runs/`` do not count: every checkout gives the same text.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import read_json
from ffrepro.base.names import unknown
from ffrepro.claims import controls
from ffrepro.claims.assess import Assessment, assess
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.claims.reproduce import Hours


class Sources:
    """Where a paper's definitions take their numbers from.

    Args:
        store: of committed records alone.
        claims: of the paper.
        hours: of a planned run by committed records; None where nobody knows.
    """

    def __init__(self, store: Store, claims: Claims, hours: Hours | None = None):
        self.store, self.claims, self._hours = store, claims, hours

    @cached_property
    def groups(self) -> dict[str, Evidence]:
        """``scale/hardware/experiment/variant`` -> its runs, by seed; in the order of their names."""
        found: dict[str, list] = {}
        for record in self.store.records.values():
            found.setdefault(record.run.rpartition("/")[0], []).append(record)
        return {name: Evidence(tuple(sorted(found[name], key=lambda r: r.plan["seed"]))) for name in sorted(found)}

    @cached_property
    def assessments(self) -> dict[str, Assessment]:
        """Every claim of the paper by id."""
        return assess(self.claims, self.store)

    def runs(self, pattern: str) -> list[str]:
        """The groups that a pattern names."""
        return [name for name in self.groups if fnmatchcase(name, pattern)]

    def only(self, pattern: str) -> Evidence | None:
        """The runs that a pattern names; None where there are none.

        Raises:
            FfreproError: it names more than one group.
        """
        found = self.runs(pattern)
        if len(found) > 1:
            raise FfreproError(f"{pattern} names {', '.join(found)}", fix="name one scale, hardware and variant")
        return self.groups[found[0]] if found else None

    def plan(self, group: str) -> dict[str, Any]:
        """The first plan of a group of runs, run or not.

        Raises:
            FfreproError: none is declared.
        """
        found = next((plan for run, plan in self.store.plans.items() if run.rpartition("/")[0] == group), None)
        if found is None:
            raise FfreproError(f"no run {group} is declared", fix="name scale, hardware, experiment and variant")
        return found

    def missing(self, scale: str, hardware: str) -> dict[str, list[dict[str, Any]]]:
        """The paper's planned runs without a committed record, by experiment."""
        found: dict[str, list[dict[str, Any]]] = {}
        for run, plan in self.store.plans.items():
            place = plan["paper"], plan["scale"], plan["hardware"]
            if place == (self.claims.paper, scale, hardware) and run not in self.store.records:
                found.setdefault(plan["experiment"], []).append(plan)
        return found

    def hours(self, plans: list[dict[str, Any]]) -> str:
        """What runs take, in words: ``12.5``, ``unknown``, ``12.5, and 3 runs unknown``."""
        of_groups: dict[str, float | None] = {}  # seeds take as long as each other
        for plan in plans:
            group = plan["run"].rpartition("/")[0]
            if group not in of_groups:
                of_groups[group] = self._hours(plan) if self._hours else None
        spent = [of_groups[plan["run"].rpartition("/")[0]] for plan in plans]
        known = [one for one in spent if one is not None]
        if not known:
            return "unknown"
        text = f"{sum(known):.1f}" if sum(known) >= 0.1 else "less than 0.1"
        return text if len(known) == len(spent) else f"{text}, and {len(spent) - len(known)} runs unknown"

    def twin(self, runs: Evidence) -> Evidence | None:
        """The backpropagation runs beside some, with the same seeds; None where there are none."""
        name = self.claims.twin(runs.records[0].plan["variant"])
        others = self.groups.get(f"{runs.records[0].run.rsplit('/', 2)[0]}/{name}")
        seeds = {record.plan["seed"] for record in runs.records}
        same = tuple(record for record in others.records if record.plan["seed"] in seeds) if others else ()
        return Evidence(same) if same else None

    def lacking(self, runs: Evidence, metric: str) -> list[str]:
        """The controls of a number that have no runs beside it, at its scale and on its hardware."""
        place = f"{runs.scale}/{runs.hardware}"
        return controls.missing(self.claims, metric, runs, lambda *names: self.groups.get("/".join((place, *names))))

    def claim(self, short: str) -> Assessment:
        """The claim called ``025``.

        Raises:
            FfreproError: there is none.
        """
        name = f"{self.claims.paper}/{short}"
        if name not in self.assessments:
            raise unknown("claim", short, (i.split("/")[1] for i in self.assessments))
        return self.assessments[name]

    def entry(self, path: str, at: list) -> dict[str, Any]:
        """The fields of a mapping in a JSON file, those of mappings in it by dotted names: ``plans.per_s``.

        Args:
            at: keys of mappings; of a list the entry that has what a mapping says: ``[nets, {net: ff_deep}, config]``.

        Raises:
            FfreproError: no such file, or no mapping there.
        """
        found = self._json(path, at)
        if not isinstance(found, dict):
            raise FfreproError(f"{path} has no mapping at {at}", fix="look at `at`")
        return _flat(found)

    def entries(self, path: str, at: list) -> list[dict[str, Any]]:
        """The fields of every mapping of a list in a JSON file, see ``entry``."""
        found = self._json(path, at)
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise FfreproError(f"{path} has no list of mappings at {at}", fix="look at `at`")
        return [_flat(entry) for entry in found]

    def _json(self, path: str, at: list) -> Any:
        try:
            found = read_json(self.store.root / path, object)
        except (OSError, ValueError) as error:
            raise FfreproError(f"{path} cannot be read ({error})", fix="name a JSON file of the project") from None
        for step in at:
            entries = found if isinstance(step, dict) and isinstance(found, list) else []
            chosen = [entry for entry in entries if isinstance(entry, dict) and step.items() <= entry.items()]
            if isinstance(step, str) and isinstance(found, dict) and step in found:
                found = found[step]
            elif len(chosen) == 1:
                found = chosen[0]
            else:
                raise FfreproError(f"{path} has no {step} at {at}", fix="look at `at`")
        return found


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    found = dict(entry)
    for name, value in entry.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": value for inner, value in _flat(value).items()}
    return found
