"""Is everything here that a reproduction needs? One finding for each thing looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.data.archives import ARCHIVES
from ffrepro.pipeline import hardware, params, startup
from ffrepro.pipeline.finding import FAIL, OK, WARN, Finding, verdict
from ffrepro.pipeline.refresh import out_of_date
from ffrepro.pipeline.workspace import open_workspace

REQUIREMENTS = "requirements.txt"
_TIMEOUT = 60  # seconds for another process; importing torch from a cold disk takes long


def examine(root: Path) -> Iterator[Finding]:
    """Look at everything, cheapest first."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield verdict(sys.version_info >= (3, 11), "Python", version, "use Python 3.11 or newer")
    yield from _packages(root)
    yield from _imports()
    yield from _project(root)
    yield from _mirror(root)
    yield from startup.examine(root)


def _packages(root: Path) -> Iterator[Finding]:
    """Every direct requirement: is it installed, in the pinned version?"""
    file = root / REQUIREMENTS
    if not file.is_file():
        yield Finding(WARN, REQUIREMENTS, "not here: versions are not compared", "run ffrepro in the project's folder")
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)==([^\s;#]+)", line)
        if not match:
            continue
        name, pinned = match.groups()
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(FAIL, name, f"not installed, {pinned} wanted", "make setup")
            continue
        same = found.partition("+")[0] == pinned  # 2.13.0+cpu is a build of 2.13.0
        yield verdict(same, name, found, f"pinned is {pinned}: numbers may differ in the last digits", WARN)


def _imports() -> Iterator[Finding]:
    """What torch can do, asked in a process of its own: a broken torchvision can end the interpreter."""
    torch = _python(
        "import torch; print(torch.__version__, torch.cuda.is_available(), torch.backends.mps.is_available())"
    )
    if torch is None:
        yield Finding(FAIL, "import torch", "fails", "make setup")
        return
    version, cuda, mps = torch.split()
    yield Finding(OK, "import torch", f"{version}, cuda {cuda}, mps {mps}")
    gpus = hardware.this_machine().gpus
    if gpus and cuda != "True":
        yield Finding(
            WARN, "CUDA", f"{', '.join(gpus)} is here, but torch cannot use it", "install a CUDA build of torch"
        )
    vision = _python("from ffrepro.data.vision import torchvision; print(torchvision.__version__)")
    fix = "foreign models and transforms of one's own need it, no run here does: make setup"
    yield verdict(vision is not None, "import torchvision", vision or "fails", fix, WARN)


def _project(root: Path) -> Iterator[Finding]:
    try:
        workspace = open_workspace(root)
    except FfreproError as error:
        yield Finding(FAIL, "params.yaml", error.what, error.fix or "mend it")
        return
    yield Finding(OK, "params.yaml", f"scale {workspace.scale}, {len(workspace.plans)} runs")
    stale = out_of_date(workspace)
    detail = f"{len(stale)} out of date" if stale else "up to date"
    yield verdict(not stale, "plan files, dvc.yaml", detail, "ffrepro plan --write", WARN)
    machine = hardware.this_machine()
    profiles = workspace.params.raw["hardware_profiles"]
    here = [name for name, profile in profiles.items() if hardware.present(profile, machine)]
    devices = ", ".join([machine.cpu, *machine.gpus])
    yield Finding(OK, "hardware", f"{devices}: profiles {', '.join(here)} (best: {hardware.best(profiles, machine)})")
    for name in sorted(workspace.absent):
        yield Finding(WARN, "hardware", f"params.yaml asks for {name}", "not this machine: import its records")


def _mirror(root: Path) -> Iterator[Finding]:
    place = os.environ.get("FFREPRO_MIRROR") or params.mirror(root)
    if not place:
        yield Finding(OK, "mirror", "none: archives come from their upstream addresses")
    elif "://" in place:
        reached = _reached(place)
        yield verdict(
            reached == "", "mirror", f"{place} {reached}".strip(), "check FFREPRO_MIRROR or params.yaml: mirror"
        )
    else:
        folder = Path(os.path.expanduser(place))  # as `fetch` does
        fix = "FFREPRO_MIRROR or params.yaml's mirror must name a folder or URL that has the archives"
        held = [archive.name for archive in ARCHIVES.values() if (folder / archive.file).is_file()]
        yield verdict(bool(held), "mirror", f"{place}: {', '.join(held) or 'no archive of ours'}", fix)


def _python(code: str) -> str | None:
    """What a Python program prints, or None where it fails."""
    command = [sys.executable, "-c", code]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _reached(url: str) -> str:
    """Why a URL cannot be reached; an answer of any kind means that it can."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return ""
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return f"cannot be reached: {error}"
