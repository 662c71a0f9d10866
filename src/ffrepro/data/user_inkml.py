"""A movement of the user's own in InkML (W3C, 2011): every trace of it is one movement."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_clock, user_pen, user_points
from ffrepro.data.user_points import UP, Points

_ID = "{http://www.w3.org/XML/1998/namespace}id"
_VALUE = re.compile(r"""([!'"]?)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[TF])""")
_PLAIN = ["X", "Y"]  # channels of a file without a trace format
_PEN = {"F": "pressure", "S": "pen"}  # force, tip switch: channels that say whether the pen touches the surface


def parse(text: str, path: Path, unit: str | None = None) -> Points:
    """The points of all traces, in document order; those of type penUp are left out.

    A trace is parted where its channel F (force) or S (tip switch) is 0, as a text is by a column of pressure or pen.
    Channels are those of the trace's own format (through contextRef), else of the document's. Values may be written
    as such, as first (') or as second (") differences. Without a channel T the times are those of the source's sample
    rate, from each trace's timeOffset on.

    Args:
        unit: of the channel T; None: as the channel says, or as the steps tell.

    Raises:
        FfreproError: no InkML, a document type (entities are not expanded), no X, Y or times, a point that is none.
    """
    root = _root(text, path)
    form_of = _forms(root)
    tables, pens, marks, forms, rates = [], [], [], [], set()
    for number, trace in enumerate(_all(root, "trace"), start=1):
        where = f"{path}, trace {number}"
        form = form_of(trace.get("contextRef", ""))
        at = _channels(form.channels, where)
        table = _values(trace.text or "", len(form.channels), where)
        if "T" in at:
            times = table[:, at["T"]]
        else:
            rate = _rate(form, where)
            rates.add(rate)
            times = _number(trace.get("timeOffset", "0"), where) + 1e3 * np.arange(len(table)) / rate
        forms.append(form)
        tables.append(np.stack([table[:, at["X"]], table[:, at["Y"]], times], 1))
        pens.append({role: table[:, form.channels.index(name)] for name, role in _PEN.items() if name in form.channels})
        marks.append(np.full(len(table), UP if trace.get("type") == "penUp" else number, np.int32))
    if not tables:
        return user_points.empty()
    if len({("T" in form.channels, form.unit) for form in forms}) > 1:
        fix = "give every trace a channel T in one unit, or none"
        raise FfreproError("some traces have times, or units of times, that others have not", where=path, fix=fix)
    x, y, t = np.concatenate(tables).T
    trace_N, notes = _lifted(np.concatenate(marks), pens, [len(table) for table in tables])
    kinds = {tuple(form.channels) for form in forms}
    read = f"InkML channels {', '.join(kinds.pop() if len(kinds) == 1 else 'XY')}"
    if rates:
        return Points(x, y, t, trace_N, read, f"ms by a sample rate of {', '.join(f'{r:g}' for r in rates)} Hz", notes)
    steps = np.diff(t)[trace_N[1:] == trace_N[:-1]]
    found, more = user_clock.unit_of(steps, forms[0].unit, unit, path)
    return Points(x, y, t * user_clock.UNITS[found], trace_N, read, found, notes + more)


def _lifted(trace_N: np.ndarray, pens: list[dict[str, np.ndarray]], lengths: list[int]) -> tuple[np.ndarray, list[str]]:
    """The traces with the rows ``UP`` in which a channel says so, and warnings; traces of type penUp are not asked."""
    columns = {
        role: np.concatenate([pen.get(role, np.full(n, np.nan)) for pen, n in zip(pens, lengths, strict=True)])
        for role in _PEN.values()
    }
    down = np.flatnonzero(trace_N != UP)
    up, notes = user_pen.up({role: values[down] for role, values in columns.items()})
    trace_N[down[up]] = UP
    return trace_N, notes


def _root(text: str, path: Path) -> Element:
    from defusedxml import ElementTree, common

    fix = "give InkML (a root element ink, traces of X, Y, T) or a CSV of x, y, t"
    try:
        # The text is decoded already: what its declaration says of the bytes no longer holds.
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text, count=1, flags=re.DOTALL), forbid_dtd=True)
    except common.DefusedXmlException:
        fix = "take the DOCTYPE out: InkML needs none, and entities are not expanded"
        raise FfreproError("a document type in the XML", where=path, fix=fix) from None
    except ParseError as error:
        raise FfreproError(f"no XML: {error}", where=path, fix=fix) from None
    if _name(root) != "ink":
        raise FfreproError(f"XML with the root {_name(root)!r}, not InkML", where=path, fix=fix)
    return root


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(element: Element, name: str) -> list[Element]:
    """All elements of a name under (or at) ``element``, whatever their namespace."""
    return [one for one in element.iter() if isinstance(one.tag, str) and _name(one) == name]


