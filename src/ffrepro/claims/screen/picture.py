"""The first screen as a picture: the table of promises over the plot of errors, from committed records."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from itertools import accumulate

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ffrepro.claims.figures.style import BASELINE, PALETTE, PAPER, STYLE, plain
from ffrepro.claims.screen import view, words
from ffrepro.claims.screen.answers import Answer
from ffrepro.claims.screen.errors import Interval, Row
from ffrepro.claims.screen.promises import promises

FILE = "docs/first_screen.svg"
_SVG = {"svg.hashsalt": "ffrepro", "svg.fonttype": "none", "font.family": "sans-serif"}  # the same bytes every time
_WIDTH, _LINE, _GAP, _ROW, _HEAD = 9.0, 0.155, 0.09, 0.24, 0.75  # inches: of all; a line of the table and what is
# around a row; a row of errors; what stands around each part
SMALL = 7.5  # points
_LABELS = 0.19  # of the width: the promises' column
_LETTER = 0.057  # inches of a small letter; the widest texts of digits and capitals have that mean
_NOTE = (
    "a / b %: test error of Forward-Forward / backpropagation on the same data and seeds. Points: the first less the "
    "second, least to most over the pairs below.\n×: time or memory over backpropagation's."
)
_GOOD, _BAD, _BOTH, _DIM = "#1b7837", "#b2402c", "#7a3b96", "#5f656b"
_COLOURS = {
    words.YES: _GOOD, words.LOOSELY: _GOOD, words.PARTLY_YES: _GOOD, words.NO: _BAD, words.PARTLY_NO: _BAD,
    words.MIXED: _BOTH,
}  # fmt: skip
_SERIES = (  # what of a row, mark, colour, shift of its line
    ("published", "D", PAPER, -0.28, "published"),
    ("ff", "o", PALETTE[0], -0.05, "ours, Forward-Forward"),
    ("bp", "s", BASELINE, 0.2, "ours, backpropagation"),
)


def svg(columns: Sequence[view.Column]) -> str:
    """The picture; the same numbers give the same text. Errors of which there are no runs of ours are left out."""
    rows = [row for column in columns for row in column.errors if row.ff is not None]
    heights = [_HEAD + sum(_heights(columns))] + ([_HEAD + _ROW * len(rows)] if rows else [])
    with matplotlib.rc_context(STYLE | _SVG):
        figure = Figure(figsize=(_WIDTH, sum(heights)))
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        _table(parts[0].subplots(), columns)
        if rows:
            _errors(parts[1].subplots(), rows)
        out = io.StringIO()
        figure.savefig(out, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _table(axes: Axes, columns: Sequence[view.Column]) -> None:
    axes.set_axis_off()
    axes.set_title(f"{view.TITLE}\n", loc="left", fontsize=13, fontweight="bold")
    axes.text(0, 1, plain(view.counted(columns)), transform=axes.transAxes, va="bottom", fontsize=8.5)
    heights, width = _heights(columns), column_inches(len(columns)) / _WIDTH
    tops = [0.0, *accumulate(heights)]
    axes.set(xlim=(0, 1), ylim=(tops[-1], 0))
    for place, column in enumerate(columns):
        x = _LABELS + place * width
        axes.text(x, heights[0] / 2, plain(column.claims.short), fontweight="bold", va="center")
        for top, height, answer in zip(tops[1:], heights[1:], column.answers, strict=False):
            _cell(axes, x, top + height / 2, answer, len(columns))
    for top, height, promise in zip(tops[1:], heights[1:], promises(), strict=False):
        axes.text(0, top + height / 2, promise.label, va="center")
        axes.axhline(top, color="#d9dce0", linewidth=0.7)
    axes.axhline(tops[-2], color="#d9dce0", linewidth=0.7)
    axes.text(0, tops[-2] + heights[-1] / 2, _NOTE, va="center", fontsize=SMALL)


def _heights(columns: Sequence[view.Column]) -> list[float]:
    """Inches of the table's head, of each promise's row (of as many lines as its longest cell has), of the note."""
    most = [max([1, *(len(below(c.answers[row], len(columns))) for c in columns)]) for row in range(len(promises()))]
    return [_LINE * (1 + lines) + _GAP for lines in (1, *most, 1)]


def column_inches(columns: int) -> float:
    """Inches that a paper's cells are wide, among so many papers."""
    return _WIDTH * (1 - _LABELS) / max(columns, 1)


def below(answer: Answer, columns: int) -> list[str]:
    """The small lines under a cell's word, as wide as its column: what it rests on, our numbers, or what is missing."""
    notes = [view.OURS] * answer.asked_by_us + [f"it says: {answer.says}"] * bool(answer.says)
    notes += [view.ITSELF] * answer.by_itself
    numbers = answer.brief or (answer.cost if answer.word is words.NOT_RUN else "")
    letters = int(column_inches(columns) / _LETTER)
    return [line for text in [*notes, numbers] for line in textwrap.wrap(plain(text), letters)]


def _cell(axes: Axes, x: float, y: float, answer: Answer, columns: int) -> None:
    told = f" ({answer.told})" if answer.told and answer.word is not words.UNJUDGED else ""
    lines = below(answer, columns)
    first, weight = y - _LINE * len(lines) / 2, "bold" if answer.word in _COLOURS else "normal"
    colour = _COLOURS.get(answer.word, _DIM)
    axes.text(x, first, f"{answer.word}{told}", va="center", color=colour, fontweight=weight, fontsize=9)
    for line, text in enumerate(lines, start=1):
        axes.text(x, first + _LINE * line, text, va="center", fontsize=SMALL)


def _errors(axes: Axes, rows: Sequence[Row]) -> None:
    for part, mark, colour, shift, label in _SERIES:
        found = [
            (place + shift, getattr(row, part)) for place, row in enumerate(rows) if getattr(row, part) is not None
        ]
        values = [max(interval.value, view.LEAST) for _, interval in found]
        spread = [[0.0] * len(found)] * 2
        if part != "published":  # rounding and published spreads are no interval of ours
            spread = [list(sides) for sides in zip(*(_sides(interval) for _, interval in found), strict=True)]
        hollow = {"markerfacecolor": "white"} if part == "published" else {}
        axes.errorbar(values, [y for y, _ in found], xerr=spread, fmt=mark, markersize=4, color=colour, label=label,
                      elinewidth=1.2, **hollow)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("test error, percent, with 95 % intervals over seeds")
    axes.set_yticks(range(len(rows)), [plain(row.label) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(_SERIES))


def _sides(interval: Interval) -> tuple[float, float]:
    """How far an interval reaches to the left and to the right, on an axis that begins at ``view.LEAST``."""
    if math.isnan(interval.low):
        return 0.0, 0.0
    middle = max(interval.value, view.LEAST)
    return middle - max(interval.low, view.LEAST), interval.high - middle
