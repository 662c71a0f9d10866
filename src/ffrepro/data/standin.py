"""The stand-in for the ``trajectories`` archive: upstream's folders, file names and CSV formats, made-up movements.

It lets the whole pipeline run without a download. As upstream, human samples sit on the device's grid and clock, and
carry a tremor; synthetic ones are smooth. The bytes are the same on every machine (``standin_bytes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ffrepro.data import dollar, mcyt, mobiletouch, raton
from ffrepro.data.standin_bytes import PROVENANCE, tar_gz
from ffrepro.data.standin_motion import Plan, draw_plan, generator, tremble, vary
from ffrepro.data.trajectories import TrajectorySpec
from ffrepro.data.trajectory_csv import COLUMNS

__all__ = ["PROVENANCE", "build_archive"]

_ROOT = "ffrepro-standin"
_MAX_POINTS = 150
_GESTURES = [
    "arrow",
    "caret",
    "check",
    "circle",
    "delete_mark",
    "left_curly_brace",
    "left_sq_bracket",
    "pigtail",
    "question_mark",
    "rectangle",
    "right_curly_brace",
    "right_sq_bracket",
    "star",
    "triangle",
    "v",
    "x",
]
_SYMBOLS = ["mayA", "mayB", "mayÑ", "mina", "minb", "minñ", "num0", "num1", "num4", "simb1", "simb2", "simb8"]

Clock = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class _Device:
    """How one data set records: box size in its units, usual seconds a movement, tremor, grid, clock (steps in ms)."""

    size: float
    seconds: float
    tremor: float
    grid: float
    clock: Clock


def _irregular(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice([1, 7, 8, 9, 12, 15, 16, 17, 24], count, p=[0.06, 0.12, 0.18, 0.12, 0.1, 0.12, 0.14, 0.1, 0.06])


def _every_10_ms(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.full(count, 10)


def _touch(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice([0, 6, 16, 17, 18, 34], count, p=[0.12, 0.04, 0.4, 0.32, 0.07, 0.05])


def _ticks(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice([0, 15, 16, 31], count, p=[0.44, 0.18, 0.32, 0.06])


_DEVICES = {
    "dollar": _Device(90.0, 0.8, 0.8, 1.0, _irregular),
    "mcyt": _Device(30.0, 1.2, 0.05, 0.01, _every_10_ms),
    "mobiletouch": _Device(500.0, 0.6, 2.0, 1.0, _touch),
    "raton": _Device(350.0, 1.1, 1.0, 1.0, _ticks),
}


def build_archive() -> bytes:
    """The archive: about 120 human and 120 synthetic samples a data set, as a .tar.gz."""
    return tar_gz({f"{_ROOT}/{name}": content for name, content in [*_dollar(), *_twins()]})


def _dollar() -> Iterator[tuple[str, bytes]]:
    """8 subjects x 16 gestures by hand; from one subject's gesture each, a reconstruction and 7 variations."""
    spec, device = dollar.SPEC, _DEVICES["dollar"]
    for index, gesture in enumerate(_GESTURES):
        for subject in range(1, 9):
            speed = ("slow", "medium", "fast")[(index + subject) % 3]
            name = f"s{subject:02d}-{gesture}-{speed}-t{1 + (index + subject) % 10:02d}"
            plan = _plan("dollar", str(subject), gesture, name)
            rng = generator(f"human/dollar/{name}")
            yield f"{spec.human_dir}/{name}.csv", _plain(*_record(device, rng, plan), end="")
            if subject != 1 + index % 8:
                continue
            for copy in ["rec", *(f"synth_{number:02d}" for number in range(1, 8))]:
                rng = generator(f"synthetic/dollar/{name}_{copy}")
                varied = plan if copy == "rec" else vary(plan, rng, 0.08)
                rows = _record(_DEVICES["dollar"], rng, varied, clock=_every_10_ms, tremor=0.0)
                yield f"{spec.synthetic_dir}/{name}_{copy}.csv", _plain(*rows, end="\n")


