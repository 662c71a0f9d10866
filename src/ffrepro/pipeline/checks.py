"""What a JSON schema cannot say about params.yaml and the studies: names that must exist, blocks that must matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ffrepro.base.yamlfile import KeyPath
from ffrepro.pipeline.plan import Case, cases, groups, method_of, resolve, seeds_of
from ffrepro.pipeline.schema import Problem, unknown_name
from ffrepro.pipeline.settings import Vocabulary

AUTO = "auto"


def check_names(raw: dict, vocabulary: Vocabulary) -> list[Problem]:
    """Names that refer to nothing: profiles, scales, data sets, variants, tables, methods, settings."""
    problems = [
        *_each(("hardware",), "hardware profile", raw["hardware"], [*raw["hardware_profiles"], AUTO]),
        *_one(("scale",), "scale", raw["scale"], raw["scales"]),
    ]
    for name, dataset in raw["datasets"].items():
        path = ("datasets", name, "family")
        problems += _one(path, "data family", dataset["family"], _suffixes(vocabulary, "data."))
    for paper, study in raw["papers"].items():
        at = ("papers", paper)
        problems += _each((*at, "limit_hours"), "scale", study["limit_hours"], raw["scales"])
        for name, variant in study["variants"].items():
            here = (*at, "variants", name)
            if set(variant) - {"label", "start"} not in ({"method", "net"}, {"classifier"}):
                what = "a variant is a learning method with its net, or a classifier"
                problems.append(Problem(here, what, "give it `method` and `net`, or `classifier` alone"))
            for part in ("method", "net", "classifier"):
                if part in variant:
                    problems += _one((*here, part), part, variant[part], _suffixes(vocabulary, f"{part}."))
            if "start" in variant:
                problems += _start_names((*here, "start"), variant, study)
        for name, entry in study["experiments"].items():
            here = (*at, "experiments", name)
            problems += _each((*here, "datasets"), "data set", entry["datasets"], raw["datasets"])
            problems += _each((*here, "treatments"), "treatment", entry["treatments"], study["treatments"])
            problems += _each((*here, "variants"), "variant", entry["variants"], study["variants"])
            problems += _each((*here, "tables"), "table", entry["tables"], study["tables"])
            for part in ("bench", "schedule"):
                if part in entry:
                    problems += _one((*here, part), part, entry[part], _suffixes(vocabulary, f"{part}."))
            if isinstance(entry.get("inference"), dict):
                methods = {name: 0 for name in entry["inference"] if name != "default"}
                problems += _each((*here, "inference"), "method", methods, _suffixes(vocabulary, "method."))
            problems += _kind_problems(here, entry, study["variants"])
            problems += _scale_problems(raw, here, entry)
            if "view" in entry:
                problems += _one((*here, "view"), "view", entry["view"], _suffixes(vocabulary, "data."))
        problems += _conditions(raw, study)
        problems += _setting_names(vocabulary, at, study)
    return problems


def check_settings(raw: dict, vocabulary: Vocabulary) -> list[Problem]:
    """Every run at every scale: settings missing or wrong, layers without effect, benches that share no batch."""
    problems = [*_without_effect(raw, vocabulary)]
    of_runs: dict[KeyPath, Problem] = {}  # one a key, though many runs share it
    for case in cases(raw):
        used = [group for part in groups(raw, vocabulary, case).values() for group in part]
        grid = (*case_path(case), "grid")
        problems += [
            Problem((*grid, name), f"{name!r} is no setting of {case.variant}", "vary one that it has")
            for name, _ in case.grid
            if not vocabulary.having(name, used)
        ]
        if case.kind == "search":
            problems += _space_problems(vocabulary, case, used)
        for scale in raw["scales"]:
            for problem in resolve(raw, vocabulary, case, scale).problems:
                of_runs.setdefault(problem.path, problem)
    return [*problems, *of_runs.values(), *_benches_apart(raw, vocabulary), *_collisions(raw), *_starts_missing(raw)]


def case_path(case: Case) -> KeyPath:
    """Where a case's experiment stands."""
    return ("papers", case.paper, "experiments", case.family)


