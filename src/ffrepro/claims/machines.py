"""Times and memory belong to a machine: which one a record is of, which numbers may stand beside each other, columns.

A hardware profile (``cpu``, ``cuda``) is a kind of machine; a machine is what run.json describes. Accuracies of several
machines are one sample; times are not, and no comparison of them across machines is decided.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffrepro.base.records import COUNTED
from ffrepro.claims.records import Evidence, Record, Store

# A bench's columns that are times, memory or made of them; others (accuracies, attention) are of the net alone.
_OF_BENCH = ("ms_", "ratio_", "peak_", "exponent_", "one_pass_")


def is_of_machine(metric: str) -> bool:
    """Whether a metric says as much of the machine as of the method: times, memory, and their ratios."""
    group, _, name = metric.partition("/")
    return group in ("time", "memory") or (group == "bench" and name.startswith(_OF_BENCH))


def name(record: Record) -> str:
    """``AMD EPYC, 2 cores`` or ``NVIDIA H200 (AMD EPYC, 16 cores)``; threads and instructions where they tell more.

    Older records do not say which instructions PyTorch used; that is then no part of the name.
    """
    about = record.about.get("machine", {})
    processor = f"{about.get('cpu', 'unknown')}, {about.get('cores', '?')} cores"
    text = processor if about.get("device") in (None, about.get("cpu")) else f"{about['device']} ({processor})"
    if about.get("threads", 1) != 1:
        text += f", {about['threads']} threads"
    return f"{text}, {about['instructions']}" if about.get("instructions") else text


def names(records: Iterable[Record]) -> list[str]:
    """The machines of records, each once."""
    return sorted({name(record) for record in records})


def apart(numbers: Iterable[tuple[str, Evidence | None]]) -> str:
    """Why no comparison of numbers may be decided: their times are of several machines; "" where it may.

    Args:
        numbers: metric and runs of each of them.
    """
    timed = [evidence.records for metric, evidence in numbers
             if evidence is not None and is_of_machine(metric) and not _is_counted(metric, evidence)]  # fmt: skip
    found = names(record for records in timed for record in records)
    return f"times or memory of {len(found)} machines: {'; '.join(found)}" if len(found) > 1 else ""


def _is_counted(metric: str, evidence: Evidence) -> bool:
    """Whether a bench's bytes are a count of what was asked for (``ffrepro.training.memory.Peak`` on a CPU).

    It is the same on every CPU but for the workspace of a kernel. A GPU's peak is read from its allocator.
    """
    hows = {record.result.get("config", {}).get("memory") for record in evidence.records}
    return metric == "bench/peak_bytes" and hows == {COUNTED}


def on_machine(store: Store, machine: str, scale: str, experiment: str, variant: str) -> Evidence | None:
    """The runs of a machine at a scale; those of the hardware profile with the most."""
    groups = [group for group in store.groups(experiment, variant) if group.scale == scale]
    own = [tuple(record for record in group.records if name(record) == machine) for group in groups]
    return max((Evidence(records) for records in own if records), key=len, default=None)
