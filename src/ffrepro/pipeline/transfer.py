"""Taking records in from another machine: each one wholly or not at all, never over another silently."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ffrepro.base import files
from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.plans import protocol, substance
from ffrepro.base.reading import parse_json
from ffrepro.base.shapes import check_record
from ffrepro.pipeline.archive import FINAL, WEIGHTS, Packed
from ffrepro.pipeline.jobs import RECORD, REFERENCE
from ffrepro.pipeline.lock import locked
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import differences

LAST = "result.json"  # a record counts once this file is there


@dataclass
class Taken:
    """What became of the records of an archive, by run; refused ones with the reason."""

    imported: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def take_in(packed: Packed, root: Path, planned: dict[str, Plan], *, replace: bool, reference: bool) -> Taken:
    """Put records where they belong.

    Args:
        packed: an archive's content, checked.
        root: the project's folder.
        planned: what this project plans, by run.
        replace: overwrite records that differ, and accept those of other settings.
        reference: into ``reports/reference`` as evidence to commit (no weights, no unfinished runs, an index)
            instead of ``runs``.

    Raises:
        FfreproError: a record contradicts itself (then nothing at all is written).
    """
    for run, entry in packed.items():
        _check_record(run, entry)
    taken = Taken()
    target = root / ("reports/reference" if reference else "runs")
    with locked(root / "logs" / "import.lock"):
        for run, entry in packed.items():
            if reference:
                entry = {name: data for name, data in entry.items() if name in FINAL}
            if not entry:
                continue
            reason = None if replace else _conflict(target / run, entry, planned.get(run))
            if reason:
                taken.refused[run] = reason
            elif _same(target / run, entry):
                taken.unchanged.append(run)
            else:
                _put(target / run, entry)
                taken.imported.append(run)
            if not reason and "run.json" in entry:
                _note(taken, run, parse_json(entry["run.json"], run)["plan"], planned.get(run))
        if reference:
            committed = [*taken.imported, *taken.unchanged]
            _index(target, committed)
            _keep_manifests(root, target, committed)
    return taken


def _check_record(run: str, entry: dict[str, bytes]) -> None:
    """A finished record must be complete and say of itself what its place says."""
    if LAST not in entry:
        return
    try:
        about, result = parse_json(entry["run.json"], "run.json"), parse_json(entry[LAST], LAST)
        plan = about["plan"]
        check_record(about, result, run, complete=False)
        wrong = [name for name in RECORD[plan["kind"]] if name not in entry]
        names = {about["run"], plan["run"], result["run"]}
        honest = about["plan_sha256"] == substance(plan)
    except DataFileError as error:
        raise FfreproError(
            f"{run}: not a run record ({error.what})", where=error.where, fix="export it again"
        ) from None
    except (KeyError, ValueError, TypeError) as error:
        raise FfreproError(
            f"{run}: not a run record ({type(error).__name__}: {error})", fix="export it again"
        ) from None
    if wrong:
        raise FfreproError(f"{run}: {wrong[0]} is missing", fix="export it again when the run is finished")
    if names != {run}:
        raise FfreproError(f"{run}: the record calls itself {', '.join(sorted(names))}", fix="do not rename records")
    if not honest:
        raise FfreproError(f"{run}: its plan was changed after the run", fix="do not edit records: run it again")


def _conflict(folder: Path, entry: dict[str, bytes], planned: Plan | None) -> str | None:
    if LAST not in entry:
        begun = (folder / LAST).is_file() or any(folder.glob(".partial-*"))
        return "unfinished, and there is work on this run here" if begun and not _same(folder, entry) else None
    plan = parse_json(entry["run.json"], "run.json")["plan"]
    if planned is not None and protocol(planned) != protocol(plan):
        return f"made with other settings than planned here: {', '.join(differences(plan, planned))}"
    if not (folder / LAST).is_file() or _same(folder, entry):
        return None
    there = files.read_json(folder / "run.json")["plan"]
    if substance(there) != substance(plan):
        return f"the record here is of another plan: {', '.join(differences(there, plan))} differ"
    return "the record here is of the same plan but has other content"


def _same(folder: Path, entry: dict[str, bytes]) -> bool:
    return all((folder / name).is_file() and (folder / name).read_bytes() == data for name, data in entry.items())


def _put(folder: Path, entry: dict[str, bytes]) -> None:
    """Write a record: the file that makes it count goes first and comes last, so that no mixture ever counts."""
    if LAST in entry:
        for name in (LAST, *FINAL, WEIGHTS):
            (folder / name).unlink(missing_ok=True)
        for partial in folder.glob(".partial-*"):
            shutil.rmtree(partial)
    for name in sorted(entry, key=lambda name: name == LAST):
        files.write_bytes(folder / name, entry[name])


def _note(taken: Taken, run: str, plan: Plan, planned: Plan | None) -> None:
    if planned is None:
        taken.notes[run] = "not planned here: no report shows it"
    elif protocol(planned) != protocol(plan):
        taken.notes[run] = f"made with other settings than planned here: {', '.join(differences(plan, planned))}"
    elif substance(planned) != substance(plan):
        taken.notes[run] = "same settings, other code"


def _index(target: Path, runs: list[str]) -> None:
    """Keep the index of committed evidence: run -> file -> SHA-256, sorted."""
    path = target / Path(REFERENCE).name
    index = files.read_json(path) if path.exists() else {}
    for run in runs:
        index[run] = {name: files.sha256_file(target / run / name) for name in FINAL if (target / run / name).is_file()}
    files.write_text_if_changed(path, files.dump_json(dict(sorted(index.items()))))


def _keep_manifests(root: Path, target: Path, runs: list[str]) -> None:
    """Commit beside the records what is known of their data, where that very data are prepared here.

    Claims about a data set (how many samples, how long) are then judged in a fresh clone too.
    """
    for run in runs:
        data = files.read_json(target / run / "run.json")["data"]
        manifest = root / "data" / "prepared" / data["source"] / f"{data.get('set', data['dataset'])}.json"
        if manifest.is_file() and files.read_json(manifest)["fingerprint"] == data["fingerprint"]:
            files.write_text_if_changed(target / "data" / manifest.name, manifest.read_text(encoding="utf-8"))
