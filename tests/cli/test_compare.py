"""``ffrepro compare`` on committed records of this project."""

import json

import pytest
from scipy import stats

from ffrepro.cli import main

A, B = "variants_mnist_as_published/greedy/seed0", "variants_mnist_as_published/variants_bp/seed0"


@pytest.fixture(autouse=True)
def here(project_root, monkeypatch):
    monkeypatch.chdir(project_root)


def test_tables_and_json_say_the_same(capsys):
    assert main.main(["compare", A, B, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["a"]["runs"] == [f"lite/cpu/{A}"] and found["a"]["committed"]
    assert {"method.name", "method.theta"} <= {row["name"] for row in found["settings"]}
    accuracy = next(row for row in found["metrics"] if row["name"] == "test/accuracy")
    assert main.main(["compare", A, B]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("test/accuracy "))
    assert [float(cell) for cell in line.split()[1:]] == pytest.approx(
        [accuracy["a"]["mean"], accuracy["b"]["mean"], accuracy["difference"]], abs=1e-4
    )


def test_variants_of_one_split_have_both_tests(capsys):
    names = [f"paper/cpu/rnn_dollar_corrected/{variant}" for variant in ("ff_std", "bptt")]
    assert main.main(["compare", *names, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    accuracy = next(row for row in found["metrics"] if row["name"] == "test/accuracy")
    a, b = ([one[side] for one in accuracy["per_seed"]] for side in "ab")
    assert found["paired"] and accuracy["paired_p"] == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert accuracy["welch_p"] == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert main.main(["compare", *names]) == 0
    out = capsys.readouterr().out
    assert "p (Welch)" in out and "p (paired by seed)" in out


@pytest.mark.parametrize("margin", ["0", "-1", "inf", "x"])
def test_a_margin_is_a_number_above_0(margin, capsys):
    assert main.main(["compare", A, B, f"--margin={margin}"]) == 2
    assert margin in capsys.readouterr().err
