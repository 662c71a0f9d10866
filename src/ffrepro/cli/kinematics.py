"""``ffrepro kinematics``: the strokes behind one movement or behind a whole data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffrepro.data.negatives.clock import Device
    from ffrepro.data.negatives.planning import Recording
    from ffrepro.data.trajectory_set import TrajectorySet
    from ffrepro.kinematics.extraction import Extracted

_EPILOG = """\
examples:
  ffrepro kinematics show dollar/s01-arrow-fast-t01 --flip-y
  ffrepro kinematics show my_movement.csv --level far --copies 8
  ffrepro kinematics show my_recordings --out pictures.png
  ffrepro kinematics plan dollar --workers 2

A CSV of your own has columns x, y, t (or time); more than three need a header. A line says how it was read.
docs/KINEMATICS.md has the rules, and the other files that are read: SVC2004's text, InkML, .gz, a folder of them.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import count, positive

    parser = subparsers.add_parser(
        "kinematics",
        help="the Sigma-Lognormal strokes behind a movement",
        description="Take a human movement apart into lognormal strokes, and show it with duplicates made from it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    show = actions.add_parser(
        "show",
        help="draw one movement, its strokes and its duplicates; print its plan",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument(
        "sample", metavar="SAMPLE", help="DATASET/NAME of a human sample, or a file of x, y, t, or a folder"
    )
    show.add_argument("--out", type=Path, help="the PNG to write (default NAME.png here)")
    show.add_argument("--level", choices=["close", "medium", "far"], default="close", help="default close")
    show.add_argument("--copies", type=count, default=5, help="duplicates to draw (default 5)")
    show.add_argument("--seed", type=int, default=0, help="of the duplicates (default 0)")
    show.add_argument("--flip-y", action="store_true", help="y grows downwards, as on a screen")
    unit = show.add_mutually_exclusive_group()
    unit.add_argument("--unit", choices=["s", "ms", "us", "ns"], help="of a file's times (default: as the file tells)")
    unit.add_argument("--seconds", action="store_const", const="s", dest="unit", help="the same as --unit s")
    show.add_argument("--movement", type=positive, help="of a file with several, only this one, from 1")
    show.add_argument("--source", choices=["upstream", "standin"], default="upstream", help="default upstream")
    show.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="default data/prepared")
    show.set_defaults(action_run=_show)
    plan = actions.add_parser(
        "plan",
        help="extract the stroke plans of a data set's human samples",
        epilog="example:\n  ffrepro kinematics plan dollar --workers 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_plan_options(plan)
    plan.set_defaults(action_run=_plan)
    parser.set_defaults(run=run)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """A data set, and where its stroke plans are."""
    from ffrepro.cli.common import positive

    parser.add_argument("dataset", metavar="DATASET", help="the data set")
    parser.add_argument("--source", choices=["upstream", "standin"], default="upstream", help="default upstream")
    parser.add_argument(
        "--workers", type=positive, default=1, help="processes; the plans do not depend on it (default 1)"
    )
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="default data/prepared")
    parser.add_argument("--plans", type=Path, default=Path("data/plans"), help="folder of the plans (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """One of the actions."""
    return args.action_run(args)


def human_set(args: argparse.Namespace) -> tuple[TrajectorySet, Path]:
    """The data set of the options, and the file of its stroke plans."""
    import torch

    torch.set_num_threads(1)  # small batches: more threads only wait for one another
    return _load(args, args.dataset), args.plans / args.source / f"{args.dataset}.npz"


def _load(args: argparse.Namespace, dataset: str) -> TrajectorySet:
    """The prepared set; what has no movements is refused by name, not taken for a damaged file."""
    from ffrepro import data as datasets
    from ffrepro.base.errors import FfreproError
    from ffrepro.data import trajectory_set

    family = datasets.module(dataset).SPEC.family  # an unknown name gets its nearest
    if family != "trajectories":
        others = [name for name in datasets.names() if datasets.module(name).SPEC.family == "trajectories"]
        raise FfreproError(
            f"{dataset!r} is a set of {family}: it has no movements",
            where=dataset,
            fix=f"take a set of trajectories: {', '.join(others)}",
        )
    return trajectory_set.load(args.prepared / args.source / f"{dataset}.npz")


def make_plans(args: argparse.Namespace, data: TrajectorySet, path: Path) -> None:
    """Extract the plans behind the human samples, save them, say what there is."""
    from ffrepro.data.negatives import planning, plans
    from ffrepro.kinematics.extraction import Settings

    found = planning.extract_set(data, Settings(), args.workers)
    plans.save(found, path)
    quality = found.manifest["quality"]
    print(path)
    print("  " + ", ".join(f"{number:,} {what}" for what, number in found.manifest["counts"].items()))
    print("  " + ", ".join(f"{name} {q['median']} dB (5th percentile {q['p5']})" for name, q in quality.items()))
    for entry in found.manifest["bad"]:
        print(f"  no plan: {entry['sample']}: {entry['reason']}")


def _plan(args: argparse.Namespace) -> int:
    from ffrepro.data.alone import alone
    from ffrepro.data.fetch import to_stderr

    data, path = human_set(args)
    with alone(path, to_stderr):
        make_plans(args, data, path)
    return 0


def _show(args: argparse.Namespace) -> int:
    import torch

    from ffrepro.cli import own_movements

    torch.set_num_threads(1)  # small batches: more threads only wait for one another
    path = Path(args.sample)
    if path.name.endswith((".csv", ".csv.gz")) or path.is_file() or (path.is_dir() and args.sample):
        return own_movements.show(args, path)
    name, recording, subject, device = _set_sample(args)
    draw(args, name, recording, subject, device, args.out or Path(f"{Path(name).name}.png"))
    return 0


def draw(args: argparse.Namespace, name: str, recording: Recording, subject: int, device: Device, out: Path) -> None:
    """Draw a movement, its strokes and its duplicates into ``out``; print its plan.

    Raises:
        FfreproError: it has no plan.
    """
    from ffrepro.base import files
    from ffrepro.base.errors import FfreproError
    from ffrepro.claims.figures import movement
    from ffrepro.core import seeds
    from ffrepro.data.negatives import duplicates, planning
    from ffrepro.data.progress import Progress
    from ffrepro.kinematics import reference
    from ffrepro.kinematics.extraction import Settings

    settings = Settings()
    with Progress(f"strokes of {name}", total=settings.passes, unit="passes at most") as progress:
        (found,) = planning.extract_all([recording], settings, lambda: progress.advance(1))
    if isinstance(found, str):
        fix = "a movement has points x, y at growing times t (a file's in s: --seconds)"
        raise FfreproError(f"no plan: {found}", where=args.sample, fix=fix)
    source = duplicates.Original(found.plan, found.start.numpy(), recording[2], subject)
    parts = ("duplicate", args.seed, *name.split("/"), args.level)
    made = []
    with Progress(f"duplicates of {name}", total=args.copies, unit="duplicates") as progress:
        for copy in range(args.copies):
            made.append(duplicates.duplicate(source, args.level, device, seeds.generator(*parts, copy)))
            progress.advance(1)
    title = f"{name}: {len(found.plan.t0)} strokes, {len(made)} duplicates ({args.level})"
    files.write_bytes(out, movement.draw(title, reference.reference(*recording), found, made, args.flip_y))
    print("\n".join(_table(found, settings.target_db)))
    for number, one in enumerate(made, start=1):
        if reason := duplicates.too_short(one):
            print(f"duplicate {number} {reason}: `ffrepro negatives` would leave it out")
    print(out)


def _set_sample(args: argparse.Namespace) -> tuple[str, Recording, int, Device]:
    """The same of DATASET/NAME."""
    import difflib

    import numpy as np

    from ffrepro.base.names import unknown
    from ffrepro.data.negatives import duplicates, planning

    dataset, _, name = args.sample.partition("/")
    data = _load(args, dataset)
    human = data.names[: duplicates.count_human(data)]
    if name not in human:
        few = difflib.get_close_matches(name, human, n=5, cutoff=0)  # a set has thousands
        raise unknown("human sample", name, few, where=dataset)
    index = human.index(name)
    (recording,) = planning.recordings(data, np.array([index]))
    return args.sample, recording, int(data.subject[index]), duplicates.measure_device(data)


def _table(found: Extracted, target_db: float) -> list[str]:
    """The plan in words and numbers; a plan that explains less than it should says so."""
    from ffrepro.cli.common import columns
    from ffrepro.kinematics.lognormal import peak_time

    quality = found.quality
    rows = [("stroke", "t0 s", "peak s", "mu", "sigma", "D", "theta_s", "theta_e")]
    for number, values in enumerate(zip(*found.plan, peak_time(found.plan), strict=True), start=1):
        t0, mu, sigma, d, theta_s, theta_e, peak = (float(value) for value in values)
        rows.append((
            str(number), f"{t0:.3f}", f"{peak:.3f}", f"{mu:.3f}", f"{sigma:.3f}", f"{d:.4g}", f"{theta_s:.2f}",
            f"{theta_e:.2f}",
        ))  # fmt: skip
    below = f"below the target of {target_db:g} dB: the strokes do not explain this movement"
    return [
        f"{quality.strokes} strokes in {found.seconds:.2f} s; SNRv {quality.snr_v:.1f} dB "
        f"({quality.snr_v_per_stroke:.2f} dB a stroke), SNRt {quality.snr_t:.1f} dB, on the signal at 200 Hz, "
        "low-passed at 15 Hz",
        *([below] if quality.snr_v < target_db else []),
        *columns(rows),
    ]
