"""The record of a data set that comes in one archive or in several."""

from __future__ import annotations

from typing import Any

from ffrepro.base.files import sha256_json


def of_archives(dataset: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    """An archive's own record, or a summary of several with theirs under ``files``.

    Args:
        dataset: the data set's name.
        records: of its archives (``ffrepro.data.prepared.provenance``), in the set's order.
    """
    if len(records) == 1:
        return records[0]

    def joined(key: str) -> str:
        return "; ".join(dict.fromkeys(str(record[key]) for record in records))

    return {
        "archive": dataset,
        "file": ", ".join(record["file"] for record in records),
        "source": joined("source"),
        "from": joined("from"),
        "location": ", ".join(record["location"] for record in records),
        "sha256": sha256_json([record["sha256"] for record in records]),
        "bytes": sum(record["bytes"] for record in records),
        "provenance": joined("provenance"),
        "files": records,
    }
