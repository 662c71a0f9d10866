"""Numbers as tables show them. A number that does not exist is a dash, never "nan"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ffrepro.core.statistics import Summary

DASH = "–"
MINUS = "−"


def number(value: float | str | None, digits: int) -> str:
    """``0.9123``; very large and very small ones keep three significant digits, a published word stays as it is."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int) -> str:
    """``+0.012`` or ``−0.012``."""
    text = number(value, digits)
    return text if text == DASH or text.startswith(MINUS) else f"+{text}"


def mean_std(summary: Summary | None, digits: int) -> str:
    """``0.912 ± 0.004``; the mean alone where one run gives no spread."""
    if summary is None:
        return DASH
    spread = "" if math.isnan(summary.std) else f" ± {number(summary.std, digits)}"
    return number(summary.mean, digits) + spread


def interval(low: float, high: float, digits: int) -> str:
    """``[0.90, 0.92]``."""
    return DASH if math.isnan(low) else f"[{number(low, digits)}, {number(high, digits)}]"


def p_value(p: float | None) -> str:
    """``.031``, ``<.001``."""
    if p is None or math.isnan(p):
        return DASH
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def p_is(p: float) -> str:
    """``p = .031``, ``p <.001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def margin(entry: dict[str, float], scale: str) -> str:
    """A margin of a claims file: ``±0.02``, ``±10 %``, ``a factor of 1.4``."""
    of = {"log_complement": " of what a value lacks to the top"}.get(scale, "")
    if "factor" in entry:
        return f"a factor of {entry['factor']:g}{of}"
    return f"±{entry['absolute']:g}" if "absolute" in entry else f"±{100 * entry['relative']:g} %{of}"


def plain(value: Any) -> str:
    """A published value or a setting as the paper would print it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(plain(entry) for entry in value)
    if isinstance(value, int):
        return f"{value:,}" if value >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def size(count: float | None) -> str:
    """Bytes in MB."""
    return DASH if count is None else f"{count / 1e6:.1f} MB"


def csv_number(value: float | str | None) -> str:
    """Full precision for files; empty where there is no number, a published word as it is."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value)
