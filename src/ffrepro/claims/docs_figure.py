"""The picture of the README: local learning beside backpropagation, one panel a paper, from committed records."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ffrepro.base.errors import FfreproError
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.figures.style import BASELINE, PALETTE, STYLE, plain
from ffrepro.claims.records import Evidence
from ffrepro.core import statistics as st

FILE = "docs/headline.svg"
_SVG = {"svg.hashsalt": "ffrepro", "svg.fonttype": "none", "font.family": "sans-serif"}  # the same bytes every time
_LEAST = 0.02  # where the logarithmic axis begins, for intervals that reach down to zero
_ROW, _HEAD = 0.22, 0.9  # inches of a row, and of a panel besides its rows


@dataclass(frozen=True)
class Panel:
    """A paper's part of the picture.

    Attributes:
        title: above it. axis: below it.
        rows: label, numbers of the variant, numbers of its backpropagation twin.
    """

    title: str
    axis: str
    rows: list[tuple[str, st.Summary, st.Summary]]


def panel(sources: Sources, spec: dict) -> Panel:
    """A panel as a study's ``headline`` defines it.

    Raises:
        FfreproError: runs or their twin are not committed, or lack the metric.
    """
    rows = []
    for row in spec["rows"]:
        runs = sources.only(row["of"])
        twin = sources.twin(runs) if runs else None
        if runs is None or twin is None:
            missing = "no committed runs" if runs is None else "no committed backpropagation runs with the same seeds"
            raise FfreproError(f"{row['of']} has {missing}", fix="name others, or commit them")
        rows.append((row["label"], _numbers(runs, spec), _numbers(twin, spec)))
    return Panel(spec["title"], spec["axis"], rows)


def svg(panels: list[Panel]) -> str:
    """The picture; the same numbers give the same text."""
    heights = [_HEAD + _ROW * len(panel.rows) for panel in panels]
    with matplotlib.rc_context(STYLE | _SVG):
        figure = Figure(figsize=(7.2, sum(heights)))
        grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
        for axes, drawn in zip(grid[:, 0], panels, strict=True):
            _draw(axes, drawn)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        out = io.StringIO()
        figure.savefig(out, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _draw(axes: Axes, drawn: Panel) -> None:
    sides = (("Forward-Forward", PALETTE[0], -0.14), ("backpropagation", BASELINE, 0.14))
    for side, (name, colour, shift) in enumerate(sides, start=1):
        found = [row[side] for row in drawn.rows]
        means = np.array([number.mean for number in found])
        ends = np.array([[number.low, number.high] for number in found])
        ends = np.where(np.isnan(ends), means[:, None], ends).clip(_LEAST)
        means = means.clip(_LEAST)
        spread = np.abs(ends - means[:, None]).T
        places = np.arange(len(found)) + shift
        axes.errorbar(means, places, xerr=spread, fmt="o", markersize=4, color=colour, label=name, elinewidth=1.2)
    axes.set_xscale("log")
    axes.set_title(plain(drawn.title), loc="left")
    axes.set_xlabel(plain(drawn.axis))
    axes.set_yticks(range(len(drawn.rows)), [plain(row[0]) for row in drawn.rows])
    axes.set_ylim(len(drawn.rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)


def _numbers(runs: Evidence, spec: dict) -> st.Summary:
    values = [record.value(spec["metric"]) for record in runs.records]
    if None in values:
        raise FfreproError(f"{runs.records[0].run} has no {spec['metric']}", fix="name another metric")
    return st.summarize([spec.get("factor", 1) * (1 - v if "complement" in spec else v) for v in values])
