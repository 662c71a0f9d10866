"""The promises of the first screen, from ``promises.yaml``, and what a claims file may say of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ffrepro.base import yamlfile
from ffrepro.base.errors import FfreproError

FILE = Path(__file__).parent / "promises.yaml"
CONCLUSIONS = ("arithmetic", "comparison", "statement")  # kinds of claims that may decide a promise


class Promise(NamedTuple):
    """One of ``promises.yaml``."""

    name: str
    label: str
    asks: str


@cache
def promises() -> tuple[Promise, ...]:
    """The promises, in their order."""
    content, _ = yamlfile.load(FILE)
    return tuple(Promise(name, entry["label"], entry["asks"]) for name, entry in content.items())


def check(declared: dict[str, Any], claims: dict[str, dict], quantities: dict[str, dict], where: object) -> None:
    """Refuse what a claims file says under ``first_screen`` and cannot be shown.

    Args:
        claims: by number, those that the file has.

    Raises:
        FfreproError: a single number that decides a promise, numbers that do not pair, an error of what has none.
    """
    for name, entry in declared["promises"].items():
        place = f"{where} first_screen {name}"
        for short in (*entry.get("for", []), *entry.get("against", [])):
            if claims[short]["kind"] not in CONCLUSIONS:
                raise FfreproError(
                    f"claim {short} is {claims[short]['kind']}, and decides no promise", where=place,
                    fix="name conclusions: whether a number comes out again says nothing about a promise",
                )  # fmt: skip
        if "limit" in entry and len(entry.get("ratio", [])) != len(entry["limit"]):
            raise FfreproError("ratio and limit are not as many", where=place, fix="name them in the same order")
        _refuse_unmeasured([i for i in numbers(entry) if isinstance(i, str)], claims, place)
    for row in _pairs(declared):
        place = f"{where} first_screen {row['label']}"
        _refuse_no_errors([row[key] for key in ("ff", "bp") if key in row], claims, quantities, place)
        _refuse_unlike(row, claims, place)


def numbers(entry: dict[str, Any]) -> Iterator[str | dict]:
    """Every ratio and limit that a promise's entry names."""
    for key in ("ratio", "limit"):
        yield from entry.get(key, [])


def shorts(declared: dict[str, Any]) -> Iterator[str]:
    """Every claim that ``first_screen`` names."""
    for entry in declared["promises"].values():
        yield from (short for key in ("for", "against") for short in entry.get(key, []))
        yield from (number for number in numbers(entry) if isinstance(number, str))
    for row in _pairs(declared):
        yield from (row[key] for key in ("ff", "bp") if key in row)


def _pairs(declared: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Every pair of errors, of a promise or of the plot."""
    for entry in declared["promises"].values():
        yield from entry.get("pairs", [])
    yield from declared.get("errors", [])


def _refuse_unlike(pair: dict[str, str], claims: dict[str, dict], place: str) -> None:
    """Refuse a pair of claims that are of two data sets, or of two quantities."""
    if "bp" not in pair:
        return
    found = [(claims[pair[key]]["measure"]["dataset"], claims[pair[key]]["quantity"]) for key in ("ff", "bp")]
    if found[0] != found[1]:
        raise FfreproError(
            f"claims {pair['ff']} and {pair['bp']} are not of one data set and quantity", where=place,
            fix="pair Forward-Forward with backpropagation on the same data",
        )  # fmt: skip


def _refuse_unmeasured(found: list[str], claims: dict[str, dict], place: str) -> None:
    for short in found:
        if claims[short]["kind"] != "measured":
            raise FfreproError(f"claim {short} is not measured", where=place, fix="name one that has runs")


def _refuse_no_errors(found: list[str], claims: dict[str, dict], quantities: dict[str, dict], place: str) -> None:
    _refuse_unmeasured(found, claims, place)
    for short in found:
        if not {"range", "better"} <= quantities[claims[short]["quantity"]].keys():
            raise FfreproError(f"claim {short} is no error", where=place, fix="name one with a range and a direction")
