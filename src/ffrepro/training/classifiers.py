"""Classifiers that are fitted at once, scikit-learn's: trivial baselines on a table of features.

scikit-learn is loaded when one is fitted: the training core must import without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ffrepro.base.settings import integer, number

VERSION = 1  # of their numbers: tests/golden/fits.json
SETTINGS = {  # by classifier
    "gbt": {
        "trees": integer("boosting iterations", 100, minimum=1),
        "learning_rate": number("shrinkage of each tree", 0.1, above=0),
        "leaves": integer("leaves of a tree, at most", 31, minimum=2),
        "leaf_samples": integer("samples in a leaf, at least", 20, minimum=1),
        "l2": number("L2 penalty of leaf values", 0.0, minimum=0),
    },
    "logreg": {
        "inverse_penalty": number("inverse of the L2 penalty's strength", 1.0, above=0),
        "iterations": integer("iterations of the solver, at most", 1000, minimum=1),
    },
    "linear": {
        "inverse_penalty": number("inverse of the L2 penalty's strength", 1.0, above=0),
        "iterations": integer("iterations of the solver, at most", 1000, minimum=1),
    },
    "naive_bayes": {"smoothing": number("count added to every feature", 1.0, above=0)},
}


def logits(
    settings: dict[str, Any],
    x_NF: np.ndarray,
    label_N: np.ndarray,
    others: dict[str, np.ndarray],
    seed: int,
    threads: int,
) -> dict[str, np.ndarray]:
    """Fit a classifier and score other samples with it.

    Args:
        settings: ``name`` (gbt: gradient-boosted trees on histograms; logreg: logistic regression on standardised
            features; linear: on features as they are; naive_bayes: multinomial) and the settings of that name.
        x_NF: (N, F), of the last two maybe sparse. label_N: (N,) in {0, 1}.
        others: name -> (M, F).
        threads: of the trees' OpenMP loops.

    Returns:
        name -> float64 (M,), above 0 where class 1 is more likely.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        classifier = _BUILD[settings["name"]](settings, seed).fit(x_NF, label_N)
        return {name: _decide(classifier, x_MF).astype(np.float64) for name, x_MF in others.items()}


def _decide(classifier: Any, x_MF: np.ndarray) -> np.ndarray:
    """Log odds of class 1."""
    if hasattr(classifier, "decision_function"):
        return classifier.decision_function(x_MF)
    return np.diff(classifier.predict_joint_log_proba(x_MF), axis=1)[:, 0]


def _gbt(settings: dict[str, Any], seed: int):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings["trees"],
        learning_rate=settings["learning_rate"],
        max_leaf_nodes=settings["leaves"],
        min_samples_leaf=settings["leaf_samples"],
        l2_regularization=settings["l2"],
        early_stopping=False,
        random_state=seed,
    )


def _logreg(settings: dict[str, Any], seed: int):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=settings["inverse_penalty"], max_iter=settings["iterations"], random_state=seed)
    return make_pipeline(StandardScaler(), regression)


def _linear(settings: dict[str, Any], seed: int):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=settings["inverse_penalty"], max_iter=settings["iterations"], random_state=seed)


def _naive_bayes(settings: dict[str, Any], seed: int):
    from sklearn.naive_bayes import MultinomialNB

    return MultinomialNB(alpha=settings["smoothing"])


_BUILD = {"gbt": _gbt, "logreg": _logreg, "linear": _linear, "naive_bayes": _naive_bayes}
