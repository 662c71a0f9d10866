"""Load params.yaml and the vocabulary of settings, checked in full before anything else happens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffrepro.base import yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.pipeline import checks, schema, vocabulary
from ffrepro.pipeline.settings import Vocabulary

PARAMS = "params.yaml"
SCHEMA = "workflow/schemas/params.schema.yaml"


@dataclass(frozen=True)
class Params:
    """params.yaml, checked, with the vocabulary it was checked against."""

    root: Path
    raw: dict
    vocabulary: Vocabulary

    def scale(self, name: str | None) -> str:
        """The scale asked for, else the one params.yaml says.

        Raises:
            FfreproError: there is none of that name.
        """
        if name is not None and name not in self.raw["scales"]:
            raise unknown("scale", name, self.raw["scales"], where="params.yaml: scales")
        return name or self.raw["scale"]


def is_project(folder: Path) -> bool:
    """Whether a folder is a project's: other programs have a params.yaml, too."""
    return (folder / PARAMS).is_file() and (folder / SCHEMA).is_file()


def load(root: Path) -> Params:
    """Read and check the parameters of the project in ``root``.

    Raises:
        FfreproError: whatever is wrong, all of it at once (up to ten problems), each with its key and line.
    """
    raw, lines = yamlfile.load(root / PARAMS)
    declared = load_vocabulary(root)
    form, _ = yamlfile.load(root / SCHEMA)
    schema.raise_problems(schema.check(raw, form), PARAMS, lines)
    # Names first: settings of a variant that does not exist cannot be looked at.
    schema.raise_problems(checks.check_names(raw, declared), PARAMS, lines)
    schema.raise_problems(checks.check_settings(raw, declared), PARAMS, lines)
    return Params(root, raw, declared)


def load_vocabulary(root: Path) -> Vocabulary:
    """The settings that the code of the project in ``root`` declares.

    Raises:
        FfreproError: a declaration cannot be read.
    """
    return Vocabulary(vocabulary.read(root / "src"))


def mirror(root: Path) -> str | None:
    """The mirror that params.yaml names, read without checking the rest: any folder may have no params.yaml.

    Raises:
        FfreproError: params.yaml cannot be read, or its mirror is no text.
    """
    if not (root / PARAMS).is_file():
        return None
    raw, lines = yamlfile.load(root / PARAMS)
    place = raw.get("mirror")
    if place is not None and not isinstance(place, str):
        raise FfreproError(
            f"mirror: {place!r} is no text", where=f"{root / PARAMS}:{lines['mirror',]}", fix="a folder, a URL or null"
        )
    return place
