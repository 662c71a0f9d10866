"""The processes behind the first one, on this machine: started, watched and ended."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from ffrepro.base.errors import FfreproError
from ffrepro.data import processes as pools
from ffrepro.training.parallel.channel import POLL, LostPeer

START = 120.0  # seconds within which a process has to be ready
SILENCE = timedelta(hours=1)  # of a process that neither ends nor says anything, before the others give it up
ANSWER = 5.0  # seconds in which a process whose connection broke says why

Work = Callable[[Any, int, int], None]
"""(what it was given, rank, number of processes) -> after the group has been joined."""


class Workers:
    """Processes 1 to n - 1 of a group; the caller is process 0.

    Args:
        work: a function of a module, called in each process.
        given: what it is called with; has to be picklable.
        count: processes, the caller's own among them.
        names: what each one does, for messages.

    Raises:
        FfreproError: ``given`` cannot be handed to another process; a process did not start.
    """

    def __init__(self, work: Work, given: Any, count: int, names: list[str]):
        self._names, self._count = names, count
        self._all: dict[int, tuple[BaseProcess, Connection]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="ffrepro_")
        try:
            packed = pickle.dumps(given)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise FfreproError(
                f"the net or the method cannot be handed to another process: {error}",
                where="processes",
                fix="use classes and functions of a module instead of local ones and lambdas, or set `processes` to 1",
            ) from error
        context = multiprocessing.get_context("spawn")
        threads = max(1, torch.get_num_threads() // count)
        try:
            with pools._interrupts_blocked():
                for rank in range(1, count):
                    ours, theirs = context.Pipe()
                    arguments = (theirs, work, rank, count, self._folder.name, threads)
                    self._all[rank] = (context.Process(target=_main, args=arguments, daemon=True), ours)
                    self._all[rank][0].start()
                    theirs.close()
            self._hand_over(packed)
            self._wait_until_ready()
        except BaseException:
            self.end()
            raise

    @property
    def pids(self) -> list[int | None]:
        """Of the processes, in the order of their ranks."""
        return [process.pid for process, _ in self._all.values()]

    def join(self) -> None:
        """Join the group of all processes."""
        _join(self._folder.name, 0, self._count)

    def check(self) -> None:
        """Look at every process.

        Raises:
            FfreproError: one has ended, or failed.
        """
        failed = [rank for rank, (process, _) in self._all.items() if process.exitcode not in (None, 0)]
        if failed:
            self.blame()

    def blame(self) -> None:
        """Say which process failed first, where the connection to one broke.

        Raises:
            FfreproError: always.
        """
        limit = time.monotonic() + ANSWER
        while time.monotonic() < limit and all(process.exitcode is None for process, _ in self._all.values()):
            time.sleep(POLL)
        time.sleep(POLL)  # one that lost its neighbour may end before that one is seen to have ended
        reports = {rank: self._report(rank) for rank in self._all}
        ended = {rank: process.exitcode for rank, (process, _) in self._all.items() if process.exitcode is not None}
        told = {rank: text for rank, (lost, text) in reports.items() if text and not lost}
        killed = {rank: code for rank, code in ended.items() if not reports[rank][1]}
        self.end()
        if told:
            rank, text = next(iter(told.items()))
            raise FfreproError(
                f"process {rank} of {self._count} ({self._names[rank]}) failed: {text}",
                where=f"rank {rank}",
                fix="the other processes were ended; set `processes` to 1 to see the error where it arises",
            )
        rank, code = next(iter((killed or ended).items()), (1, None))
        how = "is no longer heard" if code is None else f"ended with exit code {code}"
        signal = f" (signal {-code})" if code is not None and code < 0 else ""
        raise FfreproError(
            f"process {rank} of {self._count} ({self._names[rank]}) {how}{signal}",
            where=f"rank {rank}",
            fix="the other processes were ended; start again, with fewer processes if the memory was full. A script "
            'has to call fit below `if __name__ == "__main__":`',
        )

    def end(self) -> None:
        """End every process that is left, at once."""
        started = [process for process, _ in self._all.values() if process.pid is not None]
        for process in started:
            process.kill()
        for process in started:
            process.join(ANSWER)
        self._folder.cleanup()

    def finish(self) -> None:
        """Wait for processes that have been told to stop, and end those that do not."""
        limit = time.monotonic() + ANSWER
        for process, _ in self._all.values():
            process.join(max(0.0, limit - time.monotonic()))
        self.end()

    def _hand_over(self, packed: bytes) -> None:
        """Send every process what it works on: not as its argument, which Python would write to a dead one for ever."""
        for _, pipe in self._all.values():
            try:
                pipe.send_bytes(packed)
            except OSError:
                self.blame()

    def _report(self, rank: int) -> tuple[bool, str]:
        pipe = self._all[rank][1]
        with suppress(EOFError, OSError):
            while pipe.poll():
                found = pipe.recv()
                if found != "ready":
                    return found
        return False, ""

    def _wait_until_ready(self) -> None:
        limit = time.monotonic() + START
        for rank, (process, pipe) in self._all.items():
            while not pipe.poll(POLL):
                self.check()
                if time.monotonic() > limit:
                    raise FfreproError(
                        f"process {rank} was not ready within {START:g} s",
                        where=f"process {process.pid}",
                        fix="try again on a machine that has less to do",
                    )
            try:
                found = pipe.recv()
            except (EOFError, OSError):
                self.blame()
            if found != "ready":
                self.end()
                raise FfreproError(
                    f"process {rank} of {self._count} ({self._names[rank]}) failed: {found[1]}", where=f"rank {rank}"
                )


def _join(folder: str, rank: int, count: int) -> None:
    """Join the group through a file, over the machine's own loopback: no port, no name of a host."""
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    os.environ["GLOO_SOCKET_IFNAME"] = before or ("lo0" if sys.platform == "darwin" else "lo")
    try:
        method = (Path(folder) / "meeting").as_uri()
        dist.init_process_group("gloo", init_method=method, rank=rank, world_size=count, timeout=SILENCE)
    finally:
        if before is None:
            del os.environ["GLOO_SOCKET_IFNAME"]


def _main(pipe: Connection, work: Work, rank: int, count: int, folder: str, threads: int) -> None:
    """A process: unpack, say so, join the group, work; say what went wrong."""
    threading.Thread(target=pools._end_with_parent, daemon=True).start()
    try:
        torch.set_num_threads(threads)
        given = pickle.loads(pipe.recv_bytes())
        pipe.send("ready")
        _join(folder, rank, count)
        work(given, rank, count)
    except BaseException as error:
        text = str(error) if isinstance(error, FfreproError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, FfreproError | LostPeer):
            text += f"\n{traceback.format_exc()}"
        with suppress(OSError):
            pipe.send((isinstance(error, LostPeer), text))
        os._exit(1)
    os._exit(0)
