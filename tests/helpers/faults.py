"""File operations that fail: a process that is killed in one of them, or a disk that is full from one of them on."""

import builtins
import errno
import io
import os
from pathlib import Path

KILL, FULL = "kill", "full"


class Killed(BaseException):
    """Stands for SIGKILL: after it, not even clean-up code touches a file any more."""


class Disk:
    """Counts the file operations below a folder while it is entered, and lets one of them fail.

    An operation is the making, writing (each piece), flushing, renaming or removing of a file or folder. A write that
    fails leaves half of its piece. Nothing is really flushed: no test here loses power.

    Args:
        root: the folder.
        at: the number of the operation that fails, from 0; None: none does.
        kind: ``KILL``: nothing happens any more from there on. ``FULL``: nothing that takes space can be done any more.
    """

    def __init__(self, root, at=None, kind=KILL):
        self.root, self.at, self.kind = Path(root).resolve(), at, kind
        self.count = 0
        self.struck = False

    def __enter__(self):
        self._real = {name: getattr(os, name) for name in self._RENAMES + self._REMOVALS + self._MAKERS}
        self._real |= {"fsync": os.fsync, "open": os.open, "fdopen": os.fdopen, "io": io.open}
        for name in self._RENAMES + self._REMOVALS + self._MAKERS:
            setattr(os, name, self._wrapped(name, takes_space=name not in self._REMOVALS))
        os.fsync, os.open, os.fdopen = self._fsync, self._os_open, self._fdopen
        builtins.open = io.open = self._open
        return self

    _RENAMES = ("replace", "rename")
    _REMOVALS = ("unlink", "remove", "rmdir")
    _MAKERS = ("mkdir",)

    def __exit__(self, *_):
        real = self._real
        for name in self._RENAMES + self._REMOVALS + self._MAKERS:
            setattr(os, name, real[name])
        os.fsync, os.open, os.fdopen = real["fsync"], real["open"], real["fdopen"]
        builtins.open = io.open = real["io"]

    def operation(self, path, takes_space=True):
        """Count one; raise if it is the one, or comes after it."""
        number, self.count = self.count, self.count + 1
        if self.at is None or number < self.at:
            return
        self.struck = True
        if self.kind == KILL:
            raise Killed(str(path))
        if takes_space:
            # As the system does it: a call that has a path names it, a write to an open file does not.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([os.fspath(path)] if path else []))

    def concerns(self, path):
        """Whether a path (relative ones count from the working folder) is below the root."""
        try:
            return self.root in Path(os.path.abspath(os.fspath(path))).parents
        except TypeError:  # a file descriptor
            return False

    def _wrapped(self, name, takes_space):
        real = self._real[name]

        def call(path, *args, **kwargs):
            if kwargs.get("dir_fd") is not None or self.concerns(path):
                self.operation(path, takes_space)
            return real(path, *args, **kwargs)

        return call

    def _fsync(self, handle):
        if self.concerns(os.readlink(f"/proc/self/fd/{handle}")):
            self.operation(None)

    def _os_open(self, path, flags, *args, **kwargs):
        if flags & os.O_CREAT and self.concerns(path):
            self.operation(path)
        return self._real["open"](path, flags, *args, **kwargs)

    def _fdopen(self, handle, mode="r", *args, **kwargs):
        if "b" in mode and "w" in mode and self.concerns(os.readlink(f"/proc/self/fd/{handle}")):
            return _Watched(handle, "wb", self)
        return self._real["fdopen"](handle, mode, *args, **kwargs)

    def _open(self, file, mode="r", *args, **kwargs):
        if isinstance(file, int) or not set(mode) & set("wax+") or not self.concerns(file):
            return self._real["io"](file, mode, *args, **kwargs)
        self.operation(file)
        watched = _Watched(file, mode.replace("t", ""), self)
        if "b" in mode:
            return watched
        return io.TextIOWrapper(watched, encoding=kwargs.get("encoding"), write_through=True)


class _Watched(io.FileIO):
    """An unbuffered file whose writes are operations."""

    def __init__(self, file, mode, disk):
        super().__init__(file, mode.replace("b", ""))
        self._disk = disk

    def write(self, data):
        data = memoryview(data).cast("B")
        try:
            self._disk.operation(None)
        except BaseException:
            super().write(data[: len(data) // 2])
            raise
        return super().write(data)


def every(root, attempt, *, chosen=None):
    """Let every file operation of ``attempt`` fail in both ways; yields the disk of each trial.

    The caller tries again (or starts from a new folder) between two trials: ``attempt`` is called once a trial, and
    must end in ``Killed``, in an error, or well.

    Args:
        attempt: called with a number of its own for each trial; what it returns or raises is the disk's ``outcome``.
        chosen: picks from the list of trials (number of the operation, kind); None: all.
    """
    with Disk(root) as counted:
        attempt()
    trials = [(at, kind) for at in range(counted.count) for kind in (KILL, FULL)]
    for at, kind in trials if chosen is None else chosen(trials):
        yield Disk(root, at, kind)
