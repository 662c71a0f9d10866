"""The one exception type for anything a user can cause and mend."""

from __future__ import annotations

import errno


class FfreproError(Exception):
    """An error a user can act on.

    Args:
        what: what went wrong, one sentence.
        where: the file, key or place it concerns.
        fix: what to do about it.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None):
        self.what, self.where, self.fix = what, where, fix
        lines = [what]
        if where is not None:
            lines.append(f"  where: {where}")
        if fix:
            lines.append(f"  fix:   {fix}")
        super().__init__("\n".join(lines))


class DataFileError(FfreproError, ValueError):
    """A file, or a text, that cannot be read as what it should be.

    Also a ``ValueError``: who takes an unreadable file for an absent one catches it as such.
    """


def explain_os_error(error: OSError) -> FfreproError:
    """Turn an operating-system error (a full disk, say) into one that says what to do."""
    where = error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FfreproError(
            "no space left on the disk",
            where=where,
            fix="free some space and run the same command again: finished work is kept, and a run in progress "
            "goes on from its last checkpoint",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FfreproError(f"no permission: {error.strerror}", where=where, fix="make the path writable")
    return FfreproError(f"{error.strerror or error}", where=where)
