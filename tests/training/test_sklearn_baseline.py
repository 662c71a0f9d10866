"""Runs that are fitted at once: their records, and what the classifiers make of tables."""

import json
import shutil

import numpy as np
import pytest
from helpers.method_cases import BP
from helpers.plans import MATCHED, make_baseline_plan, make_plan
from sklearn.metrics import log_loss, roc_auc_score

from ffrepro.base.errors import FfreproError
from ffrepro.cli import main
from ffrepro.data import prepared, trajectory_set
from ffrepro.training import classifiers, loop, parts, sklearn_baseline

GBT = {"name": "gbt", "trees": 20, "learning_rate": 0.1, "leaves": 31, "leaf_samples": 5, "l2": 0.0}
LOGREG = {"name": "logreg", "inverse_penalty": 1.0, "iterations": 1000}


@pytest.mark.parametrize("settings", [GBT, LOGREG], ids=lambda s: s["name"])
def test_the_record_of_a_fit(place, settings):
    plan = make_baseline_plan(settings)
    result = sklearn_baseline.run(plan, place)
    at = place.runs / plan["run"]
    assert sorted(path.name for path in at.iterdir()) == ["arrays.npz", "result.json", "run.json"]
    run = json.loads((at / "run.json").read_text())
    assert run["plan"] == plan and run["data"]["set"] == "dollar"
    counts = run["data"]["counts"]
    with np.load(at / "arrays.npz") as arrays:
        logit, label, index = (arrays[f"test_{name}"] for name in ("logit", "label", "index"))
    assert len(logit) == len(label) == len(set(index)) == counts["test"]
    data = parts.load_data(plan, place.prepared)
    assert (label == (data.label[index] == 1)).all()
    metrics = result["metrics"]
    assert metrics["test/accuracy"] == pytest.approx(((logit > 0) == label).mean())
    assert metrics["test/auc"] == pytest.approx(roc_auc_score(label, logit))
    assert metrics["test/loss"] == pytest.approx(log_loss(label, 1 / (1 + np.exp(-logit))), rel=1e-6)
    assert 0 <= metrics["val/auc"] <= 1
    assert result == json.loads((at / "result.json").read_text())


def test_a_finished_fit_is_not_repeated_and_a_forced_one_gives_the_same_numbers(place):
    plan = make_baseline_plan(GBT)
    first = sklearn_baseline.run(plan, place)
    stamp = (place.runs / plan["run"] / "result.json").stat().st_mtime_ns
    assert sklearn_baseline.run(plan, place) == first
    assert (place.runs / plan["run"] / "result.json").stat().st_mtime_ns == stamp
    assert sklearn_baseline.run(plan, place, force=True)["metrics"] == first["metrics"]


def test_a_fit_and_a_net_of_one_seed_are_tested_on_the_same_samples(place):
    net = make_plan("backprop_rnn", BP, data=MATCHED, max_epochs=1)
    net["data"] = MATCHED
    table = make_baseline_plan(LOGREG)
    loop.run(net, place)
    sklearn_baseline.run(table, place)
    arrays = [np.load(place.runs / plan["run"] / "arrays.npz") for plan in (net, table)]
    for name in ("test_index", "test_label"):
        np.testing.assert_array_equal(arrays[0][name], arrays[1][name])


@pytest.mark.parametrize("settings", [GBT, LOGREG], ids=lambda s: s["name"])
def test_classifiers_find_a_difference_and_none_where_there_is_none(settings):
    rng = np.random.default_rng(0)
    x, label = rng.normal(0, 1, (1200, 3)), rng.integers(0, 2, 1200)
    apart = x + np.array([0.0, 500.0, 0.0]) * (label[:, None] - 0.5)  # columns of different size
    for table, low, high in ((apart, 0.99, 1.0), (x, 0.4, 0.6)):
        found = classifiers.logits(settings, table[:600], label[:600], {"test": table[600:]}, 0, 1)["test"]
        assert found.dtype == np.float64
        assert low <= roc_auc_score(label[600:], found) <= high


def test_logistic_regression_is_the_penalised_maximum_of_the_likelihood():
    """On standardised features the gradient of C x log loss + |w|^2 / 2 vanishes at what was found."""
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (300, 2))
    label = (x[:, 0] + rng.normal(0, 2, 300) > 3).astype(int)
    z = (x - x.mean(0)) / x.std(0)
    probes = x.mean(0) + np.array([[0, 0], [1, 0], [0, 1]]) * x.std(0)
    bias, *w = classifiers.logits(LOGREG, x, label, {"probes": probes}, 0, 1)["probes"]
    w = np.array(w) - bias
    residual = 1 / (1 + np.exp(-(z @ w + bias))) - label
    np.testing.assert_allclose(z.T @ residual + w, 0, atol=0.05)
    assert residual.sum() == pytest.approx(0, abs=0.05)


def test_negatives_made_here_are_read_from_a_set_of_their_own(place, tmp_path):
    plan = make_baseline_plan(LOGREG, negatives="close")
    with pytest.raises(FfreproError) as caught:
        sklearn_baseline.run(plan, place)
    assert caught.value.where == place.prepared / "standin/dollar_close.npz"
    assert "ffrepro negatives dollar --level close --source standin" in caught.value.fix
    made = tmp_path / "prepared"
    shutil.copytree(place.prepared, made)
    data = trajectory_set.load(made / "standin/dollar.npz")
    data.x[data.offsets[128] :] *= 2.0  # other negatives
    data.manifest["fingerprint"] = prepared.fingerprint(trajectory_set.arrays_of(data))
    trajectory_set.save(data, made / "standin/dollar_close.npz")
    sklearn_baseline.run(plan, parts.Place(tmp_path, tmp_path / "runs", made))
    facts = json.loads((tmp_path / "runs" / plan["run"] / "run.json").read_text())["data"]
    assert (facts["dataset"], facts["set"]) == ("dollar", "dollar_close")
    assert facts["fingerprint"] == data.manifest["fingerprint"]


def test_the_command_prints_a_line_and_refuses_plans_of_other_kinds(place, tmp_path, capsys):
    paths = {}
    for name, plan in {"sklearn_baseline": make_baseline_plan(LOGREG), "train": make_plan("backprop_rnn", BP)}.items():
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(plan))
    options = ["--runs", str(place.runs), "--prepared", str(place.prepared)]
    assert main.main(["baseline", str(paths["sklearn_baseline"]), *options]) == 0
    assert capsys.readouterr().out.startswith("smoke/cpu/test_dollar_matched/logreg/seed0: test accuracy 0.")
    assert main.main(["baseline", str(paths["train"]), *options]) == 1
    assert "use `ffrepro train`" in capsys.readouterr().err
