"""How a claim's number is made again: the runs that it needs, what they cost, and the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ffrepro.claims import expressions
from ffrepro.claims.assess import Assessment
from ffrepro.claims.compare import BENCH_VARIANT
from ffrepro.claims.load import Claims
from ffrepro.claims.records import ENOUGH, SCALES, Store

Hours = Callable[[dict], float | None]  # of a planned run, None where nobody knows


def needed(claims: Claims, store: Store, claim: dict) -> list[dict]:
    """The planned runs that a claim's headline verdict needs, of one scale on real data.

    That is the least that plans all of its numbers with enough seeds for a verdict, else the least that plans any. Runs
    are of the preferred hardware, or, without a preference, of the first that is planned: one profile is enough.
    Where an experiment's committed runs are of other profiles of the same device, they are of one of these: runs of
    another precision would not add to them.
    """
    treatment = claims.treatments[0]
    places = set()
    for entry, measure in _measures(claims, claim):
        name = claims.experiment(measure["experiment"], entry.get("treatment", treatment), measure["dataset"])
        places.add((name, _variant(measure)))
    plans = [plan for experiment, variant in sorted(places) for plan in store.planned(experiment, variant)]
    hardware = store.hardware or [plan["hardware"] for plan in plans[:1]]
    plans = [plan for plan in plans if plan["hardware"] in _profiles(plan, plans, store, hardware)]
    of_scales = [[plan for plan in plans if plan["scale"] == scale] for scale in SCALES[1:]]
    return next((found for found in of_scales if _enough(found, places)), next(filter(None, of_scales), []))


def _enough(plans: list[dict], places: set[tuple[str, str]]) -> bool:
    """Whether each (experiment, variant) has the seeds without which nothing is concluded."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for plan in plans:
        seeds.setdefault((plan["experiment"], plan["variant"]), set()).add(plan["seed"])
    return bool(plans) and all(len(seeds.get(place, ())) >= ENOUGH for place in places)


def _profiles(plan: dict, plans: list[dict], store: Store, preferred: list[str]) -> list[str]:
    """The profiles of a plan's experiment and scale that count: the preferred, or one that has committed runs."""
    devices = {other["profile"]["device"] for other in plans if other["hardware"] in preferred}
    committed = sorted(store.committed_on(plan["experiment"], plan["scale"], devices))
    return preferred if not committed or set(committed) & set(preferred) else committed[:1]


def cost(plans: Iterable[dict], store: Store, hours: Hours | None) -> str:
    """What is missing of some runs, in words: ``6 runs at scale lite, about 2.5 hours``; empty where nothing is."""
    missing = [plan for plan in plans if plan["run"] not in store.records]
    if not missing:
        return ""
    text = f"{_runs(len(missing))} at scale {missing[0]['scale']}"
    if hours is None:
        return text
    known = [one for plan in missing if (one := hours(plan)) is not None]
    unknown = len(missing) - len(known)
    if not known:
        return f"{text}, of unknown length"
    spent = f"about {sum(known):.1f} hours" if sum(known) >= 0.1 else "some minutes"
    return f"{text}, {spent}" + (f" and {_runs(unknown)} of unknown length" if unknown else "")


def _runs(count: int) -> str:
    return f"{count} run{'s' if count > 1 else ''}"


def commands(claims: Claims, store: Store, assessment: Assessment, tables: Iterable[str]) -> str:
    """Commands: the claim's runs under every treatment, its table, the way from the number to the files."""
    return "\n".join([*makes(claims, store, assessment, tables), f"ffrepro trace {assessment.claim['id']}"])


def makes(claims: Claims, store: Store, assessment: Assessment, tables: Iterable[str]) -> list[str]:
    """Commands that make a claim's runs, under every treatment, and its tables."""
    lines = []
    behind = [*assessment.headline.runs, *(run for finding in assessment.findings.values() for run in finding.runs)]
    plans = [store.records[run].plan for run in dict.fromkeys(behind)] or needed(claims, store, assessment.claim)
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for plan in plans:
        folder, _, seed = plan["run"].rpartition("/seed")
        groups.setdefault((plan["scale"], plan["hardware"]), {}).setdefault(folder, []).append(seed)
    for (scale, hardware), folders in groups.items():
        targets = " ".join(f"runs/{folder}/seed{_braces(seeds)}/result.json" for folder, seeds in folders.items())
        lines.append(f"snakemake --cores all {targets} --config scale={scale} hardware={hardware}")
    options = [f"scale={scale} hardware={hardware}" for scale, hardware in groups] or [f"scale={SCALES[1]}"]
    return lines + [f"snakemake --cores all {claims.paper}_{table} --config {options[0]}" for table in tables]


def _braces(seeds: list[str]) -> str:
    """``3``, or ``{0,1,2}``, which a shell writes out."""
    return seeds[0] if len(seeds) == 1 else f"{{{','.join(seeds)}}}"


def _measures(claims: Claims, claim: dict) -> list[tuple[dict, dict]]:
    """What measures a claim, or the measured claims and operands that it speaks of: (entry, measure).

    A conclusion may speak of a published number that nothing measures, its own among them.
    """
    if claim["kind"] == "measured":
        return [(claim, claim["measure"])]
    if claim["kind"] not in ("arithmetic", "comparison"):
        return []
    found: list[tuple[dict, dict]] = []
    operands: dict[str, Any] = claim.get("operands", {})
    for name in expressions.names(claim.get("ours", claim.get("holds"))):
        if name in operands:
            found.append((operands[name], operands[name]))
        elif (named := claims.claim(name[1:]))["kind"] == "measured":
            found.append((named, named["measure"]))
    return found


def _variant(measure: dict) -> str:
    return BENCH_VARIANT if measure["metric"].startswith("bench/") else measure["variant"]
