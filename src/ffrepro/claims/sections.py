"""The report's sections, as blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ffrepro.claims import formats, table_files, verdict
from ffrepro.claims.assess import Assessment, counts
from ffrepro.claims.blocks import (
    Block,
    Bullets,
    Code,
    Folded,
    Heading,
    Line,
    Notice,
    Paragraph,
    Picture,
    Table,
)
from ffrepro.claims.figures.style import Drawn
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Record, Store
from ffrepro.claims.tables import TableResult

_SHOWN_RUNS = 3
_METRICS = {"auc": "AUC"}  # how a column is called that is not called as its metric
_RULE = [
    "not run: there is no run, or not of every condition, and the reason says what is missing; neither stand-in data "
    "nor runs of a checkout with uncommitted changes give a verdict",
    f"inconclusive: fewer than {verdict.ENOUGH} runs (of a timed ratio: fresh processes, each with interleaved "
    "rounds), a count that the epoch limit cut short, or numbers that tell neither way",
    "a published value without a spread is a draw like ours, the mean of as many runs as the paper says, else of one; "
    "a printed value is every value that rounds to it; p is Holm's over the first table that shows the value (p < .05)",
    "reproduced: two one-sided tests place ours within the margin of the published value, and our runs predict it "
    "(95 %); holds loosely: the first without the second; compatible: the second without the first",
    "better or worse: outside of that interval and of the margin, by the good direction; a quantity without one is "
    "not comparable then; worse after fewer epochs than the paper's counts as inconclusive",
    "protocol not stated: such a difference that rests on what the paper leaves open, with the range of our readings",
    "holds, worse, inconclusive of a conclusion: each of its comparisons is tested on our runs, within seeds where "
    "they share a split, epochs by an exact log-rank test; the comparison that decides is named",
    "holds loosely of a conclusion: true of the paper's figures, and of much else; refuted by the paper's own figures: "
    "false of them however they were rounded",
    "setting met, not met by the paper (its data or released code have another value), shortened by us",
    "not comparable: shown, but never judged; not testable: no experiment decides it as it is worded",
    "post hoc: a margin set after runs were seen; the verdict by the earlier one stands beside",
]
_STANDIN = (
    "Scale smoke runs on stand-in data that this project makes itself, for a few epochs. Its numbers show that "
    "everything runs, and nothing about Forward-Forward. Verdicts come from runs on real data, where there are any."
)


_BAD = (
    "Records left out because they are damaged or say what no run can have left: {}. Nothing in this report rests on "
    "them; remove them and run them again, or import them again from where they were made."
)


def _runs_with_reasons(found: list[tuple[str, str]]) -> Bullets:
    return Bullets([f"`{run}`: {reason}" for run, reason in found])


def window_title(scale: str, records: list[Record]) -> str:
    """The page's title."""
    return f"ffrepro report, scale {scale}" + (" (stand-in data)" if any(r.standin for r in records) else "")


def head(store: Store, scale: str) -> list[Block]:
    """What this is, and what nobody may overlook."""
    records = store.of_scale(scale)
    wanted = store.wanted(scale)
    content: list[Block] = [Heading(window_title(scale, records), 1, "top")]
    if any(store.plans[run]["source"] == "standin" for run in wanted):
        content.append(Notice(_STANDIN))
    if store.bad:
        content += [Notice(_BAD.format(len(store.bad))), _runs_with_reasons(store.bad)]
    missing = store.missing(scale)
    place = f"scale {scale} ({', '.join(store.hardware)})"
    done = f"{len(wanted) - len(missing)} of {len(wanted)} planned runs have a record"
    content.append(
        Paragraph(
            "What papers on the Forward-Forward algorithm claim, run again beside backpropagation on the same machine. "
            f"Tables and figures are of {place}: {done}. Each verdict rests on the best evidence there is: "
            "scale paper before lite, this checkout's runs and the committed ones alike; what it rests on is named "
            "beside it."
        )
    )
    if missing:
        groups = Counter(run.rsplit("/", 1)[0] for run in missing)
        items = [f"`{group}` ×{count}" for group, count in groups.items()]
        summary = f"{len(missing)} planned run{'s' if len(missing) > 1 else ''} without a record"
        content.append(Folded(summary, [Bullets(items)]))
    return content


