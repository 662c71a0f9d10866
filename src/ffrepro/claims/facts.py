"""Claims that no test set decides: settings, facts about the data, and conclusions drawn from other claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrepro.base import studies
from ffrepro.base.errors import DataFileError
from ffrepro.base.files import read_json
from ffrepro.base.names import unknown
from ffrepro.claims import expressions, reference, verdict
from ffrepro.claims.compare import Comparison
from ffrepro.claims.formats import number, plain
from ffrepro.claims.load import Claims, name_of
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
    """Whether the runs that speak for the paper used a setting's published value, or several settings' values."""
    check = claim["check"]
    equal = {"equals": claim["value"]}
    conditions = check["settings"] if "settings" in check else [check | equal]
    met, runs, scales, standin, texts = True, [], [], False, []
    for condition in conditions:
        found: dict[str, list[str]] = {}
        for dataset in condition.get("datasets", list(claims.content["datasets"])):
            experiment = claims.experiment(condition["experiment"], treatment, dataset)
            for variant in condition.get("variants", list(claims.content["variants"])):
                evidence = store.best(experiment, variant)
                if evidence is None:
                    continue
                value = _setting_of(evidence, condition["setting"])
                met &= meets(value, condition)
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
    return Finding(Verdict(verdict.MET if met else verdict.NOT_MET), text, scale, tuple(runs))


def data(claims: Claims, root: Path, claim: dict) -> Finding:
    """Whether the prepared upstream data are what the paper says."""
    check = claim["check"]
    datasets = check.get("datasets", [check.get("dataset")])
    found = {
        name: _probe(claims, root, name, check["probe"]) if "probe" in check else _manifest(root, name, check)
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


def conclusion(claims: Claims, claim: dict, measured: dict[str, Comparison]) -> Finding:
    """A conclusion from published numbers, first checked on these, then on ours.

    Args:
        measured: comparison by full claim id, under one treatment, from the best evidence.
    """
    written = claim.get("ours", claim["holds"])
    used = [measured[f"{claims.paper}/{name[1:]}"] for name in expressions.names(written)]
    ours, text = _ours(claims, claim, written, used)
    runs = tuple(run for comparison in used for run in comparison.runs)
    scale = ", ".join(dict.fromkeys(c.evidence.scale for c in used if c.evidence)) or None
    if not expressions.truth(claim["holds"], claims.published):
        return Finding(Verdict(verdict.REFUTED), text, scale, runs)
    return Finding(ours, f"holds in the paper's own figures; {text}", scale, runs)


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


def _ours(claims: Claims, claim: dict, written: str, used: list[Comparison]) -> tuple[Verdict, str]:
    """The verdict that our own numbers give a conclusion, and that in words."""
    missing = [c for c in used if c.summary is None or (c.n < verdict.ENOUGH and not c.is_counted)]
    if any(c.evidence is not None and c.evidence.standin for c in used):
        return Verdict(verdict.STANDIN), "ours are of stand-in data"
    if missing:
        rows = "; ".join(dict.fromkeys(c.claim["row"] for c in missing))
        return Verdict(verdict.INCONCLUSIVE, "too few runs of ours"), f"ours: too few runs of {rows}"
    quantities = claims.content["quantities"]
    caps = [c.capped for c in used if c.capped is not None and quantities[c.claim["quantity"]].get("censored")]
    if caps:
        return Verdict(
            verdict.INCONCLUSIVE, f"capped at {max(caps)} epochs"
        ), f"ours: runs capped at {max(caps)} epochs"
    parts = [c.evidence.train_samples for c in used if c.evidence and c.evidence.train_samples]
    if parts:
        return Verdict(
            verdict.INCONCLUSIVE, f"trained on {min(parts):,} images only"
        ), f"ours: some runs trained on {min(parts):,} images only"
    by_side = [c for c in used if "threshold" in quantities[c.claim["quantity"]]]
    unclear = [c for c in by_side if c.verdict.kind == verdict.INCONCLUSIVE]
    if unclear:
        reason = f"{unclear[0].claim['row']}: {unclear[0].verdict.reason}"
        return Verdict(verdict.INCONCLUSIVE, reason), f"ours: {reason}"
    values = {name_of(c.claim["id"]): c.summary.mean for c in used}
    if "ours" in claim:
        digits = [quantities[c.claim["quantity"]]["digits"] for c in used]
        shown = "; ".join(f"{c.claim['row']}: {number(c.summary.mean, d)}" for c, d in zip(used, digits, strict=True))
    else:
        shown = _derived(claim, values)
    if expressions.truth(written, values):
        return Verdict(verdict.REPRODUCED, "holds in our runs too"), f"it holds in ours ({shown})"
    return Verdict(verdict.WORSE, "does not hold in our runs"), f"it does not hold in ours ({shown})"


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


def _probe(claims: Claims, root: Path, dataset: str, name: str) -> float | None:
    """What a function of the study's ``probes`` says of a prepared upstream set; None where that is not here.

    Raises:
        FfreproError: there is no such function.
    """
    own = studies.module(claims.paper, "probes")
    known = [key for key, value in vars(own).items() if callable(value) and not key.startswith("_")] if own else []
    if name not in known:
        raise unknown("probe", name, known, where=f"claims of {claims.paper}")
    path = root / f"data/prepared/upstream/{dataset}.npz"
    return getattr(own, name)(path) if path.is_file() else None
