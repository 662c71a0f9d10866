"""params.yaml and the studies expanded into runs. Pure: the same of both and the same code give the same plan files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ffrepro.pipeline.schema import Problem
from ffrepro.pipeline.settings import Setting, Vocabulary, merge, pick

SCHEMA = 2
BENCH_VARIANT = "interleaved"
Plan = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One experiment (a family on a data set under a treatment) and, for training, one of its variants."""

    paper: str
    family: str
    entry: dict
    dataset: str
    treatment: str
    variant: str
    grid: tuple[tuple[str, Any], ...] = ()

    @property
    def kind(self) -> str:
        """train, sklearn_baseline, bench or search."""
        return self.entry["kind"]

    @property
    def experiment(self) -> str:
        """The experiment's name, as it stands in the run's path."""
        return f"{self.family}_{self.dataset}_{self.treatment}"

    @property
    def variant_name(self) -> str:
        """The variant with its grid point: ``<variant>_theta0.5``."""
        return self.variant + "".join(f"_{name}{_compact(value)}" for name, value in self.grid)

    def context(self, scale: str, method: str) -> dict[str, str]:
        """What a layer's ``when`` is compared with; a grid's variants count as the variant they vary."""
        return {
            "dataset": self.dataset,
            "treatment": self.treatment,
            "method": method,
            "variant": self.variant,
            "experiment": self.family,
            "scale": scale,
        }


def cases(raw: dict, scale: str | None = None) -> Iterator[Case]:
    """Every case of the studies in their order; a bench has one for each variant that it times.

    Args:
        scale: only those of this scale: an experiment's ``scales`` may cut it down. None: all that are declared.
    """
    for paper, study in raw["papers"].items():
        for family, entry in study["experiments"].items():
            cut = at_scale(entry, scale)
            grid = [[(name, value) for value in values] for name, values in cut.get("grid", {}).items()]
            for dataset, treatment, variant, point in itertools.product(
                cut["datasets"], entry["treatments"], cut["variants"], itertools.product(*grid)
            ):
                yield Case(paper, family, entry, dataset, treatment, variant, point)


def left_out(raw: dict, scale: str, experiment: str | None = None) -> dict[str, list[str]]:
    """Variants of each experiment that its ``scales`` leave out at a scale, by the experiment's name.

    Args:
        experiment: this one alone, as its study names it or as in a run's name; None: all.
    """
    found = {}
    for study in raw["papers"].values():
        for name, entry in study["experiments"].items():
            there = at_scale(entry, scale)["variants"]
            missing = [variant for variant in entry["variants"] if variant not in there]
            meant = experiment is None or experiment == name or experiment.startswith(f"{name}_")
            if missing and meant:
                found[name] = missing
    return found


def why_left_out(raw: dict, scale: str, run: str) -> str:
    """Which experiment leaves a run's variant out at a scale, as a part of a sentence; empty where none does."""
    return "".join(
        f"`scales` of {experiment} in its study leaves {variant} out at {scale}; "
        for experiment, variants in left_out(raw, scale).items()
        for variant in variants
        if f"/{experiment}_" in run and f"/{variant}/" in run
    )


def at_scale(entry: dict, scale: str | None) -> dict:
    """An experiment with what its ``scales`` say of a scale in place: data sets, variants, values, seeds."""
    own = entry.get("scales", {}).get(scale, {})
    values = {key: entry.get(key, {}) | own.get(key, {}) for key in ("grid", "space")}
    return entry | own | {key: found for key, found in values.items() if found}


def seeds_of(raw: dict, case: Case, scale: str) -> int:
    """How many seeds a case runs with: its experiment's own number, else the scale's."""
    return at_scale(case.entry, scale).get("seeds", raw["scales"][scale]["seeds"])


def method_of(variant: dict) -> str:
    """The learning method of a variant; of a baseline, the classifier."""
    return variant.get("method") or variant["classifier"]


def inference_of(entry: dict, method: str) -> str:
    """The inference scheme of an experiment's runs, which may depend on the method."""
    inference = entry["inference"]
    return inference if isinstance(inference, str) else inference.get(method, inference["default"])


def view_of(raw: dict, case: Case) -> str:
    """How a case sees its data set: as its experiment says, else as the data set's family does."""
    return case.entry.get("view", raw["datasets"][case.dataset]["family"])


