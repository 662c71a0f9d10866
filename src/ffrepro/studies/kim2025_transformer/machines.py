"""Table 6 for every hardware profile that has runs: training time and peak memory of FF over BP."""

from __future__ import annotations

from ffrepro.claims import formats
from ffrepro.claims.blocks import Block, Heading, Paragraph, Table
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.core import statistics as st

EXPERIMENT, DATASET, PAIR = "sentiment", "imdb", ("bp", "ff")


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """A row for each scale and profile that has runs of both on real data."""
    experiment = claims.experiment(EXPERIMENT, claims.treatments[0], DATASET)
    bp, ff = ({(e.scale, e.hardware): e for e in store.groups(experiment, v) if not e.standin} for v in PAIR)
    rows: list = [
        [f"{place[1]} ({place[0]})", _machine(ff[place]), *_cells(bp[place], ff[place])] for place in bp if place in ff
    ]
    if not rows:
        return []
    header = ["Profile", "Machine", "Seeds", "BP, s", "FF, s", "FF over BP", "Saving", "Memory, FF over BP"]
    text = (
        "Training times of whole runs with seeds that both methods have, not interleaved: machines that do other work "
        "besides show in them. They judge nothing."
    )
    title = Heading("Table 6 by hardware profile", 2, f"{claims.paper}-machines")
    return [title, Paragraph(text), Table(header, rows, frozenset(range(2, 8)))]


def _cells(bp: Evidence, ff: Evidence) -> list[str]:
    seeds = set.intersection(*({record.plan["seed"] for record in evidence.records} for evidence in (bp, ff)))
    times = [_mean(evidence, "time/train_s", seeds) for evidence in (bp, ff)]
    peaks = [_mean(evidence, "memory/peak_bytes", seeds) for evidence in (bp, ff)]
    ratio = times[1] / times[0] if None not in times else None
    memory = peaks[1] / peaks[0] if None not in peaks else None
    saving = formats.DASH if ratio is None else f"{formats.number(100 * (1 - ratio), 1)} %"
    return [str(len(seeds)), formats.number(times[0], 0), formats.number(times[1], 0), formats.number(ratio, 2), saving,
            formats.number(memory, 2)]  # fmt: skip


def _mean(evidence: Evidence, metric: str, seeds: set[int]) -> float | None:
    records = [record for record in evidence.records if record.plan["seed"] in seeds]
    values = [value for record in records if (value := record.value(metric)) is not None]
    return st.summarize(values).mean if values else None


def _machine(evidence: Evidence) -> str:
    about = evidence.records[0].about["machine"]
    return ", ".join(dict.fromkeys((about["cpu"], about["device"])))
