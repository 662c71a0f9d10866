"""Figures of this paper alone: kinds that its claims name beside those of ``ffrepro.claims.figures``."""

from __future__ import annotations

from ffrepro.studies.chikhachev2025_rnn.figures import bars, difficulty, graph, strokes

KINDS = {
    "graph": graph.draw,
    "epochs": bars.epochs,
    "cost": bars.cost,
    "difficulty": difficulty.draw,
    "snr": strokes.snr,
    "movement": strokes.one,
}
