"""Run records in a tar file: packed with a hash for every file, unpacked with suspicion."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from ffrepro.base import files
from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.plans import RUN_NAME
from ffrepro.base.reading import note_file, parse_json
from ffrepro.base.records import LAST, RECORD, WEIGHTS
from ffrepro.data import unpack as unpacking

SCHEMA = 1
MANIFEST = "MANIFEST.json"
FINAL = RECORD["train"]  # a baseline and a bench leave some of these
CHECKPOINT = "state.pt"
PARTIAL = re.compile(r"\.partial-[0-9a-f]+/(state\.pt|metrics\.jsonl)")
Packed = dict[str, dict[str, bytes]]  # run -> file name -> content


def pack(target: Path, folders: dict[str, Path], *, weights: bool = False, state: bool = False) -> dict[str, list[str]]:
    """Write records into ``target`` (``.tar.gz``), the same bytes for the same records.

    Args:
        folders: run -> its folder.
        weights: take ``weights.pt`` along where there is one.
        state: take the partial folders of unfinished runs along, so that another machine can go on.

    Returns:
        run -> the files packed.
    """
    collected = {run: _collect(folder, weights=weights, state=state) for run, folder in folders.items()}
    content = {run: entry for run, entry in collected.items() if entry}
    manifest = {run: {name: files.sha256_bytes(data) for name, data in entry.items()} for run, entry in content.items()}
    with files.atomic_writer(target) as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
            _add(tar, MANIFEST, files.dump_json({"schema": SCHEMA, "records": manifest}).encode())
            for run, entry in content.items():
                for name, data in entry.items():
                    _add(tar, f"{run}/{name}", data)
    return {run: list(entry) for run, entry in content.items()}


def unpack(source: Path) -> Packed:
    """Read an archive into memory and check all of it before anything is written.

    Raises:
        FfreproError: no archive, no manifest, a path that leads elsewhere, a link, a file that should not be there,
            is there twice, is missing, or has another hash; or more than ``ffrepro.data.unpack`` reads.
    """
    if not source.is_file():
        raise FfreproError("no such file", where=source, fix="give the archive that `ffrepro export` wrote")
    note_file(source)
    try:
        content = dict(unpacking.members(source, lambda name: _belongs(name, source), folders=False))
    except unpacking.Unreadable as error:
        raise _refused(error.what, source, "export it again, and do not trust a file from elsewhere") from None
    declared = _manifest(content, source)
    expected = {f"{run}/{name}": digest for run, entry in declared.items() for name, digest in entry.items()}
    different = sorted(set(expected) ^ (set(content) - {MANIFEST}))
    if different:
        raise _refused(f"{different[0]}: in the manifest or in the archive, not in both", source, "export it again")
    for path, digest in expected.items():
        if files.sha256_bytes(content[path]) != digest:
            raise _refused(f"{path}: its content is not what the manifest says", source, "copy the archive again")
    return {run: {name: content[f"{run}/{name}"] for name in entry} for run, entry in declared.items()}


def _collect(folder: Path, *, weights: bool, state: bool) -> dict[str, bytes]:
    names: Iterable[str] = []
    if (folder / LAST).is_file():
        names = [*FINAL, *([WEIGHTS] if weights else [])]
    elif state:
        # without its checkpoint, nothing goes on from a partial folder
        begun = (path.parent for path in sorted(folder.glob(f".partial-*/{CHECKPOINT}")))
        partial = (path.relative_to(folder).as_posix() for place in begun for path in sorted(place.iterdir()))
        names = [name for name in partial if PARTIAL.fullmatch(name)]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # mode 0644, no owner, time 0
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _belongs(member: str, source: Path) -> bool:
    """True for the name of a record's file or the manifest; others are refused."""
    parts = member.split("/")
    run, name = "/".join(parts[:5]), "/".join(parts[5:])
    if member != MANIFEST and not (RUN_NAME.fullmatch(run) and _is_record_file(name)):
        raise _refused(f"{member!r} does not belong into an archive of run records", source, "do not trust this file")
    return True


def _is_record_file(name: str) -> bool:
    return name in FINAL or name == WEIGHTS or PARTIAL.fullmatch(name) is not None


def _manifest(content: dict[str, bytes], source: Path) -> dict[str, dict[str, str]]:
    try:
        manifest = parse_json(content[MANIFEST], MANIFEST)
        if manifest["schema"] != SCHEMA:
            raise _refused(f"made for schema {manifest['schema']}, this is {SCHEMA}", source, "use the same version")
        return {str(run): {str(k): str(v) for k, v in entry.items()} for run, entry in manifest["records"].items()}
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        detail = f" ({error.what})" if isinstance(error, DataFileError) else ""
        raise _refused(f"no readable {MANIFEST}{detail}", source, "make it with `ffrepro export`") from None


def _refused(what: str, source: Path, fix: str) -> FfreproError:
    return FfreproError(f"archive refused: {what}", where=source, fix=f"{fix}; nothing was imported")
