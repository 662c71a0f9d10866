"""Decisions of detectors by thresholds that validation samples choose."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ffrepro.core import detection, gaussian, goodness


def test_the_best_threshold_lies_between_scores():
    # Above 2.5 are 3 and 5, both positive; 1 (positive) is lost, all three negatives are right: 5 of 6.
    score = np.array([-1.0, 0.5, 2.0, 1.0, 3.0, 5.0])
    label = np.array([0, 0, 0, 1, 1, 1])
    assert detection.best_threshold(score, label) == pytest.approx(0.75)  # 5 of 6 too (2 is lost), and nearer to 0
    assert detection.best_threshold(score[1:], label[1:]) == pytest.approx(0.75)
    assert detection.best_threshold(score - 10, label) == pytest.approx(-7.5)


def test_a_threshold_of_0_stays_where_none_is_better():
    assert detection.best_threshold(np.array([-3.0, -1.0, 5.0, 9.0]), np.array([0, 0, 1, 1])) == 0.0


def test_one_class_has_its_threshold_beyond_the_scores():
    assert detection.best_threshold(np.array([1.0, 2.0]), np.array([0, 0])) == 3.0
    assert detection.best_threshold(np.array([-2.0, -1.0]), np.array([1, 1])) == -3.0


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better(seed):
    g = np.random.default_rng(seed)
    label = g.integers(0, 2, 60)
    score = np.round(g.normal(label * 1.5 - 3, 1.0), 1)  # with ties
    ours = ((score > detection.best_threshold(score, label)) == label).mean()
    assert ours == max(((score > t) == label).mean() for t in np.arange(-8, 3, 0.05))


def test_test_samples_have_no_say_in_calibration():
    val = {"logit": np.array([-4.0, -2.0, -1.0, 3.0], dtype=np.float32), "label": np.array([0, 0, 1, 1])}
    test = {"logit": np.array([-1.2, -1.0, -2.0], dtype=np.float32), "label": np.array([1, 0, 0])}
    found = detection.calibrated_metrics(val, test)
    assert found == {
        "val/threshold_calibrated": -1.5, "val/accuracy_calibrated": 1.0,
        "test/accuracy_calibrated": pytest.approx(2 / 3),
    }  # fmt: skip


def test_early_exit_of_two_classes():
    # Whoever is 4 from 0 after the first layer is right there; the others need the second.
    logit = np.array([[5.0, 1.0], [-4.0, -1.0], [1.0, -3.0], [-0.5, 2.0]], dtype=np.float32)
    val = {"layer_logit": logit, "label": np.array([1, 0, 0, 1])}
    test = {"layer_logit": logit[[0, 2]], "label": np.array([1, 1])}
    found = detection.early_exit_metrics(val, test)
    assert found == {
        "val/accuracy_early_exit": 1.0, "val/layers_early_exit": 1.5,
        "test/accuracy_early_exit": 0.5, "test/layers_early_exit": 1.5,
    }  # fmt: skip


def test_who_never_leaves_early_is_decided_by_the_mean_of_the_layers():
    logit_BL = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    classes_B, layers_B = detection.early_exit.leave(detection.scores_of_classes(logit_BL), math.inf)
    assert torch.equal(classes_B == 1, logit_BL.mean(1) > 0) and layers_B.unique().tolist() == [3]


def test_a_readouts_metrics_stand_beside_the_layers():
    arrays = {
        "logit": np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32), "label": np.array([0, 1, 0, 1]),
        "loss": np.ones((4, 2), dtype=np.float32), "readout_logit": np.array([-1.0, 0.5, 0.2, 1.0], dtype=np.float32),
    }  # fmt: skip
    found = detection.metrics(arrays, np.zeros(4, dtype=int), average="sample", reduction="joint", auc_scores="logit")
    assert found == {"loss": 2.0, "accuracy": 0.5, "auc": 0.75, "accuracy_readout": 0.75, "auc_readout": 1.0}


def test_kl_of_normal_distributions():
    mean, variance = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.3, 2.0, 1.0]).double()
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(0.5, 1.7))
    torch.testing.assert_close(gaussian.kl(mean, variance, 0.5, 1.7, 0.0), expected)
    assert gaussian.kl(mean, 0 * variance, 0.5, 1.7, 1e-5).isfinite().all()


def test_variance_over_the_steps_that_count():
    g_TB = torch.tensor([[1.0, 4.0], [3.0, 9.0], [8.0, 9.0]])
    mask_TB = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    mean_B = goodness.time_mean(g_TB, mask_TB)
    assert gaussian.time_variance(g_TB, mean_B, mask_TB).tolist() == pytest.approx([26 / 3, 0.0])
    assert gaussian.time_variance(g_TB, g_TB.mean(0), None)[0] == pytest.approx(26 / 3)


def test_weighted_goodness():
    h, weight = torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([0.5, 1.5])
    assert goodness.weighted(h, weight, "sum").tolist() == [6.5, 13.5]
    assert goodness.weighted(h, weight, "mean").tolist() == [3.25, 6.75]
    torch.testing.assert_close(goodness.weighted(h, torch.ones(2), "sum"), goodness.goodness(h, "sum"))
