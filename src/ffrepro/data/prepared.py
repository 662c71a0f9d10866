"""The file of a prepared data set: an uncompressed .npz of plain arrays, and its manifest of the same name with .json.

The fingerprint is taken over the arrays only, so that it does not depend on how or when the file was written. It
stands in both files, so that a pair whose second half was never written is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data import archive_record, npz


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over the arrays' names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def origin(spec: Any, archive: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The first entries of every manifest: what the set is, and where it comes from.

    Args:
        spec: of the data set. archive: the record of its archives. version: of the family's format.
    """
    return {
        "format": version,
        "dataset": spec.name,
        "title": spec.title,
        "source": archive["source"],
        "archive": archive,
        "licence": spec.licence,
    }


def count_warnings(counts: Mapping[str, int], upstream: Mapping[str, int], source: str, what: str) -> list[str]:
    """One line for each part that does not have as many samples as upstream; none of stand-in data.

    Args:
        counts, upstream: samples by part. what: they are, such as ``images``.
    """
    differ = [part for part in counts if source == "upstream" and counts[part] != upstream[part]]
    return [f"{counts[part]:,} {part} {what}, {upstream[part]:,} upstream" for part in differ]


def verify(arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> None:
    """Compare the arrays with the manifest's fingerprint.

    Raises:
        FfreproError: they differ.
    """
    found = fingerprint(arrays)
    if found != manifest["fingerprint"]:
        raise FfreproError(
            f"the prepared data changed: fingerprint {found[:12]}, manifest {manifest['fingerprint'][:12]}",
            where=f"data set {manifest['dataset']} ({manifest['source']})",
            fix=prepare_again(manifest),
        )


def save(path: str | Path, arrays: Mapping[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write the arrays to ``path`` and the manifest beside it, each atomically, the manifest last.

    ``manifest["fingerprint"]`` must be that of the arrays.
    """
    path = Path(path)
    stamp = np.frombuffer(manifest["fingerprint"].encode(), np.uint8)
    with files.atomic_writer(path) as file:
        np.savez(file, **arrays, fingerprint=stamp)
    files.write_json(path.with_suffix(".json"), manifest)


def load(
    path: str | Path, kinds: Mapping[str, tuple[type, int]], version: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and the manifest.

    Args:
        path: the .npz; its manifest is beside it.
        kinds: name of each array that must be there -> its dtype and number of dimensions.
        version: the format version that the caller reads.

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    path = Path(path)
    manifest_path = path.with_suffix(".json")
    for needed in (path, manifest_path):
        if not needed.is_file():
            raise FfreproError(
                f"no prepared data set {path.stem!r}", where=needed, fix=f"prepare it: {_command_for(path)}"
            )
    try:
        manifest = files.read_json(manifest_path)
        arrays = npz.read(path, (*kinds, "fingerprint"))
        npz.require(arrays, {**kinds, "fingerprint": (np.uint8, 1)})
        found, stamp = manifest["format"], manifest["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error
    if found != version:
        raise FfreproError(
            f"prepared in format {found}, this version reads {version}", where=path, fix=prepare_again(manifest)
        )
    if arrays.pop("fingerprint").tobytes() != str(stamp).encode():
        raise FfreproError(
            "the prepared arrays and their manifest come from two different runs",
            where=f"{path} and {manifest_path.name}",
            fix=prepare_again(manifest),
        )
    return arrays, manifest


def damaged(path: str | Path, why: object) -> FfreproError:
    """The error of a prepared data set that cannot be used."""
    path = Path(path)
    return FfreproError(f"the prepared data set is damaged ({why})", where=path, fix=f"run again: {_command_for(path)}")


def prepare_again(manifest: Mapping[str, Any]) -> str:
    """The command that makes a data set anew, or one of its human samples with negatives made here."""
    name, options = f"{manifest.get('dataset')}", f"--source {manifest.get('source')}"
    if "negatives" in manifest:
        made = manifest["negatives"]
        name += f"_{made['level']}"
        options += f" --copies {made['copies']} --seed {made['seed']}"
    return f"run again: {_command(name)} {options}"


def _command(name: str) -> str:
    """What makes the set of this name: ``dollar``, or ``dollar_close`` (``data.views.prepared_set``)."""
    dataset, _, level = name.partition("_")
    return f"ffrepro negatives {dataset} --level {level}" if level else f"ffrepro prepare {dataset}"


def _command_for(path: Path) -> str:
    """What makes a file of prepared data, from its name and its folder's, which is its source's."""
    return _command(path.stem) + _source_option(path)


def _source_option(path: Path) -> str:
    """For files of stand-in data, whose folder is named after them; upstream data are the commands' default."""
    return " --source standin" if path.parent.name == "standin" else ""


def provenance(archive_path: Path, dataset: str) -> dict[str, Any]:
    """An archive's record without its time, after making sure that it is this file's.

    Raises:
        FfreproError: the archive or its record is missing, or they do not belong together.
    """
    record_path = archive_path.with_name(archive_path.name + ".json")
    for needed in (archive_path, record_path):
        if not needed.is_file():
            raise FfreproError(
                "the archive or its provenance record is not there",
                where=needed,
                fix=f"fetch it: ffrepro fetch {dataset}{_source_option(archive_path)}",
            )
    try:
        record = archive_record.read(record_path)
    except ValueError as error:
        raise FfreproError(
            f"the archive's provenance record is damaged ({error})",
            where=record_path,
            fix=f"delete it and its archive and fetch again: ffrepro fetch {dataset}",
        ) from error
    if files.sha256_file(archive_path) != record["sha256"]:
        raise FfreproError(
            "the archive is not the one its record describes",
            where=archive_path,
            fix=f"delete both files and fetch again: ffrepro fetch {dataset}",
        )
    # When it was fetched says nothing about the data, and would make every manifest a new one.
    return {key: value for key, value in record.items() if key != "fetched"}
