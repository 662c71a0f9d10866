"""The floors of docs/ARCHITECTURE.md: who may import whom, and what else."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src/ffrepro"
FLOORS = {
    "": 0,
    "base": 0,
    "core": 0,
    "kinematics": 0,
    "nets": 1,
    "data": 1,
    "methods": 2,
    "training": 3,
    "claims": 4,
    "pipeline": 5,
    "tracking": 5,
    "cli": 5,
    "__main__": 5,
    "studies": 6,
}
FILES = sorted(SOURCE.rglob("*.py"))
# The training core also runs on a bare GPU machine: numpy and torch, nothing else, when a module is imported.
ALLOWED = {
    **{name: {"numpy", "torch"} for name in ("core", "kinematics", "nets", "data", "methods", "training")},
    "": set(),
    "base": set(),
    "pipeline": {"yaml", "jsonschema"},
    "cli": {"yaml"},
    "tracking": set(),
    "__main__": set(),
    "claims": {"numpy", "scipy", "matplotlib", "yaml", "jsonschema"},
    "studies": {"numpy", "torch", "matplotlib"},
}
ALSO = {
    "base/yamlfile.py": {"yaml"},  # claims and the pipeline read YAML through it; the training core reads none
    "core/statistics.py": {"scipy"},
    "data/vision.py": {"torchvision"},  # the one door to it
}
ENGINES = {"mlflow", "snakemake", "dvc"}


# The guarded readers; everything else goes through them.
READERS = {"base/reading.py", "base/yamlfile.py"}
# These still parse a mirror's notes, an archive's notes and a run's own lines themselves.
OTHERS = {"data/image_files.py"}  # any JSON value inside an archive, bounded and checked there


def package(path):
    """The first part of a file's name inside ffrepro: ``core``; a module of the top level is its own."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported(path, *, anywhere):
    """(line, dotted name) of what a file imports: on its module level, or in functions too."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree)) if anywhere else _module_level(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _module_level(node):
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not typing_only:
            yield child
            yield from _module_level(child)


def inside(name):
    """The package of ffrepro that a dotted name is in, or None."""
    parts = name.split(".")
    if parts[0] != "ffrepro":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    own = FLOORS[package(path)]
    wrong = [
        f"line {line}: {name} is on floor {FLOORS[inside(name)]}, this file on {own}"
        for line, name in imported(path, anywhere=package(path) != "")  # the top's types are for type checkers alone
        if inside(name) is not None and FLOORS[inside(name)] > own
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_third_party_packages_stay_where_they_belong(path):
    allowed = ALLOWED[package(path)] | ALSO.get(path.relative_to(SOURCE).as_posix(), set())
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(path, anywhere=False)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "ffrepro", *allowed}
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_training_knows_no_engine_and_the_pipeline_no_torch(path):
    floor = FLOORS[package(path)]
    forbidden = ENGINES if floor <= 4 else set()
    if package(path) == "pipeline":
        forbidden = ENGINES | {"torch", "numpy"}
    names = {name.split(".")[0] for _, name in imported(path, anywhere=True)}
    assert not names & forbidden


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_parses_json_or_yaml_but_the_guarded_readers(path):
    if path.relative_to(SOURCE).as_posix() in READERS | OTHERS:
        return
    parsers = {("json", "load"), ("json", "loads"), ("json", "JSONDecoder")}
    parsers |= {
        ("yaml", name) for name in ("load", "load_all", "safe_load", "safe_load_all", "full_load", "unsafe_load")
    }
    called = [
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert not parsers & set(called)
    assert not [name for _, name in imported(path, anywhere=True) if tuple(name.rsplit(".", 1)) in parsers]
