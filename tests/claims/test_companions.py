"""What stands beside the paper's tables: runs without a claim, the softmax layer's own time, times of inference."""

import json

from helpers.net_records import SCHEMES

from ffrepro.claims import companions, report
from ffrepro.claims.blocks import Heading, Table
from ffrepro.claims.records import Store

ABLATION = "ablation_head_cifar10_as_published"


def blocks(nets, kind, scale="paper"):
    return [block for block in companions.section(nets.claims, nets.store, scale) if isinstance(block, kind)]


def test_runs_without_a_claim_are_shown_with_the_heads_time_apart(nets):
    nets.tiny([0.244], bp=[0.2])  # claims speak of these
    for seed, error in enumerate([0.20, 0.22, 0.24]):
        errors = dict.fromkeys(SCHEMES, error) | {"one_pass": error + 0.05}
        nets.run(ABLATION, "small_cwc_headafter", seed, errors=errors, epochs=10, part=2000)
        lines = nets.root / "runs" / nets.plans[-1]["run"] / "metrics.jsonl"
        head = [json.dumps({"epoch": e, "phase": "head", "lr": 0.1, "seconds": 2.0}) + "\n" for e in (11, 12)]
        lines.write_text(lines.read_text() + "".join(head))
        time = {"train_s": 14.0, "epoch_s_median": 1.0, "epoch_s_mean": 14 / 12, "evaluate_s": 0.1}
        changed = {"epochs": 12, "best_epoch": 12, "max_epochs": 12, "time": time}
        result = json.loads(lines.with_name("result.json").read_text())
        lines.with_name("result.json").write_text(json.dumps(result | changed))
    nets.run("variants_mnist_as_published", "scff", 0, errors={"one_pass": 0.1, "multi_pass": 0.3}, epochs=30)
    (table,) = blocks(nets, Table)
    assert table.rows == [
        [
            ABLATION, "small_cwc_headafter", "cpu", "3", "12", "2,000",
            "11.00 ± 1.00", "19.80 ± 1.80", "22.00 ± 2.00", "27.00 ± 2.00", "22.00 ± 2.00", "14 s (4 s)",
        ],
        [
            "variants_mnist_as_published", "scff", "cpu", "1", "30", "all",
            "15.00", "27.00", "30.00", "10.00", "30.00", "30 s",
        ],
    ]  # fmt: skip
    assert [len(row) for row in table.rows] == [len(table.header)] * 2
    assert [block.text for block in blocks(nets, Heading)] == ["Runs beside the paper's tables (scale paper)"]
    page = report.build_report(Store(nets.root, nets.plans, ["cpu"]), "paper").read_text()
    assert "14 s (4 s)" in page


def test_times_of_inference_have_their_spread_and_say_over_how_many_images(nets):
    nets.bench("mnist", {"mlp, one-pass": (10.0, 1.0, 1.0, 1.0), "mlp, multi-pass": (30.0, 3.0, 2.5, 3.5)}, images=1000)
    (table,) = blocks(nets, Table)
    assert table.rows[1] == [
        "MNIST", "cpu", "mlp, multi-pass", "1,000", "30.0 (27.0 to 36.0)", "1.00 [1.00, 1.00]", "3.00 [2.50, 3.50]",
        "–",
    ]  # fmt: skip
    assert len(table.rows) == 2 and len(table.header) == 8


def test_stand_in_data_are_said_and_other_scales_stay_out(nets):
    nets.run(ABLATION, "small_cwc_headafter", 0, errors=dict.fromkeys(SCHEMES, 0.2), scale="smoke")
    assert companions.section(nets.claims, nets.store, "paper") == []
    (heading,) = blocks(nets, Heading, "smoke")
    assert heading.text.endswith("(scale smoke; STAND-IN DATA, no result)")
