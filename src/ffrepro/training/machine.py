"""How a run uses the machine: threads, device, precision, determinism."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ffrepro.base.errors import FfreproError

MIXED = "bfloat16_mixed"
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of glibc's malloc.h


def use(profile: dict, threads: int, *, mixed: bool = False) -> tuple[str, torch.dtype]:
    """Set threads and the memory cap, and check that the profile's device is here.

    Args:
        mixed: the caller can work in mixed precision (``autocast``).

    Returns:
        (device, dtype) for the run's tensors.
    """
    if profile["precision"] == MIXED and not mixed:
        raise FfreproError(
            f"only training runs can be of precision {MIXED}",
            where="the run's hardware profile",
            fix="choose a profile of precision float32 for baselines and benches",
        )
    torch.set_num_threads(threads)
    keep_freed_memory()
    # the same switch as use_deterministic_algorithms(warn_only=True), which would also load the compiler: two seconds
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is what a profile says
    torch.utils.deterministic.fill_uninitialized_memory = False  # would slow down whatever allocates (autograd, mostly)
    device = profile["device"]
    if device not in devices():
        raise FfreproError(
            f"this machine has no {device} device",
            where="the run's hardware profile",
            fix="choose a profile of this machine (`ffrepro doctor` lists them), or import the record from another",
        )
    if profile.get("memory_cap_gb") and device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, profile["memory_cap_gb"] * 2**30 / total))
    return device, torch.float32


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def devices() -> list[str]:
    """Kinds of devices that are here, the fastest first."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device, available in found.items() if available]


def choose(name: str | None) -> str:
    """A device by its name (``cuda``, ``cuda:1``), or the best there is.

    Raises:
        FfreproError: it is not here.
    """
    if name is None:
        return devices()[0]
    kind, _, number = str(name).partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in devices() or (number and not (number.isdecimal() and int(number) < count)):
        raise FfreproError(f"there is no device {name!r}", where="device", fix=f"there is: {', '.join(devices())}")
    return str(name)


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors, where it is glibc; else nothing happens.

    It would hand large pieces back to the system, and every step would pay for its pages again: 5 to 8 percent of a
    step of a convolutional net on one core, of FF's and of backpropagation's alike.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)


def autocast(profile: dict) -> torch.autocast:
    """Context of a training step, as the profile's precision asks for it.

    ``bfloat16_mixed``: convolutions and matrix products, and what follows them, in bfloat16; weights, their updates,
    losses and evaluation in float32.
    """
    return torch.autocast(profile["device"], torch.bfloat16, enabled=profile["precision"] == MIXED)
