"""Records that lie but agree with themselves: import refuses them by name, every reader leaves them out by name."""

import io
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ffrepro.base.errors import DataFileError
from ffrepro.base.plans import result_hash
from ffrepro.base.proofs import Proofs
from ffrepro.claims import reference
from ffrepro.pipeline import transfer
from ffrepro.training import record_check

ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / reference.FOLDER
RUNS = {
    "net": "lite/cpu/rnn_dollar_corrected/ff_std/seed0",
    "image": "lite/cpu/ablation_schedule_cifar10_as_published/tiny_cwc/seed0",
    "bench": "lite/cpu/bench_dollar_corrected/interleaved/seed0",
}


class Files:
    """A record's content, to be changed; ``pack`` writes it with the plan's hash that belongs to it."""

    def __init__(self, run):
        self.run, self.entry = run, record_check.read(EVIDENCE / run)
        self.about, self.result = (json.loads(self.entry[name]) for name in ("run.json", "result.json"))
        self.plan = self.about["plan"]
        self.lines = [json.loads(line) for line in self.entry.get("metrics.jsonl", b"").splitlines()]
        self.arrays = dict(np.load(EVIDENCE / run / "arrays.npz")) if "arrays.npz" in self.entry else {}

    def pack(self):
        self.about["plan_sha256"] = result_hash(self.plan) if isinstance(self.plan, dict) else ""
        self.about["plan"] = self.plan
        self.entry["run.json"] = json.dumps(self.about).encode()
        self.entry["result.json"] = json.dumps(self.result).encode()
        if self.lines:
            self.entry["metrics.jsonl"] = "".join(json.dumps(line) + "\n" for line in self.lines).encode()
        if self.arrays:
            file = io.BytesIO()
            np.savez(file, **self.arrays)
            self.entry["arrays.npz"] = file.getvalue()
        return self.entry


def put(part, *path):
    """A change: the value at a path of a part, the last of ``path``."""

    def change(files):
        *parents, last, value = path
        node = getattr(files, part)
        for name in parents:
            node = node[name]
        node[last] = value

    return change


def drop(part, *path):
    def change(files):
        *parents, last = path
        node = getattr(files, part)
        for name in parents:
            node = node[name]
        del node[last]

    return change


def array(name, make):
    return lambda files: files.arrays.__setitem__(name, make(files.arrays[name]))


def first(value):
    """A copy of an array with another first value."""

    def make(found):
        found = found.copy()
        found[(0,) * found.ndim] = value
        return found

    return make


def shorter(files):
    """One epoch less in every file, but for the times."""
    files.lines.pop()
    files.result["epochs"] -= 1


def better(files):
    """A higher accuracy, with an error that goes with it."""
    files.result["metrics"] |= {"test/accuracy": 0.999, "test/error": 0.001}


