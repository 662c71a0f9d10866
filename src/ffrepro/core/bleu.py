"""BLEU of token ids by sacrebleu and by NLTK; both are loaded when one is computed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

Ids = Sequence[Sequence[int]]


def scores(hypotheses: Ids, references: Ids) -> dict[str, float]:
    """Corpus BLEU in 0 to 100, one reference each.

    Returns:
        ``sacre``: sacrebleu's (exponential smoothing, its default); ``nltk``: NLTK's ``corpus_bleu`` without smoothing.
    """
    from nltk.translate.bleu_score import corpus_bleu

    with warnings.catch_warnings():  # NLTK's, of orders without a match
        warnings.simplefilter("ignore")
        nltk = float(corpus_bleu([[list(found)] for found in references], [list(found) for found in hypotheses]))
    return {"sacre": _sacre().corpus_score(_texts(hypotheses), [_texts(references)]).score, "nltk": 100 * nltk}


def statistics(hypotheses: Ids, references: Ids) -> np.ndarray:
    """What the corpus score is made of, int64 (S, 10): lengths of hypothesis and reference, and of each order 1 to 4
    the matches, then of each the totals. Sums over texts give a corpus.
    """
    metric, rows = _sacre(), []
    for hypothesis, reference in zip(_texts(hypotheses), _texts(references), strict=True):
        score = metric.corpus_score([hypothesis], [[reference]])
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, np.int64).reshape(-1, 10)


def _sacre():
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="none", force=True)


def _texts(ids: Ids) -> list[str]:
    return [" ".join(map(str, found)) for found in ids]
