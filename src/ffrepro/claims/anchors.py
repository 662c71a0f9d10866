"""What the parts of a report are called where others link to them."""

from __future__ import annotations


def anchor(name: str) -> str:
    """Of a claim (its id) or of a group of runs."""
    return "id-" + name.replace("/", "-").replace(".", "-")


def group_of(run: str) -> str:
    """A run without its seed."""
    return run.rsplit("/", 1)[0]
