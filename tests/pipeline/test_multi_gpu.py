"""The profile of a machine with several GPUs, as Snakemake loads it; nothing is run."""

import re

import pytest
from helpers.engines import make_project, run

pytestmark = pytest.mark.pipeline
PAPER = "chikhachev2025_rnn"


def one_paper(raw):
    raw["scales"]["smoke"]["seeds"] = 1
    raw["studies"] = [PAPER]


def test_a_dry_run_loads_the_profile_and_gives_the_run_one_gpu(tmp_path):
    make_project(tmp_path, {"params.yaml": one_paper})
    target = "runs/smoke/cuda/rnn_dollar_corrected/bptt/seed0/result.json"
    config = ["scale=smoke", "hardware=cuda", "gpus=5,7", "assume_hardware=true"]
    printed = run(tmp_path, "snakemake", target, "--dry-run", "--profile", "profiles/multi_gpu", "--config", *config)
    (shell,) = re.findall(r"^Shell command: (.*ffrepro train .*)$", printed, re.MULTILINE)
    assert "smoke/cuda/rnn_dollar_corrected/bptt/seed0" in shell
    assert re.search(r"^    resources: .*\bgpu=1\b", printed, re.MULTILINE)
    assert "profiles/multi_gpu/settings.yaml" in printed
