"""The report's sections on what everything rests on: runs, machines, data, and how to make it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ffrepro.claims import formats
from ffrepro.claims.anchors import anchor, group_of
from ffrepro.claims.blocks import Block, Bullets, Code, Folded, Heading, Line, Paragraph, Table
from ffrepro.claims.records import Record, Store

_METRICS = {"auc": "AUC"}  # how a column is called that is not called as its metric


def tail(store: Store, scale: str) -> list[Block]:
    """Runs, machines, data, and how to get here."""
    # Records of stand-in data speak for no claim: those of another scale do not belong here.
    found = [r for r in store.records.values() if r.plan["scale"] == scale or not r.standin]
    used = sorted(found, key=lambda record: record.run)
    return [*_runs(store, used), *missing(store, scale), *_machines(used), *_data(used), *_how(scale)]


def missing(store: Store, scale: str) -> list[Block]:
    """Planned runs without a record."""
    lacking = store.missing(scale)
    if not lacking:
        return []
    groups = Counter(map(group_of, lacking))
    items = [f"`{group}` ×{count}" for group, count in groups.items()]
    return [Folded(f"{len(lacking)} planned run{'s' if len(lacking) > 1 else ''} without a record", [Bullets(items)])]


def with_reasons(found: list[tuple[str, str]]) -> Bullets:
    """Runs, each with the reason why it is left out."""
    return Bullets([f"`{run}`: {reason}" for run, reason in found])


def _runs(store: Store, records: list[Record]) -> list[Block]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(group_of(record.run), []).append(record)
    metrics = list(dict.fromkeys(name for record in records for name in record.shown))
    names = [f"Test {_METRICS.get(name, name)}" for name in (metric.removeprefix("test/") for metric in metrics)]
    header = ["Runs", "Seeds", "Epochs", "Ended by", *names, "Where", "Commit"]
    rows: list[list[str | list[Line]]] = [_run_row(group, members, metrics) for group, members in groups.items()]
    content: list[Block] = [
        Heading("Runs", 2, "runs", "runs"),
        Paragraph("Every record that the tables, figures and verdicts of this report may rest on."),
        Table(header, rows, frozenset({2, *range(4, 4 + len(metrics))}), [anchor(group) for group in groups]),
    ]
    if store.left_out:
        left = with_reasons(store.left_out)
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
