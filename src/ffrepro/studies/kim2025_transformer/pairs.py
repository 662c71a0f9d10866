"""FF beside BP on the same reviews: McNemar's test of each pair of runs, a bootstrap over reviews and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ffrepro.claims import formats
from ffrepro.claims.blocks import Block, Heading, Notice, Paragraph, Table
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Record, Store
from ffrepro.core import paired

DATASET = "imdb"
_PARTS = {"test": ("test",), "all": ("test", "rest")}
_TEXT = (
    "Both runs of a pair have the same seed, split and reviews. McNemar: reviews that only one of the two has right, "
    "exact two-tailed p, on the paper's number of test reviews and on the whole test half. Bootstrap: difference of "
    "accuracy in points, over seeds and reviews of the whole test half at once."
)


class Hits(NamedTuple):
    """Which reviews a run has right: places in the prepared set (R,), in order, and bool (R,)."""

    index: np.ndarray
    right: np.ndarray


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """A row for each variant of an experiment with runs that its twin has, too; nothing without."""
    found = list(rows(claims, store, scale))
    if not found:
        return []
    header = ["Experiment", "FF against its BP", "Seeds", "McNemar, test: FF alone, BP alone, p",
              "McNemar, whole test half", "Difference, points"]  # fmt: skip
    content: list[Block] = [Heading(f"Pairs of trained models (scale {scale})", 2, f"{claims.paper}-pairs")]
    if any(ours.standin for ours, _ in found):
        content.append(Notice("Stand-in data made by this project: the numbers show that everything runs."))
    apart = 100 * paired.smallest_difference(0.83, 500)
    sure = 100 * paired.smallest_difference(0.83, 500, power=0.8)
    limit = (
        f"At an accuracy of 83 %, 500 reviews cannot tell two runs apart below {formats.number(apart, 1)} points "
        f"({formats.number(sure, 1)} at a power of .8)."
    )
    return [*content, Paragraph(f"{_TEXT} {limit}"), Table(header, [row for _, row in found], frozenset({2}))]


def rows(claims: Claims, store: Store, scale: str) -> Iterator[tuple[Evidence, list]]:
    """Runs and their row, of every experiment that claims.yaml has under ``paired``, under every treatment."""
    for family, of_twins in claims.content["paired"].items():
        for treatment in claims.treatments:
            experiment, others = (claims.experiment(name, treatment, DATASET) for name in (family, of_twins))
            for variant in dict.fromkeys(plan["variant"] for plan in store.planned(experiment, scale=scale)):
                twin = claims.twin(variant)
                ours = store.at_scale(experiment, variant, scale)
                theirs = store.at_scale(others, twin, scale) if twin else None
                row = _row(claims.label(variant), ours, theirs) if ours and theirs else None
                if row:
                    yield ours, [experiment, *row]


def docs_rows(claims: Claims, store: Store) -> list[dict[str, Any]]:
    """A page's row for each variant with runs of real data at the paper's scale, see ``rows``."""
    names = ("experiment", "variant", "seeds", "test", "whole", "difference")
    return [dict(zip(names, row, strict=True)) for ours, row in rows(claims, store, "paper") if not ours.standin]


def hits(record: Record, part: str) -> Hits | None:
    """Which reviews of ``test``, or of ``all`` there are, a run has right by its own inference; None without arrays.

    A hybrid of FF and backpropagation is read by its readout, as in every table.
    """
    arrays, scheme = record.arrays(), record.plan["protocol"].get("inference")
    found = []
    for split in _PARTS[part]:
        if f"{split}_prediction_{scheme}" not in arrays or f"{split}_index" not in arrays:
            return None
        found.append((arrays[f"{split}_index"], arrays[f"{split}_prediction_{scheme}"] == arrays[f"{split}_label"]))
    index, right = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(index)
    return Hits(index[order], right[order])


def _row(label: str, ours: Evidence, theirs: Evidence) -> list[str] | None:
    by_seed = {record.plan["seed"]: record for record in theirs.records}
    both = [(record, by_seed[record.plan["seed"]]) for record in ours.records if record.plan["seed"] in by_seed]
    cells, whole = {}, []
    for part in _PARTS:
        tests = []
        for ff, bp in both:
            a, b = hits(ff, part), hits(bp, part)
            if a is None or b is None or not np.array_equal(a.index, b.index):
                return None
            tests.append(paired.mcnemar(a.right, b.right))
            whole += [(a, b)] if part == "all" else []
        cells[part] = "; ".join(f"{t.only_first}, {t.only_second}, {formats.p_value(t.p)}" for t in tests)
    if not whole:
        return None
    return [label, str(len(both)), cells["test"], cells["all"], _bootstrap(whole)]


def _bootstrap(whole: list[tuple[Hits, Hits]]) -> str:
    """Over seeds and reviews; of seeds that do not have all the same reviews there is none."""
    first = whole[0][0].index
    if any(not np.array_equal(a.index, first) for a, _ in whole):
        return formats.DASH
    found = paired.bootstrap(np.stack([a.right for a, _ in whole]), np.stack([b.right for _, b in whole]))
    mean, low, high = (100 * value for value in found)
    return f"{formats.signed(mean, 1)} {formats.interval(low, high, 1)}"
