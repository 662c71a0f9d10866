"""How far a number moves over readings of what the paper does not state: ours, and those that stand beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ffrepro.claims import formats, verdict
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims
from ffrepro.claims.verdict import Verdict

if TYPE_CHECKING:
    from ffrepro.claims.compare import Pick


def spanned(claims: Claims, cell: Comparison, pick: Pick) -> Comparison:
    """A comparison whose verdict is "protocol not stated" with the range that our readings span; others as they are."""
    if cell.verdict.kind != verdict.UNSTATED:
        return cell
    numbers = [cell.summary.mean]
    for entry in cell.claim.get("choices", []):
        numbers += _numbers(claims, cell, entry, pick)
    if len(numbers) == 1:
        return cell
    low, high = min(numbers), max(numbers)
    digits = claims.content["quantities"][cell.claim["quantity"]]["digits"]
    text = f"our readings span {formats.number(low, digits)} to {formats.number(high, digits)}"
    return replace(cell, span=(low, high), verdict=Verdict(cell.verdict.kind, f"{cell.verdict.reason}; {text}"))


def _numbers(claims: Claims, cell: Comparison, entry: dict, pick: Pick) -> list[float]:
    """Means over the runs of another reading; of one that is a number of epochs, one for each epoch."""
    measure = cell.claim["measure"] | {key: entry[key] for key in ("experiment", "variant", "metric") if key in entry}
    treatment = entry.get("treatment", cell.treatment)
    evidence = pick(claims.experiment(measure["experiment"], treatment, measure["dataset"]), measure["variant"])
    if evidence is None or evidence.dirty or evidence.standin or evidence.cut_to:
        return []
    if any(claims.capped_at(record) is not None for record in evidence.records):
        return []
    factor = claims.factor(cell.claim)
    if not entry.get("epochs"):
        found = [record.value(measure["metric"]) for record in evidence.records]
        return [] if None in found else [factor * sum(found) / len(found)]
    lines = [record.metrics() for record in evidence.records]
    each = [[line[measure["metric"]] for line in run if measure["metric"] in line] for run in lines]
    return [factor * sum(now) / len(now) for now in zip(*each, strict=False)]
