"""The file of a trained learner: its weights, its settings, and two samples that say what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ffrepro.base import files
from ffrepro.base.errors import FfreproError, explain_os_error

FORMAT = 1
KEYS = {"method", "classes", "inference", "seed", "hyperparameters", "training", "example", "weights"}


def write(path: str | Path, content: dict[str, Any]) -> None:
    """Write a learner's content, atomically.

    Raises:
        FfreproError: the file cannot be written.
    """
    try:
        with files.atomic_writer(path) as file:
            torch.save({"format": FORMAT, **content}, file)
    except OSError as error:
        raise explain_os_error(error) from error


def read(path: str | Path) -> dict[str, Any]:
    """The content of a file of ``write``; nothing in it is executed.

    Raises:
        FfreproError: no such file, or another one.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise FfreproError("no such file", where=path, fix="save one: learner.save(path)") from None
    except OSError as error:
        raise explain_os_error(error) from error
    except Exception as error:  # whatever unpickling finds in a file of another kind
        raise _foreign(path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not content.keys() >= KEYS:
        raise _foreign(path)
    return content


def _foreign(path: str | Path) -> FfreproError:
    return FfreproError("not a saved learner of this version", where=path, fix="save it again: learner.save(path)")