class _Form(NamedTuple):
    """Attributes: channels of a trace, the unit of T by its channel, the source that recorded it."""

    channels: list[str]
    unit: str | None
    source: Element


def _forms(root: Element) -> Callable[[str], _Form]:
    """The form of the traces with a contextRef: the context's own, else the document's only, or first, one.

    It is looked for once a context: a document may have ten thousand traces.
    """
    ids = {one.get(_ID) or one.get("id"): one for one in root.iter() if one.get(_ID) or one.get("id")}

    def target(element: Element, name: str) -> Element | None:
        return ids.get(element.get(name, "").removeprefix("#"))

    @cache
    def form(reference: str) -> _Form:
        context = ids.get(reference.removeprefix("#"), root)
        source = _first(context, "inkSource")
        source = source if source is not None else target(context, "inkSourceRef")
        places = [context, target(context, "traceFormatRef"), source, root]
        formats = [one for place in places if place is not None for one in _all(place, "traceFormat")]
        channels = _all(formats[0], "channel") if formats else []
        units = [channel.get("units", "") for channel in channels if channel.get("name", "").upper() == "T"]
        return _Form(
            [channel.get("name", "").upper() for channel in channels] or _PLAIN,
            units[0] if units and units[0] in user_clock.UNITS else None,
            source if source is not None else root,
        )

    return form


def _first(element: Element, name: str) -> Element | None:
    return next(iter(_all(element, name)), None)


def _channels(channels: list[str], where: str) -> dict[str, int]:
    """Where X, Y and, where there is one, T are."""
    for name in "XYT":
        if channels.count(name) > 1 or (name != "T" and name not in channels):
            count = "no channel" if name not in channels else "several channels"
            raise FfreproError(f"{count} {name} among {', '.join(channels)}", where=where, fix="one X, Y, T each")
    return {name: channels.index(name) for name in "XYT" if name in channels}


def _rate(form: _Form, where: str) -> float:
    """The sample rate, Hz, of a trace without times."""
    rate = _first(form.source, "sampleRate")
    value = _number(rate.get("value", ""), where) if rate is not None else 0.0
    if not value > 0 or (rate is not None and rate.get("uniform", "true") == "false"):
        what = f"no times: neither a channel T among {', '.join(form.channels)} nor a uniform sampleRate"
        raise FfreproError(what, where=where, fix='add a channel T, or <sampleRate value="100"/> to the inkSource')
    return value


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FfreproError(f"{text[:30]!r} is no number", where=where, fix="write a number there") from None


def _values(text: str, width: int, where: str) -> np.ndarray:
    """The numbers of a trace, (n, width), differences added up."""
    points = [point for point in text.split(",") if point.strip()]
    out = np.empty((len(points), width))
    modes, last, velocity = ["!"] * width, np.zeros(width), np.zeros(width)
    for row, point in enumerate(points):
        found = _VALUE.findall(point)
        if len(found) != width or _VALUE.sub("", point).strip():
            what = f"point {row + 1}, {point.strip()[:60]!r}, has not the {width} numbers of its format"
            raise FfreproError(what, where=where, fix="a point has a number a channel; points are separated by commas")
        for column, (mode, written) in enumerate(found):
            modes[column] = mode or modes[column]
            value = {"T": 1.0, "F": 0.0}.get(written)
            value = float(written) if value is None else value
            if modes[column] == '"':
                value += velocity[column]
            if modes[column] != "!":
                velocity[column] = value
                value += last[column]
            else:
                velocity[column] = value - last[column]
            last[column] = out[row, column] = value
    return out
