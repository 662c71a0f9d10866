"""The audit: what it finds in the papers of this project, in a made-up one, and what it says about wrong files."""

import re
from pathlib import Path

import pytest
import yaml

from ffrepro.base.errors import FfreproError
from ffrepro.claims.audit import checks, form, section
from ffrepro.claims.audit.checks import CONSISTENT, INCONSISTENT, UNDECIDED
from ffrepro.claims.blocks import Heading, Table
from ffrepro.claims.load import papers as papers_with_claims
from ffrepro.core.audit import counts

EXAMPLE = Path(__file__).parents[2] / "examples/audit_example.yaml"
RNN, DLR = "chikhachev2025_rnn", "ortiz2025_advancements"


@pytest.fixture(scope="module")
def found():
    return {paper: {row.id: row for row in checks.rows(form.load(form.find(paper)))} for paper in (RNN, DLR)}


def says(row, *texts):
    return all(text in row.explanation for text in texts)


def test_table_3_counts_parameters_that_nothing_uses(found):
    nets = ("FF_tiny", "FF_small", "FF_medium", "FF_optimal", "FF_deep")
    rows = [found[DLR][f"parameters-{net}"] for net in nets]
    counted = ("154,466", "229,026", "474,266", "744,146", "4,121,106")
    for row, without in zip(rows, counted, strict=True):
        assert row.result == INCONSISTENT
        assert says(row, without, "10,240 too large", "which prints so")


def test_the_described_nets_are_those_that_are_trained():
    import torch

    from ffrepro.nets.cnn import Cnn, parameter_counts

    nets = form.load(form.find(DLR)).figures.nets
    for name in ("FF_tiny", "FF_small", "FF_medium", "FF_optimal", "FF_deep"):
        net = Cnn((3, 32, 32), name.lower(), classes=10, cfse=False, init="torch_default", generator=torch.Generator())
        assert counts.parameters(nets[name]) == parameter_counts(net)["trained"]


def test_the_highest_error_is_another(found):
    row = found[DLR]["highest-error"]
    assert row.result == INCONSISTENT and says(row, "24.1", "24.35 to 24.45")


def test_more_than_20_percent_fails_on_mnist(found):
    for name in ("decrease-more-than-20", "decrease-abstract"):
        row = found[DLR][name]
        assert row.result == INCONSISTENT and says(row, "2 of 4", "3.6 >", "4.3 >")


def test_bptt_needs_more_epochs_on_one_data_set(found):
    row = found[RNN]["fewer-epochs"]
    assert row.result == INCONSISTENT and says(row, "6 of 8", "Mouse-Ops. 53 < 30", "Mouse-Ops. 53 < 37")


def test_the_auc_is_not_closer_everywhere(found):
    row = found[RNN]["auc-closer"]
    assert row.result == INCONSISTENT and says(row, "3 of 4", "MobileTouch 0.0435 < 0.0374")


def test_a_root_mean_square_of_one_is_no_length_of_one(found):
    row = found[RNN]["length-1"]
    assert row.result == INCONSISTENT and says(row, "9.798") and round(96**0.5, 3) == 9.798


def test_a_loose_band_holds_and_a_cut_percentage_agrees(found):
    band = found[DLR]["error-band"]
    assert band.result == CONSISTENT and says(band, "20 of 20", "2.55 >= 5.5")
    assert found[DLR]["reduction-FF_tiny"].result == CONSISTENT
    cut = found[DLR]["reduction-FF_optimal"]
    assert cut.result == CONSISTENT and says(cut, "81.74", "cut off")


def test_printed_accuracies_fit_the_released_files_and_not_the_text(found):
    row = found[RNN]["grim-mouse"]
    assert row.result == INCONSISTENT
    assert says(row, "3 of 3", "400 samples", "all 3 printed means can be counts over 384 samples in each of 5 runs")
    assert says(row, "2 of 3 printed means cannot be counts over 384 samples:")
    assert found[RNN]["grim-mcyt"].result == CONSISTENT
    assert found[RNN]["grim-dollar"].result == UNDECIDED  # 2,080 x 5 samples are finer than four digits


def test_what_rests_on_other_sources_names_them(found):
    assert found[RNN]["fewer-epochs"].basis == checks.OWN
    row = found[RNN]["samples-dollar"]
    assert row.result == INCONSISTENT and says(row, "5,280", "80 too small") and "released" in row.basis


