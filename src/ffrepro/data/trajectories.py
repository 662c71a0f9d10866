"""The trajectory family: what its data sets declare, and preparing one from the archive.

Four data sets ($1, MCYT, MobileTouchDB, raton) come in one archive, each as a folder of human samples and one of
synthetic samples, a CSV file a sample (``ffrepro.data.trajectory_csv``). Subject, gesture and parent are in the file
names. Source: the paper's repository, FChikh/BSP-S5-Forward-Forward-RNN, commit 3343fb01.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import prepared, trajectory_csv, unpack
from ffrepro.data.progress import Progress
from ffrepro.data.trajectory_manifest import describe
from ffrepro.data.trajectory_set import CLASSES, HUMAN, SYNTHETIC, TrajectorySet, load, save

__all__ = ["HUMAN", "SYNTHETIC", "TrajectorySet", "TrajectorySpec", "load", "prepare"]

MAX_BAD_FRACTION = 0.01
_FEW = 5  # how many bad samples an error lists


@dataclass(frozen=True)
class TrajectorySpec:
    """One data set of the family.

    Attributes:
        name: the module's name.
        title: the name in the paper's tables.
        archive: the archive's name in ``ffrepro.data.archives``.
        human_dir, synthetic_dir: folders in the archive, without its root.
        separator: between two columns.
        pattern: regular expression for a whole file name without .csv, with the groups ``parent`` (names the human
            sample), ``subject`` and, where the set has several, ``gesture``.
        twins: every human sample has one synthetic twin of the same name.
        human_count, synthetic_count: samples upstream.
        licence, agreement, clock, coordinates, citation: one sentence each, for people.
    """

    family: ClassVar[str] = "trajectories"

    name: str
    title: str
    human_dir: str
    synthetic_dir: str
    separator: str
    pattern: str
    twins: bool
    human_count: int
    synthetic_count: int
    clock: str
    coordinates: str
    licence: str
    agreement: str
    citation: str
    archive: str = "trajectories"

    def folder(self, kind: str) -> str:
        """The folder of ``kind``, "human" or "synthetic"."""
        return {"human": self.human_dir, "synthetic": self.synthetic_dir}[kind]


@dataclass(frozen=True)
class _Sample:
    kind: str
    name: str
    subject: str
    gesture: str
    parent: str
    rows: np.ndarray  # (n, 4): stroke_id, x, y, time


def prepare(spec: TrajectorySpec, archive_path: str | Path, out: str | Path) -> dict[str, Any]:
    """Turn a data set's CSV files into ``out`` (.npz) and the manifest beside it.

    A sample that cannot be used is left out and listed in the manifest with its file and the reason. Time stamps that
    stand still or run backwards are data: they are kept and counted.

    Args:
        spec: the data set.
        archive_path: the archive; its provenance record ``<archive>.json`` must be beside it.
        out: the .npz to write.

    Returns:
        The manifest: ``format, dataset, title, source, archive`` (the provenance record without its time), ``licence,
        agreement, counts, upstream_counts, length, time_steps, gestures, bad`` ([{file, class, reason}]),
        ``warnings, fingerprint``.

    Raises:
        FfreproError: no record, an unreadable archive, a missing folder, or more than 1 % of the samples are bad; then
            nothing is written.
    """
    archive_path = Path(archive_path)
    provenance = prepared.provenance(archive_path, spec.archive)
    samples, bad = _read(spec, archive_path)
    _check(spec, archive_path, samples, bad)
    data, gestures = _assemble(samples)
    data.manifest.update(describe(spec, provenance, data, gestures, bad))
    save(data, out)
    return data.manifest


def _read(spec: TrajectorySpec, archive_path: Path) -> tuple[list[_Sample], list[dict[str, str]]]:
    """All usable samples, sorted (human first, then by name), and the bad ones."""
    kinds = {spec.folder(kind): kind for kind in CLASSES}
    pattern = re.compile(spec.pattern)
    samples, bad = [], []
    expected = spec.human_count + spec.synthetic_count
    with Progress(f"prepare {spec.name}", total=expected, unit="files") as progress:
        for member, content in unpack.members(archive_path, lambda name: _in_folders(name, kinds)):
            path = _without_root(member)
            kind = kinds[str(path.parent)]
            # One name, one spelling: an accent may come composed or decomposed, depending on who made the archive.
            name = unicodedata.normalize("NFC", path.stem)
            progress.advance(1)
            try:
                match = pattern.fullmatch(name)
                if match is None:
                    raise trajectory_csv.BadSample("the file name is not one of this data set")
                found = match.groupdict()
                rows = trajectory_csv.parse(content, spec.separator)
            except trajectory_csv.BadSample as reason:
                bad.append({"file": str(path), "class": kind, "reason": str(reason)})
                continue
            samples.append(_Sample(kind, name, found["subject"], found.get("gesture", ""), found["parent"], rows))
    samples.sort(key=lambda sample: (-CLASSES[sample.kind], sample.name))
    return samples, sorted(bad, key=lambda entry: entry["file"])


def _without_root(member: str) -> PurePosixPath:
    return PurePosixPath(*PurePosixPath(member).parts[1:])


def _in_folders(member: str, folders: dict[str, str]) -> bool:
    path = _without_root(member)
    return path.suffix == ".csv" and str(path.parent) in folders


def _check(spec: TrajectorySpec, archive_path: Path, samples: list[_Sample], bad: list[dict[str, str]]) -> None:
    """Raise where there is no data set to speak of."""
    if len(bad) > MAX_BAD_FRACTION * (len(samples) + len(bad)):
        listed = "; ".join(f"{entry['file']}: {entry['reason']}" for entry in bad[:_FEW])
        more = f"; and {len(bad) - _FEW} more" if len(bad) > _FEW else ""
        raise FfreproError(
            f"{len(bad)} of {len(samples) + len(bad)} samples of {spec.name} cannot be used ({listed}{more})",
            where=archive_path,
            fix="delete the archive and fetch it again; up to 1 % bad samples are left out and counted",
        )
    for kind in CLASSES:
        if not any(sample.kind == kind for sample in samples):
            raise FfreproError(
                f"no {kind} samples of {spec.name}: the archive has no .csv files in {spec.folder(kind)}/",
                where=archive_path,
                fix="delete the archive and fetch it again",
            )


def _assemble(samples: list[_Sample]) -> tuple[TrajectorySet, list[str]]:
    """The arrays with an empty manifest, and the gestures that the gesture ids stand for."""
    points = np.concatenate([sample.rows for sample in samples])
    data = TrajectorySet(
        x=points[:, 1].copy(),
        y=points[:, 2].copy(),
        t=points[:, 3].copy(),
        stroke=points[:, 0].astype(np.int16),
        offsets=np.concatenate([[0], np.cumsum([len(sample.rows) for sample in samples])]).astype(np.int64),
        label=np.array([CLASSES[sample.kind] for sample in samples], np.uint8),
        subject=_ids([sample.subject for sample in samples]),
        gesture=_ids([sample.gesture for sample in samples]),
        parent=_ids([sample.parent for sample in samples]),
        names=[sample.name for sample in samples],
        manifest={},
    )
    return data, sorted({sample.gesture for sample in samples})


def _ids(keys: list[str]) -> np.ndarray:
    """int32 (S,): each key's place in the sorted list of distinct keys."""
    place = {key: index for index, key in enumerate(sorted(set(keys)))}
    return np.array([place[key] for key in keys], np.int32)
