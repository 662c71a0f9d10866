"""Taking records in from another machine: each one wholly or not at all, never over another silently."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ffrepro.base import files, records
from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import Busy, locked
from ffrepro.base.plans import migrate, protocol, result_hash
from ffrepro.base.reading import parse_json
from ffrepro.base.records import LAST, WEIGHTS
from ffrepro.pipeline.archive import CHECKPOINT, FINAL, PARTIAL, Packed
from ffrepro.pipeline.jobs import REFERENCE
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record, differences
from ffrepro.training import record_check


@dataclass
class Taken:
    """What became of the records of an archive, by run.

    Refused ones with the reason, as are bad ones, which nothing makes acceptable; apart from them those that are being
    run here, with who does.
    """

    imported: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
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
    """
    taken = Taken()
    for run, entry in packed.items():
        try:
            _check_record(run, entry)
            if reference and LAST in entry:
                _check_checkout(run, entry)
        except FfreproError as error:
            taken.bad[run] = f"{error.what} ({Path(str(error.where)).name})"
    target = root / ("reports/reference" if reference else "runs")
    with locked(root / "logs" / "import.lock"):
        for run, entry in packed.items():
            if run in taken.bad:
                continue
            if reference:
                entry = {name: data for name, data in entry.items() if name in FINAL}
            if not entry:
                continue
            here = _planned(run, entry, planned)
            reason = None if replace else _conflict(target / run, entry, here)
            if reason:
                taken.refused[run] = reason
                continue
            if _same(target / run, entry):
                taken.unchanged.append(run)
            elif who := _put_alone(target / run, entry):
                taken.busy[run] = who
                continue
            else:
                taken.imported.append(run)
            if "run.json" in entry:
                _note(taken, run, parse_json(entry["run.json"], run)["plan"], here)
        if reference:
            committed = [*taken.imported, *taken.unchanged]
            _index(target, committed)
            _keep_manifests(root, target, committed)
    return taken


def _planned(run: str, entry: dict[str, bytes], planned: dict[str, Plan]) -> Plan | None:
    """What is planned for a run, be it under the name that replaced the record's."""
    made = migrate(parse_json(entry["run.json"], run)["plan"]) if LAST in entry else {"run": run}
    return planned.get(made["run"])


def _check_record(run: str, entry: dict[str, bytes]) -> None:
    """A finished record must be what its run can have left; an unfinished run has its checkpoint."""
    if LAST not in entry:
        _check_unfinished(run, entry)
        return
    record_check.check(entry, run)


def _check_checkout(run: str, entry: dict[str, bytes]) -> None:
    """Evidence is made by code that a commit names: nobody could run it again otherwise."""
    if parse_json(entry["run.json"], run)["git"]["dirty"] is not False:
        raise FfreproError(
            "its code was a checkout with uncommitted changes, or of unknown state",
            where=f"{run}/run.json",
            fix="run it again in a clean clone; into `runs` it can be imported as it is",
        )


def _check_unfinished(run: str, entry: dict[str, bytes]) -> None:
    """No result: then nothing but partial folders, each with its checkpoint."""
    final = sorted(name for name in entry if not PARTIAL.fullmatch(name))
    if final:
        raise FfreproError(
            f"{', '.join(final)} without {LAST}: neither a finished record nor an unfinished run",
            where=run,
            fix="export it again when the run is finished",
        )
    for folder in {name.split("/")[0] for name in entry}:
        if f"{folder}/{CHECKPOINT}" not in entry:
            raise FfreproError(
                f"an unfinished run without its checkpoint {folder}/{CHECKPOINT}",
                where=run,
                fix="export it again with --state",
            )


def _conflict(folder: Path, entry: dict[str, bytes], planned: Plan | None) -> str | None:
    if LAST not in entry:
        begun = (folder / LAST).is_file() or records.partials(folder)
        return "unfinished, and there is work on this run here" if begun and not _same(folder, entry) else None
    plan = parse_json(entry["run.json"], "run.json")["plan"]
    if planned is not None and protocol(planned) != protocol(plan):
        return f"made with other settings than planned here: {', '.join(differences(migrate(plan), planned))}"
    there = (Record(folder).run or {}).get("plan")
    if not isinstance(there, dict) or not (folder / LAST).is_file() or _same(folder, entry):
        return None
    if result_hash(there) != result_hash(plan):
        return f"the record here is of another plan: {', '.join(differences(there, plan))} differ"
    return "the record here is of the same plan but has other content"


def _same(folder: Path, entry: dict[str, bytes]) -> bool:
    return all((folder / name).is_file() and (folder / name).read_bytes() == data for name, data in entry.items())


def _put_alone(folder: Path, entry: dict[str, bytes]) -> str | None:
    """Write a record unless a process is at work on its run; then who that is."""
    try:
        with locked(records.lock(folder), wait=False, remove=True):
            _put(folder, entry)
    except Busy as busy:
        return busy.what
    return None


def _put(folder: Path, entry: dict[str, bytes]) -> None:
    """Write a record: the file that makes it count goes first and comes last, so that no mixture ever counts.

    Work in progress is given up once the record is there. That of another machine gets its name when it is complete:
    an import that was interrupted would find it here and take it for work of this one.
    """
    if LAST in entry:
        for name in (LAST, *FINAL, WEIGHTS):
            (folder / name).unlink(missing_ok=True)
        for name in sorted(entry, key=lambda name: name == LAST):
            files.write_bytes(folder / name, entry[name])
        for partial in folder.glob(".partial-*"):
            shutil.rmtree(partial)
        return
    for name in sorted({name.partition("/")[0] for name in entry}):
        new = folder / f"{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        for path, data in entry.items():
            if path.startswith(f"{name}/"):
                files.write_bytes(new / path.partition("/")[2], data)
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        new.rename(folder / name)


def _note(taken: Taken, run: str, plan: Plan, planned: Plan | None) -> None:
    if planned is None:
        taken.notes[run] = "not planned here: no report shows it"
    elif protocol(planned) != protocol(plan):
        taken.notes[run] = (
            f"made with other settings than planned here: {', '.join(differences(migrate(plan), planned))}"
        )
    elif result_hash(planned) != result_hash(plan):
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
