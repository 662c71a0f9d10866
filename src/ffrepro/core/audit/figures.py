"""A paper's printed figures, by the names that expressions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ffrepro.core.audit import intervals
from ffrepro.core.audit.counts import Counted
from ffrepro.core.audit.intervals import Printed


class NotPrinted(ValueError):
    """A cell, or the spread of one, that the paper does not print."""


class Table(NamedTuple):
    """A printed table: column names, and each row's cells, None where there is none."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[Printed | None]]


@dataclass
class Figures:
    """What expressions may speak of, by name."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    values: Mapping[str, Printed] = field(default_factory=dict)
    nets: Mapping[str, Sequence[Counted]] = field(default_factory=dict)

    def as_printed(self) -> Figures:
        """The same with every number taken for exact."""
        tables = {
            name: Table(table.columns, {row: [_exactly(cell) for cell in cells] for row, cells in table.rows.items()})
            for name, table in self.tables.items()
        }
        return Figures(tables, {name: _exactly(value) for name, value in self.values.items()}, self.nets)


def _exactly(printed: Printed | None) -> Printed | None:
    if printed is None:
        return None
    spread = None if printed.spread is None else intervals.middle(printed.spread)
    return printed._replace(value=intervals.middle(printed.value), spread=spread)
