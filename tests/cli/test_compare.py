"""``ffrepro compare`` on committed records of this project."""

import json

import pytest

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


@pytest.mark.parametrize("margin", ["0", "-1", "inf", "x"])
def test_a_margin_is_a_number_above_0(margin, capsys):
    assert main.main(["compare", A, B, f"--margin={margin}"]) == 2
    assert margin in capsys.readouterr().err
