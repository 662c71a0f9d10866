"""Get an archive from the cache, a mirror or upstream, in this order; or make its stand-in.

Beside every archive stands ``<file>.json``, which says where it came from and how it differs from upstream. Nothing
is substituted without that record, and an archive that fails its checksum never gets its final name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from ffrepro.base import files, names
from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import SOURCES
from ffrepro.data import archive_record, archives, checksums, unpack
from ffrepro.data.alone import alone
from ffrepro.data.archives import Archive
from ffrepro.data.download import Patience, discard, download
from ffrepro.data.mirror import Mirror

MIRROR_VARIABLE = "FFREPRO_MIRROR"


def to_stderr(line: str) -> None:
    """The way ``fetch`` talks to a user unless told otherwise."""
    print(line, file=sys.stderr, flush=True)


def fetch(
    archive_name: str,
    source: str,
    raw_dir: str | Path,
    mirror: str | Path | None = None,
    *,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
    say: Callable[[str], None] = to_stderr,
) -> Path:
    """Make sure that an archive is in ``raw_dir/<source>/`` under its upstream file name.

    Args:
        archive_name: an archive, or a data set that is in it.
        source: "upstream" or "standin".
        raw_dir: the folder of all raw data.
        mirror: a folder or http(s) URL to try before upstream; the variable FFREPRO_MIRROR where None.
        patience: timeouts and retries.
        say: called with lines about what is done.

    Returns:
        The archive's path; ``<path>.json`` is its record: ``archive, file, source, from`` (mirror, upstream, standin),
        ``location, sha256, bytes, provenance, fetched`` (UTC; null for a stand-in, which is the same at any time).

    Raises:
        FfreproError: unknown name, no such mirror, a refused or broken download, a wrong checksum.
    """
    archive = archives.find(archive_name)
    if source not in SOURCES:
        raise names.unknown("source", source, SOURCES)
    target = Path(raw_dir) / source / archive.file
    with alone(target, say):
        if source == "standin":
            return _make_standin(archive, target, say)
        if _cached(target, say):
            say(f"{archive.name}: already there, checksum as recorded")
            return target
        return _obtain(archive, target, mirror or os.environ.get(MIRROR_VARIABLE), patience, say)


def _obtain(
    archive: Archive, target: Path, place: str | Path | None, patience: Patience, say: Callable[[str], None]
) -> Path:
    """The archive from the mirror at ``place``, or from upstream where there is none or it lacks the file."""
    part = target.with_name(target.name + ".part")
    if place:
        provenance = Mirror(place, patience=patience, say=say).obtain(archive.file, part)
        if provenance is not None:
            # The mirror's own address is the business of this machine, not of the records made from it.
            return _keep(archive, "upstream", part, target, "mirror", f"mirror/{archive.file}", provenance)
    elsewhere = (
        f"get the file elsewhere and put it into the mirror {place}, with its line in SHA256SUMS"
        if place
        else "get the file elsewhere, put it in a folder with SHA256SUMS and PROVENANCE.json, and set "
        f"{MIRROR_VARIABLE} to that folder or its URL"
    )
    if not archive.urls:
        raise FfreproError(
            f"{archive.file} is served by no upstream, and "
            + (f"the mirror {place} lacks it" if place else "no mirror is named"),
            where=f"archive {archive.name}",
            fix=archive.note
            if place
            else f"name the mirror that has it: {MIRROR_VARIABLE}=<folder or URL>. {archive.note}",
        )
    url = _from_upstream(archive, part, patience, elsewhere, say)
    return _keep(archive, "upstream", part, target, "upstream", url, "upstream as served")


def _cached(target: Path, say: Callable[[str], None]) -> bool:
    """Whether ``target`` is there with the content that its record states; one with other content is removed."""
    record = archive_record.path_of(target)
    if not target.is_file():
        return False
    try:
        stated = archive_record.read(record)["sha256"]
    except (FileNotFoundError, ValueError, FfreproError):
        say(f"{target} has no record of where it comes from: fetching it again")
        return False
    if stated == files.sha256_file(target):
        return True
    say(f"{target} is not what its record says (changed or damaged): removing it and fetching it again")
    target.unlink()
    record.unlink()
    return False


def _from_upstream(archive: Archive, part: Path, patience: Patience, elsewhere: str, say: Callable[[str], None]) -> str:
    """Download into ``part`` from the first address that gives the archive; returns the address."""
    for number, url in enumerate(archive.urls, start=1):
        say(f"{archive.name}: downloading {url}")
        known = archive.sha256 is not None
        try:
            download(url, part, checksum_known=known, patience=patience, elsewhere=elsewhere, say=say)
            _check(archive, part, url, elsewhere)
            return url
        except FfreproError as error:
            if number == len(archive.urls):
                raise
            say(f"{error.what}; trying the next address")
    raise AssertionError("every archive has an address")


def _check(archive: Archive, part: Path, url: str, elsewhere: str) -> None:
    """Remove and refuse a download that is not the archive: by its checksum, else by what can be read of it."""
    found = files.sha256_file(part)
    if archive.sha256 is not None and found != archive.sha256:
        what = f"checksum mismatch for {archive.file}: sha256 {found}, upstream states {archive.sha256}"
        if checksums.begins_as_html(part):
            what += ", and what came is an HTML page"
    elif archive.sha256 is None and checksums.begins_as_html(part):
        what = f"an HTML page came in place of {archive.file}"
    elif archive.sha256 is None and archive.file.endswith(unpack.ENDINGS):
        try:
            unpack.check(part)
            return
        except FfreproError as error:
            what = f"what came in place of {archive.file} is no usable archive: {error.what}"
    else:
        return
    discard(part)
    raise FfreproError(what, where=url, fix=f"run the same command again; if it stays so, {elsewhere}")


def _make_standin(archive: Archive, target: Path, say: Callable[[str], None]) -> Path:
    """Build the stand-in. An equal file keeps its time stamp, so that nothing downstream is made again."""
    standin = import_module(f"ffrepro.data.{archive.standin}")
    content = getattr(standin, archive.build)()
    if not (target.is_file() and files.sha256_file(target) == files.sha256_bytes(content)):
        files.write_bytes(target, content)
    record = _record(archive, "standin", target, "standin", "made by ffrepro", standin.PROVENANCE, fetched=None)
    files.write_text_if_changed(archive_record.path_of(target), files.dump_json(record))
    say(f"{archive.name}: {standin.PROVENANCE}")
    return target


def _keep(archive: Archive, source: str, part: Path, target: Path, kind: str, location: str, provenance: str) -> Path:
    """Give a checked file its final name, with its record."""
    os.replace(part, target)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    files.write_json(
        archive_record.path_of(target), _record(archive, source, target, kind, location, provenance, fetched=now)
    )
    return target


def _record(
    archive: Archive, source: str, target: Path, kind: str, location: str, provenance: str, *, fetched: str | None
) -> dict[str, object]:
    return {
        "archive": archive.name,
        "file": archive.file,
        "source": source,
        "from": kind,
        "location": location,
        "sha256": files.sha256_file(target),
        "bytes": target.stat().st_size,
        "provenance": provenance,
        "fetched": fetched,
    }