def _one(path: KeyPath, kind: str, name: str, available: Iterable[str]) -> list[Problem]:
    return [] if name in available else [unknown_name(path, kind, name, available)]


def _start_names(here: KeyPath, variant: dict, study: dict) -> Iterator[Problem]:
    """What a variant starts from: a run of the same net whose weights are kept."""
    start, experiments = variant["start"], study["experiments"]
    yield from _one((*here, "experiment"), "experiment", start["experiment"], experiments)
    source = experiments.get(start["experiment"])
    if source is None:
        return
    yield from _one((*here, "variant"), "variant of that experiment", start["variant"], source["variants"])
    if not source.get("keep_weights"):
        what = f"experiment {start['experiment']!r} keeps no weights"
        yield Problem((*here, "experiment"), what, "add `keep_weights: true` to it")
    other = study["variants"].get(start["variant"], variant)
    if other.get("net") != variant.get("net"):
        what = f"{start['variant']!r} has net {other.get('net')}, this variant {variant.get('net')}"
        yield Problem((*here, "variant"), what, "start from the same net")


def _starts_missing(raw: dict) -> Iterator[Problem]:
    """Runs that start from one that is not planned at their scale, on their data, with their seeds."""
    for scale in raw["scales"]:
        planned = {
            (case.paper, case.family, case.dataset, case.treatment, case.variant_name): seeds_of(raw, case, scale)
            for case in cases(raw, scale)
        }
        for case in cases(raw, scale):
            start = raw["papers"][case.paper]["variants"][case.variant].get("start")
            if start is None:
                continue
            dataset = start.get("dataset", case.dataset)
            source = (case.paper, start["experiment"], dataset, case.treatment, start["variant"])
            if planned.get(source, 0) < seeds_of(raw, case, scale):
                what = f"at scale {scale} {case.experiment}/{case.variant} starts from runs of {start['experiment']}"
                path = ("papers", case.paper, "variants", case.variant, "start")
                yield Problem(path, f"{what} that are not planned there", "plan them with the same data and seeds")


def _each(path: KeyPath, kind: str, names: Iterable[str], available: Iterable[str]) -> Iterator[Problem]:
    listed = isinstance(names, list)
    for index, name in enumerate(names):
        yield from _one((*path, index if listed else name), kind, name, available)


def _suffixes(vocabulary: Vocabulary, prefix: str) -> list[str]:
    return [group.removeprefix(prefix) for group in vocabulary.groups if group.startswith(prefix)]


def _kind_problems(here: KeyPath, entry: dict, variants: dict) -> Iterator[Problem]:
    """Variants that an experiment of this kind cannot run."""
    for index, name in enumerate(entry["variants"]):
        if name in variants and ("classifier" in variants[name]) != (entry["kind"] == "sklearn_baseline"):
            found = "a classifier" if "classifier" in variants[name] else "trained"
            what = f"variant {name!r} is {found}, this experiment's kind is {entry['kind']}"
            yield Problem((*here, "variants", index), what, "name it in an experiment of the other kind")


def _scale_problems(raw: dict, here: KeyPath, entry: dict) -> Iterator[Problem]:
    """A scale that does not exist, or that would run what the experiment does not declare."""
    for scale, part in entry.get("scales", {}).items():
        path = (*here, "scales", scale)
        yield from _one(path, "scale", scale, raw["scales"])
        yield from _each(
            (*path, "datasets"), "data set of this experiment", part.get("datasets", []), entry["datasets"]
        )
        yield from _each((*path, "variants"), "variant of this experiment", part.get("variants", []), entry["variants"])
        for key in ("grid", "space"):
            for name, values in part.get(key, {}).items():
                yield from _one((*path, key, name), f"{key} of this experiment", name, entry.get(key, {}))
                there = entry.get(key, {}).get(name, values)
                yield from _each((*path, key, name), f"{name} of this experiment", values, there)


