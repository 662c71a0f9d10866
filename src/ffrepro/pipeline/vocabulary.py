"""The vocabulary of settings, read from the code that declares it: group -> name -> declaration.

Groups: ``training``; ``search``; ``schedule.<schedule>``; ``evaluation.<view>`` and ``data.<view>``; ``net.<net>``;
``method.<method>``; ``classifier.<classifier>``; ``bench.<bench>``. Modules are parsed, not imported: Snakemake reads
the vocabulary whenever it parses the Snakefile, and importing a method loads torch.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ffrepro.base import extensions, settings
from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import Declaration
from ffrepro.base.source import syntax_tree

PACKAGE = "ffrepro"
NAME, EVALUATION = "SETTINGS", "EVALUATION_SETTINGS"
BUILDERS = "ffrepro.base.settings"
Groups = dict[str, dict[str, Declaration]]
_OF_RUNS = {"training": "loop", "search": "search"}  # group -> the module in training/ that declares it


def read(source: Path) -> Groups:
    """The vocabulary of the package in ``source`` (the folder that holds ``ffrepro/``) and of the extensions.

    Raises:
        FfreproError: a module does not parse, or builds its settings from something else than declarations.
    """
    reader = _Reader(source)
    groups: Groups = {name: reader.value(f"training.{file}", NAME) or {} for name, file in _OF_RUNS.items()}
    for schedule, declared in (reader.value("core.schedules", NAME) or {}).items():
        groups[f"schedule.{schedule}"] = declared
    for view in reader.modules("data", "*_task.py"):
        name = view.removesuffix("_task")
        evaluation = reader.value(f"data.{view}", EVALUATION)
        if evaluation is not None:
            groups[f"evaluation.{name}"] = evaluation
        groups[f"data.{name}"] = reader.value(f"data.{view}", NAME) or {}
    for kind, package, entry in (("net", "nets", "build"), ("method", "methods", "Method")):
        for name in reader.modules(package, "*.py"):
            if reader.defines(f"{package}.{name}", entry):  # the others are shared code
                groups[f"{kind}.{name}"] = reader.value(f"{package}.{name}", NAME) or {}
    for name, declared in (reader.value("training.classifiers", NAME) or {}).items():
        groups[f"classifier.{name}"] = declared
    studies = sorted(path.name for path in (source / PACKAGE / "studies").glob("*/"))
    for folder in ("training", *(f"studies.{study}" for study in studies)):
        for bench in reader.modules(folder, "bench_*.py"):
            declared = reader.value(f"{folder}.{bench}", NAME)
            if declared is not None:
                groups[f"bench.{bench.removeprefix('bench_')}"] = declared
    if not groups["training"]:
        where = source / PACKAGE / "training/loop.py"
        raise FfreproError("the settings of every trained run are missing", where=where, fix="declare SETTINGS there")
    return groups


class _Reader:
    """Values of module-level names, evaluated without importing the modules."""

    def __init__(self, source: Path):
        self.places = [source / PACKAGE, *extensions.folders()]

    def modules(self, folder: str, pattern: str) -> list[str]:
        """Names of a folder's modules, sorted."""
        files = (file for place in self.places for file in place.joinpath(*folder.split(".")).glob(pattern))
        return sorted(file.stem for file in files if file.stem != "__init__")

    def value(self, module: str, name: str) -> Any:
        """The value of a name at module level; None where the module does not assign it.

        Args:
            module: dotted, inside the package: ``methods.ff``.
        """
        file = self._file(module)
        if file is None:
            return None
        top = _top_level(file, file.stat().st_mtime_ns)
        if name not in top.assigned:
            return None
        expression = top.assigned[name]
        needed = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
        known = {}
        for other in needed:
            if other in top.assigned:
                known[other] = self.value(module, other)
            elif other in top.imported:
                known[other] = self._imported(*top.imported[other])
        try:
            code = compile(ast.Expression(expression), str(file), "eval")
            return eval(code, {"__builtins__": {}, **known})  # the project's own code
        except Exception as error:
            raise FfreproError(
                f"{name} cannot be read without importing the module ({error})",
                where=f"{file}:{expression.lineno}",
                fix=f"build it from literals, the functions of {BUILDERS}, and such dictionaries of other modules",
            ) from None

    def defines(self, module: str, name: str) -> bool:
        """Whether a module has a class or function of this name."""
        file = self._file(module)
        return name in _top_level(file, file.stat().st_mtime_ns).defined

    def _file(self, module: str) -> Path | None:
        candidates = (place.joinpath(*module.split(".")).with_suffix(".py") for place in self.places)
        return next((file for file in candidates if file.is_file()), None)

    def _imported(self, module: str, name: str) -> Any:
        if module == BUILDERS:
            return getattr(settings, name)
        inside = module.removeprefix(f"{PACKAGE}.")
        found = self.value(inside, name)
        if found is not None:
            return found
        return _Module(self, f"{inside}.{name}" if inside != PACKAGE else name)  # `from ffrepro.methods import local`


class _Module:
    """Attribute access to a module that is not imported: ``local.SETTINGS``."""

    def __init__(self, reader: _Reader, module: str):
        self._reader, self._module = reader, module

    def __getattr__(self, name: str) -> Any:
        found = self._reader.value(self._module, name)
        if found is None:
            raise AttributeError(f"{self._module} does not assign {name}")
        return found


@dataclass
class _TopLevel:
    """What a module assigns, imports from the package (name -> module, name there) and defines at its top level."""

    assigned: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)


@cache
def _top_level(file: Path, stamp: int) -> _TopLevel:
    """A module's top level; remembered by the file's time stamp."""
    tree = syntax_tree(file)
    top = _TopLevel()
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                top.assigned[name] = value
            case ast.ImportFrom(module=str(module)) if module.startswith(PACKAGE):
                top.imported |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                top.defined.add(name)
    return top
