"""Build the report and its tables: plan files and records in, files under ``reports/<scale>/`` out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ffrepro.base import studies
from ffrepro.base.files import dump_json, write_bytes, write_text
from ffrepro.claims import (
    bad_records,
    companions,
    entries,
    evidence_sections,
    export,
    html,
    load,
    markdown,
    reproduce,
    sections,
    tables,
)
from ffrepro.claims.assess import Assessment, assess
from ffrepro.claims.audit import section as audit
from ffrepro.claims.blocks import Block, Either, Heading, Picture
from ffrepro.claims.compare import best_pick, scale_pick
from ffrepro.claims.figures import draw_all
from ffrepro.claims.figures.style import Drawn, Scene
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.screen import view
from ffrepro.claims.tables import TableResult


@dataclass(frozen=True)
class Study:
    """One paper in the report."""

    claims: Claims
    assessments: dict[str, Assessment]
    tables: list[TableResult]
    figures: list[Drawn]
    column: view.Column


def build_report(store: Store, scale: str, hours: reproduce.Hours | None = None) -> Path:
    """Write the report of one scale: HTML, Markdown, CSV files, metrics and figures; the page's path.

    Tables and figures are of the scale; verdicts rest on the best evidence among all plans and the committed records.

    Args:
        hours: what a planned run takes; without it, runs that are missing are counted alone.
    """
    found = studies_of(store, scale, hours)
    records = store.of_scale(scale)
    folder = store.root / "reports" / scale
    # Pictures of an earlier report that this one does not draw would be taken for its own.
    shutil.rmtree(folder / "figures", ignore_errors=True)
    content = content_of(store, scale, found, hours)
    for picture in sections.pictures(content):
        write_bytes(folder / picture.path, picture.png)
    write_text(folder / "results.csv", export.results_csv(records))
    write_text(folder / "verdicts.csv", export.verdicts_csv([study.assessments for study in found]))
    write_text(folder / "curves.csv", export.curves_csv(records))
    write_text(folder / "metrics.json", dump_json(export.metrics(records)))
    bad_records.write(folder, store.bad)
    write_text(folder / "report.md", markdown.render(content))
    write_text(folder / "report.html", html.render(sections.window_title(scale, records), content))
    return folder / "report.html"


def studies_of(store: Store, scale: str, hours: reproduce.Hours | None = None) -> list[Study]:
    """The papers that are planned, each compared and drawn."""
    papers = dict.fromkeys(plan["paper"] for plan in store.plans.values())
    return [_study(store, scale, paper, hours) for paper in papers if paper in load.papers()]


def _study(store: Store, scale: str, paper: str, hours: reproduce.Hours | None) -> Study:
    claims = load.load(store.root, paper)
    results = []
    for name in claims.content["tables"]:
        here = tables.build(claims, store, name, scale_pick(store, scale), f"scale {scale}")
        best = tables.build(claims, store, name, best_pick(store), "best evidence")
        # The best evidence gets a table of its own where it is another than this scale's.
        results += [best] * (best.has_runs and _runs(best) != _runs(here)) + [here]
    assessments = assess(claims, store)
    drawn = draw_all(Scene(claims, store, scale))
    return Study(claims, assessments, results, drawn, view.column(claims, store, assessments, hours))


def _runs(result: TableResult) -> list[tuple[str, ...]]:
    return [cell.runs for cell in result.cells.values()]


def content_of(store: Store, scale: str, found: list[Study], hours: reproduce.Hours | None = None) -> list[Block]:
    """What the report says, for the page and for Markdown."""
    content = sections.head(store, scale, [study.column for study in found])
    for study in found:
        paper, claims = study.claims.paper, study.claims
        content += sections.summary(claims, study.assessments)
        content += view.of_paper(study.column)
        content += sections.paper_tables(study.tables)
        drawn = [(figure, _picture(paper, figure)) for figure in study.figures]
        content += sections.figures(claims, study.assessments, drawn)
        content += sections.deeper(companions.section(claims, store, scale))
        content += sections.deeper(_own_sections(claims, store, scale))
        content += sections.deeper(audit.section(paper))
        content += sections.deviations(claims)
        content.append(Either([], sections.all_claims(claims, study.assessments)))
    listed = [
        entry
        for study in found
        for entry in entries.of_paper(
            entries.Source(study.claims, store, study.tables, study.figures, hours), study.assessments
        )
    ]
    papers = {study.claims.paper: study.claims.short for study in found}
    title = Heading("Find a claim", 2, "claims", "find a claim")
    content.append(Either([title, entries.finder(papers, listed), *listed], []))
    return content + evidence_sections.tail(store, scale)


def _own_sections(claims: Claims, store: Store, scale: str) -> list[Block]:
    """What the study's ``sections`` module adds to the report."""
    own = studies.module(claims.paper, "sections")
    return own.sections(claims, store, scale) if own else []


def _picture(paper: str, drawn: Drawn) -> Picture:
    return Picture(f"figures/{paper}/{drawn.name}.png", drawn.png, drawn.title, drawn.caption)
