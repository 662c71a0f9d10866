"""Studies: a paper's study.yaml with everything that its variants and experiments inherit put in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ffrepro.base.yamlfile import KeyPath
from ffrepro.pipeline.schema import Problem, unknown_name
from ffrepro.pipeline.settings import Layer, as_list

FOLDER = "src/ffrepro/studies"
_SCOPES = {"methods": "method", "datasets": "dataset", "treatments": "treatment"}
_OF_A_VARIANT = ("method", "net", "classifier", "start")


def file_of(paper: str) -> str:
    """A paper's study, relative to the project's folder."""
    return f"{FOLDER}/{paper}/study.yaml"


def assemble(study: dict, at: KeyPath) -> tuple[dict, list[Problem]]:
    """A study with what its variants and experiments inherit written out, and its settings as layers.

    Args:
        study: the content of study.yaml, of the right form.
        at: the path of the study, for problems.

    Returns:
        ``title, limit_hours, tables, treatments`` as they are; ``variants`` with method and net, or classifier;
        ``experiments`` with all their keys; ``adopted``, what searches found; ``settings``: a list of layers, later
        ones win. And the problems: an ``extends`` or an experiment that does not exist, a circle.
    """
    variants, groups, experiments = study["variants"], study.get("groups", {}), study["experiments"]
    bases = {name: (*at, "groups", name) for name in groups}
    heirs = {name: (*at, "experiments", name) for name in experiments}
    of_variants, problems = _chains(variants, variants, {name: (*at, "variants", name) for name in variants}, "variant")
    of_groups, wrong = _chains(groups, groups, bases, "group")
    problems += wrong
    of_experiments, wrong = _chains(experiments, groups, heirs, "group")
    problems += wrong
    for name, variant in variants.items():
        for index, wanted in enumerate(variant.get("experiments", [])):
            if wanted not in experiments:
                path = (*at, "variants", name, "experiments", index)
                problems.append(unknown_name(path, "experiment", wanted, experiments))
    for index, entry in enumerate(study.get("adopted", [])):
        if entry["variant"] not in variants:
            problems.append(unknown_name((*at, "adopted", index, "variant"), "variant", entry["variant"], variants))
    if problems:
        return {}, problems
    whole = {
        "adopted": study.get("adopted", []),
        "limit_hours": study.get("limit_hours", {}),
        "variants": {name: _variant([variants[link] for link in chain]) for name, chain in of_variants.items()},
        "experiments": {},
        "settings": [
            *_scoped(study["settings"], at),
            *_inherited(variants, of_variants, of_variants, (*at, "variants"), "variant"),
            *_adopted(study, of_variants, at),
            *_of_experiments(study, of_groups, of_experiments, at),
        ],
    }
    for name, chain in of_experiments.items():
        entry = _experiment([groups[link] for link in chain[:-1]] + [experiments[name]])
        joining = [variant for variant, content in variants.items() if name in content.get("experiments", [])]
        entry["variants"] = list(dict.fromkeys([*entry.get("variants", []), *joining]))
        whole["experiments"][name] = entry
    return {key: study[key] for key in ("title", "tables", "treatments")} | whole, []


def _chains(
    table: dict, parents: dict, paths: dict[str, KeyPath], kind: str
) -> tuple[dict[str, list[str]], list[Problem]]:
    """For every entry the names that it inherits from, the furthest first, itself last."""
    chains, problems = {}, []
    for name, path in paths.items():
        chain, entry = [name], table[name]
        while (parent := entry.get("extends")) is not None:
            if parent not in parents:
                if chain == [name]:  # else it is reported where it stands
                    problems.append(unknown_name((*path, "extends"), kind, parent, set(parents) - {name}))
                break
            if table is parents and parent in chain:
                what = f"{name!r} extends itself: {' -> '.join([*chain, parent])}"
                problems.append(Problem((*path, "extends"), what, "break the circle"))
                break
            if parent in chain[1:]:  # a circle of groups, reported where it stands
                break
            chain.append(parent)
            entry = parents[parent]
        chains[name] = chain[::-1]
    return chains, problems


def _variant(chain: list[dict]) -> dict:
    whole = {"label": chain[-1]["label"]}
    for link in chain:
        whole |= {key: link[key] for key in _OF_A_VARIANT if key in link}
    return whole


def _experiment(chain: list[dict]) -> dict:
    """Own keys before inherited ones; what a scale runs is put together key by key."""
    whole: dict = {"tables": []}
    scales: dict[str, dict] = {}
    for link in chain:
        whole |= {key: value for key, value in link.items() if key not in ("extends", "set", "scales")}
        for scale, part in link.get("scales", {}).items():
            scales[scale] = scales.get(scale, {}) | {key: value for key, value in part.items() if key != "set"}
    return whole | {"scales": {scale: part for scale, part in scales.items() if part}}


def _scoped(settings: dict, at: KeyPath) -> Iterator[Layer]:
    at = (*at, "settings")
    yield from _block((*at, "defaults"), {}, settings.get("defaults", {}))
    for key, condition in _SCOPES.items():
        for name, block in settings.get(key, {}).items():
            yield from _block((*at, key, name), {condition: [name]}, block, {condition: (*at, key, name)})


def _of_experiments(
    study: dict, of_groups: dict[str, list[str]], of_experiments: dict[str, list[str]], at: KeyPath
) -> Iterator[Layer]:
    """Settings of experiments, of the study's scales, of experiments at a scale; groups before who extends them."""
    tables = ((study.get("groups", {}), of_groups, "groups"), (study["experiments"], of_experiments, "experiments"))
    heirs = {  # an experiment may be called as a group is: its own name is no link of the groups' chains
        "groups": {name: chain[:-1] for name, chain in of_experiments.items()},
        "experiments": {name: [name] for name in of_experiments},
    }
    for table, chains, key in tables:
        yield from _inherited(table, chains, heirs[key], (*at, key), "experiment")
    for scale, block in study["settings"].get("scales", {}).items():
        path = (*at, "settings", "scales", scale)
        yield from _block(path, {"scale": [scale]}, block, {"scale": path})
    for table, chains, key in tables:
        yield from _inherited(table, chains, heirs[key], (*at, key), "experiment", at_scales=True)


