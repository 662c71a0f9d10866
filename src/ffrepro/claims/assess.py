"""Every claim of a paper with its verdict from the best evidence: the headline treatment, the others beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ffrepro.claims import facts, formats, verdict
from ffrepro.claims.compare import Comparison, best_pick, compare
from ffrepro.claims.facts import Finding
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.verdict import Verdict


@dataclass(frozen=True)
class Assessment:
    """A claim, what we say to it, and why.

    Attributes:
        findings: treatment -> finding, the headline first; one entry named "" for claims without treatments.
        comparisons: treatment -> comparison, for measured claims.
        derived: what follows from the published numbers alone.
    """

    claim: dict[str, Any]
    findings: dict[str, Finding]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    derived: str = ""

    @property
    def headline(self) -> Finding:
        return next(iter(self.findings.values()))

    @property
    def verdict(self) -> Verdict:
        return self.headline.verdict

    @property
    def n(self) -> int | None:
        """Runs (rounds, for a bench) behind the headline verdict of a measured claim."""
        first = next(iter(self.comparisons.values()), None)
        return first.n if first and first.n else None


def assess(claims: Claims, store: Store) -> dict[str, Assessment]:
    """All claims of a paper by id, in the file's order."""
    pick = best_pick(store)
    measured = {
        treatment: {
            claim["id"]: compare(claims, store, claim, treatment, pick)
            for claim in claims.claims.values()
            if claim["kind"] in ("measured", "counted")
        }
        for treatment in claims.treatments
    }
    return {
        claim_id: Assessment(
            claim,
            _findings(claims, store, claim, measured),
            {t: found[claim_id] for t, found in measured.items() if claim_id in found},
            facts.derived(claims, claim),
        )
        for claim_id, claim in claims.claims.items()
    }


def counts(assessments: dict[str, Assessment]) -> dict[str, int]:
    """How many claims have each kind of headline verdict; kinds without one are left out."""
    found = [assessment.verdict.kind for assessment in assessments.values()]
    return {kind: found.count(kind) for kind in verdict.KINDS if kind in found}


def describe(claims: Claims, comparison: Comparison) -> str:
    """A comparison in words: "0.8701 ± 0.0034 against 0.8552 (95 % CI [...])"."""
    shown = "".join(
        f"; {label} {formats.plain(found.mean) if comparison.is_counted else formats.mean_std(found, 2)}"
        for label, found in comparison.companions.items()
    )
    shown += "".join(f"; {note}" for note in comparison.precision_notes)
    if comparison.summary is None:
        return f"{comparison.verdict.reason}{shown}"
    if comparison.is_counted:
        return f"counted {formats.plain(comparison.summary.mean)} against {formats.plain(comparison.expected)}{shown}"
    digits = claims.content["quantities"][comparison.claim["quantity"]]["digits"]
    ours, expected = formats.mean_std(comparison.summary, digits), formats.number(comparison.expected, digits)
    interval = formats.interval(comparison.summary.low, comparison.summary.high, digits)
    kind = "95 % CI"
    if comparison.is_bench:
        spread = "95 % interval over" if comparison.is_ratio else "fastest and slowest of"
        kind = f"{spread} {comparison.n} rounds"
    text = f"ours {ours} against {expected}"
    if interval != formats.DASH:
        text += f" ({kind} {interval})"
    text += shown
    if comparison.capped is not None:
        text += f"; runs capped at {comparison.capped} epochs"
    return text


def _findings(
    claims: Claims, store: Store, claim: dict, measured: dict[str, dict[str, Comparison]]
) -> dict[str, Finding]:
    match claim["kind"]:
        case "measured" | "counted":
            return {t: _finding(claims, found[claim["id"]]) for t, found in measured.items()}
        case "setting":
            return {t: facts.setting(claims, store, claim, t) for t in claims.treatments}
        case "arithmetic":
            return {t: facts.conclusion(claims, claim, found) for t, found in measured.items()}
        case "data":
            return {"": facts.data(claims, store.root, claim)}
        case _:
            fixed = claim["verdict"]
            return {"": Finding(Verdict(fixed["kind"]), fixed["reason"])}


def _finding(claims: Claims, comparison: Comparison) -> Finding:
    scale = comparison.evidence.scale if comparison.evidence else None
    return Finding(comparison.verdict, describe(claims, comparison), scale, comparison.runs)
