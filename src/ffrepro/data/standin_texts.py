"""Stand-ins for the text archives: upstream's layouts and formats, made-up words.

A review mixes words that say nothing with words that lean to its class; a translation replaces every word by its twin
in the other language and moves the verb to the end. The bytes are the same on every machine.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np

from ffrepro.data.standin_bytes import PROVENANCE, gzip_stored, tar_gz
from ffrepro.data.standin_motion import generator
from ffrepro.data.tokens import FILES

__all__ = ["PROVENANCE", "punkt_archive", "reviews_archive", "translations_archive"]

REVIEWS = {"train": 160, "test": 60}  # of each class
SENTENCES = {"train": 240, "val": 40, "test_2016_flickr": 40}
_SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "ti")
_COMMON, _LEANING = 60, 12  # words, and words that lean to each class
_SHARE = 0.2  # of a review's words that lean
_LANGUAGES = {"en": "", "de": "en"}  # what is put behind a word


def reviews_archive() -> bytes:
    """Stand-in for aclImdb_v1.tar.gz: reviews of 5 to 40 words, named as upstream."""
    words = _words(_COMMON + 2 * _LEANING)
    share = 1 / np.arange(1, _COMMON + 1)
    members = {}
    for part, count in REVIEWS.items():
        for label, name in enumerate(("neg", "pos")):
            for number in range(count):
                rng = generator(f"reviews/{part}/{name}/{number}")
                length = int(rng.integers(5, 41))
                leaning = _COMMON + label * _LEANING + rng.integers(0, _LEANING, length)
                common = rng.choice(_COMMON, length, p=share / share.sum())
                chosen = np.where(rng.random(length) < _SHARE, leaning, common)
                text = " ".join(words[index] for index in chosen).capitalize() + "."
                rating = int(rng.integers(1, 5)) + 6 * label
                members[f"aclImdb/{part}/{name}/{number}_{rating}.txt"] = text.encode()
    return tar_gz(members)


def translations_archive() -> bytes:
    """Stand-in for the English and German files of Multi30k's task 1."""
    words = _words(_COMMON)
    members = {}
    for part, count in SENTENCES.items():
        rng = generator(f"translations/{part}")
        chosen = [rng.integers(0, _COMMON, int(rng.integers(4, 9))) for _ in range(count)]
        for language, ending in _LANGUAGES.items():
            lines = []
            for sentence in chosen:
                order = sentence if language == "en" else [*sentence[:1], *sentence[2:], sentence[1]]
                lines.append(" ".join(words[index] + ending for index in order).capitalize() + ".")
            text = "".join(f"{line}\n" for line in lines).encode()
            members[f"multi30k/data/task1/raw/{part}.{language}.gz"] = gzip_stored(text)
    return tar_gz(members)


def punkt_archive() -> bytes:
    """Stand-in for punkt_tab.zip: the four files of English and German, with an abbreviation and little else."""
    content = dict(zip(FILES, ("dr\n", "", "the\t32\n", "the\n"), strict=True))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for language in ("english", "german"):
            for name in FILES:
                info = zipfile.ZipInfo(f"punkt_tab/{language}/{name}")
                info.create_system = 3
                archive.writestr(info, content[name])
    return buffer.getvalue()


def _words(count: int) -> list[str]:
    """Different pronounceable words of two or three syllables."""
    base = len(_SYLLABLES)
    return [
        "".join(_SYLLABLES[index // base**place % base] for place in range(2 + (index >= base**2)))
        for index in range(count)
    ]
