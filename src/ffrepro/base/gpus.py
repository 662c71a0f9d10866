"""One GPU for each run where several are at work on a machine without a queue.

``FFREPRO_GPUS`` names the devices (``0,1,2,3``). A run holds the lock of one of them until its process ends, however it
ends, and sees that one alone by ``CUDA_VISIBLE_DEVICES``. All projects of a user share the locks.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import Busy, locked

VARIABLE = "FFREPRO_GPUS"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def one_gpu(device: str) -> Iterator[str | None]:
    """Hold one of the GPUs in ``FFREPRO_GPUS`` for a run; its name, None where there is nothing to choose.

    Waits while all are held. Call it before CUDA is used for the first time: the variable is read then.

    Args:
        device: the run's kind of device; nothing but ``cuda`` needs a GPU.

    Raises:
        FfreproError: the variable names a device twice or none.
    """
    wanted = os.environ.get(VARIABLE)
    if device != "cuda" or wanted is None:
        yield None
        return
    with ExitStack() as held:
        name = _first_free(devices(wanted), held)
        before = os.environ.get(_VISIBLE)
        os.environ[_VISIBLE] = name
        try:
            yield name
        finally:
            if before is None:
                del os.environ[_VISIBLE]
            else:
                os.environ[_VISIBLE] = before


def devices(text: str) -> list[str]:
    """The names in ``0,1,2``.

    Raises:
        FfreproError: none, or one twice.
    """
    names = text.replace(",", " ").split()
    if not names or len(set(names)) < len(names) or any("/" in name for name in names):
        raise FfreproError(f"{text!r} names no GPUs, or one twice", where=VARIABLE, fix=f"{VARIABLE}=0,1")
    return names


def _first_free(names: Sequence[str], held: ExitStack) -> str:
    folder = Path(tempfile.gettempdir()) / f"ffrepro_gpus_{os.getuid()}"
    while True:
        for name in names:
            try:
                held.enter_context(locked(folder / f"{name}.lock", wait=False))
                return name
            except Busy:
                continue
        time.sleep(_SECONDS_BETWEEN_LOOKS)
