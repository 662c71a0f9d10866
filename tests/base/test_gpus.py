"""Which GPU a run gets: one of its own, freed when its process ends."""

import os
import subprocess
import sys

import pytest

from ffrepro.base import gpus
from ffrepro.base.errors import FfreproError

HOLDER = """
import os, sys
from ffrepro.base.gpus import one_gpu
with one_gpu("cuda") as name:
    print(name, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds a GPU until it is told to end; killed at the end of the test."""
    started = []

    def start(names):
        environment = os.environ | {
            "FFREPRO_GPUS": names,
            "TMPDIR": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-c", HOLDER]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_each_of_two_runs_sees_a_gpu_of_its_own_and_a_third_waits(holder):
    first, second = holder("5,7"), holder("5,7")
    seen = [process.stdout.readline().split() for process in (first, second)]
    assert sorted(seen) == [["5", "5"], ["7", "7"]]
    third = holder("5,7")
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(1.2)
    second.kill()  # not asked politely: the system frees its lock
    assert third.stdout.readline().split() == seen[1]


def test_a_gpu_that_was_given_back_is_free(monkeypatch, tmp_path):
    monkeypatch.setenv("FFREPRO_GPUS", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    for _ in range(2):
        with gpus.one_gpu("cuda") as name:
            assert (name, os.environ["CUDA_VISIBLE_DEVICES"]) == ("3", "3")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,3"


@pytest.mark.parametrize(("device", "names"), [("cpu", "0,1"), ("mps", "0"), ("cuda", None)])
def test_nothing_to_choose(monkeypatch, device, names):
    monkeypatch.delenv("FFREPRO_GPUS", raising=False)
    if names is not None:
        monkeypatch.setenv("FFREPRO_GPUS", names)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    with gpus.one_gpu(device) as name:
        assert name is None and os.environ.get("CUDA_VISIBLE_DEVICES") == visible


@pytest.mark.parametrize("text", ["", " , ", "0,0", "../x"])
def test_names_that_are_none(text):
    with pytest.raises(FfreproError) as error:
        gpus.devices(text)
    assert error.value.where == "FFREPRO_GPUS"
