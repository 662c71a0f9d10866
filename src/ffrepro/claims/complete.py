"""A claims file written out: what its groups, its cells and the study give each claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ffrepro.base.names import unknown

_TWIN = "twin"  # what stands beside a number: the same of its variant's baseline


def completed(paper: str, content: dict, study: dict, where: object) -> dict:
    """The claims with full ids, the study's title, treatments and labels, and experiments by the names of their runs.

    A study may be cut down to a few experiments: the claims of the others then have no runs.
    """
    labels = {name: entry["label"] for name, entry in study["variants"].items()}
    known("treatment", content["treatments"], study["treatments"], where)
    known("variant", content["variants"], labels, where)
    for claim in content["claims"]:
        _put_beside(claim, content["baseline"])
    names = {}
    for family, other in content["experiments"].items():
        known("treatment", other, content["treatments"], where)
        standing = {treatment: other.get(treatment, family) for treatment in content["treatments"]}
        names[family] = {treatment: _runs_of(name, treatment) for treatment, name in standing.items()}
    whole = content | {
        "paper": paper,
        "title": study["title"],
        "treatments": {name: study["treatments"][name] for name in content["treatments"]},
        "variants": {name: labels[name] for name in content["variants"]},
        "experiments": names,
        "protocols": _protocols(study, content["experiments"]),
        "claims": [claim | {"id": f"{paper}/{claim['id']}"} for claim in content["claims"]],
    }
    if isinstance(content["budget"], str):
        whole["budget"] = f"{paper}/{content['budget']}"
    if "difficulty" in content:
        spec = content["difficulty"]
        known("treatment", [spec["treatment"]], study["treatments"], where)
        known("variant", spec["methods"], labels, where)
        whole["difficulty"] = spec | {
            "methods": {
                variant: {"label": labels[variant]}
                | {key: _runs_of(name, spec["treatment"]) for key, name in entry.items()}
                for variant, entry in spec["methods"].items()
            }
        }
    return whole


def expanded(content: dict, where: object) -> list[Any]:
    """The claims of a file, each with what its groups and its cell give; what is no claim is left to the schema.

    Raises:
        FfreproError: a cell that does not exist.
    """
    cells = content.get("cells")
    cells = {name: cell for name, cell in cells.items() if isinstance(cell, dict)} if isinstance(cells, dict) else {}

    def walk(entries: Any, above: dict) -> Iterator[Any]:
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict):
                yield entry
                continue
            whole = above
            if isinstance(cell := entry.get("cell"), str):
                known("cell", [cell], cells, where)
                whole = _merged(whole, cells[cell])
                entry = {key: value for key, value in entry.items() if key != "cell"}
            whole = _merged(whole, {key: value for key, value in entry.items() if key != "each"})
            yield from walk(entry["each"], whole) if "each" in entry else [whole]

    return list(walk(content.get("claims"), {}))


def _merged(above: dict, own: dict) -> dict:
    """What is own wins; mappings are put together key by key, and numbers to be shown beside add up."""
    whole = above | own
    for key in above.keys() & own.keys():
        if isinstance(above[key], dict) and isinstance(own[key], dict):
            whole[key] = above[key] | own[key]
        elif key == "companions" and isinstance(above[key], list) and isinstance(own[key], list):
            whole[key] = [*above[key], *own[key]]
    return whole


def _put_beside(claim: dict, baseline: str | dict) -> None:
    """Complete what stands beside a measured number: unless said, the same metric of the same runs."""
    if claim["kind"] == "measured" and "companions" in claim:
        measure = claim["measure"]
        twin = baseline if isinstance(baseline, str) else baseline.get(measure["variant"], _TWIN)
        inherited = {key: measure[key] for key in ("experiment", "metric")}
        claim["companions"] = [
            inherited | entry | ({"variant": twin} if entry.get("variant") == _TWIN else {})
            for entry in claim["companions"]
        ]


def _protocols(study: dict, families: Iterable[str]) -> dict[str, str]:
    """Experiment -> its task, of one without (a bench, say) its own name; nothing where the study has but one task."""
    above = (study.get("groups") or {}) | study["experiments"]

    def task(name: str | None) -> str | None:
        seen = set()
        # What is no entry, or extends itself, is refused where plans are made of the study.
        while isinstance(entry := above.get(name), dict) and "task" not in entry and name not in seen:
            seen.add(name)
            name = entry.get("extends")
        return entry.get("task") if isinstance(entry, dict) else None

    tasks = {name: task(name) for name in families}
    several = len({task(name) for name in study["experiments"]} - {None}) > 1
    return {name: found or name for name, found in tasks.items()} if several else {}


def _runs_of(experiment: str, treatment: str) -> str:
    """What an experiment is called in run names, with ``{dataset}``."""
    return f"{experiment}_{{dataset}}_{treatment}"


def known(kind: str, wanted: Iterable[str], available: Any, where: object) -> None:
    """Refuse names that are not available."""
    for name in wanted:
        if name not in available:
            raise unknown(kind, name, available, where=where)