def _adopted(study: dict, of_variants: dict[str, list[str]], at: KeyPath) -> Iterator[Layer]:
    """What searches found, for a variant and those that inherit from it and have the same method."""
    entries = list(enumerate(study.get("adopted", [])))
    methods = {name: _variant([study["variants"][link] for link in chain]) for name, chain in of_variants.items()}
    for index, entry in sorted(entries, key=lambda pair: len(of_variants[pair[1]["variant"]])):
        own = methods[entry["variant"]].get("method")
        heirs = [name for name, chain in of_variants.items() if entry["variant"] in chain]
        path = (*at, "adopted", index)
        when = {"variant": [name for name in heirs if methods[name].get("method") == own]}
        when |= {key: [entry[key]] for key in ("dataset", "treatment")}
        places: dict[str, KeyPath] = {key: (*path, key) for key in ("dataset", "treatment")}
        yield Layer((*path, "set"), when, entry["set"], places)


def _inherited(
    table: dict,
    chains: dict[str, list[str]],
    heirs: dict[str, Iterable[str]],
    at: KeyPath,
    condition: str,
    at_scales: bool = False,
) -> Iterator[Layer]:
    """A layer for each entry's ``set``, for all that inherit it; who extends nothing first."""
    for name in sorted(table, key=lambda name: len(chains[name])):
        when = {condition: [heir for heir, links in heirs.items() if name in links]}
        if not at_scales:
            yield from _block((*at, name, "set"), when, table[name].get("set", {}))
            continue
        for scale, part in table[name].get("scales", {}).items():
            path = (*at, name, "scales", scale)
            yield from _block((*path, "set"), when | {"scale": [scale]}, part.get("set", {}), {"scale": path})


def _block(
    at: KeyPath, when: dict[str, list[str]], block: dict, places: dict[str, KeyPath] | None = None
) -> Iterator[Layer]:
    """A block's values, then those of its ``when``, in its order."""
    places = places or {}
    values = {name: entry for name, entry in block.items() if name != "when"}
    if values:
        yield Layer(at, when, values, places)
    for index, refined in enumerate(block.get("when", [])):
        here = (*at, "when", index)
        narrow = {key: as_list(value) for key, value in refined.items() if key != "set"}
        both = {key: [name for name in narrow[key] if name in when[key]] for key in narrow if key in when}
        written = places | {key: (*here, key) for key in narrow}
        yield Layer((*here, "set"), when | narrow | both, refined["set"], written)
