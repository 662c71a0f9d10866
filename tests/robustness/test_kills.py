"""SIGKILL at moments drawn by a seed, of the long commands: the same command again ends as if nothing had happened."""

import random
import time

import pytest
from helpers.campaign import LONG, PLANS, SEED, copy, make_project, view

from ffrepro.base.files import write_json

SOURCE = ("--source", "standin")
KILLS = {  # of each command in the shorter campaign
    ("train", "train.json", "--keep-weights"): 5,
    ("baseline", "sklearn_baseline.json"): 2,
    ("kinematics", "plan", "dollar", *SOURCE): 2,
    ("negatives", "dollar", "--level", "close", *SOURCE): 2,
    ("fetch", "mnist", *SOURCE): 1,
    ("report", "--table", "chikhachev2025_rnn/table1"): 2,
}
TIMES = 20  # as many of each in a long campaign
SETUP = f"""
from ffrepro.cli import report
from ffrepro.training import loop
loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
report.plans_behind_table = lambda *_: ("smoke", ["cpu"], [{PLANS["train"]!r}])
"""


@pytest.mark.parametrize("command", KILLS, ids=lambda command: " ".join(command[:2]))
def test_a_killed_command_goes_on(ram, forks, command, record_property):
    world = make_project(ram / "world", samples=36 if command[0] in ("train", "baseline") else 8)
    write_json(world / "train.json", PLANS["train"] | {"training": {**PLANS["train"]["training"], "max_epochs": 8}})
    begin = time.monotonic()
    straight = forks.start(*command, cwd=copy(world, ram / "straight"), setup=SETUP)
    assert straight.wait() == 0, straight.output
    seconds, expected = time.monotonic() - begin, view(ram / "straight")
    moments = random.Random(SEED)
    killed = 0
    for _ in range(KILLS[command] * (TIMES if LONG else 1)):
        folder = copy(world, ram / "killed")
        initial = view(folder)
        process = forks.start(*command, cwd=folder, setup=SETUP)
        time.sleep(moments.uniform(0.05, 0.8) * seconds)
        killed += process.kill() == -9
        for path, content in view(folder).items():
            assert content in (initial.get(path), expected.get(path)), path
        again = forks.start(*command, cwd=folder, setup=SETUP)
        assert again.wait() == 0 and "Traceback" not in again.output, again.output
        assert view(folder) == expected
    record_property("campaign", (f"{' '.join(command[:2])}: SIGKILL", killed))
