"""A plan file's content, checked before anything is done with it: nothing wrong in it may reach a run or a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ffrepro import data as datasets
from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest, unknown
from ffrepro.base.plans import RUN_NAME, SOURCES, migrate
from ffrepro.base.settings import Declaration, choice, complete, flag, integer, number, or_none
from ffrepro.core import schedules
from ffrepro.training import benches, classifiers, loop, search

_WORD = re.compile(r"[a-z0-9_]+")
_VARIANT = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*")  # as in a run's name
_FIX = "make the plan files again: ffrepro plan --write"
_TEXTS = ("run", "kind", "paper", "experiment", "variant", "scale", "hardware", "dataset", "source", "code")
_SHARED = ("schema", *_TEXTS, "seed", "profile", "protocol", "data", "origin", "tags")
_PARTS = {"train": ("net", "method", "training"), "sklearn_baseline": ("classifier",), "bench": ("bench", "variants")}
_PARTS["search"] = (*_PARTS["train"], "search")
_OPTIONAL = {"train": ("start", "keep_weights"), "search": ("start",)}
_START = {"frozen": flag("whether the blocks stay as they are")}
_PROFILE = {
    "device": choice("where tensors live", "cpu", "cuda", "mps"),
    "precision": choice("of training", "float32", "bfloat16_mixed"),
    "memory_cap_gb": or_none(number("GiB of device memory, at most", above=0)),
}
_NUMBERS = {"schema": integer("version", minimum=2, maximum=2), "seed": integer("of the run", minimum=0)}


def check(plan: Any, where: object) -> dict:
    """Return the plan, migrated to the current schema and words, if every part of it is valid.

    Args:
        plan: what a plan file holds.
        where: that file, for messages.

    Raises:
        FfreproError: a missing or unknown key, a value of the wrong type or out of range, a name that does not exist,
            a run that is not named after its parts.
    """
    _mapping(plan, "the plan", where)
    if type(plan.get("schema")) is not int:  # True is equal to 1
        raise _wrong("schema", plan.get("schema"), "a whole number", where)
    for name in ("data", "training"):
        _mapping(plan.get(name, {}), name, where)
    plan = migrate(plan, complete=False)
    kind = plan.get("kind")
    if not isinstance(kind, str) or kind not in _PARTS:
        raise FfreproError(f"a plan of kind {kind!r}", where=where, fix=f"kinds are {', '.join(_PARTS)}; {_FIX}")
    optional = [name for name in _OPTIONAL.get(kind, ()) if name in plan]
    _keys(plan, (*_SHARED, *_PARTS[kind], *optional), "the plan", where)
    for name in _TEXTS:
        if not isinstance(plan[name], str):
            raise _wrong(name, plan[name], "text", where)
    for name in ("profile", "protocol", "data", "origin", "tags", *_PARTS[kind]):
        _mapping(plan[name], name, where)
    _complete(_NUMBERS, {name: plan[name] for name in _NUMBERS}, "plan", where)
    _complete(_PROFILE, plan["profile"], "profile", where)
    for name, known in (("source", SOURCES), ("dataset", datasets.names())):
        if plan[name] not in known:
            raise unknown(name, plan[name], known, where=f"{where}: {name}")
    _check_name(plan, where)
    _check_notes(plan, where)
    _part("data", plan["data"], _view(plan["data"], where).SETTINGS, where)
    if kind in ("train", "search"):
        _check_training(plan, where)
    if kind == "search":
        _check_search(plan, where)
    elif kind == "sklearn_baseline":
        declared = _named(classifiers.SETTINGS, "classifier", plan["classifier"], where)
        _part("classifier", plan["classifier"], declared, where)
    elif kind == "bench":
        _check_bench(plan, where)
    return plan


def _check_name(plan: dict, where: object) -> None:
    parts = f"{plan['scale']}/{plan['hardware']}/{plan['experiment']}/{plan['variant']}/seed{plan['seed']}"
    if plan["run"] != parts or not RUN_NAME.fullmatch(parts):
        raise FfreproError(
            f"the run is called {plan['run']!r}, its parts make {parts!r}",
            where=f"{where}: run",
            fix=f"a run's name is <scale>/<hardware>/<experiment>/<variant>/seed<N>; {_FIX}",
        )


def _check_notes(plan: dict, where: object) -> None:
    for name, text in plan["origin"].items():
        if not isinstance(text, str):
            raise _wrong(f"origin.{name}", text, "text", where)
    _keys(plan["tags"], ("tables",), "tags", where)
    tables = plan["tags"]["tables"]
    if not isinstance(tables, list) or not all(isinstance(table, str) for table in tables):
        raise _wrong("tags.tables", tables, "a list of names", where)
    wanted = ("treatment", "task", "inference") if plan["kind"] in ("train", "search") else ("treatment",)
    _keys(plan["protocol"], wanted, "protocol", where)
    for name in wanted:
        _word(f"protocol.{name}", plan["protocol"][name], where)
    _word("paper", plan["paper"], where)


def _check_training(plan: dict, where: object) -> None:
    _check_learner(plan, "", where)
    if plan.get("keep_weights", True) is not True:
        raise _wrong("keep_weights", plan["keep_weights"], "true, or left out", where)
    if "start" in plan:
        _check_start(plan["start"], where)
    training = plan["training"]
    evaluation = getattr(_view(plan["data"], where), "EVALUATION_SETTINGS", {})
    schedule = _named(schedules.SETTINGS, "schedule", training, where, key="schedule")
    settings = {name: value for name, value in training.items() if name != "schedule"}
    _complete(loop.SETTINGS | schedule | evaluation, settings, "training", where)


def _check_search(plan: dict, where: object) -> None:
    """A space of values that its settings may have: ``{"training.lr": [...], ...}``."""
    given = {name: value for name, value in plan["search"].items() if name != "space"}
    _complete(search.SETTINGS, given, "search", where)
    space = plan["search"].get("space")
    _mapping(space, "search.space", where)
    declared = _declared(plan, where)
    if not space:
        raise _wrong("search.space", space, "settings with their values", where)
    for name, values in space.items():
        if name not in declared:
            raise unknown("setting", name, declared, where=f"{where}: search.space")
        if not isinstance(values, list) or not values:
            raise _wrong(f"search.space.{name}", values, "a list of values", where)
        for value in values:
            if not declared[name].allows(value):
                raise _wrong(f"search.space.{name}", value, declared[name].describe(), where)


def _declared(plan: dict, where: object) -> dict[str, Declaration]:
    """The declarations of a trained run's settings by ``part.setting``, but for those that name something."""
    view = _view(plan["data"], where)
    parts = {
        "data": view.SETTINGS,
        "net": nets.module(plan["net"]["name"]).SETTINGS,
        "method": methods.module(plan["method"]["name"]).SETTINGS,
        "training": loop.SETTINGS
        | schedules.SETTINGS[plan["training"]["schedule"]]
        | getattr(view, "EVALUATION_SETTINGS", {}),
    }
    return {f"{part}.{name}": entry for part, found in parts.items() for name, entry in found.items()}


