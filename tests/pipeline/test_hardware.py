"""Profiles and machines: what is here, what `auto` takes, what is absent without being a failure."""

import subprocess
import sys

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import hardware
from ffrepro.pipeline.hardware import Machine, best, choose, listed, present

PROFILES = {
    "cpu": {"device": "cpu", "match": None},
    "cuda": {"device": "cuda", "match": None},
    "mps": {"device": "mps", "match": None},
    "h200": {"device": "cuda", "match": "H200"},
    "m2pro": {"device": "mps", "match": "M2 Pro"},
    "m2pro_1core": {"device": "cpu", "match": "M2 Pro"},
}
LAPTOP = Machine("Intel i7")
SERVER = Machine("AMD EPYC", ("NVIDIA H200", "NVIDIA H200"))
OTHER_SERVER = Machine("AMD EPYC", ("Tesla V100-SXM2-16GB",))
MAC = Machine("Apple M2 Pro", mps=True)


@pytest.mark.parametrize(
    ("machine", "here"),
    [
        (LAPTOP, {"cpu"}),
        (SERVER, {"cpu", "cuda", "h200"}),
        (OTHER_SERVER, {"cpu", "cuda"}),
        (MAC, {"cpu", "mps", "m2pro", "m2pro_1core"}),
    ],
)
def test_profiles_that_are_here(machine, here):
    assert {name for name, profile in PROFILES.items() if present(profile, machine)} == here


@pytest.mark.parametrize(
    ("machine", "name"), [(LAPTOP, "cpu"), (SERVER, "h200"), (OTHER_SERVER, "cuda"), (MAC, "m2pro")]
)
def test_auto_takes_the_best_profile_of_the_machine(machine, name):
    assert best(PROFILES, machine) == name
    assert choose(["auto", "cpu", name], PROFILES, machine) == list(dict.fromkeys([name, "cpu"]))


def test_an_unknown_profile_is_an_error():
    with pytest.raises(FfreproError, match="unknown hardware profile 'h20'") as caught:
        choose(["h20"], PROFILES, LAPTOP)
    assert "'h200'" in caught.value.fix


@pytest.mark.parametrize(
    ("value", "names"),
    [("cpu", ["cpu"]), ("cpu,cuda", ["cpu", "cuda"]), (["cpu", "cuda"], ["cpu", "cuda"]), (None, None), ("", None)],
)
def test_names_as_snakemake_gives_them(value, names):
    assert listed(value) == names


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program called nvidia-smi on the path."""

    def install(script):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return install


def test_gpus_are_asked_of_nvidia_smi_unless_torch_could_not_use_them(nvidia_smi, monkeypatch):
    nvidia_smi("echo 'NVIDIA H200'; echo 'NVIDIA H200'")
    monkeypatch.setattr(hardware.metadata, "version", lambda name: "2.13.0+cu130")
    assert hardware._cuda() == ("NVIDIA H200", "NVIDIA H200")
    monkeypatch.setattr(hardware.metadata, "version", lambda name: "2.13.0+cpu")
    assert hardware._cuda() == ()
    monkeypatch.setattr(hardware.metadata, "version", lambda name: "2.13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hardware._cuda() == ()


def test_a_driver_that_fails_means_no_gpu(nvidia_smi, monkeypatch):
    nvidia_smi("echo broken >&2; exit 9")
    monkeypatch.setattr(hardware.metadata, "version", lambda name: "2.13.0")
    assert hardware._cuda() == ()


def test_the_pipeline_does_not_import_torch():
    code = (
        "import sys; from ffrepro import tracking; from ffrepro.cli import main;"
        "from ffrepro.pipeline import archive, doctor, dvcfiles, engines, refresh, selection, sync, transfer;"
        "assert not {'torch', 'numpy', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
