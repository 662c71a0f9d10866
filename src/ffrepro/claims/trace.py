"""Trace a published number to the files behind our verdict, in at most five steps."""

from __future__ import annotations

import difflib
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_file
from ffrepro.claims import load, reproduce, verdict
from ffrepro.claims.assess import Assessment, assess
from ffrepro.claims.formats import plain
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Record, Store

FILES = ("run.json", "result.json", "metrics.jsonl", "arrays.npz")
_SUGGESTED = 5


def find(root: str | Path, wanted: str) -> tuple[Claims, list[str]]:
    """The claims that a user means, and their claims file.

    Args:
        wanted: an id (``<paper>/027``), or words that must all occur in a claim: "table1 mcyt auc".

    Raises:
        FfreproError: nothing fits; the message names the nearest claims.
    """
    words = [_squeeze(word) for word in wanted.split()]
    haystacks: dict[str, str] = {}
    for paper in load.papers():
        claims = load.load(root, paper)
        if wanted in claims.claims:
            return claims, [wanted]
        own = {claim_id: _haystack(claims, claim) for claim_id, claim in claims.claims.items()}
        found = [claim_id for claim_id, text in own.items() if words and all(word in text for word in words)]
        if found:
            return claims, found
        haystacks |= own
    near = difflib.get_close_matches(wanted, haystacks, _SUGGESTED, 0.6)
    if not near:
        score = {claim_id: sum(word in text for word in words) for claim_id, text in haystacks.items()}
        near = [name for name in sorted(score, key=score.get, reverse=True)[:_SUGGESTED] if score[name]]
    raise FfreproError(
        f"no claim {wanted!r}",
        where="src/ffrepro/studies/*/claims.yaml",
        fix=f"nearest: {', '.join(near) or 'none'}; or give words of it: 'table1 mcyt auc'",
    )


def describe(claims: Claims, store: Store, claim_id: str, hours: reproduce.Hours | None = None) -> str:
    """The way from a claim to its files, as text; what is missing, and its hours, of one that was not run.

    Args:
        hours: what a planned run takes.
    """
    assessment = assess(claims, store)[claim_id]
    lines = [*_published(claims, assessment), *_measured(claims, assessment)]
    headline = [store.records[run] for run in assessment.headline.runs]
    for treatment, finding in assessment.findings.items():
        records = [store.records[run] for run in finding.runs]
        lines.append(f"3. runs{f' ({treatment})' if treatment else ''}: {finding.verdict}")
        lines.append(f"   {finding.evidence}")
        lines += [f"   {record.run}{' (committed)' if record.committed else ''}" for record in records] or ["   none"]
    lines += [*_files(store.root, headline), *_settings(headline)]
    again = reproduce.makes(claims, store, assessment, claims.tables_of(assessment.claim))
    lines += ["6. to make it again", *(f"   {command}" for command in again or ["none: no run decides it"])]
    if assessment.verdict.kind in verdict.SUMS[verdict.RUN_NOT]:
        missing = reproduce.cost(reproduce.needed(claims, store, assessment.claim), store, hours)
        lines.append(f"   not run: {missing or 'no run is planned'}")
    return "\n".join(lines) + "\n"


def one_line(claims: Claims, claim_id: str) -> str:
    """A claim in one line: id, place in the paper, and the number."""
    claim = claims.claims[claim_id]
    units = "" if claim["units"] == claim["metric"] else claim["units"]
    return f"{claim_id}: {claim['where']}, {claim['row']}: {claim['metric']} = {plain(claim['value'])} {units}".rstrip()


def _published(claims: Claims, assessment: Assessment) -> list[str]:
    claim = assessment.claim
    lines = [f"1. claim {one_line(claims, claim['id'])}", f"   {claims.content['title']}", f'   "{claim["quote"]}"']
    return lines + ([f"   from the published numbers: {assessment.derived}"] if assessment.derived else [])


def _measured(claims: Claims, assessment: Assessment) -> list[str]:
    claim = assessment.claim
    if "measure" in claim:
        measure = claim["measure"]
        if claim["kind"] == "counted":
            return [f"2. counted: {measure['count']} parameters of {measure['model']} (ffrepro.nets.cnn)"]
        names = [claims.experiment(measure["experiment"], t, measure["dataset"]) for t in claims.treatments]
        what = f"{measure['metric']} of {measure.get('row', measure['variant'])}"
        return [f"2. measured as {what} in {', '.join(names)}"]
    if "check" in claim:
        return ["2. checked: " + ", ".join(f"{key} {plain(value)}" for key, value in claim["check"].items())]
    if "holds" in claim:
        return [f"2. evaluated on the published numbers, then on ours: {claim.get('ours', claim['holds'])}"]
    if "ours" in claim:
        return [f"2. evaluated on ours: {claim['ours']}"]
    return ["2. judged without runs"]


def _files(root: Path, records: list[Record]) -> list[str]:
    lines = ["4. records"]
    for record in records:
        lines.append(f"   {record.folder.relative_to(root)}  (data {record.about['data']['fingerprint'][:12]})")
        lines += [f"      {record.other_version}"] if record.other_version else []
        there = [record.folder / name for name in FILES if (record.folder / name).is_file()]
        lines += [f"      {path.name:14s} sha256 {sha256_file(path)}" for path in there]
    return lines + ["   none"] * (not records)


def _settings(records: list[Record]) -> list[str]:
    if not records:
        return ["5. settings", "   none"]
    plan = records[0].plan
    lines = [f"5. settings of {plan['run']} (plan/{plan['run']}.json)"]
    for key, source in plan["origin"].items():
        value = plan
        for part in key.split("."):
            value = value.get(part, {}) if isinstance(value, dict) else {}
        lines.append(f"   {key} = {plain(value)}  [{source}]")
    return lines


def _haystack(claims: Claims, claim: dict) -> str:
    measure = claim.get("measure", {})
    shown = claims.tables_of(claim)
    words = [claim["id"], claim["where"], claim["row"], claim["metric"], *shown, *map(str, measure.values())]
    return " ".join(_squeeze(word) for word in words)


def _squeeze(text: str) -> str:
    """Lower case, without spaces and punctuation except _ / $: "Table 1" is "table1"."""
    return "".join(c for c in text.lower() if c.isalnum() or c in "_/$")
