"""Summary numbers of a detector's input, against values worked out by hand."""

import numpy as np
import pytest

from ffrepro.data.features import Sequences
from ffrepro.data.summary_features import NAMES, table


def test_values_by_hand_and_the_cut_at_the_net_s_length():
    values = np.array([[3.0, 4.0], [0.0, 0.0], [3.0, -4.0], [100.0, 100.0]])
    found = dict(zip(NAMES, table(Sequences(values, np.array([0, 4])), 3)[0], strict=True))
    assert found["steps"] == 3
    assert [found[f"first_{name}"] for name in ("mean", "min", "max", "change", "zeros")] == pytest.approx(
        [2, 0, 3, 3, 1 / 3]
    )
    assert [found[f"second_{name}"] for name in ("mean", "min", "max", "change", "zeros")] == pytest.approx(
        [0, -4, 4, 4, 1 / 3]
    )
    assert found["first_std"] == pytest.approx(np.sqrt(2)) and found["second_std"] == pytest.approx(np.sqrt(32 / 3))
    assert [found[f"norm_{name}"] for name in ("mean", "max")] == pytest.approx([10 / 3, 5])
    assert found["norm_std"] == pytest.approx(np.sqrt(50 / 9))


def test_empty_and_single_steps_are_numbers_and_order_is_kept():
    values = np.array([[1.0, 0.0], [2.0, 2.0], [2.0, 2.0]])
    out = table(Sequences(values, np.array([0, 1, 1, 3])), 10)
    assert np.isfinite(out).all() and out[:, 0].tolist() == [1, 0, 2]
    assert not out[1].any()
    assert out[0, NAMES.index("first_change")] == 0 and out[0, NAMES.index("second_zeros")] == 1
    assert out[2, NAMES.index("norm_mean")] == pytest.approx(np.sqrt(8))
