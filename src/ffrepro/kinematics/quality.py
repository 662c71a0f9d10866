"""Reconstruction quality of a plan: signal-to-noise ratios of velocity and trajectory."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


def snr_db(signal: np.ndarray, reconstruction: np.ndarray) -> float:
    """10 log10(sum |s|^2 / sum |s - s'|^2), any shape; inf where they are equal."""
    noise = float(np.square(signal - reconstruction).sum())
    power = float(np.square(signal).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power > 0 else -math.inf


class Motion(NamedTuple):
    """Attributes: position, velocity, (n, 2) each."""

    position: np.ndarray
    velocity: np.ndarray


class Quality(NamedTuple):
    """Attributes: snr_v and snr_t, dB; strokes; snr_v per stroke, dB."""

    snr_v: float
    snr_t: float
    strokes: int

    @property
    def snr_v_per_stroke(self) -> float:
        """SNRv / strokes (O'Reilly & Plamondon 2009): what a stroke is worth."""
        return self.snr_v / self.strokes if self.strokes else 0.0


def quality(signal: Motion, plan: Motion, strokes: int) -> Quality:
    """SNRv on velocities and SNRt on positions, each trajectory about its own mean."""
    return Quality(
        snr_db(signal.velocity, plan.velocity),
        snr_db(signal.position - signal.position.mean(0), plan.position - plan.position.mean(0)),
        strokes,
    )