def summary(claims: Claims, assessments: dict[str, Assessment]) -> list[Block]:
    """How many claims got which verdict, and the rule behind it."""
    content = claims.content
    rows: list[list[str | list[Line]]] = [
        [[Line(kind, kind)], str(count)] for kind, count in counts(assessments).items()
    ]
    treatments = [f"{name}: {what}" for name, what in content["treatments"].items()]
    return [
        Heading(content["title"], 2, claims.paper),
        Paragraph(f"{content['source']}. The author's code: {content['code']}."),
        Paragraph(f"{sum(counts(assessments).values())} claims. Verdicts of the treatment {claims.treatments[0]}:"),
        Table(["Verdict", "Claims"], rows, frozenset({1})),
        Folded("How verdicts are given", [
            Bullets(_RULE), Paragraph("Treatments:"), Bullets(treatments), Paragraph("Margins, set beforehand:"),
            Bullets([f"{name} {_margin(entry)}: {entry['why']}" for name, entry in content["quantities"].items()]),
        ]),
    ]  # fmt: skip


def paper_tables(claims: Claims, results: list[TableResult]) -> list[Block]:
    """The paper's tables beside ours."""
    content: list[Block] = [Heading("Tables beside the paper's", 2, f"{claims.paper}-tables")]
    for result in results:
        anchor = f"{claims.paper}-{result.name}-{result.scope.split()[0]}"
        content += [Heading(result.title, 3, anchor), *table_files.body(result)]
    return content


def figures(claims: Claims, drawn: Iterable[tuple[Drawn, Picture]]) -> list[Block]:
    """The figures with the tables that belong to them."""
    content: list[Block] = [Heading("Figures", 2, f"{claims.paper}-figures")]
    for figure, picture in drawn:
        shows = f" (the paper's {figure.shows})" if figure.shows else ""
        content += [Heading(f"{figure.title}{shows}", 3, f"{claims.paper}-{figure.name}"), picture]
        content += [Folded("Numbers", [table]) for table in figure.tables]
    return content


def all_claims(claims: Claims, assessments: dict[str, Assessment]) -> list[Block]:
    """Every claim with its verdict and what it rests on."""
    header = ["Claim", "Where", "What", "Published", "Verdict", "Evidence", "Scale", "n"]
    header += [f"As {name}" for name in claims.treatments[1:]] + ["Runs"]
    rows = [_claim_row(claims, assessment) for assessment in assessments.values()]
    anchors = [_anchor(claim_id) for claim_id in assessments]
    return [
        Heading(f"All {len(rows)} claims", 2, f"{claims.paper}-claims"),
        Paragraph(f"`ffrepro trace {next(iter(assessments))}` prints the way from a claim to its runs' files."),
        Table(header, rows, frozenset({7}), anchors),
    ]


def deviations(claims: Claims) -> list[Block]:
    """Where our runs differ from the paper's."""
    items = [f"{entry['id']}: {entry['text']}" for entry in claims.content["deviations"]]
    return [Heading("Deviations from the paper", 2, f"{claims.paper}-deviations"), Bullets(items)]


def tail(store: Store, scale: str) -> list[Block]:
    """Runs, machines, data, and how to get here."""
    # Records of stand-in data speak for no claim: those of another scale do not belong here.
    found = [r for r in store.records.values() if r.plan["scale"] == scale or not r.standin]
    used = sorted(found, key=lambda record: record.run)
    return [*_runs(store, used), *_machines(used), *_data(used), *_how(scale)]


def pictures(content: list[Block]) -> Iterator[Picture]:
    """The pictures among the blocks."""
    for block in content:
        if isinstance(block, Picture):
            yield block


def _margin(entry: dict) -> str:
    if "threshold" in entry:
        return f"by its side of {entry['threshold']:g} alone"
    if "margin" not in entry:
        return "never judged"
    text = formats.margin(entry["margin"], entry.get("scale", "linear"))
    if "post_hoc" in entry:
        later = entry["post_hoc"]
        text += f"; post hoc {formats.margin(later['margin'], later.get('scale', 'linear'))} ({later['why']})"
    return text


def _claim_row(claims: Claims, assessment: Assessment) -> list[str | list[Line]]:
    claim, found = assessment.claim, assessment.headline
    words = [found.evidence]
    if assessment.derived:
        words.append(f"From the published numbers: {assessment.derived}")
    if "code" in claim:
        words.append(f"The released code: {claim['code']}")
    if "note" in claim:
        words.append(f"Note: {claim['note']}")
    others = [
        [Line(str(assessment.findings[name].verdict), assessment.findings[name].verdict.kind)]
        if name in assessment.findings
        else ""
        for name in claims.treatments[1:]
    ]
    return [
        claim["id"].split("/")[1], claim["where"], f"{claim['row']}: {claim['metric']}",
        f"{formats.plain(claim['value'])} {claim['units']}".strip(), [Line(str(found.verdict), found.verdict.kind)],
        [Line(word) for word in words if word], found.scale or formats.DASH, str(assessment.n or formats.DASH), *others,
        _run_links(found.runs),
    ]  # fmt: skip


