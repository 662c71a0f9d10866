"""Load params.yaml, the studies that it names and the vocabulary of settings, checked before anything else happens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffrepro.base import yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.yamlfile import KeyPath
from ffrepro.pipeline import checks, schema, studies, vocabulary
from ffrepro.pipeline.schema import Problem, Source
from ffrepro.pipeline.settings import Vocabulary

PARAMS = "params.yaml"
SCHEMA = "workflow/schemas/params.schema.yaml"
STUDY_SCHEMA = "workflow/schemas/study.schema.yaml"


@dataclass(frozen=True)
class Params:
    """params.yaml with its studies, checked, the vocabulary they were checked against, and where each key stands.

    Attributes:
        raw: params.yaml; ``papers``: paper -> its study, see ``studies.assemble``.
    """

    root: Path
    raw: dict
    vocabulary: Vocabulary
    sources: list[Source]

    def scale(self, name: str | None) -> str:
        """The scale asked for, else the one params.yaml says.

        Raises:
            FfreproError: there is none of that name.
        """
        if name is not None and name not in self.raw["scales"]:
            raise unknown("scale", name, self.raw["scales"], where="params.yaml: scales")
        return name or self.raw["scale"]

    def place(self, path: KeyPath) -> str:
        """``file:line`` of a key."""
        return schema.source_of(path, self.sources).place(path)


def is_project(folder: Path) -> bool:
    """Whether a folder is a project's: other programs have a params.yaml, too."""
    return (folder / PARAMS).is_file() and (folder / SCHEMA).is_file()


def load(root: Path) -> Params:
    """Read and check the parameters of the project in ``root``.

    Raises:
        FfreproError: whatever is wrong, all of it at once (up to ten problems), each with its key, file and line.
    """
    raw, lines = yamlfile.load(root / PARAMS)
    sources = [Source(PARAMS, (), lines)]
    declared = load_vocabulary(root)
    form, _ = yamlfile.load(root / SCHEMA)
    schema.raise_problems(schema.check(raw, form), sources)
    schema.raise_problems(_unknown_studies(root, raw["studies"]), sources)
    raw["papers"], form = {}, yamlfile.load(root / STUDY_SCHEMA)[0]
    problems: list[Problem] = []
    for paper in raw["studies"]:
        at = ("papers", paper)
        content, lines = yamlfile.load(root / studies.file_of(paper))
        sources.append(Source(studies.file_of(paper), at, lines))
        wrong = schema.check(content, form, at)
        if not wrong:
            raw["papers"][paper], wrong = studies.assemble(content, at)
        problems += wrong
    schema.raise_problems(problems, sources)
    for paper, study in raw["papers"].items():
        for name, entry in study["experiments"].items():
            complete = {"$ref": f"#/$defs/{entry.get('kind', 'train')}", "$defs": form["$defs"]}
            problems += schema.check(entry, complete, ("papers", paper, "experiments", name))
    schema.raise_problems(problems, sources)
    # Names first: settings of a variant that does not exist cannot be looked at.
    schema.raise_problems(checks.check_names(raw, declared), sources)
    schema.raise_problems(checks.check_settings(raw, declared), sources)
    return Params(root, raw, declared, sources)


def _unknown_studies(root: Path, wanted: list[str]) -> list[Problem]:
    """Papers without a folder that holds a study."""
    there = [path.parent.name for path in sorted((root / studies.FOLDER).glob("*/study.yaml"))]
    return [
        schema.unknown_name(("studies", index), "study", name, there)
        for index, name in enumerate(wanted)
        if name not in there
    ]


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
