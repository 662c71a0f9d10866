"""The family of sentences with their translations, a line each in a file a language: preparing and loading a set."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import corpus, prepared, provenance, tokens, unpack

FORMAT = 1  # raise it when the arrays or their meaning change
LARGEST_BAD_SHARE = 0.01
SIDES = ("source", "target")
PARTS = ("train", "val", "test")
_ARRAYS = {f"{side}_{name}": kind for side in SIDES for name, kind in corpus.KINDS.items()} | {"part": (np.uint8, 1)}


@dataclass(frozen=True)
class TranslationSpec:
    """One data set of the family.

    Attributes:
        name: the module's name. title: the name in tables.
        pattern: of a member's name, a gzip file of lines; groups ``part`` and ``language``.
        parts: ``train``, ``val`` or ``test`` for each ``part`` that is used.
        source_language, target_language: as the pattern has them.
        upstream: pairs of each part upstream.
        licence, citation: one sentence each.
    """

    family: ClassVar[str] = "translations"

    name: str
    title: str
    pattern: str
    parts: dict[str, str]
    source_language: str
    target_language: str
    upstream: dict[str, int]
    licence: str
    citation: str


@dataclass(frozen=True)
class TranslationSet:
    """N pairs of sentences, in upstream's order, part after part.

    Attributes:
        source, target: arrays ``token``, ``start``, ``types`` of each side, see ``ffrepro.data.corpus``; lower-cased.
        part: uint8 (N,), index in ``PARTS``.
        manifest: see ``prepare``.
    """

    source: dict[str, np.ndarray]
    target: dict[str, np.ndarray]
    part: np.ndarray
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.part)


def prepare(spec: TranslationSpec, archive_path: str | Path, *, out: str | Path) -> dict[str, Any]:
    """Tokenise upstream's sentences into ``out`` (.npz) and the manifest beside it.

    Lines are lower-cased and split by NLTK's word tokenizer, each taken as one sentence. A pair of which one side is
    no UTF-8 or has no word is left out and listed; above 1 % of them nothing is written.

    Args:
        spec: the data set.
        archive_path: the sentences' archive, with its record ``<file>.json``.
        out: the .npz to write.

    Returns:
        The manifest: ``format, dataset, title, source, archive, licence, citation, languages, counts,
        upstream_counts, tokens, types, bad, warnings, fingerprint``.

    Raises:
        FfreproError: a file without record, a damaged archive, a missing file, files of different lengths, too many
            pairs that cannot be used.
    """
    path = Path(archive_path)
    record = prepared.provenance(path, spec.name)
    pairs, part, bad = _read(spec, path)
    if not pairs or len(bad) > LARGEST_BAD_SHARE * (len(pairs) + len(bad)):
        first = f"; the first: {bad[0]['file']}, {bad[0]['reason']}" if bad else ""
        raise FfreproError(
            f"{len(bad):,} of {len(pairs) + len(bad):,} pairs of sentences cannot be used{first}",
            where=path,
            fix=_again(spec),
        )
    arrays = {"part": np.array(part, np.uint8)}
    for side, texts in zip(SIDES, zip(*pairs, strict=True), strict=True):
        arrays |= {f"{side}_{name}": array for name, array in corpus.pack(texts).items()}
    manifest = _describe(spec, provenance.of_archives(spec.name, [record]), arrays, bad)
    prepared.save(out, arrays, manifest)
    return manifest


def load(path: str | Path, *, verify: bool = False) -> TranslationSet:
    """Read a prepared data set.

    Args:
        path: the .npz; its manifest is beside it.
        verify: also compute the fingerprint and compare.

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    arrays, manifest = prepared.load(path, _ARRAYS, FORMAT)
    sides = [{name: arrays[f"{side}_{name}"] for name in corpus.KINDS} for side in SIDES]
    if any(len(side["start"]) - 1 != len(arrays["part"]) for side in sides):
        raise prepared.damaged(path, "sentences, translations and parts differ in number")
    if verify:
        prepared.verify(arrays, manifest)
    return TranslationSet(*sides, arrays["part"], manifest)


def _read(spec: TranslationSpec, path: Path) -> tuple[list[tuple[list[str], list[str]]], list[int], list[dict]]:
    """Tokens of both sides of every pair, the index of its part, and the pairs that cannot be used."""
    pattern = re.compile(spec.pattern)
    files: dict[tuple[str, str], tuple[str, list[bytes]]] = {}
    for name, content in unpack.members(path, lambda name: pattern.fullmatch(name) is not None):
        match = pattern.fullmatch(name)
        try:
            lines = gzip.decompress(content).split(b"\n")
        except (OSError, EOFError, zlib.error) as error:
            raise FfreproError(f"{name} is no gzip file ({error})", where=path, fix=_again(spec)) from error
        files[spec.parts[match["part"]], match["language"]] = name, lines[:-1] if lines[-1] == b"" else lines
    tokenise = tokens.words()
    pairs, part, bad = [], [], []
    for index, own in enumerate(PARTS):
        found = [files.get((own, language)) for language in (spec.source_language, spec.target_language)]
        if None in found:
            missing = [spec.source_language, spec.target_language][found.index(None)]
            raise FfreproError(f"the part {own} has no sentences in {missing}", where=path, fix=_again(spec))
        (name, first), (other, second) = found  # type: ignore[misc]  # None is refused above
        if len(first) != len(second):
            raise FfreproError(
                f"{name} has {len(first):,} lines, {other} has {len(second):,}", where=path, fix=_again(spec)
            )
        for number, lines in enumerate(zip(first, second, strict=True), 1):
            try:
                both = [tokenise(line.decode().lower()) for line in lines]
            except UnicodeDecodeError as error:
                bad.append({"file": f"{name}:{number}", "reason": f"no UTF-8 at byte {error.start}"})
                continue
            if not all(both):
                bad.append({"file": f"{name}:{number}", "reason": "no words"})
                continue
            pairs.append((both[0], both[1]))
            part.append(index)
    return pairs, part, bad


def _describe(spec: TranslationSpec, archive: dict, arrays: dict[str, np.ndarray], bad: list[dict]) -> dict[str, Any]:
    count = np.bincount(arrays["part"], minlength=len(PARTS))
    counts = dict(zip(PARTS, count.tolist(), strict=True))
    return {
        **prepared.origin(spec, archive, FORMAT),
        "citation": spec.citation,
        "languages": {"source": spec.source_language, "target": spec.target_language},
        "counts": counts,
        "upstream_counts": spec.upstream,
        "tokens": {side: len(arrays[f"{side}_token"]) for side in SIDES},
        "types": {side: len(corpus.types_of(arrays[f"{side}_types"])) for side in SIDES},
        "bad": bad,
        "warnings": prepared.count_warnings(counts, spec.upstream, archive["source"], "pairs of sentences"),
        "fingerprint": prepared.fingerprint(arrays),
    }


def _again(spec: TranslationSpec) -> str:
    return f"delete this file and fetch it again: ffrepro fetch {spec.name}"
