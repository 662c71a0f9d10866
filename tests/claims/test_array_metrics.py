"""Numbers that follow from a detector's arrays: decisions at other thresholds, distances of goodness from laws."""

import numpy as np
import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.claims import array_metrics, check, controls, distributions
from ffrepro.claims.records import Store

LABEL = np.array([1, 1, 0, 0])
GOODNESS = np.array([[6.0, 10.0], [2.0, 4.0], [1.0, 5.0], [0.0, 1.0]])  # means 8, 3, 3, .5
ARRAYS = {"test_goodness": GOODNESS.astype(np.float32), "test_label": LABEL}


@pytest.mark.parametrize(("threshold", "right"), [("0.1", 0.5), ("2.5", 0.75), ("3", 0.75), ("7", 0.75), ("8", 0.5)])
def test_decisions_at_another_threshold_of_the_mean_goodness(threshold, right):
    assert array_metrics.value(ARRAYS, f"arrays/accuracy_above_{threshold}") == right


@pytest.mark.parametrize("law", distributions.LAWS)
def test_a_sample_of_a_law_lies_near_it_and_the_fit_keeps_mean_and_std(law):
    drawn = distributions.LAWS[law](5.0, 5.0 if law == "exponential" else 2.0).rvs(4000, random_state=0)
    assert distributions.ks_distance(drawn, law) < 0.03
    fit = distributions.fitted(drawn, law)
    assert fit.mean() == pytest.approx(drawn.mean())
    assert fit.std() == pytest.approx(drawn.mean() if law == "exponential" else drawn.std(ddof=1))


def test_fits_tell_a_normal_from_an_exponential_and_a_point_is_neither():
    rng = np.random.default_rng(0)
    normal, exponential = rng.normal(20, 2, 4000), rng.exponential(3, 4000)
    assert distributions.ks_distance(normal, "exponential") > 0.4
    assert distributions.ks_distance(exponential, "normal") > 0.1
    assert all(distributions.ks_distance(np.zeros(5), law) > 0.4 for law in ("normal", "exponential"))


def test_the_nearest_law_is_the_least_distance():
    drawn = np.random.default_rng(1).gamma(2, 3, 500)
    distances = [distributions.ks_distance(drawn, law) for law in distributions.LAWS]
    assert distributions.ks_distance(drawn, distributions.NEAREST) == min(distances)


def test_a_distance_is_of_one_class_in_one_layer():
    rng = np.random.default_rng(2)
    label = np.repeat([1, 0], 300)
    goodness = np.stack(
        [np.where(label == 1, rng.normal(9, 1, 600), rng.exponential(2, 600)), rng.uniform(0, 1, 600)], 1
    )
    arrays = {"test_goodness": goodness, "test_label": label}
    found = array_metrics.value(arrays, "arrays/ks_exponential_negative_layer0")
    assert found == distributions.ks_distance(goodness[300:, 0], "exponential") < 0.1
    assert array_metrics.value(arrays, "arrays/ks_exponential_positive_layer0") > 0.4
    assert array_metrics.value(arrays, "arrays/ks_uniform_positive_layer1") < 0.1


def test_there_is_no_number_without_goodness_layer_or_class():
    name = "arrays/ks_normal_positive_layer0"
    assert array_metrics.value({}, name) is None and array_metrics.value({}, "arrays/accuracy_above_2") is None
    assert array_metrics.value(ARRAYS, "arrays/ks_normal_positive_layer2") is None
    assert array_metrics.value(ARRAYS | {"test_label": np.zeros(4)}, name) is None


@pytest.mark.parametrize(
    "name", ["accuracy_above_2", "arrays/accuracy_above", "arrays/ks_cauchy_positive_layer0", "arrays/ks_normal_layer0"]
)
def test_unknown_names_are_no_metrics(name):
    assert not array_metrics.is_known(name)


def test_claims_with_an_unknown_name_are_refused(world):
    content = world.claims().content
    check.check(content, "file")
    operands = next(claim["operands"] for claim in content["claims"] if "operands" in claim)
    next(iter(operands.values()))["metric"] = "arrays/accuracy_over_2"
    with pytest.raises(FfreproError, match="accuracy_over_2"):
        check.check(content, "file")


def test_a_record_gives_them_by_name_and_they_are_quality(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for variant in ("ff_std", "bptt"):
        world.record(world.find("rnn_mcyt_corrected", variant)[0])
    store = Store(world.root, world.plans)
    (ff,), (bptt,) = (store.best("rnn_mcyt_corrected", variant).records for variant in ("ff_std", "bptt"))
    arrays = ff.arrays()
    right = (arrays["test_goodness"].mean(1) > 2) == (arrays["test_label"] == 1)
    assert ff.value("arrays/accuracy_above_2") == right.mean()
    assert bptt.value("arrays/accuracy_above_2") is None
    claims = world.claims()
    claims.content["controls"] = {"rnn": [{"variant": "ff_rms"}]}
    evidence = store.best("rnn_mcyt_corrected", "ff_std")
    assert controls.missing(claims, "arrays/accuracy_above_2", evidence, store.best)
