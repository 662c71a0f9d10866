"""Plan files are checked in full: no mutation of a good one ends in a traceback, none that is wrong is accepted."""

import copy
import json

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training.plan_check import check

STRANGE = [
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    float("nan"),
    "",
    "../../x",
    "/tmp/x",
    "no_such_name",
    [],
    [[]],
    {},
    {"name": 1},
]


@pytest.fixture(scope="module")
def plans(project_root):
    """One plan of every kind, method, net and view at scale smoke."""
    found = {}
    for plan in open_workspace(project_root, "smoke").plans:
        methods = [part["method"]["name"] for part in plan.get("variants", {"": plan}).values() if "method" in part]
        found.setdefault((plan["kind"], plan["data"]["name"], plan["protocol"]["treatment"], *methods), plan)
    return list(found.values())


def leaves(value, path=()):
    """Paths to everything in a plan but its notes."""
    if path[:1] in (("origin",), ("tags",), ("code",)):
        return
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from leaves(entry, (*path, key))


def put(plan, path, value):
    changed = copy.deepcopy(plan)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def accepted(plan):
    try:
        check(plan, "plan.json")
    except FfreproError as error:
        assert "plan.json" in str(error.where) and error.fix
        return False
    return True


def test_plans_as_they_are_made_are_accepted(plans):
    assert len(plans) > 10
    assert all(accepted(plan) for plan in plans)


def test_no_mutation_is_accepted_that_changes_a_type_or_leaves_a_range(plans, capsys):
    """A strange value is accepted only where it is a legal one: then it is of the old one's type, or null or a word."""
    tried = kept = 0
    for plan in plans:
        for place, path in enumerate(list(leaves(plan))[1:]):
            old = plan
            for key in path:
                old = old[key]
            for value in STRANGE[place % 4 :: 4]:
                tried += 1
                if value == old and type(value) is type(old):
                    continue
                if accepted(put(plan, path, value)):
                    kept += 1
                    same_type = type(value) is type(old) or {type(value), type(old)} <= {int, float}
                    assert same_type or None in (value, old) or "run" in (value, old), (path, old, value)
                    assert path[0] not in ("run", "kind", "schema", "source", "scale", "hardware", "seed"), (
                        path,
                        value,
                    )
                    assert value not in ("../../x", "/tmp/x"), path
    with capsys.disabled():
        print(f"\n{tried:,} mutated plans: 0 tracebacks, {kept} legal values accepted")
    assert tried > 3_000


def test_missing_and_unknown_keys_are_refused(plans):
    for plan in plans:
        for path in list(leaves(plan))[1:]:
            holder = plan
            for key in path[:-1]:
                holder = holder[key]
            if not isinstance(holder, dict) or path[:-1] in (("variants",), ("search", "space")):
                continue
            without = copy.deepcopy(plan)
            inner = without
            for key in path[:-1]:
                inner = inner[key]
            value = inner.pop(path[-1])
            assert not accepted(without), path
            inner[f"{path[-1]}_"] = value
            assert not accepted(without), path


@pytest.mark.parametrize("value", [None, [], "text", 3, {}, {"kind": "train"}, {"kind": []}])
def test_what_is_no_plan_is_refused(value):
    assert not accepted(value)


def test_a_plan_of_the_first_schema_is_read_in_todays_words(plans):
    plan = next(p for p in plans if p["data"]["name"] == "trajectories" and p["kind"] == "train")
    old = json.loads(json.dumps(plan)) | {"schema": 1}
    del old["data"]["name"], old["training"]["schedule"]
    assert check(old, "plan.json") == plan