def _twins() -> Iterator[tuple[str, bytes]]:
    """The three sets where every human sample has a synthetic twin of the same name."""
    named: list[tuple[TrajectorySpec, str, str, str]] = []
    for person in range(1, 13):
        named += [(mcyt.SPEC, str(person), "", f"{person:03d}g{number:02d}") for number in range(1, 11)]
        named += [
            (raton.SPEC, str(person), "", f"p{person:02d}-1{number:02d}_20000101{number:02d}0000_logfile")
            for number in range(2, 12)
        ]
    for person in range(100001, 100011):
        named += [
            (mobiletouch.SPEC, str(person), symbol, f"user{person}-Sesion1-u{person}_s1_{symbol}")
            for symbol in _SYMBOLS
        ]
    for spec, subject, gesture, name in named:
        device, plan = _DEVICES[spec.name], _plan(spec.name, subject, gesture, name)
        human = _record(device, generator(f"human/{spec.name}/{name}"), plan)
        yield f"{spec.human_dir}/{name}.csv", _decimal(*human)
        rng = generator(f"synthetic/{spec.name}/{name}")
        t, _ = human
        xy = vary(plan, rng, 0.05).positions(t / 1000) * device.size + 2 * device.size
        if spec is raton.SPEC and rng.random() < 0.5:
            t = t.copy()
            t[len(t) // 2] -= 47  # as upstream: half of these files have a step backwards
        yield f"{spec.synthetic_dir}/{name}.csv", _decimal(t, xy)


def _plan(dataset: str, subject: str, gesture: str, name: str) -> Plan:
    """What one person means to draw this time: the gesture's plan, the person's way of it, today's."""
    # Where a set has one gesture, as in signatures, every person has a shape of their own.
    rng = generator(f"gesture/{dataset}/{gesture or subject}")
    shape = draw_plan(rng, _DEVICES[dataset].seconds * rng.uniform(0.6, 1.25))
    own = vary(shape, generator(f"subject/{dataset}/{subject}/{gesture}"), 0.08)
    return vary(own, generator(f"sample/{dataset}/{name}"), 0.05)


def _record(
    device: _Device, rng: np.random.Generator, plan: Plan, *, clock: Clock | None = None, tremor: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Time stamps (n,) in ms and positions (n, 2) on the device's grid."""
    steps = (clock or device.clock)(rng, _MAX_POINTS)
    t = np.concatenate([[0], np.cumsum(steps)])[:_MAX_POINTS]
    t = t[: max(10, int(np.searchsorted(t, 1000 * plan.duration)))]
    # Within one clock tick the hand moves on, so the place is that of the true time, not of the stamp.
    seconds = np.linspace(0, t[-1], len(t)) / 1000 if (steps == 0).any() else t / 1000
    xy = plan.positions(seconds) * device.size + 2 * device.size
    xy += tremble(rng, len(t)) * (device.tremor if tremor is None else tremor)
    return t, np.round(xy / device.grid) * device.grid


def _plain(t: np.ndarray, xy: np.ndarray, end: str) -> bytes:
    """The $1 format: whole numbers, one space, strokes counted from 0; human files lack the last newline."""
    rows = [f"0 {x:.0f} {y:.0f} {time} 1" for time, (x, y) in zip(t, xy)]
    return ("\n".join([" ".join(COLUMNS), *rows]) + end).encode()


def _decimal(t: np.ndarray, xy: np.ndarray) -> bytes:
    """The other sets' format: six decimals, tab and space, strokes counted from 1, a space at the line's end."""
    rows = [f"1.000000 \t {x:.6f} \t {y:.6f} \t {time:.6f} \t 1.000000 " for time, (x, y) in zip(t, xy)]
    return ("\n".join(["\t ".join(COLUMNS), *rows]) + "\n").encode()
