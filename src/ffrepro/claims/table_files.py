"""A compared table as files: CSV with every number at full precision, Markdown and LaTeX to read."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ffrepro.base.files import write_text_if_changed
from ffrepro.claims import formats, load, markdown, table_pairs, tables
from ffrepro.claims.blocks import Block, Bullets, Folded, Heading, Notice, Paragraph
from ffrepro.claims.compare import scale_pick
from ffrepro.claims.formats import csv_number
from ffrepro.claims.records import Store
from ffrepro.claims.tables import TableResult

COLUMNS = (
    "claim", "where", "row", "metric", "protocol", "treatment", "scale", "hardware", "source", "published", "expected",
    "mean", "std", "n", "ci_low", "ci_high", "predicted_low", "predicted_high", "difference", "margin", "p_different",
    "p_holm", "p_equivalent", "p_equivalent_holm", "detects", "equivalence_up_to", "verdict", "reason", "beforehand",
    "notes", "deviations", "companions", "runs",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$", "−": r"$-$", "–": "--", "θ": r"$\theta$",
        "<": r"$<$", ">": r"$>$"}  # fmt: skip


def build_table(store: Store, scale: str, paper: str, table: str) -> list[Path]:
    """Write one table of a paper at one scale; its files.

    Args:
        store: records of plans of this scale; those of others do no harm.

    Raises:
        FfreproError: no such paper or table, or a claims file that breaks its schema.
    """
    result = tables.build(load.load(store.root, paper), store, table, scale_pick(store, scale), f"scale {scale}")
    return write(result, store.root / "reports" / scale / "tables" / paper)


def write(result: TableResult, folder: Path) -> list[Path]:
    """Write ``<table>.csv``, ``.md`` and ``.tex`` into a folder; their paths."""
    content = {"csv": as_csv(result), "md": as_markdown(result), "tex": as_latex(result)}
    paths = []
    for suffix, text in content.items():
        paths.append(folder / f"{result.name}.{suffix}")
        write_text_if_changed(paths[-1], text)
    return paths


def as_csv(result: TableResult) -> str:
    """A line for each claim and treatment."""
    return write_csv(COLUMNS, [_csv_row(result, *key) for key in result.cells])


def write_csv(columns: tuple[str, ...], rows: list[list]) -> str:
    """CSV text with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_csv_text, columns))
    writer.writerows([_csv_text(cell) for cell in row] for row in rows)
    return out.getvalue()


