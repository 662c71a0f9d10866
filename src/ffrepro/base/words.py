"""Words of older plans and records, and those that replace them.

Files keep the words they were written with, since hashes are taken of them. A reader checks the hash, then translates.
Variants belong to a study: ``renamed.json`` in its folder says ``{"variants": {old: new}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ffrepro.base import studies
from ffrepro.base.files import read_json

KINDS = {"fit": "sklearn_baseline"}  # of runs
PARTS = {"fit": "classifier"}  # of plans
SETTINGS = {"method": {"learns": "layer_epochs", "share": "mixing_weight"}}  # by part of the plan
# Settings that came later, by part of the plan and name, with the values that say what runs did before.
ADDED = {
    "method": {
        "sff": {"aux_sharing": "none", "aux_keep": 1.0, "coarse_blocks": 0},
        "cwc_blocks": {"coarse_blocks": 0},
        "cwc": {"ilt_patience": None, "negative_goodness": "sum"},
        "ff": {"first_layer": "separate", "top_share": 0.05},  # a share: of a goodness that there was not
        "ff_unsupervised": {"top_share": 0.05},
        "scff": {"top_share": 0.05},
        "backprop_words": {"micro_batches": 1},
        "ff_words": {"goodness_of": "sample", "hinge": "layer", "pass_on": "normalised"},
    },
    "net": {"vision": {"norm_momentum": "own"}},
}
SCHEMES = {"cwc": {"multi_pass": "goodness"}}  # inference schemes, by method
RENAMED = "renamed.json"


def translate(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan with current words in place of older ones; a plan without any is returned equal.

    Values of unexpected types are left as they are: whoever checks plans reports them.
    """
    plan = {PARTS.get(part, part): value for part, value in plan.items()}
    if isinstance(plan.get("kind"), str):
        plan["kind"] = KINDS.get(plan["kind"], plan["kind"])
    for part, names in SETTINGS.items():
        plan |= _in_part(plan, part, names)
    if isinstance(plan.get("variants"), dict):  # of a bench
        plan["variants"] = {name: _learner(learner) for name, learner in plan["variants"].items()}
    if isinstance(plan.get("origin"), dict):
        plan["origin"] = {_origin(key): source for key, source in plan["origin"].items()}
    protocol = plan.get("protocol")
    if isinstance(protocol, dict) and isinstance(protocol.get("inference"), str):
        scheme = protocol["inference"]
        plan["protocol"] = protocol | {"inference": _schemes(plan).get(scheme, scheme)}
    return plan | _place(plan)


def complete(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan with the settings of its methods and nets that it could not state yet."""
    plan = plan | _completed(plan)
    if isinstance(plan.get("variants"), dict):
        learners = {name: learner for name, learner in plan["variants"].items() if isinstance(learner, dict)}
        plan["variants"] = plan["variants"] | {name: one | _completed(one) for name, one in learners.items()}
    return plan


def translate_names(plan: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics or arrays of a plan's run, by name, with current names of inference schemes: ``test/error_<scheme>``."""
    found = dict(named)
    for old, new in _schemes(plan).items():
        found = {f"{name.removesuffix(old)}{new}" if name.endswith(f"_{old}") else name: v for name, v in found.items()}
    return found


def older_runs(plan: Mapping[str, Any]) -> list[str]:
    """Names that a planned run had before, newest first: its record may lie in a folder of such a name."""
    older = [old for old, new in _variants().get(plan["paper"], {}).items() if new == plan["variant"]]
    return [_run(plan["run"], old) for old in older]


def _learner(learner: Any) -> Any:
    if isinstance(learner, dict):
        for part, names in SETTINGS.items():
            learner = learner | _in_part(learner, part, names)
    return learner


def _completed(holder: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for part, added in ADDED.items():
        settings = holder.get(part)
        name = settings.get("name") if isinstance(settings, dict) else None
        if isinstance(name, str) and name in added:
            found[part] = added[name] | settings
    return found


def _in_part(holder: dict[str, Any], part: str, names: dict[str, str]) -> dict[str, Any]:
    found = holder.get(part)
    return {part: {names.get(name, name): v for name, v in found.items()}} if isinstance(found, dict) else {}


def _origin(key: str) -> str:
    """``method.<old>`` or, of a bench, ``variants.<variant>.method.<old>``."""
    before, _, name = key.rpartition(".")
    part = before.rpartition(".")[2]
    name = SETTINGS.get(part, {}).get(name, name)
    return f"{PARTS.get(before, before)}.{name}" if before else name


def _schemes(plan: Mapping[str, Any]) -> dict[str, str]:
    method = plan.get("method")
    name = method.get("name") if isinstance(method, dict) else None
    return SCHEMES.get(name, {}) if isinstance(name, str) else {}


def _place(plan: dict[str, Any]) -> dict[str, str]:
    """Variant and run of a plan whose variant was renamed."""
    paper, variant, run = (plan.get(key) for key in ("paper", "variant", "run"))
    if not all(isinstance(value, str) for value in (paper, variant, run)):
        return {}
    new = _variants().get(paper, {}).get(variant)
    return {} if new is None else {"variant": new, "run": _run(run, new)}


def _run(run: str, variant: str) -> str:
    parts = run.split("/")
    return "/".join([*parts[:-2], variant, parts[-1]])


@cache
def _variants() -> dict[str, dict[str, str]]:
    return {paper: read_json(studies.FOLDER / paper / RENAMED)["variants"] for paper in studies.having(RENAMED)}