def _run_links(runs: tuple[str, ...]) -> str:
    groups = Counter(run.rsplit("/", 1)[0] for run in runs)
    shown = [f"[{group}](#{_anchor(group)}) ×{count}" for group, count in list(groups.items())[:_SHOWN_RUNS]]
    more = len(groups) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") or formats.DASH


def _anchor(name: str) -> str:
    return "id-" + name.replace("/", "-").replace(".", "-")


def _runs(store: Store, records: list[Record]) -> list[Block]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.run.rsplit("/", 1)[0], []).append(record)
    metrics = list(dict.fromkeys(name for record in records for name in record.shown))
    names = [f"Test {_METRICS.get(name, name)}" for name in (metric.removeprefix("test/") for metric in metrics)]
    header = ["Runs", "Seeds", "Epochs", "Ended by", *names, "Where", "Commit"]
    rows: list[list[str | list[Line]]] = [_run_row(group, members, metrics) for group, members in groups.items()]
    content: list[Block] = [
        Heading("Runs", 2, "runs"),
        Paragraph("Every record that the tables, figures and verdicts of this report may rest on."),
        Table(header, rows, frozenset({2, *range(4, 4 + len(metrics))}), [_anchor(group) for group in groups]),
    ]
    if store.left_out:
        left = _runs_with_reasons(store.left_out)
        content.append(Folded(f"Records left out: {len(store.left_out)}", [left]))
    return content


def _run_row(group: str, members: list[Record], metrics: list[str]) -> list[str | list[Line]]:
    def every(values: Iterable[object]) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in values))

    def numbers(metric: str, digits: int) -> str:
        return ", ".join(formats.number(record.value(metric), digits) for record in members)

    kind = members[0].plan["kind"]
    train = kind == "train"
    commits = [
        f"{(r.about['git']['commit'] or 'unknown')[:8]}{'*' if r.about['git']['dirty'] else ''}" for r in members
    ]
    return [
        f"`{group}`", every(record.plan["seed"] for record in members), numbers("epochs", 0) if train else formats.DASH,
        every(record.result["stopped_by"] for record in members) if train else kind,
        *(numbers(metric, 4) if kind != "bench" else formats.DASH for metric in metrics),
        every("committed" if record.committed else "this checkout" for record in members), every(commits),
    ]  # fmt: skip


def _machines(records: list[Record]) -> list[Block]:
    found = Counter(
        (tuple(record.about["machine"].items()), record.precision, tuple(record.about["versions"].items()))
        for record in records
    )
    rows: list[list[str | list[Line]]] = [
        [
            ", ".join(f"{key} {value}" for key, value in machine),
            precision,
            ", ".join(f"{k} {v}" for k, v in versions),
            str(count),
        ]
        for (machine, precision, versions), count in found.items()
    ]
    return [
        Heading("Machines and versions", 2, "machines"),
        Table(["Machine", "Precision", "Versions", "Runs"], rows, frozenset({3})),
    ]


def _data(records: list[Record]) -> list[Block]:
    found: dict[tuple[str, ...], int] = {}
    for record in records:
        about = record.about["data"]
        archive = about["provenance"]
        key = (
            about.get("set", about["dataset"]), about["source"], about["fingerprint"], str(archive.get("file", "")),
            str(archive.get("from", "")), str(archive.get("sha256", ""))[:16], str(archive.get("provenance", "")),
        )  # fmt: skip
        found[key] = found.get(key, 0) + 1
    rows: list[list[str | list[Line]]] = [
        [dataset, source, f"`{print_[:16]}`", file, origin, f"`{sha}`", note, str(count)]
        for (dataset, source, print_, file, origin, sha, note), count in sorted(found.items())
    ]
    header = ["Data set", "Source", "Fingerprint", "Archive", "Obtained from", "SHA-256", "Provenance", "Runs"]
    return [Heading("Data", 2, "data"), Table(header, rows, frozenset({7}))]


def _how(scale: str) -> list[Block]:
    return [
        Heading("How to reproduce", 2, "reproduce"),
        Code(
            'pip install -e ".[all]"\n'
            f"ffrepro plan --scale {scale}                           # what would run, and how long it takes\n"
            f"snakemake --cores all --config scale={scale}           # everything, this report last\n"
            f"ffrepro report --scale {scale}                         # this report again, from the records\n"
            "ffrepro trace CLAIM                                 # from a published number to its runs"
        ),
    ]