def _csv_text(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that begins like one, and is no number, gets a quote."""
    if isinstance(cell, str) and "\r" in cell:
        cell = re.sub("\r\n?", "\n", cell)  # the csv module leaves a lone one unquoted, and readers end the row there
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def as_markdown(result: TableResult) -> str:
    """The whole table as its section of the report."""
    return markdown.render([Heading(result.title, 1, result.name), *body(result)])


def body(result: TableResult) -> list[Block]:
    """Overview, notes, details, tests between our own samples, deviations."""
    content: list[Block] = []
    if result.standin:
        content.append(
            Notice("Stand-in data made by this project: the numbers show that the pipeline runs, nothing else.")
        )
    content.append(tables.overview(result))
    content += [Paragraph(f"[{letter}] {text}.") for text, letter in result.footnotes().items()]
    if result.by_machine is not None:
        content += [Paragraph(tables.BY_MACHINE), result.by_machine]
    content.append(Folded("Every number with its tests", [Paragraph(_legend(result)), tables.details(result)]))
    if result.pairs:
        content.append(
            Folded("Our own samples against each other, two-tailed tests", [table_pairs.table(result.pairs)])
        )
    deviations = result.deviations()
    if deviations:
        content.append(Paragraph("Deviations from the paper that touch these numbers:"))
        content.append(Bullets([f"{d['id']} ({_touches(d)}): {d['text']}" for d in deviations]))
    return content


def as_latex(result: TableResult) -> str:
    """A booktabs table: published, ours under each treatment, verdicts; notes as the caption's end."""
    claims = result.claims
    header = ["", "", "Published", *(column for name in claims.treatments for column in (tex(name), "verdict"))]
    lines = [" & ".join(header) + r" \\", r"\midrule"]
    letters = result.footnotes()
    for claim_id in result.ids():
        claim = claims.claims[claim_id]
        protocol = claims.protocol(claim)
        metric = f"{claim['metric']} ({protocol})" if protocol else claim["metric"]
        cells = [claim["row"], metric, tables.published(claims, claim)]
        for treatment in claims.treatments:
            cell = result.cells[treatment, claim_id]
            marks = "".join(f" [{letters[text]}]" for text in result.notes[treatment, claim_id])
            count = f" (n={cell.n})" if cell.n and not cell.is_bench else ""
            cells += [tables.ours(claims, cell) + count + marks, cell.verdict.kind]
        lines.append(" & ".join(map(tex, cells)) + r" \\")
    notes = [f"[{letter}] {text}." for text, letter in letters.items()]
    notes += [f"{d['id']}: {d['text']}" for d in result.deviations()]
    return "\n".join([
        r"\begin{table}", r"\small", rf"\caption{{{tex(result.title)}}}",
        rf"\begin{{tabular}}{{lll{'ll' * len(claims.treatments)}}}", r"\toprule", *lines, r"\bottomrule",
        r"\end{tabular}", *(rf"\par\footnotesize {tex(note)}" for note in notes), r"\end{table}", "",
    ])  # fmt: skip


def tex(text: str) -> str:
    """Plain text in one line, with everything that LaTeX would interpret escaped."""
    escaped = re.sub(
        "|".join(map(re.escape, _TEX)), lambda match: _TEX[match.group()], re.sub(r"[\s\x00-\x1f]", " ", text)
    )
    return f"{{[}}{escaped[1:]}" if escaped.startswith("[") else escaped  # after the last row's end: its argument


def _csv_row(result: TableResult, treatment: str, claim_id: str) -> list:
    cell = result.cells[treatment, claim_id]
    claim, evidence, summary = cell.claim, cell.evidence, cell.summary
    sample = [csv_number(getattr(summary, name)) if summary else "" for name in ("mean", "std", "n", "low", "high")]
    return [
        claim_id, claim["where"], claim["row"], claim["metric"], result.claims.protocol(claim), treatment,
        evidence.scale if evidence else "", evidence.hardware if evidence else "",
        evidence.records[0].about["data"]["source"] if evidence else "",
        csv_number(claim["value"]), csv_number(cell.expected), *sample, *map(csv_number, cell.power.predicted),
        csv_number(cell.difference),
        cell.tests.margin, *map(csv_number, (cell.tests.different, cell.tests.holm_different, cell.tests.equivalent,
        cell.tests.holm_equivalent)), cell.power.detects, cell.power.reaches, cell.verdict.kind, cell.verdict.reason,
        str(cell.beforehand or ""), "; ".join(result.notes[treatment, claim_id]),
        " ".join(d["id"] for d in result.claims.deviations(claim, treatment)),
        "; ".join(f"{label}: {csv_number(found.mean)}" for label, found in cell.companions.items()),
        " ".join(cell.runs),
    ]  # fmt: skip


def _legend(result: TableResult) -> str:
    used = dict.fromkeys(result.claims.claims[i]["quantity"] for i in result.ids())
    quantities = result.claims.content["quantities"]
    margins = [f"{name} {formats.margin(quantities[name]['margin'], quantities[name].get('scale', 'linear'))}"
               for name in used if "margin" in quantities[name]]  # fmt: skip
    later = [(name, quantities[name]["post_hoc"]) for name in used if "post_hoc" in quantities[name]]
    post_hoc = [f"{name} {formats.margin(entry['margin'], entry.get('scale', 'linear'))}" for name, entry in later]
    return (
        f"Margins set beforehand: {', '.join(margins) or 'none'}."
        + (f" Post hoc, and in force: {', '.join(post_hoc)}." if post_hoc else "")
        + " Difference: ours minus published. Predicted: where our runs put the published value (95 %), a mean of as "
        "many runs as the paper says. p: that they would draw it, and the same after Holm's correction across the "
        "claims of the first table that shows them; p (equivalence): two one-sided tests. Detects: the smallest "
        "difference found with a power of .8; equivalence up to: the largest spread at which it can be shown. A ratio "
        "has a number for each fresh process; of one process the interval is that of the median over rounds (95 %, "
        "order statistics)."
    )


def _touches(deviation: dict) -> str:
    return "; ".join(", ".join(names) for names in deviation["touches"].values())