def groups(raw: dict, vocabulary: Vocabulary, case: Case) -> dict[str, list[str]]:
    """The vocabulary groups behind each part of a case's plan: ``{"net": ["net.rnn"], ...}``."""
    variant = raw["papers"][case.paper]["variants"][case.variant]
    view = view_of(raw, case)
    if case.kind == "sklearn_baseline":
        return {"data": [f"data.{view}"], "classifier": [f"classifier.{variant['classifier']}"]}
    used = {"data": [f"data.{view}"], "net": [f"net.{variant['net']}"], "method": [f"method.{variant['method']}"]}
    if case.kind == "bench":
        return used | {"bench": [f"bench.{case.entry['bench']}"]}
    if case.kind == "search":
        used |= {"search": ["search"]}
    evaluation = [group for group in [f"evaluation.{view}"] if group in vocabulary.groups]
    return used | {"training": ["training", f"schedule.{case.entry['schedule']}", *evaluation]}


@dataclass(frozen=True)
class Resolved:
    """A case's settings at one scale: part -> name -> setting, and what is wrong."""

    settings: dict[str, dict[str, Setting]]
    problems: list[Problem]

    @cached_property
    def values(self) -> dict[str, dict[str, Any]]:
        """Part -> setting -> value."""
        return {part: {name: s.value for name, s in found.items()} for part, found in self.settings.items()}

    @cached_property
    def origin(self) -> dict[str, str]:
        """``part.setting`` -> what the value comes from."""
        return {f"{part}.{name}": s.source for part, found in self.settings.items() for name, s in found.items()}


def resolve(raw: dict, vocabulary: Vocabulary, case: Case, scale: str) -> Resolved:
    """Give every setting that a case needs its value at a scale."""
    study = raw["papers"][case.paper]
    at = ("papers", case.paper, "settings")
    merged = merge(study["settings"], case.context(scale, method_of(study["variants"][case.variant])))
    for name, value in case.grid:
        where = ("papers", case.paper, "experiments", case.family, "grid", name)
        merged[name] = Setting(value, f"grid of experiment {case.family}", where)
    for name, values in at_scale(case.entry, scale).get("space", {}).items():
        where = ("papers", case.paper, "experiments", case.family, "space", name)
        merged[name] = Setting(values[0], f"one of {len(values)} that this search tries, the first", where)
    settings: dict[str, dict[str, Setting]] = {}
    problems: list[Problem] = []
    who = f"{case.experiment}/{case.variant_name} at scale {scale}"
    for part, used in groups(raw, vocabulary, case).items():
        settings[part] = {}
        for group in used:
            found, wrong = pick(merged, group, vocabulary, at=at, who=who)
            settings[part] |= found
            problems += wrong
    return Resolved(settings, problems)


def expand(
    raw: dict, vocabulary: Vocabulary, scale: str, hardware: Iterable[str], code: Callable[[Plan], str]
) -> list[Plan]:
    """The plan files' content for every run of a scale on the given hardware profiles, in the studies' order.

    Args:
        raw: params.yaml with its studies, checked.
        code: digest of the code that a plan's run depends on.
    """
    plans = []
    resolved = [(case, resolve(raw, vocabulary, case, scale)) for case in cases(raw, scale)]  # alike on every profile
    for profile in hardware:
        experiments = itertools.groupby(
            resolved, key=lambda pair: (pair[0].paper, pair[0].family, pair[0].dataset, pair[0].treatment)
        )
        for _, pairs in experiments:
            group = list(pairs)
            if group[0][0].kind == "bench":
                plans += _bench_plans(raw, group, scale, profile)
                continue
            expanded = _baseline_plans if group[0][0].kind == "sklearn_baseline" else _train_plans
            for case, settings in group:
                plans += expanded(raw, case, settings, scale, profile)
    for plan in plans:
        plan["code"] = code(plan)
    return plans


def file_of(run: str) -> str:
    """The plan file of a run, relative to the project's folder."""
    return f"plan/{run}.json"


