"""Which hardware profiles this machine is, found out without importing torch (Snakemake asks at every start)."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from ffrepro.base.names import unknown
from ffrepro.pipeline.checks import AUTO


@dataclass(frozen=True)
class Machine:
    """What is here.

    Attributes:
        cpu: the processor's name.
        gpus: names of the CUDA devices that the installed torch can use.
        mps: whether Apple's GPU can be used (the chip's name is in ``cpu``).
    """

    cpu: str
    gpus: tuple[str, ...] = ()
    mps: bool = False

    def names(self, device: str) -> tuple[str, ...]:
        """The names of the devices of a kind (``cpu``, ``cuda``, ``mps``); none where there is no such device."""
        return {"cpu": (self.cpu,), "cuda": self.gpus, "mps": (self.cpu,) if self.mps else ()}[device]


@cache
def this_machine() -> Machine:
    """The machine this process runs on."""
    apple = platform.system() == "Darwin"
    cpu = _output("sysctl", "-n", "machdep.cpu.brand_string").strip() if apple else _linux_cpu()
    return Machine(cpu or platform.processor() or platform.machine(), _cuda(), apple and platform.machine() == "arm64")


def present(profile: dict, machine: Machine) -> bool:
    """Whether a profile of params.yaml describes (a device of) the machine."""
    wanted = (profile["match"] or "").lower()
    return any(wanted in name.lower() for name in machine.names(profile["device"]))


def choose(wanted: Iterable[str], profiles: dict[str, dict], machine: Machine) -> list[str]:
    """Profile names with ``auto`` replaced by the best profile of the machine, each once.

    Raises:
        FfreproError: there is no profile of that name.
    """
    chosen = []
    for name in wanted:
        if name == AUTO:
            name = best(profiles, machine)
        elif name not in profiles:
            raise unknown("hardware profile", name, [*profiles, AUTO], where="params.yaml: hardware_profiles")
        chosen.append(name)
    return list(dict.fromkeys(chosen))


def listed(value: str | list | None) -> list[str] | None:
    """Profile names as ``snakemake --config hardware=...`` gives them: ``cpu,cuda`` or ``[cpu,cuda]``; else None."""
    if not value:
        return None
    return value.replace(",", " ").split() if isinstance(value, str) else [str(name) for name in value]


def best(profiles: dict[str, dict], machine: Machine) -> str:
    """The profile to prefer: CUDA before Apple's GPU before the processor, a machine's own name before a kind."""
    here = [name for name, profile in profiles.items() if present(profile, machine)]
    order = ["cuda", "mps", "cpu"]
    return min(here, key=lambda name: (order.index(profiles[name]["device"]), profiles[name]["match"] is None))


def _cuda() -> tuple[str, ...]:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or _torch_is_cpu_only():
        return ()
    return tuple(
        line.strip() for line in _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    )


def _torch_is_cpu_only() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def _linux_cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _output(*command: str) -> str:
    """What a program prints, or nothing where it is missing, fails or hangs."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
