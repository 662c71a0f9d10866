"""Limits on time and memory that a cluster is asked for."""

import pytest

from ffrepro.pipeline import limits
from ffrepro.pipeline.estimates import Estimate


@pytest.mark.parametrize(
    ("seconds", "attempt", "minutes"),
    [(0.0, 1, 1), (10.0, 1, 1), (10.1, 1, 2), (10.1, 3, 8), (3600.0, 1, 181), (None, 1, None), (None, 2, None)],
)
def test_minutes_are_thirty_seconds_and_three_times_the_estimate(seconds, attempt, minutes):
    assert limits.minutes(Estimate(seconds, "test", None, None), attempt) == minutes


@pytest.mark.parametrize(
    ("peak", "attempt", "mb"), [(400.0, 1, 1600), (400.2, 1, 1601), (400.0, 2, 3200), (None, 1, None)]
)
def test_megabytes_are_a_thousand_and_half_more_than_the_peak(peak, attempt, mb):
    assert limits.megabytes(Estimate(None, "unknown", peak, None), attempt) == mb
