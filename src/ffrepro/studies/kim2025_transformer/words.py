"""The words of Tables 1, 2, 3 and 7 (High, Moderate, Low) held to what was measured of each method, pair by pair."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ffrepro.claims import tables
from ffrepro.claims.blocks import Block, Heading, Paragraph, Table
from ffrepro.claims.compare import Comparison, best_pick, compare
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.core import ordering
from ffrepro.core import statistics as st

TABLES = ("table1", "table2", "table3", "table7")
# Quantity -> place of each word, the smaller for the smaller measured number.
_AMOUNT = {"Low": 0, "Moderate": 1, "High": 2, "Very High": 3}
_STEADY = {
    "Stable": 0, "Stable (with margin)": 0, "High": 0, "Low Variance": 0, "Medium": 1, "Limited Improvement": 1,
    "Susceptible": 2, "Susceptible to issues": 2, "Gradient Issues": 2, "High Variance": 2,
}  # fmt: skip
RANKS = {
    "words_memory": _AMOUNT,
    "words_time": _AMOUNT,
    "words_accuracy": {"Slow": 0, "Moderate": 1, "Fast": 2},
    "words_spread": _STEADY,
    "words_gradients": _STEADY,
}
_TEXT = (
    "A pair of methods with different words is decided where the 95 % intervals of what was measured do not touch: of "
    "memory the mean over runs, of computation the median ratio of step times, of convergence the accuracy after the "
    "same updates, of the stability of gradients the spread of their norms, of that of training the deviation of the "
    "accuracy over seeds (chi-square interval). Best evidence."
)


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """A row for each row of words; nothing where no pair is decided or could be."""
    rows: list = []
    for name, label, cells in _measured_rows(claims, store):
        found = judge(cells, claims.table(name)["columns"])
        rows.append([_short(claims, name), label, *map(_pairs, found)])
    if not rows:
        return []
    header = ["Table", "Row", "As the words say (less, more)", "The other way round", "Not apart"]
    return [Heading("Words by rank", 2, f"{claims.paper}-words"), Paragraph(_TEXT), Table(header, rows)]


def docs_rows(claims: Claims, store: Store) -> list[dict[str, Any]]:
    """A page's row for each word of a row of which something is measured.

    ``by_rank`` is the word that the method would have by its place among the row's numbers; ``agree``, ``opposed`` and
    ``open`` are the methods that it is told from as the words say, the other way round, or not.
    """
    rows = []
    for name, label, cells in _measured_rows(claims, store):
        methods = claims.table(name)["columns"]
        found, ranked = judge(cells, methods), by_rank(cells)
        for method, cell, word in zip(methods, cells, ranked, strict=True):
            pairs = {key: _others(method, part) for key, part in zip(found._fields, found, strict=True)}
            ours = tables.ours(claims, cell) if cell.summary else None
            rows.append({"table": _short(claims, name), "row": label, "method": method, "word": cell.claim["value"],
                         "ours": ours, "by_rank": word, **pairs})  # fmt: skip
    return rows


def by_rank(cells: list[Comparison]) -> list[str | None]:
    """Each cell's word by its place among the measured numbers of the row.

    None where one of them is not measured; methods with the same number share the words of their places.
    """
    numbers = [found.mean if (found := _measured(cell)) else None for cell in cells]
    if any(number is None or number != number for number in numbers):
        return [None] * len(cells)
    in_order = [cell.claim["value"] for cell in sorted(cells, key=_rank)]
    words: dict[float, str] = {}
    place = 0
    for number, same in groupby(sorted(numbers)):
        count = len(list(same))
        words[number] = " or ".join(dict.fromkeys(in_order[place : place + count]))
        place += count
    return [words[number] for number in numbers]


def judge(cells: list[Comparison], methods: list[str]) -> ordering.Order:
    """The order of a row's words against what was measured, by method."""
    ranks = {m: _rank(cell) for m, cell in zip(methods, cells, strict=True)}
    measured = {m: _measured(cell) for m, cell in zip(methods, cells, strict=True)}
    return ordering.compare(ranks, {m: found for m, found in measured.items() if found is not None})


def _measured_rows(claims: Claims, store: Store) -> list[tuple[str, str, list[Comparison]]]:
    """Table, label and cells of the rows of words of which real data have measured something."""
    found = []
    for name in TABLES:
        for label, ids in claims.table(name)["rows"].items():
            cells = [compare(claims, store, claims.claim(i), claims.treatments[0], best_pick(store)) for i in ids]
            if any(cell.evidence is not None and not cell.evidence.standin for cell in cells):
                found.append((name, label, cells))
    return found


def _short(claims: Claims, name: str) -> str:
    return claims.table(name)["title"].split(".")[0]


def _others(method: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(less if more == method else more for less, more in pairs if method in (less, more))


def _rank(cell: Comparison) -> int:
    word = cell.claim["value"]
    places = RANKS[cell.claim["quantity"]]
    return places[word] if word in places else places[word.split(" (")[0]]  # High (O(n²))


def _measured(cell: Comparison) -> st.Summary | None:
    if cell.summary is None or cell.claim["quantity"] != "words_spread":
        return cell.summary
    return st.spread(cell.summary)


def _pairs(found: tuple[tuple[str, str], ...]) -> str:
    return "; ".join(f"{less}, {more}" for less, more in found) or "none"
