"""Pages whose result tables and numbers are generated from committed records.

A study's ``docs.yaml`` defines tables and values; a page has ``docs_markers`` where one is to stand. Studies that join
it are drawn into one picture of the report's first screen. With the pages comes the results version (``results``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ffrepro.base import yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.files import write_text_if_changed
from ffrepro.base.names import unknown
from ffrepro.claims import docs_directions, docs_tables, load, markdown, results
from ffrepro.claims.assess import Assessment
from ffrepro.claims.docs_markers import TABLE, Block, blocks, replace
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.records import Store
from ffrepro.claims.reproduce import Hours
from ffrepro.claims.screen import picture, view

STUDIES = "src/ffrepro/studies"
FILE = "docs.yaml"
SCHEMA = "workflow/schemas/docs.schema.yaml"
PAGES = ("README.md", "docs/*.md", f"{STUDIES}/*/README.md")


@dataclass(frozen=True)
class Page:
    """A page with markers, or the picture.

    Attributes:
        path: relative to the project's folder.
        blocks: its generated parts. changed: those of them that are out of date.
        text: the page with all of them made anew.
    """

    path: str
    blocks: list[Block]
    changed: list[Block]
    text: str


def generate(store: Store, hours: Hours | None = None) -> list[Page]:
    """Every page with markers, its generated parts made anew, and the picture; nothing is written.

    Args:
        store: committed records alone, of plans of every scale: one counts where a plan declares it.
        hours: of a planned run, by committed records alone; None: unknown of all.

    Raises:
        FfreproError: a page's markers or a study's definitions are wrong, or name what is not there.
    """
    root = store.root
    texts = {path: _text(path) for pattern in PAGES for path in sorted(root.glob(pattern))}
    marked = {path: blocks(text, path.relative_to(root).as_posix()) for path, text in texts.items()}
    studies = Studies(store, hours)
    made = []
    for path, found in marked.items():
        if found:
            text, changed = replace(texts[path], found, studies.make)
            made.append(Page(path.relative_to(root).as_posix(), found, changed, text))
    return made + _picture(root, studies) + _results(root, studies)


def write(root: str | Path, pages: list[Page]) -> list[str]:
    """Write the pages that changed; their paths."""
    return [page.path for page in pages if write_text_if_changed(Path(root) / page.path, page.text)]


class Studies:
    """The definitions of all studies, and what they say."""

    def __init__(self, store: Store, hours: Hours | None = None):
        self.root, self._store, self._hours = store.root, store, hours
        self._sources: dict[str, Sources] = {}

    @cached_property
    def definitions(self) -> dict[str, dict[str, Any]]:
        """Paper -> its definitions.

        Raises:
            FfreproError: a file that is no YAML or breaks the schema.
        """
        schema, _ = yamlfile.load(self.root / SCHEMA)
        return {path.parent.name: _checked(path, schema) for path in sorted((self.root / STUDIES).glob(f"*/{FILE}"))}

    def make(self, block: Block) -> str:
        """The text of a block.

        Raises:
            FfreproError: it is not defined, or its definition names what is not there.
        """
        if block.paper not in self.definitions:
            raise unknown("study", block.paper, self.definitions, where=f"{STUDIES}/*/{FILE}")
        defined = self.definitions[block.paper].get(f"{block.kind}s", {})
        directions = self.definitions[block.paper].get(docs_directions.NAME)
        if block.kind == TABLE and block.name == docs_directions.NAME and directions:
            with _inside(f"{STUDIES}/{block.paper}/{FILE}, {docs_directions.NAME}"):
                return markdown.render([docs_directions.table(self._of(block.paper), directions, self._of)])
        if block.name not in defined:
            raise unknown(block.kind, block.name, defined, where=f"{STUDIES}/{block.paper}/{FILE}")
        with _inside(f"{STUDIES}/{block.paper}/{FILE}, {block.kind} {block.name}"):
            sources = self._of(block.paper)
            if block.kind == TABLE:
                return markdown.render([docs_tables.table(sources, defined[block.name])])
            return docs_tables.value(sources, defined[block.name])

    def columns(self) -> list[view.Column]:
        """The studies that join the picture, in the order of their names.

        Raises:
            FfreproError: a number of the first screen is not there.
        """
        joining = [self._of(paper) for paper, definitions in self.definitions.items() if definitions.get("picture")]
        return [view.column(sources.claims, self._store, sources.assessments) for sources in joining]

    def assessments(self) -> list[dict[str, Assessment]]:
        """Every claim of every study that has pages."""
        return [self._of(paper).assessments for paper in self.definitions]

    def _of(self, paper: str) -> Sources:
        if paper not in self._sources:
            self._sources[paper] = Sources(self._store, load.load(self.root, paper), self._hours)
        return self._sources[paper]


def _picture(root: Path, studies: Studies) -> list[Page]:
    """The picture as a page that is generated as a whole; none where no study joins it."""
    columns = studies.columns()
    return [_whole(root, picture.FILE, "picture", "first_screen", picture.svg(columns))] if columns else []


def _results(root: Path, studies: Studies) -> list[Page]:
    """The table of verdicts and the results version; none where no study has pages."""
    if not studies.definitions:
        return []
    text = results.table(studies.assessments())
    version = _whole(root, results.VERSION, "results", "version", results.version(root, text))
    return [_whole(root, results.VERDICTS, "results", "verdicts", text), version]


def _whole(root: Path, name: str, kind: str, of: str, text: str) -> Page:
    """A file that is generated as a whole, as a page."""
    whole = Block(kind, "*", of, line=1, start=0, end=len(text))
    path = root / name
    changed = not path.is_file() or _text(path) != text
    return Page(name, [whole], [whole] if changed else [], text)


@contextmanager
def _inside(where: str) -> Iterator[None]:
    """Says which definition an error is about."""
    try:
        yield
    except FfreproError as error:
        raise FfreproError(error.what, where=where, fix=error.fix) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FfreproError(f"not UTF-8: {error}", where=path, fix="save it as UTF-8") from None


def _checked(path: Path, schema: dict) -> dict[str, Any]:
    content, _ = yamlfile.load(path)
    problem = next(iter(Draft202012Validator(schema).iter_errors(content)), None)
    if problem is not None:
        place = "".join(f"[{part!r}]" for part in problem.absolute_path)
        raise FfreproError(problem.message[:300], where=f"{path} {place}", fix=f"{SCHEMA} says what is allowed")
    return content
