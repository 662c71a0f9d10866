"""The local update schedules, written out by hand."""

import pytest

from ffrepro.core.updates import groups


@pytest.mark.parametrize(
    ("schedule", "layers", "size", "step", "expected"),
    [
        ("simultaneous", 3, 2, 0, [[0], [1], [2]]),
        ("greedy", 2, 2, 5, [[0], [1]]),
        ("overlapping", 4, 2, 0, [[0, 1], [1, 2], [2, 3]]),
        ("overlapping", 5, 3, 1, [[0, 1, 2], [2, 3, 4]]),
        ("overlapping", 4, 3, 1, [[0, 1, 2], [2, 3]]),
        ("overlapping", 3, 4, 0, [[0, 1, 2]]),
        ("overlapping", 1, 2, 0, [[0]]),
        ("chunked", 4, 2, 1, [[0, 1], [2, 3]]),
        ("chunked", 5, 2, 0, [[0, 1], [2, 3], [4]]),
        ("alternating", 4, 2, 0, [[0, 1], [2, 3]]),
        ("alternating", 4, 2, 1, [[0], [1, 2], [3]]),
        ("alternating", 5, 2, 3, [[0], [1, 2], [3, 4]]),
        ("alternating", 1, 2, 1, [[0]]),
    ],
)
def test_by_hand(schedule, layers, size, step, expected):
    assert groups(schedule, layers, size, step) == expected


@pytest.mark.parametrize("schedule", ["greedy", "simultaneous", "overlapping", "chunked", "alternating"])
@pytest.mark.parametrize("layers", range(1, 8))
@pytest.mark.parametrize("step", [0, 1])
def test_every_layer_learns_at_every_step(schedule, layers, step):
    assert {layer for group in groups(schedule, layers, 2, step) for layer in group} == set(range(layers))


@pytest.mark.parametrize("layers", range(1, 8))
def test_alternating_pairs_make_every_layer_the_last_of_a_group_within_two_steps(layers):
    last = {group[-1] for step in (0, 1) for group in groups("alternating", layers, 2, step)}
    assert last == set(range(layers))