def test_what_the_paper_does_not_say_is_never_called_inconsistent(found):
    for paper, rows in found.items():
        for check in form.load(form.find(paper)).checks:
            if "expects" in check:
                assert rows[check["id"]].result != INCONSISTENT


def test_claims_are_named_by_their_numbers(found):
    named = [row.claim for rows in found.values() for row in rows.values() if row.claim]
    assert len(named) > 50 and all(re.fullmatch(r"\d{3}", claim) for claim in named)
    assert set(found) <= set(papers_with_claims())


def test_the_example_has_a_result_of_each_kind():
    rows = {row.id: row for row in checks.rows(form.load(EXAMPLE))}
    assert {row.kind for row in rows.values()} == set(form.KINDS)
    inconsistent = {"p-accuracy", "faster", "total", "best", "unit-length", "scores"}
    assert {name for name, row in rows.items() if row.result == INCONSISTENT} == inconsistent
    assert {name for name, row in rows.items() if row.result == UNDECIDED} == {"p-no-norm", "memory"}
    assert says(rows["p-accuracy"], "0.2852", "0.1543 to 0.4535", "0.654")
    assert says(rows["faster"], "19.7 to 25.4", "24.5 to 34.0, which prints so")
    assert says(rows["parameters"], f"{896 + 9280 + 4096 * 256 + 256 + 2570:,}")
    assert rows["best"].basis.startswith("peers: ")


SMALL = """\
schema: 1
paper: small
title: A small paper
tables:
  t:
    columns: [a, b]
    rows:
      x: ["1.0 ± 0.2", "2.0 ± 0.2"]
      y: ["1.5", null]
checks:
  - id: one
    place: Table 1
    quote: a is below b
    kind: statement
    holds: all(t['x', 'a'] < t[['x'], 'b'])
"""


def net(layer):
    return f"architectures: {{n: {{input: [3], layers: [{layer}]}}}}\nchecks:"


def small(tmp_path, old="", new=""):
    assert old in SMALL
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace(old, new, 1))
    return path


def test_the_small_paper_is_right(tmp_path):
    (row,) = checks.rows(form.load(small(tmp_path)))
    assert row.result == CONSISTENT


