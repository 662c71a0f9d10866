"""The archives that data sets come in: upstream names, addresses, checksums, licences.

Adding one is adding an entry to ``ARCHIVES``. ``fetch`` reads nothing else about an archive.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.base import names

_BSP_COMMIT = "3343fb01f69575dd4fee44d92e83ff7784d15d12"


@dataclass(frozen=True)
class Archive:
    """One upstream file.

    Attributes:
        name: what users and rules call it.
        file: the upstream file name, also used in mirrors and in the cache.
        urls: where upstream serves it, tried in order.
        sha256: hex SHA-256 of the upstream file; None where upstream promises no stable bytes.
        licence: one sentence about the terms.
        datasets: the data sets prepared from it (their names are accepted as aliases).
        standin: the module of ``ffrepro.data`` whose ``build_archive()`` makes the stand-in.
        note: what a user must know about its checksum.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str | None
    licence: str
    datasets: tuple[str, ...]
    standin: str
    note: str = ""


ARCHIVES = {
    archive.name: archive
    for archive in (
        Archive(
            name="trajectories",
            file=f"BSP-S5-Forward-Forward-RNN-{_BSP_COMMIT}.tar.gz",
            urls=(f"https://codeload.github.com/FChikh/BSP-S5-Forward-Forward-RNN/tar.gz/{_BSP_COMMIT}",),
            sha256=None,
            licence="MIT for the repository; MCYT and MobileTouchDB keep the agreements they were collected under",
            datasets=("dollar", "mcyt", "mobiletouch", "raton"),
            standin="standin",
            note="GitHub makes this archive anew on request and guarantees the commit's files, not the archive's "
            "bytes, so there is no upstream checksum to hold it to; the one obtained is recorded beside the file.",
        ),
    )
}


def find(name: str) -> Archive:
    """The archive called ``name``, or the one that holds the data set called ``name``.

    Raises:
        FfreproError: neither exists; the message suggests the nearest name.
    """
    for archive in ARCHIVES.values():
        if name == archive.name or name in archive.datasets:
            return archive
    aliases = [dataset for archive in ARCHIVES.values() for dataset in archive.datasets]
    raise names.unknown("archive", name, [*ARCHIVES, *aliases])
