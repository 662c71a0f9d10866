"""What run.json says of a run: plan, data, code, versions, machine, times. Nothing here changes a number of it."""

from __future__ import annotations

import datetime
import os
import platform
from functools import cache
from pathlib import Path

import numpy as np
import torch

from ffrepro import __version__
from ffrepro.base import checkout
from ffrepro.data import views
from ffrepro.training import method_versions
from ffrepro.training.parts import Place
from ffrepro.training.record import Record


def about(plan: dict, record: Record, data, place: Place, device: str, started: str) -> dict:
    """What run.json says of every run: plan, data, code, versions, machine, times."""
    return {
        "schema": 1,
        "run": plan["run"],
        "plan": plan,
        "plan_sha256": record.plan_sha256,
        "data": {
            "dataset": plan["dataset"],
            "set": views.prepared_set(plan),
            "source": plan["source"],
            "fingerprint": data.manifest["fingerprint"],
            "provenance": data.manifest["archive"],
        },
        "methods": method_versions.of_plan(plan),
        "git": checkout.commit(place.root).as_record(),
        **made_on(device, place.threads),
        "started": started,
        "finished": now(),
    }


def made_on(device: str, threads: int) -> dict:
    """``versions`` and ``machine``, of a record or of a bench that no plan declares."""
    return {"versions": versions(), "machine": describe(device, threads)}


def now() -> str:
    """The time, as records state it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def describe(device: str, threads: int) -> dict:
    """CPU, cores, threads, device, system, and the instructions that PyTorch's kernels use.

    The same run on CPUs of other instructions rounds otherwise, and its numbers drift apart over the epochs.
    """
    name = {"cpu": _cpu_name, "cuda": torch.cuda.get_device_name, "mps": lambda: "Apple GPU"}[device]()
    return {
        "cpu": _cpu_name(), "cores": os.cpu_count(), "threads": threads, "device": name,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "platform": f"{platform.system()} {platform.machine()}",
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "ffrepro": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


@cache
def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
