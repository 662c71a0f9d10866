"""A method of one's own to begin with: its file, a case of the conformance tests, and an entry for a study."""

from __future__ import annotations

import json
import keyword
import re
from decimal import Decimal
from pathlib import Path
from string import Template

from ffrepro import methods, nets
from ffrepro.base import extensions
from ffrepro.base.errors import FfreproError
from ffrepro.base.files import read_json, write_json, write_text

CASES = "method_cases.json"  # of an extension: name -> {"method", "net", "settings"}
_TEMPLATE = Path(__file__).parent / "templates/method.txt"
_NET = "mlp"


def method(name: str, folder: Path) -> tuple[Path, Path, str]:
    """Write ``methods/<name>.py`` and the method's conformance case into a folder of extensions.

    Returns:
        the two files, and an entry for the ``variants`` of a study.yaml.

    Raises:
        FfreproError: the name is no name of a module, or is taken; a case of this name is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise FfreproError(
            f"{name!r} can be no method's name", where="NAME", fix="begin with a letter; a to z, 0 to 9 and _ alone"
        )
    file, cases = folder / "methods" / f"{name}.py", folder / CASES
    if file.exists():
        raise FfreproError("this file is there already", where=file, fix="choose another name, or remove it")
    if any((Path(place) / f"{name}.py").exists() for place in methods.__path__):
        raise FfreproError(f"methods/{name}.py is taken", where="NAME", fix="choose another name")
    known = read_json(cases) if cases.is_file() else {}
    if name in known:
        raise FfreproError(f"it has a case {name!r}", where=cases, fix="choose another name, or remove that case")
    write_text(file, Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(name=name))
    extensions.add(folder)
    settings = {key: declared.default for key, declared in methods.module(name).SETTINGS.items()}
    write_json(cases, known | {name: {"method": name, "net": _NET, "settings": settings}})
    return file, cases, _entry(name, settings)


def _entry(name: str, settings: dict) -> str:
    net = {key: declared.default for key, declared in nets.module(_NET).SETTINGS.items()}
    lines = [f'{key}: {{value: {_yaml(value)}, source: "chosen"}}' for key, value in (net | settings).items()]
    head = [f"  {name}:", f"    method: {name}", f"    net: {_NET}", f"    label: {name}"]
    head += ["    experiments: [EXPERIMENT] # which ones it joins", "    set:"]
    return "\n".join([*head, *(f"      {line}" for line in lines)]) + "\n"


def _yaml(value: object) -> str:
    """A value as YAML reads it back: to YAML 1.1, ``1e-05`` is a text."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else json.dumps(value)