def halved(files):
    """Half of the samples, in every array that has them."""
    for name, found in files.arrays.items():
        if name.startswith("test_") and name != "test_goodness_by_class":
            files.arrays[name] = found[: len(found) // 2]


def faster(files):
    for name in files.result["time"]:
        files.result["time"][name] /= 10


COMMON = {
    "another run's name": put("about", "run", "lite/cpu/a/b/seed0"),
    "a result of another run": put("result", "run", "lite/cpu/a/b/seed0"),
    "another seed in the plan": put("plan", "seed", 7),
    "another scale in the plan": put("plan", "scale", "paper"),
    "another variant in the plan": put("plan", "variant", "bptt"),
    "a kind that is none": put("plan", "kind", "magic"),
    "a list for a plan": lambda files: setattr(files, "plan", []),
    "data of another source": put("about", "data", "source", "standin"),
    "data of another set": put("about", "data", "dataset", "raton"),
    "a set that is a path": put("about", "data", "set", "../../x"),
    "a fingerprint of four letters": put("about", "data", "fingerprint", "f00d"),
    "a commit that is a word": put("about", "git", "commit", "latest"),
    "no time of its start": put("about", "started", "yesterday"),
    "a time without a zone": put("about", "finished", "2030-01-01T00:00:00"),
    "an end before its start": put("about", "finished", "2001-01-01T00:00:00+00:00"),
    "minus two cores": put("about", "machine", "cores", -2),
    "no machine": drop("about", "machine"),
    "provenance that is text": put("about", "data", "provenance", "trust me"),
}
TRAINED = {
    "no counts": drop("about", "data", "counts"),
    "a negative count": put("about", "data", "counts", "train", -5),
    "a count of the test samples that is not theirs": put("about", "data", "counts", "test", 12345),
    "a better test accuracy": better,
    "an accuracy of 1.7": put("result", "metrics", "test/accuracy", 1.7),
    "a negative validation accuracy": put("result", "metrics", "val/accuracy", -0.1),
    "a loss that is not that of the best epoch": put("result", "metrics", "val/loss", 0.0123),
    "a metric that nobody measured": lambda files: files.result["metrics"].update({"test/error_perfect": 0.0}),
    "no metrics": put("result", "metrics", {}),
    "a metric without a split": put("result", "metrics", "accuracy", 0.9),
    "a metric that is text": put("result", "metrics", "test/accuracy", "0.99"),
    "a loss far below 0": put("result", "metrics", "test/loss_layer0", -1e308),
    "a best epoch beyond the last": put("result", "best_epoch", 10**6),
    "another best epoch": lambda files: files.result.update(best_epoch=1 + files.result["best_epoch"] % 2),
    "no epochs": put("result", "epochs", 0),
    "an epoch less": shorter,
    "more epochs than its limit": lambda files: files.result.update(max_epochs=files.result["epochs"] - 1),
    "an end that is none": put("result", "stopped_by", "boredom"),
    "a tenth of the time": faster,
    "negative time": put("result", "time", "evaluate_s", -1.0),
    "no training time": drop("result", "time", "train_s"),
    "no memory": put("result", "memory", "peak_bytes", 0),
    "layers that are text": put("result", "layers", "three"),
    "phases that are none": put("result", "phases", [{"name": "train"}]),
    "something else to watch": put("result", "watch", ["accuracy", "sideways"]),
    "epochs out of order": lambda files: files.lines.reverse(),
    "an epoch twice": lambda files: files.lines[-1].update(epoch=files.lines[-1]["epoch"] - 1),
    "a negative time of an epoch": lambda files: files.lines[0].update(seconds=-1.0),
    "a training loss that is infinite": lambda files: files.lines[0].update({"train/loss": float("inf")}),
    "an epoch's accuracy of 3": lambda files: files.lines[0].update({"val/accuracy": 3.0}),
    "a rate below 0": lambda files: files.lines[0].update(lr=-0.1),
    "a better last epoch": lambda files: files.lines[-1].update({"val/loss": -1.0}),
    "a phase that is a number": lambda files: files.lines[0].update(phase=3),
    "half of the samples": halved,
    "no labels": lambda files: files.arrays.pop("test_label"),
    "a label of 77": array("test_label", first(77)),
    "a negative label": array("test_label", first(-1)),
    "a sample twice": lambda files: files.arrays["test_index"].__setitem__(0, files.arrays["test_index"][1]),
    "labels in a square": array("test_label", lambda found: found.reshape(1, -1)),
    "labels that are text": array("test_label", lambda found: found.astype("U1")),
    "labels as floats": array("test_label", lambda found: found.astype(float)),
    "an array that nobody leaves": lambda files: files.arrays.update(test_secret=np.zeros(3)),
    "no arrays that can be read": lambda files: (files.arrays.clear(), files.entry.update({"arrays.npz": b"PK"})),
    "other labels": array("test_label", lambda found: found[::-1]),
}
NET = {
    "a logit that is infinite": array("test_logit", first(np.inf)),
    "the sign of all logits": array("test_logit", np.negative),
    "logits of more layers": array("test_layer_logit", lambda found: np.tile(found, 2)),
    "a loss of every sample of 0": array("test_loss", np.zeros_like),
    "a higher AUC": put("result", "metrics", "test/auc", 0.99999),
    "a view that is none": put("plan", "data", "name", "telepathy"),
    "a batch of no samples": put("plan", "training", "batch_size", 0),
    "a plan without a metric's settings": drop("plan", "training", "metric_average"),
}
IMAGE = {
    "a prediction of class 200": array("test_prediction_one_pass", first(200)),
    "predictions that are all right": lambda files: files.arrays.update(
        test_prediction_one_pass=files.arrays["test_label"].astype(np.uint8)
    ),
    "goodness of eleven classes": array("test_goodness_by_class", lambda found: np.tile(found, 2)),
    "filters without a width": array("filters", lambda found: found[..., 0]),
    "early exit after 0 layers": put("result", "metrics", "test/layers_early_exit", 0.0),
    "an inference scheme that is none": put("plan", "protocol", "inference", "telepathy"),
}
BENCH = {
    "no rows": put("result", "rows", []),
    "a row twice": lambda files: files.result["rows"].append(files.result["rows"][0]),
    "a row without its times": drop("result", "rows", 0, "ms_min"),
    "a time of 0": put("result", "rows", 0, "ms_min", 0.0),
    "a peak of 0 bytes": put("result", "rows", 0, "peak_bytes", 0),
    "a share above 1": put("result", "rows", 0, "share", 1.5),
    "an accuracy below 0": put("result", "rows", 0, "accuracy", -0.1),
    "an exponent that is no number": put("result", "rows", 0, "exponent_time", math.nan),
    "a negative time": put("result", "rows", 0, "ms_min", -1.0),
    "a median below the least": put("result", "rows", 0, "ms_median", 1e-9),
    "a ratio outside its interval": put("result", "rows", 1, "ratio_to_bp", 1e-3),
    "a ratio of the peaks that is not theirs": put("result", "rows", 1, "peak_ratio_to_bp", 1e-3),
    "a baseline that is no row": put("result", "baseline", "magic"),
    "a name that is empty": put("result", "rows", 0, "name", ""),
    "a bench that is none": put("plan", "bench", "name", "telepathy"),
}
CHANGES = [
    *((kind, what, change) for kind in RUNS for what, change in COMMON.items()),
    *((kind, what, change) for kind in ("net", "image") for what, change in TRAINED.items()),
    *(("net", what, change) for what, change in NET.items()),
    *(("image", what, change) for what, change in IMAGE.items()),
    *(("bench", what, change) for what, change in BENCH.items()),
]


def test_a_share_of_0_and_an_exponent_below_0_are_numbers_that_a_bench_can_find():
    files = Files(RUNS["bench"])
    files.result["rows"][0] |= {"share": 0.0, "exponent_memory": -0.2}
    record_check.check(files.pack(), files.run)


@pytest.mark.parametrize("kind", RUNS)
def test_hostile_records_are_refused_where_the_true_one_is_not(kind, capsys):
    """One by one, with everything else of the record as it was and every hash made anew."""
    record_check.check(Files(RUNS[kind]).pack(), RUNS[kind])
    counts, accepted = Counter(), []
    for _, what, change in (found for found in CHANGES if found[0] == kind):
        files = Files(RUNS[kind])
        change(files)
        try:
            record_check.check(files.pack(), files.run)
        except DataFileError as error:
            assert str(error.where).startswith(files.run), what
            counts["refused"] += 1
        else:
            accepted.append(what)
    with capsys.disabled():
        print(f"\n{kind}: {dict(counts)}, accepted {len(accepted)}", end=" ")
    assert accepted == []


def test_a_proof_holds_for_these_files_alone(tmp_path, monkeypatch):
    run = RUNS["bench"]
    files, proofs = Files(run), Proofs(tmp_path)
    record_check.check(files.pack(), run, proofs)
    monkeypatch.setattr(record_check, "check_result", None)  # not called again
    record_check.check(files.pack(), run, proofs)
    with pytest.raises(TypeError):
        raise TypeError from record_check.problem(files.entry, run + "0", proofs)
    files.result["rows"][0]["ms_min"] *= 0.5
    assert record_check.problem(files.pack(), run, proofs) is not None


def test_import_takes_the_others(tmp_path):
    bad, good = Files(RUNS["net"]), Files(RUNS["bench"])
    better(bad)
    packed = {files.run: files.pack() for files in (bad, good)}
    taken = transfer.take_in(packed, tmp_path, {}, replace=True, reference=False)
    assert taken.imported == [good.run] and list(taken.bad) == [bad.run] and "result.json" in taken.bad[bad.run]
    assert not (tmp_path / "runs" / bad.run).exists()
    shutil.rmtree(tmp_path / "runs")
