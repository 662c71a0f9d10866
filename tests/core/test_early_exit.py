"""Early exit by hand, against scipy, and layer by layer against all at once."""

import math

import pytest
import torch
from scipy.special import softmax

from ffrepro.core import early_exit

# Two layers, three classes. After layer 1 sample 0 is sure (log odds 5 - log 2), samples 1 and 2 are not; of these
# layer 2 puts the first right and the second wrong.
SCORES = torch.tensor([[[5.0, 0, 0], [0, 0, 9]], [[0, 1, 0], [0, 9, 0]], [[0, 0, 1.5], [9, 0, 0]]])
LABEL = torch.tensor([0, 1, 2])


def test_confidence_is_the_log_odds_of_the_softmax():
    scores_BC = torch.randn(50, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    p_B = softmax(scores_BC.numpy(), axis=1).max(1)
    expected = torch.from_numpy(p_B / (1 - p_B)).log()
    torch.testing.assert_close(early_exit.confidence(scores_BC), expected)


def test_confidence_does_not_saturate():
    sure = early_exit.confidence(torch.tensor([[900.0, 100, 0], [800.0, 100, 0]]))
    assert sure.tolist() == [800.0, 700.0]


def test_who_leaves_when_by_hand():
    prediction_B, layers_B = early_exit.leave(SCORES, threshold=4.0)
    assert layers_B.tolist() == [1, 2, 2]
    assert prediction_B.tolist() == [0, 1, 0]
    prediction_B, layers_B = early_exit.leave(SCORES, threshold=-10.0)
    assert (layers_B.tolist(), prediction_B.tolist()) == ([1, 1, 1], [0, 1, 2])
    prediction_B, layers_B = early_exit.leave(SCORES, threshold=math.inf)
    assert (layers_B.tolist(), prediction_B.tolist()) == ([2, 2, 2], [2, 1, 0])


def test_trade_off_by_hand():
    error_T, layers_T = early_exit.trade_off(SCORES, LABEL, [-10.0, 4.0, math.inf])
    assert error_T.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert layers_T.tolist() == pytest.approx([1, 5 / 3, 2])


def test_the_threshold_uses_fewest_layers_within_the_tolerance():
    label_B = torch.tensor([2, 1, 0])  # all right after two layers; after one only sample 1 is
    threshold = early_exit.choose_threshold(SCORES, label_B, tolerance=0.0)
    assert early_exit.trade_off(SCORES, label_B, [threshold])[0] == 0
    assert early_exit.leave(SCORES, threshold)[1].tolist() == [2, 2, 2]
    threshold = early_exit.choose_threshold(SCORES, label_B, tolerance=0.4)  # one error in three allowed
    assert early_exit.leave(SCORES, threshold)[1].tolist() == [1, 2, 2]
    threshold = early_exit.choose_threshold(SCORES, LABEL, tolerance=0.0)  # the first layer is right about all
    assert early_exit.leave(SCORES, threshold)[1].tolist() == [1, 1, 1]


def test_a_net_of_one_layer_leaves_there():
    one = SCORES[:, :1]
    assert early_exit.leave(one, early_exit.choose_threshold(one, LABEL, 0.0))[1].tolist() == [1, 1, 1]


def test_layer_by_layer_is_all_at_once_and_costs_nothing_for_who_left():
    g = torch.Generator().manual_seed(0)
    x, weights = torch.randn(40, 6, generator=g), [torch.randn(6, 6, generator=g) for _ in range(4)]
    seen = []

    def layer(weight):
        def run(x):
            seen.append(len(x))
            h = torch.tanh(x @ weight)
            return h, h[:, :3]

        return run

    h, scores = x, []
    for weight in weights:
        h = torch.tanh(h @ weight)
        scores.append(h[:, :3])
    prediction_B, layers_B = early_exit.leave(torch.stack(scores, 1), threshold=0.8)
    ours = early_exit.run(x, [layer(weight) for weight in weights], threshold=0.8)
    assert torch.equal(ours[0], prediction_B) and torch.equal(ours[1], layers_B)
    assert len(layers_B.unique()) > 2
    assert seen == [int((layers_B >= number).sum()) for number in range(1, len(seen) + 1)]
