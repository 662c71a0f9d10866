"""What a run asks a cluster for: minutes and megabytes, from the estimates that `ffrepro plan` prints."""

from __future__ import annotations

import math

from ffrepro.pipeline.estimates import Estimate

# A node may be slower than the machine whose records the estimate is from, and its file system too.
TIME_FACTOR = 3.0
START_S = 30.0  # Snakemake and PyTorch start, data are read; no part of a record's times
MEMORY_FACTOR = 1.5
# A job has Snakemake's own process beside the run's, and a CUDA run's record counts the memory of the device alone.
START_MB = 1000.0


def minutes(estimate: Estimate, attempt: int = 1) -> int | None:
    """The time limit of a run's job, in whole minutes; twice as much at each further attempt. None: unknown.

    A run that was ended goes on from its last checkpoint, so that attempts add up.

    Args:
        attempt: 1 for the first.
    """
    if estimate.seconds is None:
        return None
    return math.ceil((START_S + TIME_FACTOR * estimate.seconds) / 60) * 2 ** (attempt - 1)


def megabytes(estimate: Estimate, attempt: int = 1) -> int | None:
    """The memory of a run's job in MB; twice as much at each further attempt. None: unknown."""
    if estimate.memory_mb is None:
        return None
    return math.ceil(START_MB + MEMORY_FACTOR * estimate.memory_mb) * 2 ** (attempt - 1)