def _check_start(start: Any, where: object) -> None:
    """Where the weights come from: ``{"experiment", "variant", "frozen"}``."""
    _mapping(start, "start", where)
    _keys(start, ("experiment", "variant", "frozen"), "start", where)
    _complete(_START, {"frozen": start["frozen"]}, "start", where)
    _word("start.experiment", start["experiment"], where)
    if not isinstance(start["variant"], str) or not _VARIANT.fullmatch(start["variant"]):
        raise _wrong("start.variant", start["variant"], "the name of a variant", where)


def _check_bench(plan: dict, where: object) -> None:
    name = _name(plan["bench"], "bench", where)
    bench = benches.find(name, plan["paper"]) if name in benches.names() else None
    if bench is None or not hasattr(bench, "SETTINGS"):
        raise FfreproError(f"unknown bench {name!r}", where=f"{where}: bench.name", fix=_FIX)
    _part("bench", plan["bench"], bench.SETTINGS, where)
    for variant, learner in plan["variants"].items():
        _mapping(learner, f"variants.{variant}", where)
        _keys(learner, ("net", "method"), f"variants.{variant}", where)
        _check_learner(learner, f"variants.{variant}.", where)


def _check_learner(holder: dict, prefix: str, where: object) -> None:
    for part, package in (("net", nets), ("method", methods)):
        _mapping(holder[part], prefix + part, where)
        name = _name(holder[part], prefix + part, where)
        if name not in package.names():
            raise unknown(part, name, package.names(), where=f"{where}: {prefix}{part}.name")
        _part(prefix + part, holder[part], package.module(name).SETTINGS, where)


def _view(data: dict, where: object):
    name = _name(data, "data", where)
    try:
        return datasets.view(name)
    except FfreproError as error:
        raise FfreproError(error.what, where=f"{where}: data.name", fix=error.fix) from None


def _part(name: str, given: dict, declared: Mapping[str, Declaration], where: object) -> None:
    _complete(declared, {key: value for key, value in given.items() if key != "name"}, name, where)


def _complete(declared: Mapping[str, Declaration], given: dict, what: str, where: object) -> None:
    try:
        complete(declared, given, what=what, defaults=False)
    except FfreproError as error:
        raise FfreproError(error.what, where=f"{where}: {what}.{error.where}", fix=error.fix) from None


def _named(known: Mapping[str, Any], part: str, holder: dict, where: object, key: str = "name") -> Any:
    name = _name(holder, part, where, key)
    if name not in known:
        raise unknown(part, name, known, where=f"{where}: {part}")
    return known[name]


def _name(holder: dict, part: str, where: object, key: str = "name") -> str:
    name = holder.get(key)
    if not isinstance(name, str):
        raise _wrong(f"{part}.{key}", name, "text", where)
    return name


def _word(name: str, value: Any, where: object) -> None:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise _wrong(name, value, "a name (a-z, 0-9 and _)", where)


def _mapping(value: Any, name: str, where: object) -> None:
    if not isinstance(value, dict):
        raise _wrong(name, value, "a mapping", where)


def _keys(holder: dict, wanted: tuple[str, ...], name: str, where: object) -> None:
    for key in wanted:
        if key not in holder:
            raise FfreproError(f"{name} lacks {key!r}", where=where, fix=_FIX)
    for key in holder:
        if key not in wanted:
            close = nearest(key, wanted)
            hint = f"did you mean {close!r}? " if close else ""
            raise FfreproError(f"{name} has an unknown key {key!r}", where=where, fix=f"{hint}{_FIX}")


def _wrong(name: str, value: Any, wanted: str, where: object) -> FfreproError:
    return FfreproError(f"{name} is {value!r:.60}, not {wanted}", where=f"{where}: {name}", fix=_FIX)
