"""Claims that no test set decides: settings, facts about the data, and conclusions drawn from other claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrepro.base.errors import DataFileError
from ffrepro.base.files import read_json
from ffrepro.claims import conclusions, expressions, probed, reference, verdict
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.formats import number, plain
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.claims.verdict import Verdict


@dataclass(frozen=True)
class Finding:
    """A verdict, what it rests on in words, and the runs it was read from."""

    verdict: Verdict
    evidence: str
    scale: str | None = None
    runs: tuple[str, ...] = ()


def setting(claims: Claims, store: Store, claim: dict, treatment: str) -> Finding:
    """Whether the runs that speak for the paper used a setting's published value, or several settings' values.

    A condition of which some planned runs are not there is not run, whatever the others say. Where a value is not the
    published one, its source tells whose doing that is: ours, where a scale cuts runs short, or the paper's.
    """
    check = claim["check"]
    conditions = check["settings"] if "settings" in check else [check | {"equals": claim["value"]}]
    texts, runs, scales, absent, kinds, standin = [], [], [], [], [], False
    for condition in conditions:
        found: dict[str, list[str]] = {}
        for dataset, variant in _cells(claims, store, condition, treatment):
            evidence = store.best(claims.experiment(condition["experiment"], treatment, dataset), variant)
            if evidence is None:
                absent.append(f"{claims.content['variants'][variant]}, {claims.content['datasets'][dataset]}")
                continue
            value = _setting_of(evidence, condition["setting"])
            kinds.append(verdict.MET if meets(value, condition) else _whose(evidence, condition["setting"]))
            found.setdefault(plain(value), []).append(dataset)
            runs += [record.run for record in evidence.records]
            scales.append(evidence.scale)
            standin |= evidence.standin
        name = f"{condition['experiment']} {condition['setting'].rpartition('.')[2]} " if len(conditions) > 1 else ""
        texts.append(name + (_spread(found, claims) if found else "without a run"))
    if not runs:
        return Finding(Verdict(verdict.NOT_RUN, "no finished run to read it from"), verdict.NOT_RUN)
    text = "ours: " + "; ".join(texts)
    scale, runs = ", ".join(dict.fromkeys(scales)), list(dict.fromkeys(runs))
    if standin:
        return Finding(Verdict(verdict.STANDIN), text, scale, tuple(runs))
    worst = next((k for k in (verdict.NOT_MET, verdict.SHORTENED) if k in kinds), verdict.MET)
    reason = ""
    if worst == verdict.MET and absent:
        worst, reason = verdict.NOT_RUN, f"no runs of {'; '.join(dict.fromkeys(absent))}"
    return Finding(Verdict(worst, reason), text, scale, tuple(runs))


def _cells(claims: Claims, store: Store, condition: dict, treatment: str) -> Iterator[tuple[str, str]]:
    """(data set, variant) that a condition speaks of: those that are planned, at whatever scale."""
    for dataset in condition.get("datasets", list(claims.content["datasets"])):
        experiment = claims.experiment(condition["experiment"], treatment, dataset)
        planned = {plan["variant"] for plan in store.planned(experiment)}
        yield from ((dataset, v) for v in condition.get("variants", list(claims.content["variants"])) if v in planned)


def _whose(evidence: Evidence, name: str) -> str:
    """Why a value is not the published one: a scale of ours has it so, or what the paper released."""
    ours = name == "seeds" or evidence.records[0].plan["origin"].get(name, "").startswith("scale ")
    return verdict.SHORTENED if ours else verdict.NOT_MET


def data(claims: Claims, root: Path, claim: dict) -> Finding:
    """Whether the prepared upstream data are what the paper says."""
    check = claim["check"]
    datasets = check.get("datasets", [check.get("dataset")])
    found = {
        name: probed.value(root, claims.paper, name, check["probe"])
        if "probe" in check
        else _manifest(root, name, check)
        for name in datasets
    }
    absent = [name for name, value in found.items() if value is None]
    if absent:
        return Finding(
            Verdict(verdict.NOT_RUN, f"needs the upstream data of {', '.join(absent)}"),
            f"ffrepro prepare {absent[0]} --source upstream",
        )
    stated = claim["value"]
    accept = {
        "equal": lambda value: value == stated,
        "at_least": lambda value: value >= stated,
        "within": lambda value: abs(value - stated) <= claims.margin(claim),
    }[check["rule"]]
    met = all(accept(value) for value in found.values())
    names = claims.content["datasets"]
    text = ", ".join(f"{names[name]} {plain(value)}" for name, value in found.items())
    return Finding(Verdict(verdict.MET if met else verdict.NOT_MET), f"in the data: {text}", "upstream data")


def conclusion(claims: Claims, claim: dict, measured: Mapping[str, Comparison]) -> Finding:
    """A conclusion, first checked on the published figures where it speaks of them, then tested on our runs.

    Args:
        measured: comparison by short name (``c025``, and the claim's own operands), under one treatment.
    """
    if claim.get("about") == "figures" and "ours" not in claim:
        return _on_figures(claims, claim, "", None, ())
    written = claim.get("ours", claim.get("holds"))
    used = {name: measured[name] for name in expressions.names(written)}
    runs = tuple(run for comparison in used.values() for run in comparison.runs)
    scale = ", ".join(dict.fromkeys(c.evidence.scale for c in used.values() if c.evidence)) or None
    ours, text = conclusions.on_runs(claims, written, used)
    if all(c.summary is not None for c in used.values()) and claim.get("derived"):
        values = {name: comparison.summary.mean for name, comparison in used.items()}
        shown = _derived(claim, values)
        text += f" ({shown})" if shown else ""
    if "holds" not in claim:
        return Finding(ours, text, scale, runs)
    found = _on_figures(claims, claim, text, scale, runs)
    if found.verdict.kind != verdict.HOLDS or claim.get("about") == "figures":
        return found
    return Finding(ours, f"holds in the paper's own figures; {text}", scale, runs)


def _on_figures(claims: Claims, claim: dict, text: str, scale: str | None, runs: tuple[str, ...]) -> Finding:
    """A conclusion on the published figures, whatever our runs say to it."""
    printed = conclusions.on_paper(claims, claim["holds"])
    tight = expressions.truth(claim.get("tight", "0 < 1"), claims.published)
    if printed is None:
        found = Verdict(verdict.INCONCLUSIVE, "the printed digits leave it open")
    elif printed and not tight:
        found = Verdict(verdict.LOOSELY, "in the paper's own figures")
    else:
        found = Verdict(verdict.HOLDS, "in the paper's own figures") if printed else Verdict(verdict.REFUTED)
    return Finding(found, text or "the paper's own figures alone", scale, runs)


def derived(claims: Claims, claim: dict) -> str:
    """What follows from the published numbers, as text: "total time 217.6 s"."""
    return _derived(claim, claims.published)


def _derived(claim: dict, values: Mapping[str, float]) -> str:
    """Entries that speak of more claims than there are values for are left out."""
    parts = []
    for entry in claim.get("derived", []):
        if not set(expressions.names(entry["expression"])) <= set(values):
            continue
        decimals = len(str(entry["value"]).partition(".")[2])
        text = number(expressions.number(entry["expression"], values), decimals)
        parts.append(f"{entry['label']}: {text} {entry['units']}".strip())
    return "; ".join(parts)


def meets(value: Any, condition: dict) -> bool:
    """Whether a setting's value fulfils its one condition; more seeds than the paper's are as good."""
    if "one_of" in condition:
        return value in condition["one_of"]
    if "between" in condition or "entries" in condition:
        low, high = condition.get("between") or condition["entries"]
        return low <= (value if "between" in condition else len(value)) <= high
    return value >= condition["equals"] if condition["setting"] == "seeds" else value == condition["equals"]


def _setting_of(evidence: Evidence, name: str) -> Any:
    if name == "seeds":
        return len(evidence)
    group, _, key = name.partition(".")
    return evidence.records[0].plan[group].get(key)


def _spread(found: dict[str, list[str]], claims: Claims) -> str:
    """``96``, or ``60 (MCYT, Mouse-Ops.), 40 ($1)`` where data sets differ."""
    if len(found) == 1:
        return next(iter(found))
    names = claims.content["datasets"]
    return "; ".join(f"{value} ({', '.join(dict.fromkeys(names[d] for d in where))})" for value, where in found.items())


def _manifest(root: Path, dataset: str, check: dict) -> Any:
    """A manifest's entry, from the prepared data or from what was committed with the reference records."""
    for folder in (root / "data/prepared/upstream", root / reference.FOLDER / "data"):
        if (folder / f"{dataset}.json").is_file():
            path = folder / f"{dataset}.json"
            value: Any = read_json(path)
            for key in check["manifest"].split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is None or isinstance(value, dict):
                raise DataFileError(
                    f"no value of {check['manifest']}", where=path, fix="restore it, or prepare that data set again"
                )
            return value
    return None
