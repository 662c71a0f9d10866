"""Work given to several processes: results in order, and no process left behind by a signal to any of them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import processes

PARENT = """
import multiprocessing, sys, threading, time
from types import SimpleNamespace
from ffrepro.cli import main as cli
from ffrepro.data import processes

def tell():
    while len(multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    cli.import_module = lambda name: SimpleNamespace(
        add_parser=lambda subparsers: subparsers.add_parser("plan"),
        run=lambda args: list(processes.in_order(time.sleep, [60] * 4, 2)),
    )
    threading.Thread(target=tell, daemon=True).start()
    sys.exit(cli.main())
"""


def square(number):
    if number < 0:
        raise ValueError(f"no root of {number}")
    time.sleep(0.05 if number == 1 else 0)  # the first piece is done last
    return number * number


def end_with(number):
    os.kill(os.getpid(), number)


def test_results_come_in_the_order_of_the_pieces():
    assert list(processes.in_order(square, [1, 2, 3, 4, 5], 2)) == [1, 4, 9, 16, 25]


def test_an_error_of_the_work_is_raised_here_with_where_it_came_from():
    with pytest.raises(ValueError, match="no root of -2") as caught:
        list(processes.in_order(square, [1, -2, 3], 2))
    assert "in square" in caught.value.__notes__[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_from_outside_is_an_error_and_no_wait(number):
    with pytest.raises(FfreproError, match=f"signal {int(number)}"):
        list(processes.in_order(end_with, [number], 2))


def test_a_worker_that_is_interrupted_alone_goes_on():
    assert list(processes.in_order(end_with, [signal.SIGINT, signal.SIGINT], 2)) == [None, None]


@pytest.mark.parametrize(
    ("number", "whole_group", "code"),
    [
        (signal.SIGINT, True, 130),
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 130),
        (signal.SIGHUP, False, 130),
        (signal.SIGKILL, False, -9),
    ],
)
def test_a_stopped_parent_leaves_no_worker_behind(tmp_path, number, whole_group, code):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script, "plan"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        process_group=0,
    )  # fmt: skip
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    (os.killpg if whole_group else os.kill)(parent.pid, number)
    _, said = parent.communicate(timeout=5)  # waits for the workers as well: they hold the same stderr
    assert parent.returncode == code
    assert "Traceback" not in said
    assert len(workers) == 2 and not any(os.path.exists(f"/proc/{pid}/exe") for pid in workers)