def _train_plans(raw: dict, case: Case, resolved: Resolved, scale: str, hardware: str) -> list[Plan]:
    variant = raw["papers"][case.paper]["variants"][case.variant]
    entry = case.entry
    plans = []
    for seed in range(seeds_of(raw, case, scale)):
        plans.append(
            _head(raw, case, scale, hardware, case.variant_name, seed)
            | {
                "protocol": {
                    "treatment": case.treatment,
                    "task": entry["task"],
                    "inference": inference_of(entry, variant["method"]),
                },
                **_data(raw, case, scale),
                "data": {"name": view_of(raw, case)} | resolved.values["data"],
                "net": {"name": variant["net"]} | resolved.values["net"],
                "method": {"name": variant["method"]} | resolved.values["method"],
                "training": {"schedule": entry["schedule"]} | resolved.values["training"],
                "origin": dict(resolved.origin),
                "tags": {"tables": entry["tables"]},
            }
            | _search(case, resolved, scale)
            | _weights(case, variant)
        )
    return plans


def _weights(case: Case, variant: dict) -> Plan:
    """Of a run that others start from, that its weights stay; of one that starts from another, from which."""
    kept = {"keep_weights": True} if case.entry.get("keep_weights") else {}
    if "start" not in variant:
        return kept
    start = variant["start"]
    experiment = f"{start['experiment']}_{start.get('dataset', case.dataset)}_{case.treatment}"
    own = {"experiment": experiment, "variant": start["variant"], "frozen": start["frozen"]}
    return kept | {"start": own}


def _search(case: Case, resolved: Resolved, scale: str) -> Plan:
    """Of a search its settings and its space by ``part.setting``: in the parts stands the first value of each."""
    if case.kind != "search":
        return {}
    space = at_scale(case.entry, scale)["space"]
    named = {f"{part}.{name}": space[name] for part, own in resolved.values.items() for name in own if name in space}
    return {"search": resolved.values["search"] | {"space": named}}


def _baseline_plans(raw: dict, case: Case, resolved: Resolved, scale: str, hardware: str) -> list[Plan]:
    name = raw["papers"][case.paper]["variants"][case.variant]["classifier"]
    return [
        _head(raw, case, scale, hardware, case.variant_name, seed)
        | {
            "protocol": {"treatment": case.treatment},
            **_data(raw, case, scale),
            "data": {"name": view_of(raw, case)} | resolved.values["data"],
            "classifier": {"name": name} | resolved.values["classifier"],
            "origin": dict(resolved.origin),
            "tags": {"tables": case.entry["tables"]},
        }
        for seed in range(seeds_of(raw, case, scale))
    ]


def _bench_plans(raw: dict, group: list[tuple[Case, Resolved]], scale: str, hardware: str) -> list[Plan]:
    case = group[0][0]
    resolved = {member.variant: settings for member, settings in group}
    shared = resolved[case.variant]  # data and bench: the same for every variant, checks.py saw to it
    variants = {}
    origin = {key: text for key, text in shared.origin.items() if key.startswith(("data.", "bench."))}
    for name, own in resolved.items():
        declared = raw["papers"][case.paper]["variants"][name]
        variants[name] = {part: {"name": declared[part]} | own.values[part] for part in ("net", "method")}
        for key, text in own.origin.items():
            if key.startswith(("net.", "method.")):
                origin[f"variants.{name}.{key}"] = text
    return [
        _head(raw, case, scale, hardware, BENCH_VARIANT, process)
        | {
            "protocol": {"treatment": case.treatment},
            **_data(raw, case, scale),
            "data": {"name": view_of(raw, case)} | shared.values["data"],
            "bench": {"name": case.entry["bench"]} | shared.values["bench"],
            "variants": variants,
            "origin": origin,
            "tags": {"tables": case.entry["tables"]},
        }
        for process in range(at_scale(case.entry, scale).get("seeds", 1))  # each seed is a fresh process
    ]


def _head(raw: dict, case: Case, scale: str, hardware: str, variant: str, seed: int) -> Plan:
    profile = raw["hardware_profiles"][hardware]
    return {
        "schema": SCHEMA,
        "run": f"{scale}/{hardware}/{case.experiment}/{variant}/seed{seed}",
        "kind": case.kind,
        "paper": case.paper,
        "experiment": case.experiment,
        "variant": variant,
        "seed": seed,
        "scale": scale,
        "hardware": hardware,
        "profile": {key: profile[key] for key in ("device", "precision", "memory_cap_gb")},
    }


def _data(raw: dict, case: Case, scale: str) -> dict[str, str]:
    return {"dataset": case.dataset, "source": raw["scales"][scale]["source"]}


def _compact(value: Any) -> str:
    return format(value, "g") if isinstance(value, float) else str(value)
