"""Figures: one file for each kind, found by the kind's name in the claims file; a study may have kinds of its own.

A kind's function takes a ``Scene`` and the figure's entry in the claims file and returns what it drew. Where records
are missing the picture says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import matplotlib as mpl

from ffrepro.base import studies
from ffrepro.base.names import unknown
from ffrepro.claims.figures import (
    class_goodness,
    classifiers,
    confusion,
    curves,
    filters,
    goodness,
    roc,
    sweep,
)
from ffrepro.claims.figures.style import STYLE, Drawn, Scene

KINDS: dict[str, Callable[[Scene, dict], list[Drawn]]] = {
    "layer_accuracy": curves.layer_accuracy,
    "learning_curves": curves.learning_curves,
    "goodness": goodness.draw,
    "sweep": sweep.draw,
    "roc": roc.draw,
    "error_curves": classifiers.error_curves,
    "layer_curves": classifiers.layer_curves,
    "schemes": classifiers.error_by_scheme,
    "confusion": confusion.draw,
    "class_goodness": class_goodness.draw,
    "filters": filters.draw,
}


def kinds(paper: str) -> dict[str, Callable[[Scene, dict], list[Drawn]]]:
    """The kinds of figures that a paper's claims may name: those of all, and ``KINDS`` of its study's ``figures``."""
    own = studies.module(paper, "figures")
    return KINDS | (own.KINDS if own else {})


def draw_all(scene: Scene) -> list[Drawn]:
    """Every figure of the paper's claims file.

    Raises:
        FfreproError: a kind that does not exist.
    """
    drawn, known = [], kinds(scene.claims.paper)
    for entry in scene.claims.content["figures"]:
        if entry["kind"] not in known:
            raise unknown("kind of figure", entry["kind"], known, where=f"claims of {scene.claims.paper}")
        with mpl.rc_context(STYLE):
            answers = tuple(entry.get("claims", ()))
            drawn += [replace(found, claims=answers) for found in known[entry["kind"]](scene, entry)]
    return drawn
