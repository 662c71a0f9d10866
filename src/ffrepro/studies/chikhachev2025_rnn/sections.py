"""Sections that the report has for this paper alone."""

from __future__ import annotations

from ffrepro.claims.blocks import Block
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.studies.chikhachev2025_rnn import difficulty


def sections(claims: Claims, store: Store, scale: str) -> list[Block]:
    """The report's blocks, between the paper's figures and its claims."""
    return difficulty.section(claims, store, scale)
