"""A function mapped over pieces of work by several processes that end with their parent, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ffrepro.base.errors import FfreproError

_ANSWER = 1.0  # seconds that a stopped worker is given to be gone


def in_order(work: Callable[[Any], Any], pieces: list[Any], workers: int) -> Iterator[Any]:
    """``work`` of every piece, in the pieces' order, by ``workers`` processes.

    Args:
        work: what ``pickle`` can name: a function of a module, or a ``partial`` of one.

    Raises:
        FfreproError: a worker was ended from outside.
        Exception: whatever ``work`` raises.
    """
    # spawned, not forked: a fork takes torch's threads' locks along without the threads
    context = multiprocessing.get_context("spawn")
    pool: dict[Connection, BaseProcess] = {}
    try:
        with _interrupts_blocked():  # what a process starts with, it passes on: no worker is interrupted, ever
            for _ in range(min(workers, len(pieces))):
                ours, theirs = context.Pipe()
                pool[ours] = context.Process(target=_serve, args=(theirs, work), daemon=True)
                pool[ours].start()
                theirs.close()
        yield from _collect(pool, pieces)
    finally:
        started = [process for process in pool.values() if process.pid is not None]
        for process in started:
            process.kill()  # it writes nothing, so there is nothing to finish
        for process in started:
            process.join(_ANSWER)


def _collect(pool: dict[Connection, BaseProcess], pieces: list[Any]) -> Iterator[Any]:
    """Hand the pieces out, one at a time to each worker, and yield the results as their turn comes."""
    waiting = iter(enumerate(pieces))
    results: dict[int, Any] = {}
    given: dict[Connection, int] = {}
    turn = 0
    idle = list(pool)
    while turn < len(pieces):
        for pipe in idle:
            if (following := next(waiting, None)) is not None:
                given[pipe], piece = following
                _talk(pool[pipe], pipe.send_bytes, pickle.dumps(piece))
        # a worker that was ended closes its pipe, which then is ready
        idle = connection.wait(list(given))
        for pipe in idle:
            result = pickle.loads(_talk(pool[pipe], pipe.recv_bytes))
            if isinstance(result, Exception):
                raise result
            results[given.pop(pipe)] = result
        while turn in results:
            yield results.pop(turn)
            turn += 1


def _talk(process: BaseProcess, say: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return say(*arguments)
    except (EOFError, OSError):
        process.join(_ANSWER)
        code = process.exitcode
        raise FfreproError(
            f"a worker process was ended{f' by signal {-code}' if code and code < 0 else ''}",
            where=f"process {process.pid}",
            fix="run the same command again, with fewer --workers if the memory was full",
        ) from None


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """A worker: a piece in, a result out, until the parent has no more or is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            piece = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        try:
            result = work(piece)
        except Exception as error:
            error.add_note(traceback.format_exc())
            result = error
        # pickled here, not by the pipe: there every tensor takes an open file, and thousands are too many
        pipe.send_bytes(pickle.dumps(result))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let a Ctrl-C wait until the block ends."""
    resource_tracker.ensure_running()  # starting it in the block would end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
