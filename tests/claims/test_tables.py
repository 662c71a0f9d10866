"""Tables: cells, notes, Holm across the table, tests between our own samples, and the three files."""

import csv
import io
import math

import pytest
from scipy import stats

from ffrepro.base.errors import FfreproError
from ffrepro.claims import table_files, table_pairs, tables
from ffrepro.claims.blocks import text_of
from ffrepro.claims.compare import best_pick, scale_pick
from ffrepro.claims.load import Equivalence
from ffrepro.claims.records import Store
from ffrepro.claims.scale import Scale
from ffrepro.claims.table_files import build_table

PAPER = "chikhachev2025_rnn"


def table(world, name, scale="lite"):
    store = Store(world.root, world.plans)
    return tables.build(world.claims(), store, name, scale_pick(store, scale), f"scale {scale}")


@pytest.fixture
def lite(world):
    """Three seeds of everything; MobileTouch runs into the limit; FF-Std of $1 lacks a run."""
    world.add_plans("lite")
    for plan in world.plans:
        shift = 0.002 * (plan["seed"] - 1)
        if plan["experiment"] == "rnn_dollar_corrected" and plan["variant"] == "ff_std" and plan["seed"] == 2:
            continue
        accuracy = {"bptt": 0.95, "ff_rms": 0.83}.get(plan["variant"], 0.86) + shift
        epochs = None if plan["dataset"] == "mobiletouch" else 40 + plan["seed"]
        world.record(plan, accuracy=accuracy, auc=accuracy + 0.04, epochs=epochs, ratio={"FF-Std, plain autograd": 2.2})
    return world


def test_overview_has_the_papers_layout(lite):
    shown = tables.overview(table(lite, "table1"))
    assert [row[0] for row in shown.rows] == ["$1", "MobileTouch", "MCYT", "Mouse-Ops."]
    cell = [line.text for line in shown.rows[0][1]]
    assert cell[0] == "paper 0.8344"
    assert cell[1] == "corrected: 0.8300 ± 0.0020, n=3 compatible"
    assert cell[2].startswith("as_published: 0.8300")
    assert [line.kind for line in shown.rows[0][1]] == ["", "compatible", "compatible"]


def test_notes_stand_at_their_numbers(lite):
    result = table(lite, "table1")
    letters = {letter: text for text, letter in result.footnotes().items()}
    rows = {row[0]: [text_of(cell) for cell in row[1:]] for row in tables.overview(result).rows}
    assert "3 of 3 runs capped at 60 epochs; the paper allows 200" in letters.values()
    assert "2 of 3 planned runs" in letters.values()
    capped = next(k for k, v in letters.items() if "capped" in v)
    short = next(k for k, v in letters.items() if "planned" in v)
    assert all(f"[{capped}]" in cell for cell in rows["MobileTouch"])
    assert not any(f"[{capped}]" in cell for cell in rows["$1"])
    assert f"[{short}]" in rows["$1"][2] and f"[{short}]" not in rows["$1"][0]


