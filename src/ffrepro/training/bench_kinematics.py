"""How well and how fast the Sigma-Lognormal extraction works: real movements, and plans that are known.

One thread, everything included from the recording to the plan. Rates are given by the clock on the wall and by the
process's own CPU time: the two differ where the machine has other things to do.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from ffrepro.base import files
from ffrepro.core import seeds
from ffrepro.data import trajectory_set
from ffrepro.data.negatives import duplicates, planning
from ffrepro.kinematics import extraction, lognormal, reference
from ffrepro.kinematics.extraction import Settings
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.reference import RATE, Reference
from ffrepro.training import facts

SAMPLES = {"dollar": 500, "mcyt": 50, "mobiletouch": 500, "raton": 100}
KNOWN = 200
_LEVEL = "close"  # of the duplicates that are timed
_MATCH_SECONDS, _MATCH_D = 0.010, 0.10  # how near a stroke is to be found


class Stopwatch:
    """Seconds since it was made: ``wall``, and ``cpu`` of this process."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> dict[str, float]:
        """``per_s`` and ``per_cpu_s`` of ``count`` pieces of work."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"per_s": count / wall, "per_cpu_s": count / cpu}


def run(prepared: Path, source: str, samples: dict[str, int], known: int, settings: Settings) -> dict:
    """Measure data sets and known plans.

    Args:
        prepared: folder of the prepared data. source: ``upstream`` or ``standin``.
        samples: data set -> how many random human samples.
        known: how many known plans. settings: of the extraction.

    Returns:
        ``schema, source, settings, machine, versions, rows`` (see ``measure``), ``known`` (see ``measure_known``).

    Raises:
        FfreproError: a set is not prepared.
    """
    torch.set_num_threads(1)
    sets = {name: trajectory_set.load(prepared / source / f"{name}.npz") for name in samples}
    return {
        "schema": 1,
        "source": source,
        "settings": planning.described(settings),
        **facts.made_on("cpu", 1),
        "rows": [measure(data, samples[name], settings) for name, data in sets.items()],
        "known": [measure_known(known, settings, filtered=filtered) for filtered in (False, True)],
    }


def measure(data: trajectory_set.TrajectorySet, count: int, settings: Settings) -> dict:
    """Plans of ``count`` random human samples (of all, where there are fewer), and a duplicate of each.

    Returns:
        ``name, fingerprint`` (of the data), ``n``; ``snr_v_median, snr_v_p5, snr_t_median, snr_t_p5`` in dB;
        ``strokes_mean``, ``snr_v_per_stroke`` (median); ``plans`` and ``duplicates`` (rates); ``failed`` (reason ->
        how many).
    """
    human, name = duplicates.count_human(data), data.manifest["dataset"]
    order = torch.randperm(human, generator=seeds.generator("bench", "kinematics", name))
    chosen = np.sort(order[:count].numpy())
    watch = Stopwatch()
    plans = planning.extract_set(data, settings, workers=1, samples=chosen)
    extracted = watch.rates(len(chosen))
    device = duplicates.measure_device(data)
    watch = Stopwatch()
    made = sum(1 for _ in duplicates.duplicates(data, plans, device, _LEVEL, 1, 0, np.arange(len(plans))))
    return {
        "name": name,
        "fingerprint": data.manifest["fingerprint"],
        "n": len(chosen),
        "snr_v_median": float(np.median(plans.snr_v)),
        "snr_v_p5": float(np.percentile(plans.snr_v, 5)),
        "snr_t_median": float(np.median(plans.snr_t)),
        "snr_t_p5": float(np.percentile(plans.snr_t, 5)),
        "strokes_mean": float(plans.strokes.mean()),
        "snr_v_per_stroke": float(np.median(plans.snr_v / plans.strokes)),
        "plans": extracted,
        "duplicates": watch.rates(made),
        "failed": dict(Counter(entry["reason"] for entry in plans.manifest["bad"])),
    }


def known_plan(generator: torch.Generator) -> Plan:
    """A random plan of 3 to 8 strokes whose peaks are at least 1.2 stroke widths apart.

    A stroke's width is the time between its inflections; of two neighbours the wider one counts.
    """

    def uniform(low: float, high: float, size: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(size, dtype=torch.float64, generator=generator)

    strokes = int(torch.randint(3, 9, (1,), generator=generator))
    sigma, w = uniform(0.1, 0.4, strokes), uniform(0.04, 0.09, strokes)
    delay = w / sigma
    start = uniform(-math.pi, math.pi, strokes)
    plan = Plan(
        t0=torch.zeros(strokes, dtype=torch.float64),
        mu=delay.log() + sigma.square(),
        sigma=sigma,
        d=uniform(50, 200, strokes),
        theta_s=start,
        theta_e=start + uniform(-1.5, 1.5, strokes),
    )
    before, after = lognormal.inflection_times(plan)
    width = after - before
    gaps = torch.maximum(width[1:], width[:-1]) * uniform(1.2, 1.8, strokes - 1)
    onset = torch.cat([torch.zeros(1, dtype=torch.float64), gaps.cumsum(0)]) - delay
    return plan._replace(t0=onset - onset.min())


def known_signal(plan: Plan, filtered: bool) -> Reference:
    """The plan's movement from its first onset until it rests, through the reference filter or as it is."""
    end = float((plan.t0 + torch.exp(plan.mu + 3 * plan.sigma)).max())
    t = torch.arange(int(end * RATE) + 1, dtype=torch.float64) / RATE
    position = lognormal.position(plan, t, torch.zeros(2, dtype=torch.float64)).numpy()
    if filtered:
        return reference.reference(position[:, 0], position[:, 1], 1000 * t.numpy())
    return Reference(position, reference.differentiate(position))


