"""Views of data sets, and which prepared set a plan's view reads. Imports no view: the pipeline has no torch.

A view is the file ``data/<view>_task.py``. Where it has sets made from a data set's samples it says so with a literal:
``PREPARED_SET = {"setting": "negatives", "own": "released"}``: the plan's ``data.negatives`` names the set, and
``released`` stands for the data set's own.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import ffrepro.data as package
from ffrepro.base.names import unknown
from ffrepro.base.plans import migrate
from ffrepro.base.source import syntax_tree

_SUFFIX = "_task"


def file_of(view: str) -> Path:
    """The file of a view.

    Raises:
        FfreproError: no such view.
    """
    found = {file.stem: file for folder in package.__path__ for file in Path(folder).glob(f"*{_SUFFIX}.py")}
    if f"{view}{_SUFFIX}" not in found:
        raise unknown("view", view, (stem.removesuffix(_SUFFIX) for stem in found), where="data.name")
    return found[f"{view}{_SUFFIX}"]


def derived(plan: dict[str, Any]) -> str | None:
    """What the set that a plan reads adds to its data set's name, None where that is the data set's own."""
    data = migrate(plan)["data"]
    file = file_of(data["name"])
    declared = _prepared_set(file, file.stat().st_mtime_ns)
    value = data[declared["setting"]] if declared else None
    return None if declared is None or value == declared["own"] else value


def prepared_set(plan: dict[str, Any]) -> str:
    """The prepared set that a plan's run reads, ``data/prepared/<source>/<this>.npz``: ``dollar``, ``dollar_close``."""
    part = derived(plan)
    return plan["dataset"] if part is None else f"{plan['dataset']}_{part}"


@cache
def _prepared_set(file: Path, stamp: int) -> dict[str, str] | None:
    for node in syntax_tree(file).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["PREPARED_SET"]:
            return ast.literal_eval(node.value)
    return None
