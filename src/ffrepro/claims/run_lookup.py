"""Finished runs by name or folder: of ``runs/``, of the committed records, or of any folder of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrepro.base import run_names
from ffrepro.base.errors import FfreproError
from ffrepro.base.proofs import Proofs
from ffrepro.base.records import COMMANDS, LAST
from ffrepro.claims import records, reference
from ffrepro.claims.records import Record

_RUNS = "runs"
_DEPTH = "*/*/*/*/seed*"  # scale, hardware, experiment, variant, seed


@dataclass(frozen=True)
class Found:
    """Runs of one variant that differ by seed alone.

    Attributes:
        records: in the order of their seeds. unfinished: names of those that have no whole record yet.
    """

    records: tuple[Record, ...]
    unfinished: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the one run, or without its seed of several."""
        first = self.records[0].run
        return first if len(self.records) == 1 else first.rpartition("/")[0]

    @property
    def committed(self) -> bool:
        """Whether they are the committed evidence."""
        return all(record.committed for record in self.records)


def find(root: Path, wanted: str, planned: Callable[[], Iterable[dict[str, Any]]] = tuple) -> Found:
    """The finished runs that a user means.

    Args:
        root: the project's folder.
        wanted: a folder of a record, or of a variant's seeds; or a run's name, or a part of it (``run_names.find``).
            Of a run with a record of its own and a committed one, the former.
        planned: gives the plans there are; asked only where no folder has the name.

    Raises:
        FfreproError: no run fits, or several variants do; those that fit are not finished, or only planned; a record
            that cannot be used.
    """
    folders = _given(Path(wanted)) or _named(root, wanted, planned)
    done = {run: folder for run, folder in folders.items() if (folder / LAST).is_file()}
    if not done:
        run, folder = next(iter(folders.items()))
        raise FfreproError(
            f"{run} is not finished",
            where=folder,
            fix="let it run to its end: Snakemake, DVC or the command of its kind goes on from where it was",
        )
    committed, proofs = (root / reference.FOLDER).resolve(), Proofs(root)
    found = []
    for run, folder in done.items():
        of_evidence = committed in folder.resolve().parents
        if of_evidence:
            reference.require_listed(root, run)
        found.append(records.read(folder, proofs, committed=of_evidence))
    found.sort(key=lambda record: record.plan["seed"])
    _require_one_experiment(found)
    return Found(tuple(found), tuple(run for run in folders if run not in done))


def _given(folder: Path) -> dict[str, Path]:
    """Run -> folder of a record's folder, or of one that has seeds in it; empty of anything else."""
    if not folder.is_dir():
        return {}
    folder = folder.resolve()
    seeds = [folder] if folder.name.startswith("seed") else _sorted(folder.glob("seed*"))
    return {records.name_of(place): place for place in seeds}


def _named(root: Path, wanted: str, planned: Callable[[], Iterable[dict[str, Any]]]) -> dict[str, Path]:
    places: dict[str, Path] = {}
    for above in (root / _RUNS, root / reference.FOLDER):
        for folder in _sorted(above.glob(_DEPTH)):
            name = records.name_of(folder)
            if name not in places or not (places[name] / LAST).is_file():
                places[name] = folder
    where = f"{_RUNS}/ and {reference.FOLDER}/"
    try:
        return {name: places[name] for name in run_names.find(wanted, places, where=where)}
    except FfreproError as error:
        plans = {plan["run"]: plan for plan in planned()} if "unknown" in error.what else {}
        fitting = [plan for run, plan in plans.items() if f"/{wanted.strip('/')}/" in f"/{run}/"]
        if not fitting:
            raise
        run, kind = fitting[0]["run"], fitting[0]["kind"]
        raise FfreproError(
            f"{run} is planned and has no record",
            where=where,
            fix=f"run it: {COMMANDS[kind]} plan/{run}.json, or through Snakemake or DVC",
        ) from None


def _sorted(folders: Iterable[Path]) -> list[Path]:
    return sorted(folder for folder in folders if folder.is_dir())


def _require_one_experiment(found: list[Record]) -> None:
    for record in found[1:]:
        changed = records.differences(found[0].plan, record.plan)
        if changed:
            raise FfreproError(
                f"the seeds of {found[0].run.rpartition('/')[0]} had different settings: {', '.join(changed)}",
                where=f"{found[0].run} and {record.run}",
                fix="name one seed of it",
            )
