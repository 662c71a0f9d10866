"""Figures: one file for each kind, found by the kind's name in the claims file.

A kind's function takes a ``Scene`` and the figure's entry in the claims file and returns what it drew. Where records
are missing the picture says so.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl

from ffrepro.base.names import unknown
from ffrepro.claims.figures import (
    bars,
    class_goodness,
    classifiers,
    confusion,
    curves,
    difficulty,
    filters,
    goodness,
    graph,
    roc,
    strokes,
    sweep,
)
from ffrepro.claims.figures.style import STYLE, Drawn, Scene

KINDS: dict[str, Callable[[Scene, dict], list[Drawn]]] = {
    "layer_accuracy": curves.layer_accuracy,
    "learning_curves": curves.learning_curves,
    "goodness": goodness.draw,
    "graph": graph.draw,
    "sweep": sweep.draw,
    "roc": roc.draw,
    "epochs": bars.epochs,
    "cost": bars.cost,
    "difficulty": difficulty.draw,
    "snr": strokes.snr,
    "movement": strokes.one,
    "error_curves": classifiers.error_curves,
    "layer_curves": classifiers.layer_curves,
    "schemes": classifiers.error_by_scheme,
    "confusion": confusion.draw,
    "class_goodness": class_goodness.draw,
    "filters": filters.draw,
}


def draw_all(scene: Scene) -> list[Drawn]:
    """Every figure of the paper's claims file.

    Raises:
        FfreproError: a kind that does not exist.
    """
    drawn = []
    for entry in scene.claims.content["figures"]:
        if entry["kind"] not in KINDS:
            raise unknown("kind of figure", entry["kind"], KINDS, where=f"claims of {scene.claims.paper}")
        with mpl.rc_context(STYLE):
            drawn += KINDS[entry["kind"]](scene, entry)
    return drawn