def _conditions(raw: dict, study: dict) -> Iterator[Problem]:
    """What blocks of settings are for, and refinements that nothing could fulfil."""
    available = {
        "dataset": raw["datasets"],
        "treatment": study["treatments"],
        "method": {method_of(variant) for variant in study["variants"].values()},
        "scale": raw["scales"],
    }
    for layer in study["settings"]:
        for key, path in layer.places.items():
            for name in layer.when[key]:
                yield from _one(path, f"{key} of this paper", name, available[key])
            if not layer.when[key]:
                yield Problem(path, f"the block around it is for another {key}", "write it in a block of its own")


def _setting_names(vocabulary: Vocabulary, at: KeyPath, study: dict) -> Iterator[Problem]:
    names = sorted({name for group in vocabulary.groups.values() for name in group})
    for layer in study["settings"]:
        yield from _each(layer.path, "setting", layer.values, names)
    for family, entry in study["experiments"].items():
        for key in ("grid", "space"):
            yield from _each((*at, "experiments", family, key), "setting", entry.get(key, {}), names)


def _space_problems(vocabulary: Vocabulary, case: Case, used: list[str]) -> Iterator[Problem]:
    """Settings of a search's space that its variant does not have, and values that they cannot have."""
    for name, values in case.entry["space"].items():
        path = (*case_path(case), "space", name)
        having = vocabulary.having(name, used)
        if not having:
            yield Problem(path, f"{name!r} is no setting of {case.variant}", "search one that it has")
            continue
        declaration = vocabulary.groups[having[0]][name]
        for index, value in enumerate(values):
            if not declaration.allows(value):
                what = f"expected {declaration.describe()}; found {value!r}"
                yield Problem((*path, index), what, f"{name}: {declaration.meaning}")


def _without_effect(raw: dict, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Blocks that no run of the declared variants could take, and settings that none of those that could has.

    The experiments do not matter here: a study may be cut down without touching its settings.
    """
    for study in raw["papers"].values():
        for layer in study["settings"]:
            variants = [
                variant
                for name, variant in study["variants"].items()
                if name in layer.when.get("variant", [name])
                and method_of(variant) in layer.when.get("method", [method_of(variant)])
            ]
            if not variants:
                yield Problem(layer.path, "no variant that this block is for has this method", "name one that has")
                continue
            used = {
                f"{p}.{variant[p]}" for variant in variants for p in ("net", "method", "classifier") if p in variant
            }
            names = layer.when.get("dataset", list(raw["datasets"]))
            views = {raw["datasets"][name]["family"] for name in names}
            views |= set(_suffixes(vocabulary, "data.")) - {entry["family"] for entry in raw["datasets"].values()}
            used |= {f"{part}.{view}" for part in ("data", "evaluation") for view in views}
            used |= {
                group for group in vocabulary.groups if group.startswith(("training", "search", "schedule.", "bench."))
            }
            for name in layer.values:
                if not vocabulary.having(name, used):
                    what = f"no run that this block is for has the setting {name!r}"
                    yield Problem((*layer.path, name), what, "move it to a block for runs that use it, or remove it")


def _benches_apart(raw: dict, vocabulary: Vocabulary) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], dict] = {}
    for case in cases(raw):
        if case.kind != "bench":
            continue
        for scale in raw["scales"]:
            values = resolve(raw, vocabulary, case, scale).values
            shared = {part: values[part] for part in ("data", "bench")}
            expected = first.setdefault((case.paper, case.experiment, scale), shared)
            differing = [f"{p}.{n}" for p in shared for n in shared[p] if shared[p][n] != expected[p].get(n)]
            if differing:
                what = f"the variants of bench {case.experiment} differ in {', '.join(differing)} at scale {scale}"
                yield Problem(case_path(case), what, "a bench times its variants on one batch: give them the same")


def _collisions(raw: dict) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Case] = {}
    for case in cases(raw):
        if case.kind == "bench" and case.variant != case.entry["variants"][0]:
            continue
        other = seen.setdefault((case.experiment, case.variant_name), case)
        if other is not case:
            what = f"{case.experiment}/{case.variant_name} is a run of {other.paper}.{other.family} too"
            yield Problem(case_path(case), what, "rename one of the experiments: a run's path must name one run")
