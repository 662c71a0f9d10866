"""A lock between processes."""

import multiprocessing
import os
import signal
import threading

from ffrepro.base.lock import locked


def hold(path, ready):
    with locked(path):
        ready.set()
        threading.Event().wait(30)


def test_a_free_lock_does_not_wait(tmp_path):
    calls = []
    for _ in range(2):
        with locked(tmp_path / "deep" / "a.lock", calls.append):
            pass
    assert calls == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    """The second says once that it waits, and goes on when the first is dead."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    first = context.Process(target=hold, args=(tmp_path / "a.lock", ready))
    first.start()
    assert ready.wait(10)
    calls = []

    def waiting(holder):
        calls.append(holder)
        os.kill(first.pid, signal.SIGKILL)

    with locked(tmp_path / "a.lock", waiting):
        assert len(calls) == 1 and f"process {first.pid} " in calls[0]
    first.join(10)
    assert first.exitcode == -signal.SIGKILL
