"""A lock between processes, released when its holder ends, however it ends.

The operating system holds it (``flock``); the file is only its name. Who removes or replaces that file takes nothing
from its holder: a waiter that gets the lock of a file that is no longer there tries again with the one that is.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ffrepro.base.errors import FfreproError

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Busy(FfreproError):
    """Another process holds the lock."""


@contextmanager
def locked(
    path: Path, on_wait: Callable[[str], None] | None = None, *, wait: bool = True, remove: bool = False
) -> Iterator[bool]:
    """Hold an exclusive lock on a lock file; wait for whoever holds it. True where it had to wait.

    Args:
        on_wait: called once with words for the holder before a wait: ``process 4711 on host``, ``another process``.
        wait: False: do not wait but raise ``Busy``.
        remove: leave no lock file behind.

    Raises:
        Busy: held by another process, and not to be waited for.
        FfreproError: the file system knows no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    waited, handle = False, -1
    while handle < 0:
        handle = _open(path)
        try:
            if not _try(handle, path):
                if not wait:
                    raise Busy(f"{_holder(path)} is at work here", where=path, fix="wait until it has ended")
                if on_wait is not None and not waited:
                    on_wait(_holder(path))
                waited = True
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_still(path, handle):
                os.close(handle)
                handle = -1
        except BaseException:
            os.close(handle)
            raise
    try:
        _note(handle)
        yield waited
    finally:
        try:
            if remove:
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)  # releases the lock


def _open(path: Path) -> int:
    """The lock file; one that another user of a shared folder left can be read alone, which is enough to lock it."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not path.is_file():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _note(handle: int) -> None:
    """Write into the lock file who holds it; on a full disk it stays unsaid."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode())


def _try(handle: int, path: Path) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        raise FfreproError(
            f"this file system knows no locks ({error.strerror}): two processes could spoil each other's work",
            where=path,
            fix="work on a local disk (a link to a folder there will do), or mount this one with locks",
        ) from None
    return True


def _holder(path: Path) -> str:
    """Words for the process that noted itself in a lock file."""
    try:
        return path.read_text().strip() or "another process"
    except (OSError, ValueError):
        return "another process"


def _is_still(path: Path, handle: int) -> bool:
    """Whether the open file is the one of this name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
