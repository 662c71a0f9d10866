"""Sections that the report has for this paper alone."""

from __future__ import annotations

from ffrepro.claims.blocks import Block
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.studies.kim2025_transformer import machines, measured, pairs, targets, words


def sections(claims: Claims, store: Store, scale: str) -> list[Block]:
    """The report's blocks, between the paper's figures and its claims."""
    parts = (words.section, measured.section, pairs.section, targets.section, machines.section)
    return [block for part in parts for block in part(claims, store, scale)]
