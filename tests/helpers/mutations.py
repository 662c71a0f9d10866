"""Hostile versions of a good file: seeded damage to its bytes, and the same content with something wrong in it."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator

WRONG = (None, True, -1, 1e308, 10**18, "", "x" * 5000, "\x1b[2J<script>=1+1|", [], {}, [[]], {"": {"": None}})


def damaged(content: bytes, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(what was done, bytes): fixed kinds of damage first, then ``count`` seeded ones."""
    text = content.decode("utf-8", errors="replace")
    yield "empty", b""
    yield "white space", b" \n\n"
    yield "NULs", b"\0" * 64
    yield "NUL inside", content[:20] + b"\0" + content[20:]
    yield "UTF-16", text.encode("utf-16")
    yield "Latin-1", "ñ: é\n".encode("latin-1") + content
    yield "HTML", b"<!DOCTYPE html><html><body>404</body></html>\n"
    yield "deep", b"[" * 100_000
    yield "twice", content + content
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.4:
            at = rng.randrange(len(content))
            yield f"cut at {at}", content[:at]
            continue
        data = bytearray(content)
        for _ in range(rng.choice((1, 1, 4))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        yield "bytes changed", bytes(data)


def reshaped(content: bytes, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(what was done, bytes) of a JSON object: whole-file faults, then entries of another type and missing ones."""
    value = json.loads(content)
    yield "a list", json.dumps([value]).encode()
    yield "a key twice", b'{"run": 1, ' + content.lstrip()[1:]
    yield "a huge number", b'{"zzz": ' + b"9" * 5000 + b", " + content.lstrip()[1:]
    yield "beyond float64", b'{"zzz": 1e999, ' + content.lstrip()[1:]
    yield "NaN", b'{"zzz": NaN, ' + content.lstrip()[1:]
    yield "nested", b'{"zzz": ' + b"[" * 300 + b"]" * 300 + b", " + content.lstrip()[1:]
    yield "half a surrogate", b'{"zzz": "\\ud800", ' + content.lstrip()[1:]
    rng = random.Random(seed)
    paths = list(_paths(value))
    for _ in range(count):
        *parents, last = rng.choice(paths)
        made = copy.deepcopy(value)
        node = made
        for part in parents:
            node = node[part]
        if rng.random() < 0.25:
            del node[last]
            yield f"without {[*parents, last]}", json.dumps(made).encode()
        else:
            node[last] = rng.choice(WRONG)
            yield f"{[*parents, last]} = {node[last]!r:.30}", json.dumps(made).encode()


def _paths(value: object, at: tuple = ()) -> Iterator[tuple]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield (*at, key)
        yield from _paths(child, (*at, key))
