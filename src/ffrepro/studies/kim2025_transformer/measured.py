"""What stands behind the words of the paper, by variant: probes of trained nets, growth, latency, energy."""

from __future__ import annotations

from typing import Any

from ffrepro.claims import formats
from ffrepro.claims.blocks import Block, Bullets, Heading, Notice, Paragraph, Table
from ffrepro.claims.compare import BENCH_VARIANT
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.core import statistics as st
from ffrepro.studies.kim2025_transformer import active_sets

DATASET = "imdb"
DEPTHS = {"transformer_bench": 2, "transformer_bench_4l": 4, "transformer_bench_12l": 12}
# Experiment -> heading, what is said of it, and the columns: title, key, digits, factor.
BENCHES = {
    "transformer_probes": (
        "Gradients, attention, noise, leakage and energy",
        "After as many updates of every variant, on the same reviews; mean over processes. Spread: standard deviation "
        "of the logarithm of gradient norms; first, last: their geometric mean in that block. Diverged: share of the "
        "processes in which a loss was not finite. Noise: on every weight, once, 3 and 10 times the declared share. "
        "AUC: of validation reviews against negatives of them, by goodness, after training and before. Attention, of "
        "methods with pairs: the largest weight of a row and its entropy, of true and of wrong pairs. Named: share of "
        "a review's words that the gradient of its step names (1: all of them), and share of the named words that are "
        "in it.",
        (
            ("Gradient spread", "gradient_spread", 2, 1), ("First block", "gradient_first", 4, 1),
            ("Last block", "gradient_last", 4, 1), ("Diverged, %", "diverged", 0, 100),
            ("Accuracy, %", "accuracy", 1, 100), ("With noise, %", "accuracy_perturbed", 1, 100),
            ("3 times, %", "accuracy_perturbed_3x", 1, 100), ("10 times, %", "accuracy_perturbed_10x", 1, 100),
            ("AUC of pairs", "auc_pairs", 3, 1), ("Untrained", "auc_pairs_untrained", 3, 1),
            ("Attention, max", "attention_max", 3, 1),
            ("Negatives", "attention_max_negative", 3, 1), ("Entropy", "attention_entropy", 2, 1),
            ("Negatives", "attention_entropy_negative", 2, 1), ("Words named", "words_named", 2, 1),
            ("Of them right", "words_right", 2, 1), ("Joules a step", "joules", 2, 1),
        ),
    ),
    "transformer_probes_negatives": ("The same of the paper's own negatives", "As above; goodness knows no class.", ()),
    "transformer_growth": (
        "Growth of time and memory",
        "Exponent of a power law through three sizes; memory is the peak of a step's activations. Mean over "
        "processes; a dash: it does not grow.",
        (("Time ~ n to the", "exponent_time", 2, 1), ("Memory ~ n to the", "exponent_memory", 2, 1)),
    ),
    "transformer_bench": (
        "Training step and latency",
        "Over the fastest backpropagation, interleaved; active: share of pairs with a gradient; bound: of recomputing "
        "them. Memory: activations of a step, over BP's at the whole batch. Latency: one review alone, by the method's "
        "own inference. Mean over processes.",
        (
            ("Step over BP", "ratio_to_bp", 2, 1), ("Bound", "bound", 2, 1), ("Active", "share", 2, 1),
            ("Memory over BP", "peak_ratio_to_whole", 2, 1), ("Latency, ms", "latency_ms", 2, 1),
        ),
    ),
    "transformer_bench_4l": ("Training step and latency, 4 layers", "As above.", ()),
    "transformer_bench_12l": ("Training step and latency, 12 layers", "As above.", ()),
    "transformer_bench_words_window": (
        "Training step with the vocabulary's readout", "As above; words have no latency.", (),
    ),
}  # fmt: skip


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """A table for each bench that has records at the scale; nothing without."""
    content: list[Block] = []
    for name, (title, text, columns) in BENCHES.items():
        evidence = store.at_scale(f"{name}_{DATASET}_{claims.treatments[0]}", BENCH_VARIANT, scale)
        if evidence is None:
            continue
        columns = columns or next(BENCHES[of][2] for of in BENCHES if BENCHES[of][2] and name.startswith(of))
        content.append(Heading(f"{title} (scale {scale})", 2, f"{claims.paper}-{name.replace('_', '-')}"))
        if evidence.standin:
            content.append(Notice("Stand-in data made by this project: the numbers show that everything runs."))
        count = f"{len(evidence.records)} process{'' if len(evidence.records) == 1 else 'es'}."
        header = ["Row", *(column[0] for column in columns)]
        numeric = frozenset(range(1, len(header)))
        content += [Paragraph(f"{text} {count}"), Table(header, _rows(evidence, columns), numeric)]
        met = active_sets.lines(_active(evidence))
        content += [Bullets(met)] if met else []
    return content


def docs_rows(claims: Claims, store: Store) -> list[dict[str, Any]]:
    """A page's row for each depth and ratio to backpropagation: at what share of active pairs it is met.

    ``None`` stands for nowhere among the shares that were measured.
    """
    rows = []
    for name, layers in DEPTHS.items():
        evidence = store.best(f"{name}_{DATASET}_{claims.treatments[0]}", BENCH_VARIANT)
        if evidence is None or evidence.standin:
            continue
        rows += [{"layers": layers, "ratio": ratio, "processes": len(evidence), **forms}
                 for ratio, forms in active_sets.crossings(_active(evidence)).items()]  # fmt: skip
    return rows


def _rows(evidence: Evidence, columns: tuple) -> list:
    names = [row["name"] for row in evidence.records[0].result["rows"]]
    return [[name, *(_cell(evidence, name, *column[1:]) for column in columns)] for name in names]


def _active(evidence: Evidence) -> list[tuple[float, float]]:
    """Of every row with an active set its share and its ratio to backpropagation, means over processes."""
    names = [row["name"] for row in evidence.records[0].result["rows"] if row.get("share") is not None]
    means = {key: [_mean(evidence, name, key) for name in names] for key in ("share", "ratio_to_bp")}
    pairs = zip(means["share"], means["ratio_to_bp"], strict=True)
    return [(share, ratio) for share, ratio in pairs if share is not None and ratio is not None]


def _mean(evidence: Evidence, name: str, key: str) -> float | None:
    """The mean over processes; None where one of them has no such number."""
    values = [record.value(f"bench/{key}", name) for record in evidence.records]
    return None if None in values else st.summarize(values).mean


def _cell(evidence: Evidence, name: str, key: str, digits: int, factor: int) -> str:
    """The mean over processes; a dash where one of them has no such number."""
    mean = _mean(evidence, name, key)
    return formats.DASH if mean is None else formats.number(factor * mean, digits)
