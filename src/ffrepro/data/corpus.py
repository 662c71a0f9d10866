"""Tokenised texts as arrays: the tokens of all of them one after the other, as numbers of word types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KINDS = {"token": (np.int32, 1), "start": (np.int64, 1), "types": (np.uint8, 1)}


def pack(texts: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Tokenised texts as arrays.

    Returns:
        ``token`` int32 (all tokens,), places in the sorted list of types; ``start`` int64 (N + 1,), where each text
        begins, and the end of the last; ``types`` uint8, the types in UTF-8 with a line break after each.
    """
    types = sorted({token for text in texts for token in text})
    place = {token: index for index, token in enumerate(types)}
    return {
        "token": np.fromiter((place[token] for text in texts for token in text), np.int32),
        "start": np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64),
        "types": np.frombuffer("".join(f"{token}\n" for token in types).encode(), np.uint8).copy(),
    }


def types_of(types: np.ndarray) -> list[str]:
    """The list of types that ``token`` refers to."""
    return types.tobytes().decode().split("\n")[:-1]


def rows(token: np.ndarray, start: np.ndarray, length: int, empty: int) -> np.ndarray:
    """The first ``length`` tokens of every text, int32 (N, length), with ``empty`` behind shorter ones."""
    places = start[:-1, None] + np.arange(length)
    inside = places < start[1:, None]
    return np.where(inside, token[np.minimum(places, len(token) - 1)], empty).astype(np.int32)
