"""NLTK's word tokenizer with sentence boundaries by punkt, from the archive of its parameters."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ffrepro.base.errors import FfreproError
from ffrepro.data import unpack

FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


def words() -> Callable[[str], list[str]]:
    """A function from one sentence to its tokens by NLTK's word tokenizer: it needs no parameters."""
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer().tokenize


def tokenizer(punkt: Path, language: str = "english") -> Callable[[str], list[str]]:
    """A function from a text to its tokens, as ``nltk.word_tokenize`` gives them.

    NLTK itself reads the parameters from its own data folders only; here they come from the fetched archive.

    Args:
        punkt: ``punkt_tab.zip``, the parameters of punkt for one or more languages.
        language: folder of that archive.

    Raises:
        FfreproError: the archive is missing, damaged, or without that language.
    """
    from nltk.tabdata import PunktDecoder
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    if not punkt.is_file():
        raise FfreproError("punkt's parameters are not there", where=punkt, fix="fetch them: ffrepro fetch punkt")

    def wanted(name: str) -> bool:
        path = PurePosixPath(name)
        return path.name in FILES and path.parent.name == language

    found = {PurePosixPath(name).name: content for name, content in unpack.members(punkt, wanted)}
    fix = "delete this file and fetch it again: ffrepro fetch punkt"
    if len(found) < len(FILES):
        missing = ", ".join(name for name in FILES if name not in found)
        raise FfreproError(f"punkt's parameters for {language} lack {missing}", where=punkt, fix=fix)
    parameters, decoder = PunktParameters(), PunktDecoder()
    try:
        files = {name: io.StringIO(content.decode()) for name, content in found.items()}
        parameters.collocations = set(decoder.tab2tups(files["collocations.tab"]))
        parameters.sent_starters = decoder.txt2set(files["sent_starters.txt"])
        parameters.abbrev_types = decoder.txt2set(files["abbrev_types.txt"])
        parameters.ortho_context = decoder.tab2intdict(files["ortho_context.tab"])
    except (ValueError, IndexError) as error:
        raise FfreproError(f"punkt's parameters cannot be read ({error})", where=punkt, fix=fix) from error
    sentences, words = PunktSentenceTokenizer(parameters), NLTKWordTokenizer()
    return lambda text: [token for sentence in sentences.tokenize(text) for token in words.tokenize(sentence)]