@pytest.mark.parametrize(
    ("old", "new", "line", "hint"),
    [
        ("title: A", "titel: A", 3, "title"),
        ('"1.5"', "1.5", 9, '"1.5"'),
        ('"1.5"', '"about 1"', 9, "null"),
        ("quote:", "quotes:", 13, "quote"),
        ("holds:", "hold:", 15, "holds"),
        ("kind: statement", "kind: statment", 14, "statement"),
        ('"2.0 ± 0.2"]', '"2.0 ± 0.2", "3"]', 8, "null"),
        ("columns: [a, b]", "columns: [a, b]\n    exact: [c]", 7, "Available: a, b"),
        ("    place: Table 1\n", "", 11, "place"),
        ("  - id: one", "  - {id: one, place: p, quote: q, kind: missing, needs: n}\n  - id: one", 12, "checks[0]"),
        ("checks:", "values: {v: {printed: '1'}}\nchecks:", 10, "source"),
        ("checks:", "values: {t: {printed: '1', place: p}}\nchecks:", 10, "rename"),
        ("checks:", net("{kind: linar, out: 2}"), 10, "linear"),
        ("checks:", net("{kind: conv, out: 2, kernel: 3}"), 10, "kernel"),
        ("title: A", "title: [A", 4, "bracket"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_line_and_the_way_out(tmp_path, old, new, line, hint):
    path = small(tmp_path, old, new)
    with pytest.raises(FfreproError) as caught:
        form.load(path)
    assert str(caught.value.where).startswith(f"{path}:{line}")
    assert hint in caught.value.fix


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("t['x', 'a']", "t['x', 'c']", "Available: a, b"),
        ("all(", "al(", "'all'"),
        ("t['x', 'a']", "tt['x', 'a']", "'t'"),
    ],
)
def test_a_check_of_what_is_not_there_names_the_check(tmp_path, old, new, hint):
    with pytest.raises(FfreproError) as caught:
        checks.rows(form.load(small(tmp_path, old, new)))
    assert "checks[0] (one)" in caught.value.where and hint in caught.value.fix


def test_a_cell_that_is_not_printed_cannot_be_checked(tmp_path):
    (row,) = checks.rows(form.load(small(tmp_path, "t[['x'], 'b']", "t[['y'], 'b']")))
    assert row.result == UNDECIDED and says(row, "y, b")


@pytest.mark.parametrize(
    ("printed", "test", "extra", "result"),
    [
        ("0.0001", "student", {}, CONSISTENT),
        ("0.04", "student", {}, INCONSISTENT),
        ("< 0.01", "welch", {}, CONSISTENT),
        ("> 0.05", "welch", {}, INCONSISTENT),
        ("0.04", "paired", {}, INCONSISTENT),
        ("0.01", "paired", {}, CONSISTENT),
        ("0.04", "student", {"spread": "sem"}, INCONSISTENT),
        ("0.0079", "student", {"spread": "sem"}, CONSISTENT),
    ],
)
def test_p_values_in_their_forms(tmp_path, printed, test, extra, result):
    content = yaml.safe_load(SMALL)
    check = {"id": "p", "place": "p", "quote": "q", "kind": "p_value", "a": "t['x', 'a']", "b": "t['x', 'b']"}
    content["checks"] = [check | {"n": [5, 5], "test": test, "printed": printed} | extra]
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    (row,) = checks.rows(form.load(path))
    assert row.result == result, row.explanation


def test_without_the_number_of_runs_no_p_can_be_had(tmp_path):
    content = yaml.safe_load(SMALL)
    check = {"id": "p", "place": "p", "quote": "q", "kind": "p_value", "a": "t['x', 'a']", "b": "t['x', 'b']"}
    content["checks"] = [check | {"test": "welch", "printed": "0.01"}]
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    assert [row.result for row in checks.rows(form.load(path))] == [UNDECIDED]


def test_the_sample_size_of_a_grim_check_is_a_whole_number(tmp_path):
    path = small(tmp_path, "kind: statement\n    holds: all(t['x', 'a'] < t[['x'], 'b'])",
                 "kind: grim\n    cells: t[:, 'a']\n    n: 0.3 * 5")  # fmt: skip
    with pytest.raises(FfreproError) as caught:
        checks.rows(form.load(path))
    assert "checks[0] (one)" in caught.value.where


def test_numbers_beyond_floating_point_are_refused(tmp_path):
    path = small(tmp_path, "kind: statement\n    holds: all(t['x', 'a'] < t[['x'], 'b'])",
                 "kind: number\n    printed: '1'\n    from: 1e300 * 1e300")  # fmt: skip
    with pytest.raises(FfreproError) as caught:
        checks.rows(form.load(path))
    assert "checks[0] (one)" in caught.value.where


def test_files_that_cannot_be_read(tmp_path):
    bad = {"list.yaml": b"- 1", "empty.yaml": b"", "latin.yaml": b"title: \xe9", "loop.yaml": b"title: &a [*a]"}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FfreproError) as caught:
            form.load(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value.where)
    with pytest.raises(FfreproError):
        form.find(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(FfreproError) as caught:
        form.find("chikhachev2025")
    assert RNN in caught.value.fix


def test_the_reports_section_has_a_row_for_each_check(found):
    heading, _, table = section.section(DLR)
    assert isinstance(heading, Heading) and isinstance(table, Table)
    assert [row[0] for row in table.rows] == list(found[DLR])
    assert len(set(table.anchors)) == len(table.rows)
    assert section.section("a_paper_without_an_audit") == []


def test_the_summary_counts_every_row(found):
    numbers = list(map(int, re.findall(r"\d+", section.summary(list(found[RNN].values())))))
    assert numbers[0] == sum(numbers[1:]) == len(found[RNN])


def test_the_text_shows_what_is_inconsistent_with_its_arithmetic(found):
    rows = list(found[RNN].values())
    short, long = (section.as_text("title", rows, every=every) for every in (False, True))
    assert short.count("    computed: ") == sum(row.result != CONSISTENT for row in rows)
    assert long.count("    computed: ") == len(rows)
    assert short.index("INCONSISTENT") < short.index("CANNOT BE CHECKED") < short.index("CONSISTENT  std-slower")
