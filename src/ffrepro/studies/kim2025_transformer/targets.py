"""How many updates and seconds each method takes to a common validation accuracy ("GA 2-5 times slower")."""

from __future__ import annotations

from ffrepro.claims import controls, curves, formats
from ffrepro.claims.blocks import Block, Bullets, Heading, Notice, Paragraph, Table
from ffrepro.claims.compare import scale_pick
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store

EXPERIMENTS, DATASET, METRIC = ("reduced", "sentiment"), "imdb", "val/accuracy"
CHANCE = 0.5
SHARE = 0.95  # of the way from chance to what backpropagation's best epochs reach on validation
_TEXT = (
    f"The target of an experiment is {100 * SHARE:.0f} % of the way from chance (.5) to the best validation accuracy "
    "of its BP runs, mean over seeds. Epochs count until the first one that reaches it; a run that never does is "
    "counted, not averaged. Seconds are of whole runs, not interleaved: machines that do other work besides show in "
    "them. They are set beside those of BP's runs with the same seeds, and judge nothing."
)


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """A row for each variant of the experiments that compare methods and have controls; nothing without BP runs."""
    rows: list = []
    barred: list[str] = []
    standin = False
    for family in EXPERIMENTS:
        experiment = claims.experiment(family, claims.treatments[0], DATASET)
        found = {v: e for v in claims.content["variants"] if (e := store.at_scale(experiment, v, scale))}
        base = found.get("bp_reduced" if family == "reduced" else "bp")
        if base is None:
            continue
        if lacking := controls.missing(claims, METRIC, base, scale_pick(store, scale)):
            barred.append(f"{family}: {controls.reason(lacking)}")
            continue
        target = curves.target(base, METRIC, SHARE, CHANCE)
        for variant, evidence in found.items():
            cells = _row(evidence, target, _seconds(base, evidence, target))
            rows.append([family, claims.content["variants"][variant], *cells])
            standin |= evidence.standin
    if not rows and not barred:
        return []
    content: list[Block] = [Heading(f"Steps to a target (scale {scale})", 2, f"{claims.paper}-targets")]
    if standin:
        content.append(Notice("Stand-in data made by this project: the numbers show that everything runs."))
    header = ["Experiment", "Variant", "Target", "Runs that reach it", "Epochs", "Seconds", "Seconds over BP"]
    content.append(Paragraph(_TEXT))
    if barred:
        content.append(Bullets(barred))
    return [*content, Table(header, rows, frozenset(range(2, 7)))] if rows else content


def _seconds(base: Evidence, evidence: Evidence, target: float) -> float | None:
    """Of backpropagation's runs with the seeds of the others."""
    seeds = {record.plan["seed"] for record in evidence.records}
    return _mean([curves.reached(record, METRIC, target)[1] for record in base.records if record.plan["seed"] in seeds])


def _row(evidence: Evidence, target: float, bp_seconds: float | None) -> list[str]:
    found = [curves.reached(record, METRIC, target) for record in evidence.records]
    epochs, seconds = _mean([e for e, _ in found]), _mean([s for _, s in found])
    ratio = seconds / bp_seconds if seconds is not None and bp_seconds else None
    arrived = sum(e is not None for e, _ in found)
    return [
        formats.number(target, 3), f"{arrived} of {len(found)}", formats.number(epochs, 1), formats.number(seconds, 1),
        formats.number(ratio, 2),
    ]  # fmt: skip


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
