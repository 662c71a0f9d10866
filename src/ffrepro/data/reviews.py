"""The family of labelled texts in the layout of aclImdb: what its sets declare, preparing and loading one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import corpus, prepared, provenance, tokens, unpack

FORMAT = 1  # raise it when the arrays or their meaning change
LARGEST_BAD_SHARE = 0.01
_ARRAYS = {**corpus.KINDS, "label": (np.uint8, 1), "test": (np.uint8, 1)}


@dataclass(frozen=True)
class ReviewSpec:
    """One data set of the family.

    Attributes:
        name: the module's name. title: the name in tables.
        pattern: of a member's name; groups ``part`` (train, test) and ``label`` (one of ``classes``).
        classes: names of the labels 0, 1, ... as they stand in member names.
        train_count, test_count: texts upstream.
        licence, citation: one sentence each.
    """

    family: ClassVar[str] = "reviews"

    name: str
    title: str
    pattern: str
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    licence: str
    citation: str


@dataclass(frozen=True)
class ReviewSet:
    """N texts, in the order of their names upstream.

    Attributes:
        token, start, types: see ``ffrepro.data.corpus``; tokens are lower-cased.
        label: uint8 (N,), index in ``manifest["classes"]``. test: uint8 (N,), 1 for the test part.
        manifest: see ``prepare``.
    """

    token: np.ndarray
    start: np.ndarray
    types: np.ndarray
    label: np.ndarray
    test: np.ndarray
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.label)


def prepare(spec: ReviewSpec, *archive_paths: str | Path, out: str | Path) -> dict[str, Any]:
    """Tokenise upstream's texts into ``out`` (.npz) and the manifest beside it.

    Texts are lower-cased and split by NLTK's word tokenizer. One that is no UTF-8, or has no token, is left out and
    listed; above 1 % of them nothing is written.

    Args:
        spec: the data set.
        archive_paths: the texts' archive and punkt's, each with its record ``<file>.json``.
        out: the .npz to write.

    Returns:
        The manifest: ``format, dataset, title, source, archive, licence, citation, classes, counts, upstream_counts,
        per_class, tokens, types, bad, warnings, fingerprint``.

    Raises:
        FfreproError: a file without record, a damaged archive, no texts, too many that cannot be used.
    """
    texts_path, punkt_path = map(Path, archive_paths)
    records = [prepared.provenance(path, spec.name) for path in (texts_path, punkt_path)]
    tokenise = tokens.tokenizer(punkt_path)
    found, bad = _read(spec, texts_path, tokenise)
    if not found or len(bad) > LARGEST_BAD_SHARE * (len(found) + len(bad)):
        first = f"; the first: {bad[0]['file']}, {bad[0]['reason']}" if bad else ""
        raise FfreproError(
            f"{len(bad):,} of {len(found) + len(bad):,} texts cannot be used{first}",
            where=texts_path,
            fix=f"delete this file and fetch it again: ffrepro fetch {spec.name}",
        )
    found.sort(key=lambda entry: entry[0])
    arrays = corpus.pack([entry[3] for entry in found]) | {
        "label": np.array([entry[2] for entry in found], np.uint8),
        "test": np.array([entry[1] == "test" for entry in found], np.uint8),
    }
    manifest = _describe(spec, provenance.of_archives(spec.name, records), arrays, bad)
    prepared.save(out, arrays, manifest)
    return manifest


def load(path: str | Path, *, verify: bool = False) -> ReviewSet:
    """Read a prepared data set.

    Args:
        path: the .npz; its manifest is beside it.
        verify: also compute the fingerprint and compare.

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    arrays, manifest = prepared.load(path, _ARRAYS, FORMAT)
    if not len(arrays["start"]) - 1 == len(arrays["label"]) == len(arrays["test"]):
        raise prepared.damaged(path, "texts, labels and parts differ in number")
    if verify:
        prepared.verify(arrays, manifest)
    return ReviewSet(**arrays, manifest=manifest)


def _read(spec: ReviewSpec, path: Path, tokenise: Callable[[str], list[str]]) -> tuple[list[tuple], list[dict]]:
    """(name, part, label, tokens) of every text, and those that cannot be used."""
    pattern = re.compile(spec.pattern)
    found, bad = [], []
    for name, content in unpack.members(path, lambda name: pattern.fullmatch(name) is not None):
        match = pattern.fullmatch(name)
        try:
            text = tokenise(content.decode().lower())
        except UnicodeDecodeError as error:
            bad.append({"file": name, "reason": f"no UTF-8 at byte {error.start}"})
            continue
        if not text:
            bad.append({"file": name, "reason": "no words"})
            continue
        found.append((name, match["part"], spec.classes.index(match["label"]), text))
    return found, bad


def _describe(spec: ReviewSpec, archive: dict[str, Any], arrays: dict[str, np.ndarray], bad: list[dict]) -> dict:
    parts = {"train": arrays["test"] == 0, "test": arrays["test"] == 1}
    counts = {name: int(part.sum()) for name, part in parts.items()}
    upstream = {"train": spec.train_count, "test": spec.test_count}
    length = np.diff(arrays["start"])
    return {
        **prepared.origin(spec, archive, FORMAT),
        "citation": spec.citation,
        "classes": list(spec.classes),
        "counts": counts,
        "upstream_counts": upstream,
        "per_class": {
            name: np.bincount(arrays["label"][part], minlength=len(spec.classes)).tolist()
            for name, part in parts.items()
        },
        "tokens": int(length.sum()),
        "types": len(corpus.types_of(arrays["types"])),
        "bad": bad,
        "warnings": prepared.count_warnings(counts, upstream, archive["source"], "texts"),
        "fingerprint": prepared.fingerprint(arrays),
    }
