"""Groups of layers with the smallest largest cost."""

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.training.parallel.partition import bound, partition


@pytest.mark.parametrize(
    ("costs", "groups", "expected"),
    [
        ([784, 1000, 1000, 1000], 2, [range(0, 2), range(2, 4)]),  # 2000 beats 2784 and 3000
        ([5, 1, 1, 1], 2, [range(0, 1), range(1, 4)]),  # 5 beats 6 and 7
        ([1, 1, 1, 9], 3, [range(0, 1), range(1, 3), range(3, 4)]),
        ([2, 3, 4], 3, [range(0, 1), range(1, 2), range(2, 3)]),
        ([2, 3], 1, [range(0, 2)]),
    ],
)
def test_the_largest_cost_is_the_smallest_possible(costs, groups, expected):
    found = partition(costs, groups)
    assert max(sum(costs[i] for i in some) for some in found) == max(sum(costs[i] for i in some) for some in expected)
    assert [i for some in found for i in some] == list(range(len(costs)))
    assert len(found) == groups


def test_fewer_layers_than_processes_are_refused():
    with pytest.raises(FfreproError) as caught:
        partition([1.0, 1.0], 3)
    assert caught.value.where == "processes"
    assert "2" in str(caught.value) and "3" in str(caught.value)


def test_the_bound_is_the_sum_over_the_slowest():
    assert bound([2.0, 1.0, 1.0]) == 2.0
    assert bound([3.0, 3.0]) == 2.0
