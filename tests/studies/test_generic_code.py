"""Generic code knows no paper: no paper, experiment or variant stands in it by name."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from ffrepro.base import studies
from ffrepro.base.settings import Declaration
from ffrepro.pipeline import params

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/ffrepro"
GENERIC = [path for path in sorted(SOURCE.rglob("*.py")) if "studies" not in path.relative_to(SOURCE).parts[:1]]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


def names():
    """Papers, and the names of their variants, groups and experiments."""
    found = set(studies.having("study.yaml"))
    for paper in studies.having("study.yaml"):
        study = yaml.safe_load((studies.FOLDER / paper / "study.yaml").read_text())
        found |= set(study["variants"]) | set(study["experiments"]) | set(study.get("groups", {}))
    return found


def vocabulary():
    """Words that generic code has by itself: settings and their values, groups, modules, keys of its YAML files."""
    groups = params.load_vocabulary(ROOT).groups
    words = {word for group in groups for word in group.split(".")} | {path.stem for path in GENERIC}
    words |= {path.parent.name for path in GENERIC}
    waiting = [groups, *(yaml.safe_load(path.read_text()) for path in (ROOT / "workflow/schemas").glob("*.yaml"))]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            words |= set(entry)
            waiting += entry.values()
        elif isinstance(entry, list):
            waiting += entry
        elif isinstance(entry, Declaration):
            waiting += [*entry.options, *([entry.item] if entry.item else [])]
        elif isinstance(entry, str):
            words.add(entry)
    return words


KNOWLEDGE = sorted(names() - vocabulary())
# Within a longer text, a word of plain English is no name.
LONG = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(name for name in KNOWLEDGE if '_' in name)})(?![A-Za-z0-9])")


def test_there_is_something_to_look_for():
    assert {*studies.having("study.yaml"), "bptt", "ff_std", "mlp_ff", "tiny_cwc"} <= set(KNOWLEDGE)
    assert len(KNOWLEDGE) > 50


@pytest.mark.parametrize("path", GENERIC, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_text_of_generic_code_names_one(path):
    texts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    found = [
        f"line {node.lineno}: {node.value[:60]!r}"
        for node in texts
        if isinstance(node.value, str) and (node.value in KNOWLEDGE or LONG.search(node.value))
    ]
    assert found == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_names_one(path):
    assert LONG.findall(path.read_text()) == []


@pytest.mark.parametrize("path", [*GENERIC, *RULES], ids=lambda path: path.name)
def test_a_study_is_found_by_name_never_imported(path):
    assert not re.search(r"(from|import) ffrepro\.studies", path.read_text())
