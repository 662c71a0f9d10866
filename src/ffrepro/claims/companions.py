"""What image classifiers were measured on beside the paper's tables: runs that no claim speaks of, and inference times.

Ablations, variants and recipes of our own have no published number to stand beside; they stand here, of one scale, and
are never judged.
"""

from __future__ import annotations

from itertools import groupby

from ffrepro.claims import formats
from ffrepro.claims.blocks import Block, Heading, Line, Notice, Paragraph, Table
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Record, Store
from ffrepro.core import statistics as st
from ffrepro.core.updates import HEAD

_ERRORS = {  # column -> metric
    "Training error": "train/error",
    "Validation error": "val/error",
    "Test error": "test/error",
    "one-pass": "test/error_one_pass",
    "multi-pass": "test/error_multi_pass",
}
_ONE_PASS_IS_ENOUGH = {"test/error_multi_pass": "test/error_goodness"}  # in nets with channel groups
_RUNS = (
    "Errors in percent, mean ± std over runs; training, validation and test error by the experiment's own inference, "
    "then the test error by each of the paper's two (what it calls multi-pass is the goodness of one pass in nets with "
    "channel groups). Training time is of one run; in brackets what of it the softmax "
    "layer took, where it learnt in a phase of its own."
)
_TIMES = (
    "Untrained nets, warm, all schemes interleaved in one process; time of an image: median (least to most) over "
    "rounds. Ratios: median over rounds with its 95 % interval, to the BP twin and to one-pass inference of the net. "
    "The softmax layer's training: an epoch of it on frozen blocks, which one-pass inference needs before."
)


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """The report's section on them; nothing where a scale has no such records."""
    records = [record for record in store.of_scale(scale) if record.plan["paper"] == claims.paper]
    others = [r for r in records if not claims.speaks_of(r.plan["experiment"]) and r.value("test/error") is not None]
    benches = [r for r in records if r.plan["kind"] == "bench" and r.plan["bench"]["name"] == "inference"]
    content: list[Block] = []
    if others:
        content += _headed(claims, "Runs beside the paper's tables", "others", scale, others)
        content += [Paragraph(_RUNS), _runs(claims, others)]
    if benches:
        content += _headed(claims, "Times of inference", "inference", scale, benches)
        content += [Paragraph(_TIMES), _times(claims, benches)]
    return content


def _headed(claims: Claims, title: str, anchor: str, scale: str, records: list[Record]) -> list[Block]:
    standin = any(record.standin for record in records)
    warning = "; STAND-IN DATA, no result" if standin else ""
    content: list[Block] = [Heading(f"{title} (scale {scale}{warning})", 2, f"{claims.paper}-{anchor}")]
    if standin:
        content.append(Notice("Stand-in data made by this project: the numbers show that everything runs."))
    return content


def _runs(claims: Claims, records: list[Record]) -> Table:
    def group(record: Record) -> tuple[str, str, str]:
        return record.plan["experiment"], record.plan["variant"], record.plan["hardware"]

    rows: list[list[str | list[Line]]] = []
    for (experiment, variant, hardware), members in groupby(sorted(records, key=group), key=group):
        runs = Evidence(tuple(members))
        epochs = dict.fromkeys(str(record.value("epochs")) for record in runs.records)
        part = "" if runs.train_samples is None else f"{runs.train_samples:,}"
        rows.append([
            experiment, variant, f"{hardware}{f', {runs.reduced}' if runs.reduced else ''}", str(len(runs)),
            ", ".join(epochs), part or "all",
            *(_percent(runs, metric) for metric in _ERRORS.values()), _seconds(runs),
        ])  # fmt: skip
    header = ["Experiment", "Variant", "Hardware", "n", "Epochs", "Images", *_ERRORS, "Training time"]
    return Table(header, rows, frozenset(range(3, len(header))))


def _percent(runs: Evidence, metric: str) -> str:
    metrics = (metric, _ONE_PASS_IS_ENOUGH.get(metric, metric))
    values = [next((v for name in metrics if (v := r.value(name)) is not None), None) for r in runs.records]
    found = [100 * value for value in values if value is not None]
    return formats.mean_std(st.summarize(found), 2) if found else formats.DASH


def _seconds(runs: Evidence) -> str:
    """Mean seconds of a run, and of its head's phase."""
    spent = [[(line["phase"], line["seconds"]) for line in record.metrics()] for record in runs.records]
    heads = [[seconds for phase, seconds in lines if phase == HEAD] for lines in spent]
    total = sum(seconds for lines in spent for _, seconds in lines) / len(runs)
    text = f"{formats.number(total, 0)} s"
    return text + (f" ({formats.number(sum(map(sum, heads)) / len(runs), 0)} s)" if any(heads) else "")


def _times(claims: Claims, records: list[Record]) -> Table:
    rows: list[list[str | list[Line]]] = []
    for record in records:
        dataset = claims.content["datasets"][record.plan["dataset"]]
        for row in record.result["rows"]:
            low, high = (1e3 * row[name] / row["images"] for name in ("ms_min", "ms_max"))
            median = 1e3 * row["ms_median"] / row["images"]
            rows.append([
                dataset, record.plan["hardware"], row["name"], f"{row['images']:,}",
                f"{formats.number(median, 1)} ({formats.number(low, 1)} to {formats.number(high, 1)})",
                _ratio(row, "ratio_to_bp", "ratio_low", "ratio_high"),
                _ratio(row, "ratio_to_one_pass", "one_pass_low", "one_pass_high"),
                formats.number(row.get("layers_used"), 2),
            ])  # fmt: skip
    header = ["Data set", "Hardware", "Net, scheme", "Images", "µs an image", "To BP", "To one-pass", "Layers used"]
    return Table(header, rows, frozenset(range(3, len(header))))


def _ratio(row: dict, middle: str, low: str, high: str) -> str:
    return f"{formats.number(row[middle], 2)} {formats.interval(row[low], row[high], 2)}"