def test_mixed_precision_is_said_at_the_numbers_that_it_touches(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        plan["profile"]["precision"] = "bfloat16_mixed" if plan["variant"] == "ff_std" else "float32"
        world.record(plan, epochs=40)
    result, text = table(world, "table1"), "trained in bfloat16_mixed precision"
    ff_rms, _, ff_std, _ = (world.claims().claim(short)["id"] for short in result.spec["rows"]["MCYT"])
    assert result.notes["corrected", ff_rms] == [] and result.notes["corrected", ff_std] == [text]
    letter = result.footnotes()[text]
    assert f"[{letter}] {text}." in table_files.as_markdown(result)
    row = next(row for row in tables.overview(result).rows if row[0] == "MCYT")
    assert text_of(row[3]).count(f"[{letter}]") == 1 and f"[{letter}]" not in text_of(row[1])
    assert text in table_files.as_csv(result) and text in table_files.as_latex(result).replace(r"\_", "_")


def test_holm_counts_the_cells_of_one_treatment(lite):
    result = table(lite, "table1")
    own = [cell.tests for key, cell in result.cells.items() if key[0] == "corrected"]
    tested = [tests for tests in own if tests.different == tests.different]
    smallest = min(tested, key=lambda tests: tests.different)
    assert len(tested) == smallest.family
    assert smallest.holm_different == pytest.approx(min(1, len(tested) * smallest.different))


def test_pairs_test_our_own_samples(lite):
    pairs = {(p.label, p.treatment): p for p in table(lite, "table2").pairs}
    assert len(pairs) == 16
    pair = pairs["MCYT, FF Standardization against MCYT, BPTT, accuracy", "corrected"]
    assert (pair.a.mean, pair.b.mean) == (pytest.approx(0.86), pytest.approx(0.95))
    assert pair.effect.g < -10
    assert 0 < pair.student.p <= pair.welch.p < pair.p_holm < 0.01
    assert pair.paired is None  # these runs have no split of their own by seed


def test_pairs_that_share_a_split_are_tested_within_seeds(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        plan["data"]["split_seed"] = "run"
        easy = {"ff_rms": 0.0, "ff_std": 0.01, "bptt": 0.03}[plan["variant"]]
        world.record(plan, accuracy=0.80 + 0.05 * plan["seed"] + easy * (1 + 0.01 * plan["seed"]), epochs=40)
    pairs = {pair.label: pair for pair in table(world, "table2").pairs}
    pair = pairs["MCYT, FF Standardization against MCYT, BPTT, accuracy"]
    assert pair.paired.p < 0.05 < 0.3 < pair.welch.p


def test_pairs_are_the_same_within_a_margin_set_beforehand(world):
    """Three seeds, differences of -.001, 0 and .001 within seeds: t of the nearer end is .02 * sqrt(3) / .001."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        plan["data"]["split_seed"] = "run"
        own = {"ff_std": 0.001 * (plan["seed"] - 1)}.get(plan["variant"], 0.05 * (plan["variant"] == "bptt"))
        world.record(plan, accuracy=0.80 + 0.03 * plan["seed"] + own, auc=0.8, epochs=40)
    found = {pair.label: pair for pair in table(world, "table1").pairs + table(world, "table2").pairs}
    pair = found["MCYT, FF Standardization against MCYT, BPTT, accuracy"]
    assert pair.margin == "±0.02" and pair.equivalent > 0.99 and pair.paired.p < 0.05
    claims, result = world.claims(), table(world, "table2")
    cells = {(c.claim["measure"]["variant"], c.claim["quantity"]): c for name in ("table1", "table2")
             for (treatment, _), c in table(world, name).cells.items()
             if treatment == "corrected" and c.claim["measure"]["dataset"] == "mcyt"}  # fmt: skip
    a, b = (cells[variant, "accuracy"] for variant in ("ff_std", "ff_rms"))
    assert table_pairs._equivalent(a, b, claims.equivalence("accuracy")) == pytest.approx(
        stats.t.sf(0.02 * 3**0.5 / 0.001, 2), rel=1e-6
    )
    shown = table_pairs.table(result.pairs)
    assert shown.rows[0][shown.header.index("Within")] == "±0.02"
    ratio = Equivalence(Scale("log"), math.log(1.1), "a factor of 1.1")
    assert 0 < table_pairs._equivalent(a, b, ratio) < 0.001
    assert math.isnan(table_pairs._equivalent(a, b, None))


def test_table_3_shows_ratios_and_seconds(lite):
    rows = {row[0]: [text_of(cell) for cell in row[1:]] for row in tables.overview(table(lite, "table3")).rows}
    assert (
        "paper 3.00 s (ratio 2.21) corrected: ratio 2.20 (closed form 1.00, s per epoch 0.50) inconclusive"
        in rows["FF-Std, $1"][1]
    )
    assert "as_published: not comparable" in rows["FF-Std, MCYT"][1]
    assert "paper 1.36 s corrected: 0.50 ± 0.00 s, n=3 not comparable" in rows["BPTT, $1"][1]
    assert "inconclusive" in rows["BPTT, MobileTouch"][0]


def test_csv_has_full_precision_and_every_treatment(lite):
    rows = list(csv.DictReader(io.StringIO(table_files.as_csv(table(lite, "table1")))))
    assert len(rows) == 32
    row = next(r for r in rows if r["claim"].endswith("/025") and r["treatment"] == "corrected")
    assert float(row["mean"]) == pytest.approx(0.83) and float(row["std"]) == pytest.approx(0.002)
    assert (row["n"], row["scale"], row["source"], row["verdict"]) == ("3", "lite", "upstream", "compatible")
    assert row["runs"].split()[0] == "lite/cpu/rnn_dollar_corrected/ff_rms/seed0"
    assert "D4" in row["deviations"] and "D10" not in row["deviations"]


def test_markdown_lists_the_deviations_that_touch_it(lite):
    text = table_files.as_markdown(table(lite, "table1"))
    assert "D7 (" in text and "D14" not in text  # D14 is about BPTT
    assert text.startswith("# Table 1.") and "(scale lite)" in text
    assert "Margins set beforehand: accuracy ±0.02, auc ±0.02. Post hoc" in text


def test_latex_is_escaped_and_complete(lite):
    text = table_files.as_latex(table(lite, "table3"))
    assert r"\$1, FF-Norm & epochs & 160 & 41.0 $\pm$ 1.0 (n=3)" in text
    assert text.count(r"\\") == 25  # header and 24 rows
    assert "as_published" not in text and r"as\_published" in text
    assert text.count("{") == text.count("}")


def test_stand_in_data_stand_in_the_title(world):
    world.add_plans("smoke", datasets=["dollar"], families=["rnn"])
    world.record_all("smoke")
    result = table(world, "table1", "smoke")
    assert result.title.endswith("(scale smoke; STAND-IN DATA, no result)")
    for text in (table_files.as_markdown(result), table_files.as_latex(result)):
        assert "STAND-IN DATA" in text
    assert "smoke (stand-in data)" in text_of(tables.overview(result).rows[0][1])


def test_a_table_without_runs_says_not_run(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    shown = tables.overview(table(world, "table2"))
    assert text_of(shown.rows[0][1]) == "paper 0.8552 corrected: not run as_published: not run"
    assert not table(world, "table2").deviations()


def test_best_evidence_names_its_scale(lite):
    lite.add_plans("smoke")
    lite.record_all("smoke")
    store = Store(lite.root, lite.plans)
    result = tables.build(lite.claims(), store, "table1", best_pick(store), "best evidence")
    assert not result.standin
    evidence = {row[tables.details(result).header.index("Evidence")] for row in tables.details(result).rows}
    assert evidence == {"lite, cpu"}


def test_another_version_of_the_method_is_noted_once_other_code_is_not(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    plans = world.find("rnn_dollar_corrected", "bptt")
    for plan in plans:
        world.record(plan | {"code": "0lder"}, epochs=50)
    before = set(table(world, "table2").footnotes())
    for plan in plans:
        world.record(plan, epochs=50, methods={"backprop_rnn": 7})
    assert set(table(world, "table2").footnotes()) - before == {"made by version 7 of backprop_rnn, now 1"}


def test_build_table_writes_the_three_files(lite):
    paths = build_table(Store(lite.root, lite.plans, ["cpu"]), "lite", PAPER, "table1")
    folder = lite.root / "reports/lite/tables" / PAPER
    assert paths == [folder / f"table1.{suffix}" for suffix in ("csv", "md", "tex")]
    first = [path.read_bytes() for path in paths]
    build_table(Store(lite.root, list(reversed(lite.plans)), ["cpu"]), "lite", PAPER, "table1")
    assert [path.read_bytes() for path in paths] == first
    with pytest.raises(FfreproError, match="Did you mean 'table1'"):
        build_table(Store(lite.root, lite.plans, ["cpu"]), "lite", PAPER, "table11")


def test_intervals_end_where_a_quantity_does(world):
    """MCYT, FF-Norm, AUC: mean .983, std .029, so that the t interval would reach 1.06."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        world.record(plan, accuracy=0.9, auc=(0.95, 1.0, 1.0)[plan["seed"]], epochs=40)
    result = table(world, "table1")
    _, auc, _, _ = result.spec["rows"]["MCYT"]
    summary = result.cells["corrected", world.claims().claim(auc)["id"]].summary
    assert (summary.low, summary.high) == (pytest.approx(0.98333 - 4.3027 * 0.028868 / 3**0.5, abs=1e-4), 1)
    assert "[0.9116, 1.0000]" in table_files.as_markdown(result)
