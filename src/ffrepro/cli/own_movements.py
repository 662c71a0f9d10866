"""``ffrepro kinematics show`` of the user's own files: what was read, then each movement."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffrepro.base.errors import FfreproError
from ffrepro.cli.terminal import printable

if TYPE_CHECKING:
    from ffrepro.data.negatives.clock import Device
    from ffrepro.data.user_points import Recording


def show(args: argparse.Namespace, path: Path) -> int:
    """Show the movements of a file, or of every file in a folder.

    A file of a folder that cannot be read, and a movement of several that has no plan, is named on stderr, and the
    others are shown.

    Returns:
        1 where a file of the folder was not shown, else 0.

    Raises:
        FfreproError: the only file cannot be read, has no such movement, or none with a plan.
    """
    from ffrepro.data import user_recording

    if not path.is_dir():
        _show_file(args, path, user_recording.label(path), path)
        return 0
    files = user_recording.files(path)
    labels = [user_recording.label(file) for file in files]
    failed = 0
    for file, label in zip(files, labels, strict=True):
        print(f"{file}:")
        try:
            _show_file(args, file, label if labels.count(label) == 1 else file.name, path)
        except FfreproError as error:
            failed += 1
            _say(f"error: {error}")
    if failed:
        _say(f"{failed} of {len(files)} files were not shown")
    return int(failed > 0)


def _show_file(args: argparse.Namespace, file: Path, label: str, sample: Path) -> None:
    from ffrepro.cli import kinematics
    from ffrepro.data import user_recording

    reading = user_recording.read(file, args.unit)
    print(reading.line)
    for note in reading.notes:
        _say(f"warning: {file}: {note}")
    several = len(reading.movements) > 1
    chosen = list(enumerate(reading.movements, start=1))
    if args.movement is not None:
        if args.movement > len(chosen):
            fix = f"--movement takes 1 to {len(chosen)}"
            raise FfreproError(f"no movement {args.movement}: the file has {len(chosen)}", where=file, fix=fix)
        chosen = chosen[args.movement - 1 : args.movement]
    reasons = []
    for number, recording in chosen:
        name = f"{label}-{number}" if several else label
        try:
            kinematics.draw(args, name, recording, 0, _device(recording), _picture(args, name, len(chosen), sample))
        except FfreproError as error:
            if len(chosen) == 1:
                raise
            reasons.append(error)
            _say(f"movement {number}: {error.what}")
    if len(reasons) == len(chosen):
        raise FfreproError(f"none of {len(chosen)} movements has a plan", where=file, fix=reasons[0].fix)


def _device(recording: Recording) -> Device:
    """What this one recording tells of its device."""
    import numpy as np

    from ffrepro.data.negatives import clock

    return clock.measure(*recording, np.array([0, len(recording[2])]), np.zeros(1, int))


def _picture(args: argparse.Namespace, name: str, movements: int, sample: Path) -> Path:
    """Where the picture goes: ``--out``, with the movement's name where there are several."""
    if args.out is None:
        return Path(f"{name}.png")
    if movements == 1 and not sample.is_dir():
        return args.out
    return args.out.with_name(f"{args.out.stem}-{name}{args.out.suffix or '.png'}")


def _say(text: str) -> None:
    print(f"ffrepro: {printable(text)}", file=sys.stderr)
