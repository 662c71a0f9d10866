"""The words of Tables 1, 2, 3 and 7 (High, Moderate, Low) held to what was measured of each method, pair by pair."""

from __future__ import annotations

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
    for name in TABLES:
        spec = claims.table(name)
        for label, ids in spec["rows"].items():
            cells = [compare(claims, store, claims.claim(i), claims.treatments[0], best_pick(store)) for i in ids]
            if any(cell.evidence is not None and not cell.evidence.standin for cell in cells):
                found = judge(cells, spec["columns"])
                rows.append([spec["title"].split(".")[0], label, *map(_pairs, found)])
    if not rows:
        return []
    header = ["Table", "Row", "As the words say (less, more)", "The other way round", "Not apart"]
    return [Heading("Words by rank", 2, f"{claims.paper}-words"), Paragraph(_TEXT), Table(header, rows)]


def judge(cells: list[Comparison], methods: list[str]) -> ordering.Order:
    """The order of a row's words against what was measured, by method."""
    ranks = {m: _rank(cell) for m, cell in zip(methods, cells, strict=True)}
    measured = {m: _measured(cell) for m, cell in zip(methods, cells, strict=True)}
    return ordering.compare(ranks, {m: found for m, found in measured.items() if found is not None})


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
