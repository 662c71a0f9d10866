"""Detection metrics by hand: sums over samples, the released code's batch means, saturated probabilities."""

import numpy as np
import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.core import detection
from ffrepro.core.classification import early_exit_metrics, goodness_by_class, kept
from ffrepro.core.classification import metrics as classification_metrics

ARRAYS = {
    "logit": np.float32([2.0, -1.0, 3.0, 1.0, -2.0]),
    "label": np.int64([1, 0, 0, 1, 1]),
    "loss": np.float32([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0], [6.0, 2.0]]),
    "layer_logit": np.float32([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]),
}
BATCHES = np.int64([0, 0, 0, 0, 1])


def metrics(arrays=ARRAYS, **changed):
    settings = {"average": "sample", "reduction": "joint", "auc_scores": "logit", **changed}
    return detection.metrics(arrays, BATCHES, **settings)


def test_sums_over_samples():
    out = metrics()
    assert out["accuracy"] == pytest.approx(3 / 5)
    assert out["loss_layer0"] == pytest.approx(16 / 5)
    assert out["loss"] == pytest.approx(19 / 5)
    assert out["accuracy_layer0"] == pytest.approx(3 / 5)
    assert out["accuracy_layer1"] == pytest.approx(2 / 5)
    assert out["auc"] == pytest.approx(2 / 6)  # of six pairs, positives above negatives: 2 > -1 and 1 > -1


def test_batch_means_give_the_odd_batch_the_same_weight():
    out = metrics(average="batch")
    assert out["accuracy"] == pytest.approx((3 / 4 + 0) / 2)
    assert out["loss_layer0"] == pytest.approx((10 / 4 + 6) / 2)


def test_per_class_loss_is_mean_of_positives_plus_mean_of_negatives():
    out = metrics(reduction="per_class")
    assert out["loss_layer0"] == pytest.approx(11 / 3 + 5 / 2)
    assert out["loss"] == pytest.approx(11 / 3 + 5 / 2 + 2 / 3 + 1 / 2)


def test_saturated_sigmoids_tie():
    arrays = {**ARRAYS, "logit": np.float32([50.0, 40.0, 30.0, 45.0, 20.0])}
    assert metrics(arrays)["auc"] == pytest.approx(4 / 6)
    assert metrics(arrays, auc_scores="sigmoid")["auc"] == pytest.approx(0.5)


def test_backpropagation_has_no_layer_metrics():
    arrays = {name: value for name, value in ARRAYS.items() if name != "layer_logit"} | {"loss": ARRAYS["loss"][:, :1]}
    assert sorted(metrics(arrays)) == ["accuracy", "auc", "loss"]


CLASSES = {
    "label": np.int64([0, 1, 2, 1]),
    "index": np.int64([7, 8, 9, 5]),
    "loss": np.float32([[1, 0], [2, 0], [3, 4], [2, 0]]),
    "scores_one_pass": np.float32([[9, 1, 0], [2, 1, 0], [0, 1, 3], [0, 5, 1]]),
    "scores_multi_pass": np.float32([[1, 9, 0], [2, 1, 0], [0, 1, 3], [0, 5, 1]]),
    "layer_scores": np.float32(
        [[[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0]]]
    ),
}


def test_a_classifiers_metrics_by_scheme_and_layer():
    out = classification_metrics(CLASSES, "one_pass")
    assert out["error"] == out["error_one_pass"] == 1 / 4
    assert out["error_multi_pass"] == 2 / 4
    assert out["accuracy"] == 3 / 4
    assert out["loss"] == 3.0
    assert (out["loss_layer0"], out["loss_layer1"]) == (2.0, 1.0)
    assert (out["accuracy_layer0"], out["accuracy_layer1"]) == (2 / 4, 3 / 4)


def test_an_inference_that_is_not_there_yet_says_so():
    early = {name: value for name, value in CLASSES.items() if name != "scores_one_pass"}
    early["scores_all"] = early["scores_multi_pass"]
    with pytest.raises(FfreproError, match="cannot be measured yet"):
        classification_metrics(early, "one_pass")


def test_a_classifiers_record_keeps_classes_not_scores():
    found = kept(CLASSES)
    assert sorted(found) == [
        "goodness_by_class", "index", "label", "layer_prediction", "prediction_multi_pass", "prediction_one_pass",
    ]  # fmt: skip
    without = {name: value for name, value in CLASSES.items() if name != "layer_scores"}
    assert "goodness_by_class" not in kept(without)
    assert found["prediction_multi_pass"].dtype == np.uint8
    assert found["prediction_multi_pass"].tolist() == [1, 0, 2, 1]
    assert found["layer_prediction"].tolist() == [[0, 1], [1, 1], [0, 2], [0, 1]]


def test_three_hundred_classes_do_not_wrap_round():
    scores = np.zeros((1, 300), np.float32)
    scores[0, 299] = 1
    arrays = {"label": np.int64([299]), "index": np.int64([0]), "scores_one_pass": scores}
    assert kept(arrays)["prediction_one_pass"].tolist() == [299]


def test_goodness_by_layer_true_class_and_class():
    """Samples 1 and 3 are of class 1: in layer 0 their goodness is (0, 1, 0) and (1, 0, 0), in layer 1 (0, 1, 0)."""
    found = goodness_by_class(CLASSES["layer_scores"], CLASSES["label"])
    assert found.dtype == np.float32
    assert found.tolist() == [
        [[1, 0, 0], [0.5, 0.5, 0], [1, 0, 0]],
        [[0, 1, 0], [0, 1, 0], [0, 0, 1]],
    ]
    absent = goodness_by_class(CLASSES["layer_scores"][:2], CLASSES["label"][:2])
    assert np.isnan(absent[:, 2]).all() and absent[:, :2].tolist() == [[[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]]]


def test_early_exit_is_chosen_on_validation():
    """In the first layer validation is right; so all of the test part leaves there, though it is wrong about one."""
    val = {"label": np.int64([0, 1]), "layer_scores": np.float32([[[2, 0, 0], [0, 9, 0]], [[0, 2, 0], [9, 0, 0]]])}
    test = {"label": np.int64([0, 2]), "layer_scores": np.float32([[[2, 0, 0], [0, 9, 0]], [[0, 2, 0], [0, 0, 9]]])}
    assert early_exit_metrics(val, test) == {
        "val/error_early_exit": 0.0, "val/layers_early_exit": 1.0,
        "test/error_early_exit": 0.5, "test/layers_early_exit": 1.0,
    }  # fmt: skip
    assert early_exit_metrics({"label": val["label"]}, test) == {}