def found_again(plan: Plan, found: Plan) -> int:
    """How many strokes of the plan have one found within 10 ms of the peak and 10 % of D, each one of its own."""
    from scipy.optimize import linear_sum_assignment  # the package must import without scipy

    late = (lognormal.peak_time(plan)[:, None] - lognormal.peak_time(found)).abs() <= _MATCH_SECONDS
    long = (found.d / plan.d[:, None] - 1).abs() <= _MATCH_D
    fitting = (late & long).numpy()
    return int(fitting[linear_sum_assignment(fitting, maximize=True)].sum())


def measure_known(count: int, settings: Settings, filtered: bool) -> dict:
    """Extraction of ``count`` plans that are known.

    Returns:
        ``name, n, snr_v_median, snr_v_p5, strokes`` (in all), ``strokes_found`` (in all), ``again`` (part of the
        strokes found within 10 ms and 10 % of D), ``plans`` (rates).
    """
    generator = seeds.generator("bench", "kinematics", "known")
    plans = [known_plan(generator) for _ in range(count)]
    signals = [known_signal(plan, filtered) for plan in plans]
    watch = Stopwatch()
    found = list(extraction.extract(signals, settings))
    rates = watch.rates(count)
    strokes = sum(len(plan.t0) for plan in plans)
    again = sum(found_again(plan, result.plan) for plan, result in zip(plans, found, strict=True))
    snr_v = [result.quality.snr_v for result in found]
    return {
        "name": "known plans, filtered" if filtered else "known plans",
        "n": count,
        "snr_v_median": float(np.median(snr_v)),
        "snr_v_p5": float(np.percentile(snr_v, 5)),
        "strokes": strokes,
        "strokes_found": sum(result.quality.strokes for result in found),
        "again": again / strokes,
        "plans": rates,
    }


_COLUMNS = {
    "set": lambda row: row["name"],
    "n": lambda row: str(row["n"]),
    "SNRv": lambda row: f"{row['snr_v_median']:.1f}",
    "5 %": lambda row: f"{row['snr_v_p5']:.1f}",
    "SNRt": lambda row: f"{row['snr_t_median']:.1f}",
    "strokes": lambda row: f"{row['strokes_mean']:.2f}",
    "SNRv a stroke": lambda row: f"{row['snr_v_per_stroke']:.2f}",
    "plans/s": lambda row: f"{row['plans']['per_s']:.1f}",
    "plans/CPU s": lambda row: f"{row['plans']['per_cpu_s']:.1f}",
    "duplicates/CPU s": lambda row: f"{row['duplicates']['per_cpu_s']:.0f}",
    "without a plan": lambda row: str(sum(row["failed"].values())),
}
_KNOWN_COLUMNS = {
    "plans": lambda row: row["name"],
    "n": lambda row: str(row["n"]),
    "SNRv": lambda row: f"{row['snr_v_median']:.1f}",
    "5 %": lambda row: f"{row['snr_v_p5']:.1f}",
    "strokes": lambda row: str(row["strokes"]),
    "found": lambda row: str(row["strokes_found"]),
    "within 10 ms and 10 % of D": lambda row: f"{100 * row['again']:.1f} %",
    "plans/CPU s": lambda row: f"{row['plans']['per_cpu_s']:.1f}",
}


def describe(result: dict) -> str:
    """Two Markdown tables."""
    parts = []
    if result["source"] == "standin":
        parts.append("STAND-IN DATA: not a result.")
    for columns, rows in ((_COLUMNS, result["rows"]), (_KNOWN_COLUMNS, result["known"])):
        cells = [list(columns), ["---"] * len(columns)]
        cells += [[show(row) for show in columns.values()] for row in rows]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))
    return "\n\n".join(parts)


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench kinematics``: measure all data sets, print two tables and write the numbers."""
    result = run(args.prepared, args.source, SAMPLES, KNOWN, Settings())
    out = args.out or Path("reports/bench_kinematics.json")
    files.write_json(out, result)
    print(describe(result))
    print(out)
