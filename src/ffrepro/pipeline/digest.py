"""A digest of the code that a run depends on, so that code changes retrain and cosmetic ones do not.

The code is the static import closure, inside ffrepro, of a few root modules: methods, nets, the view, the loop. How
a data set is prepared is no part of it: a run reads the prepared set, whose content both engines watch. Comments,
docstrings and layout do not count; neither do the package's version, the declarations of settings (a plan holds every
value that a run uses; what else was allowed changes nothing) and modules that touch no number (`_NO_NUMBERS`).
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ffrepro.base import extensions
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest
from ffrepro.base.source import syntax_tree
from ffrepro.pipeline import vocabulary

PACKAGE = "ffrepro"
# Errors, names, files and locks; progress; getting archives; what a record says of a run, and how it is written.
_NO_NUMBERS = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        "base", "data.alone", "data.archive_record", "data.archives", "data.checksums", "data.download", "data.fetch",
        "data.mirror", "data.npz", "data.processes", "data.progress", "training.facts", "training.memory",
        "training.method_versions", "training.plan_check", "training.progress", "training.record",
    )
)  # fmt: skip
_MEASURES = f"{PACKAGE}.training.memory"  # peaks: what a bench is about, and an aside in all other records
_STARTS = {"sklearn_baseline": "sklearn_baseline", "search": "search"}  # modules in training/
_DECLARATIONS = (vocabulary.NAME, vocabulary.EVALUATION)


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: tuple[str, ...]  # dotted names as written: modules, or names inside modules


@dataclass
class CodeDigest:
    """Digests of closures over the package in ``source`` (the folder that holds ``ffrepro/``). Parses a file once."""

    source: Path
    _modules: dict[str, _Module | None] = field(default_factory=dict)
    _closures: dict[str, frozenset[str]] = field(default_factory=dict)
    _digests: dict[frozenset[str], str] = field(default_factory=dict)

    def for_plan(self, plan: dict[str, Any]) -> str:
        """The digest that goes into a plan file."""
        return self.of(self.roots(plan))

    def roots(self, plan: dict[str, Any]) -> list[str]:
        """The modules that a run starts from; a bench may be the study's own."""
        if plan["kind"] == "bench":
            name = f"bench_{plan['bench']['name']}"
            own = f"{PACKAGE}.studies.{plan['paper']}.{name}"
            start = own if self._file(own) else f"{PACKAGE}.training.{name}"
        else:
            start = f"{PACKAGE}.training.{_STARTS.get(plan['kind'], 'loop')}"
        names = {start, f"{PACKAGE}.data.{plan['data']['name']}_task"}
        if plan["kind"] == "bench":
            names.add(_MEASURES)
        for variant in {"bench": plan.get("variants", {}).values(), "train": (plan,), "search": (plan,)}.get(
            plan["kind"], ()
        ):
            names |= {f"{PACKAGE}.methods.{variant['method']['name']}", f"{PACKAGE}.nets.{variant['net']['name']}"}
        return sorted(names)

    def of(self, names: Iterable[str]) -> str:
        """Hex SHA-256 of the closure of the given modules.

        Raises:
            FfreproError: a module does not exist or does not parse.
        """
        key = frozenset(names)
        if key not in self._digests:
            total = hashlib.sha256()
            for name in self.closure(key):
                total.update(f"{name} {self._module(name).digest}\n".encode())
            self._digests[key] = total.hexdigest()
        return self._digests[key]

    def files(self, names: Iterable[str]) -> list[str]:
        """The files of the closure, relative to ``source``."""
        return [Path(os.path.relpath(self._file(name), self.source)).as_posix() for name in self.closure(names)]

    def closure(self, names: Iterable[str]) -> list[str]:
        """The modules that the given ones import inside the package, themselves included, sorted."""
        return sorted(set().union(*(self._closure_of(name) for name in names)))

    def _closure_of(self, root: str) -> frozenset[str]:
        if root not in self._closures:
            if self._module(root) is None:
                raise self._missing(root)
            seen, waiting = set(), _prefixes(root)
            while waiting:
                name = waiting.pop()
                module = None if name in seen or (_skipped(name) and name != root) else self._module(name)
                if module is not None:
                    seen.add(name)
                    waiting += [part for written in module.imports for part in _prefixes(written)]
            self._closures[root] = frozenset(seen)
        return self._closures[root]

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            file = self._file(name)
            self._modules[name] = _parse(name, file, file.stat().st_mtime_ns) if file else None
        return self._modules[name]

    def _file(self, name: str) -> Path | None:
        package, *parts = name.split(".")
        for folder in (self.source / package, *extensions.folders()):
            base = folder.joinpath(*parts)
            for file in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
                if file.is_file():
                    return file
        return None

    def _missing(self, name: str) -> FfreproError:
        folder = self.source.joinpath(*name.split(".")[:-1])
        close = nearest(name.split(".")[-1], (file.stem for file in folder.glob("*.py")))
        return FfreproError(
            f"module {name} does not exist",
            where=folder / f"{name.split('.')[-1]}.py",
            fix=f"did you mean {close!r}?"
            if close
            else "params.yaml or a study names a method, net, data set or bench without code",
        )


def _skipped(name: str) -> bool:
    return name == PACKAGE or name in _NO_NUMBERS or name.startswith(f"{PACKAGE}.base.")


def _prefixes(dotted: str) -> list[str]:
    """``ffrepro.data.mcyt.SPEC``: that name and its parents, since importing a module runs its packages too."""
    parts = dotted.split(".")
    return [".".join(parts[:end]) for end in range(2, len(parts) + 1)]


@cache
def _parse(name: str, file: Path, stamp: int) -> _Module:
    """Read a module; remembered by its time stamp, since a report opens the project at every scale."""
    tree = syntax_tree(file)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imports: list[str] = []
    parts: list[str] = []
    _canonical(tree, parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*parent, module] if module else parent)
            imports += [f"{module}.{alias.name}" for alias in node.names]
    inside = tuple(sorted({written for written in imports if written.startswith(f"{PACKAGE}.")}))
    return _Module(hashlib.sha256("".join(parts).encode()).hexdigest(), inside)


def _canonical(node: Any, parts: list[str]) -> None:
    """Append a text form of a syntax tree that leaves docstrings and positions out.

    Empty fields are left out too: Python versions differ in which ones exist (``ast.dump`` would give every
    version its own digest, and every user with another Python a plan that looks changed).
    """
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__ + "(")
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = [statement for statement in _without_docstring(value) if not _declares_settings(statement)]
            if value is not None and value != []:
                parts.append(name + "=")
                _canonical(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for entry in node:
            _canonical(entry, parts)
            parts.append(",")
        parts.append("]")
    else:
        parts.append(repr(node))


def _declares_settings(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _DECLARATIONS
        case ast.ImportFrom(module=module):
            return module == vocabulary.BUILDERS
    return False


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if is_docstring else body
