"""How well and how fast the Sigma-Lognormal extraction works: real movements, and plans that are known.

One thread, wall-clock time, everything included from the recording to the plan. Give the machine nothing else to do.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from ffrepro.core import seeds
from ffrepro.data import trajectory_set
from ffrepro.data.negatives import duplicates, planning
from ffrepro.data.trajectory_set import HUMAN
from ffrepro.kinematics import extraction, lognormal, reference
from ffrepro.kinematics.extraction import Settings
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.reference import RATE, Reference

SAMPLES = {"dollar": 500, "mcyt": 50, "mobiletouch": 500, "raton": 50}
KNOWN = 200
_LEVEL = "close"  # of the duplicates that are timed
_MATCH_SECONDS, _MATCH_D = 0.010, 0.10  # how near a stroke is to be found


def run(prepared: Path, source: str, samples: dict[str, int] | None, settings: Settings) -> dict:
    """Measure every data set and the known plans.

    Args:
        prepared: folder of the prepared data. source: ``upstream`` or ``standin``.
        samples: data set -> how many random human samples; None: all of every set in ``SAMPLES``.
        settings: of the extraction.

    Returns:
        ``rows`` (data sets: see ``measure``), ``known`` (see ``measure_known``), ``settings``.
    """
    torch.set_num_threads(1)
    rows = []
    for name in samples or SAMPLES:
        data = trajectory_set.load(prepared / source / f"{name}.npz")
        rows.append(measure(data, (samples or {}).get(name), settings))
    known = [measure_known(KNOWN, settings, filtered=filtered) for filtered in (False, True)]
    return {"rows": rows, "known": known, "settings": repr(settings)}


def measure(data: trajectory_set.TrajectorySet, count: int | None, settings: Settings) -> dict:
    """Plans of ``count`` random human samples (None: of all), and a duplicate of each.

    Returns:
        ``name, n``; ``snr_v_median, snr_v_p5, snr_t_median, snr_t_p5`` in dB; ``strokes_mean``, ``snr_v_per_stroke``
        (median); ``per_s`` (plans), ``duplicates_per_s``; ``failed`` (reason -> how many).
    """
    human = np.flatnonzero(data.label == HUMAN)
    name = data.manifest["dataset"]
    if count is not None and count < len(human):
        chosen = torch.randperm(len(human), generator=seeds.generator("bench", "kinematics", name))[:count]
        human = human[np.sort(chosen.numpy())]
    begin = time.perf_counter()
    plans = planning.extract_set(data, settings, workers=1, samples=human)
    extracted = time.perf_counter()
    device = duplicates.measure_device(data)
    measured = time.perf_counter()
    made = sum(1 for _ in duplicates.duplicates(data, plans, device, _LEVEL, 1, 0, np.arange(len(plans))))
    done = time.perf_counter()
    return {
        "name": name,
        "n": len(human),
        "snr_v_median": float(np.median(plans.snr_v)),
        "snr_v_p5": float(np.percentile(plans.snr_v, 5)),
        "snr_t_median": float(np.median(plans.snr_t)),
        "snr_t_p5": float(np.percentile(plans.snr_t, 5)),
        "strokes_mean": float(plans.strokes.mean()),
        "snr_v_per_stroke": float(np.median(plans.snr_v / plans.strokes)),
        "per_s": len(human) / (extracted - begin),
        "duplicates_per_s": made / (done - measured),
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
    """How many strokes of the plan have one found within 10 ms of the peak and 10 % of D."""
    late = (lognormal.peak_time(plan)[:, None] - lognormal.peak_time(found)).abs() <= _MATCH_SECONDS
    long = (found.d / plan.d[:, None] - 1).abs() <= _MATCH_D
    return int((late & long).any(1).sum())


def measure_known(count: int, settings: Settings, filtered: bool) -> dict:
    """Extraction of ``count`` plans that are known.

    Returns:
        ``name, n, snr_v_median, snr_v_p5, strokes`` (in all), ``strokes_found`` (in all), ``again`` (part of the
        strokes found within 10 ms and 10 % of D), ``per_s``.
    """
    generator = seeds.generator("bench", "kinematics", "known")
    plans = [known_plan(generator) for _ in range(count)]
    signals = [known_signal(plan, filtered) for plan in plans]
    begin = time.perf_counter()
    found = list(extraction.extract(signals, settings))
    seconds = time.perf_counter() - begin
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
        "per_s": count / seconds,
    }


def describe(result: dict) -> str:
    """The rows as plain tables."""
    lines = [
        "plans of human movements; reference: 200 Hz, 15 Hz zero-phase low-pass; one thread, wall-clock",
        f"{'':13s}{'n':>6s}{'SNRv':>7s}{'p5':>6s}{'SNRt':>7s}{'p5':>6s}{'strokes':>9s}{'dB each':>9s}{'plans/s':>9s}"
        f"{'dupl./s':>9s}  failed",
    ]
    for row in result["rows"]:
        failed = "; ".join(f"{count} x {reason}" for reason, count in sorted(row["failed"].items())) or "0"
        lines.append(
            f"{row['name']:13s}{row['n']:6d}{row['snr_v_median']:7.1f}{row['snr_v_p5']:6.1f}{row['snr_t_median']:7.1f}"
            f"{row['snr_t_p5']:6.1f}{row['strokes_mean']:9.2f}{row['snr_v_per_stroke']:9.2f}{row['per_s']:9.1f}"
            f"{row['duplicates_per_s']:9.0f}  {failed}"
        )
    lines.append("plans that are known (3 to 8 strokes): found again within 10 ms of the peak and 10 % of D")
    for row in result["known"]:
        lines.append(
            f"{row['name']:22s}{row['n']:5d}: SNRv {row['snr_v_median']:.1f} dB (p5 {row['snr_v_p5']:.1f}), "
            f"{100 * row['again']:.1f} % of {row['strokes']} strokes found again, {row['strokes_found']} found, "
            f"{row['per_s']:.1f} plans/s"
        )
    return "\n".join(lines)
