"""The claims file: complete, as printed in the paper, and refused when it is wrong."""

import copy
import re

import pytest
import yaml

from ffrepro.base import studies
from ffrepro.base.errors import FfreproError
from ffrepro.claims import complete, expressions, load

PAPER = "chikhachev2025_rnn"
# Typed from the paper's pages, independently of the claims file: data set -> columns of the table.
TABLE_1 = {
    "$1": (0.8344, 0.9245, 0.8552, 0.9320),
    "MobileTouch": (0.8221, 0.8906, 0.8315, 0.9063),
    "MCYT": (0.9046, 0.9528, 0.8876, 0.9602),
    "Mouse-Ops.": (0.8927, 0.9527, 0.9182, 0.9750),
}
TABLE_2 = {
    "$1": (0.8552, 0.9320, 0.9636, 0.9928),
    "MobileTouch": (0.8315, 0.9063, 0.8689, 0.9498),
    "MCYT": (0.8876, 0.9602, 0.9804, 0.9971),
    "Mouse-Ops.": (0.9182, 0.9750, 0.9792, 0.9945),
}
TABLE_3 = {
    "FF-Norm, $1": (160, 1.36),
    "FF-Norm, MobileTouch": (198, 2.19),
    "FF-Norm, MCYT": (69, 1.48),
    "FF-Norm, Mouse-Ops.": (30, 0.31),
    "FF-Std, $1": (107, 3.00),
    "FF-Std, MobileTouch": (123, 5.03),
    "FF-Std, MCYT": (73, 3.15),
    "FF-Std, Mouse-Ops.": (37, 0.55),
    "BPTT, $1": (50, 1.36),
    "BPTT, MobileTouch": (84, 1.55),
    "BPTT, MCYT": (51, 1.49),
    "BPTT, Mouse-Ops.": (53, 0.20),
}


@pytest.fixture(scope="module")
def claims(project_root):
    return load.load(project_root, PAPER)


@pytest.fixture
def parts(project_root):
    """(content, study, schema) to break."""
    folder = studies.FOLDER / PAPER
    files = [folder / load.FILE, folder / load.STUDY, project_root / load.SCHEMA]
    content, study, schema = (yaml.safe_load(path.read_text()) for path in files)
    return [content | {"claims": complete.expanded(content, "file")}, study, schema]


def test_claims_are_in_order_and_complete(claims):
    numbers = [int(name[-3:]) for name in claims.claims]
    assert numbers == sorted(set(numbers)) and set(range(1, 80)) <= set(numbers)
    # of those that both lists of claims lacked, these only repeat another one
    assert set(range(80, 118)) - set(numbers) == {80, 101, 108, 116}
    assert [name[-3:] for name, claim in claims.claims.items() if claim.get("own")] == ["079", "118"]
    assert PAPER in load.papers()


@pytest.mark.parametrize(("name", "printed"), [("table1", TABLE_1), ("table2", TABLE_2), ("table3", TABLE_3)])
def test_tables_are_as_printed(claims, name, printed):
    table = claims.table(name)
    assert list(table["rows"]) == list(printed)
    for label, ids in table["rows"].items():
        assert tuple(claims.claim(short)["value"] for short in ids) == printed[label], label


def test_a_cell_is_measured_on_its_own_row_and_column(claims):
    labels = claims.content["datasets"]
    for label, (norm_acc, norm_auc, std_acc, std_auc) in claims.table("table1")["rows"].items():
        for short, variant, metric in (
            (norm_acc, "ff_rms", "test/accuracy"),
            (norm_auc, "ff_rms", "test/auc"),
            (std_acc, "ff_std", "test/accuracy"),
            (std_auc, "ff_std", "test/auc"),
        ):
            measure = claims.claim(short)["measure"]
            assert (labels[measure["dataset"]], measure["variant"], measure["metric"]) == (label, variant, metric)
    for label, (epochs, seconds) in claims.table("table3")["rows"].items():
        method, dataset = label.split(", ")
        for short in (epochs, seconds):
            measure = claims.claim(short)["measure"]
            assert claims.content["variants"][measure["variant"]] == method
            assert labels[measure["dataset"]] == dataset


def test_ratios_are_against_backpropagation_on_the_same_data(claims):
    # Table 3 by hand: MobileTouch 2.19 / 1.55 = 1.41, Mouse-Ops. .55 / .20 = 2.75
    assert claims.expected(claims.claim("052")) == pytest.approx(1.4129, abs=1e-4)
    assert claims.expected(claims.claim("064")) == pytest.approx(2.75)
    for claim in claims.claims.values():
        if "published" in claim:
            own, base = expressions.names(claim["published"])
            pair = [claims.claim(name[1:])["measure"] for name in (own, base)]
            assert pair[0]["dataset"] == pair[1]["dataset"] and pair[1]["variant"] == "bptt"


def test_a_run_knows_the_claims_that_it_is_evidence_for(claims):
    def of(experiment, variant, kind="train"):
        return claims.measured_by({"experiment": experiment, "dataset": "mcyt", "variant": variant, "kind": kind})

    assert of("rnn_mcyt_corrected", "ff_rms") == of("rnn_mcyt_as_published", "ff_rms") == ["033", "034", "053"]
    assert of("bench_mcyt_corrected", "interleaved", "bench") == ["054", "062"]  # FF-Norm's and FF-Std's ratio
    assert of("matched_mcyt_matched", "ff_rms") == []


def test_margins(claims):
    assert claims.margin(claims.claim("025")) == 0.02
    assert claims.margin(claims.claim("049")) == 40  # 25 % of 160 epochs
    assert claims.margin(claims.claim("058")) == pytest.approx(0.1 * 3.00 / 1.36)
    assert claims.margin(claims.claim("066")) is None
    # half of the smallest gap of Table 2 as a ratio of 1 - value: MobileTouch, in both
    for quantity, (ff, bptt) in {"accuracy": (0.8315, 0.8689), "auc": (0.9063, 0.9498)}.items():
        factor = claims.content["quantities"][quantity]["post_hoc"]["margin"]["factor"]
        assert factor == pytest.approx(((1 - ff) / (1 - bptt)) ** 0.5, abs=0.005)
    assert claims.budget("rnn_mcyt_corrected") == (200, "the paper allows 200")


def test_what_follows_from_the_published_numbers(claims):
    for claim in claims.claims.values():
        for entry in claim.get("derived", []):
            value = expressions.evaluate(entry["expression"], claims.published)
            decimals = len(str(entry["value"]).partition(".")[2])
            assert round(value, decimals) == pytest.approx(entry["value"]), (claim["id"], entry["label"])
    holds = {
        i[-3:]: expressions.evaluate(c["holds"], claims.published) for i, c in claims.claims.items() if "holds" in c
    }
    assert {"073", "081", "105", "115"} == {number for number, true in holds.items() if true}


def test_deviations_touch_what_they_name(claims):
    def touching(short, treatment):
        return [deviation["id"] for deviation in claims.deviations(claims.claim(short), treatment)]

    assert "D10" in touching("025", "as_published") and "D10" not in touching("025", "corrected")
    assert "D7" in touching("027", "corrected") and "D7" not in touching("025", "corrected")
    assert touching("017", "corrected") == []  # a setting has no measured number
    used = {i for c in claims.claims for t in claims.treatments for i in touching(c[-3:], t)}
    assert used == {deviation["id"] for deviation in claims.content["deviations"]}


def test_every_kind_has_claims_and_quotes_are_short(claims):
    kinds = {claim["kind"] for claim in claims.claims.values()}
    assert kinds == {"measured", "setting", "arithmetic", "comparison", "data", "statement"}
    assert all(0 < len(claim["quote"]) < 160 for claim in claims.claims.values())


BREAKAGES = []


def breaks(message):
    """A decorator: the function makes a file wrong, and the error says so."""

    def register(break_it):
        BREAKAGES.append(pytest.param(break_it, message, id=break_it.__name__))
        return break_it

    return register


@breaks("colour")
def unknown_key(content):
    content["claims"][0]["colour"] = "blue"


@breaks("about")
def unknown_margin(content):
    content["quantities"]["accuracy"]["margin"] = {"about": 1}


@breaks("check")
def missing_check(content):
    del content["claims"][0]["check"]


@breaks("measure|False schema")
def measure_of_a_setting(content):
    content["claims"][13]["measure"] = content["claims"][30]["measure"]


@breaks("given twice")
def twice(content):
    content["claims"].append(copy.deepcopy(content["claims"][0]))


@breaks("unknown claim '999'")
def cell_without_claim(content):
    content["tables"]["table1"]["rows"]["$1"][0] = "999"


@breaks("as many as the columns")
def uneven_row(content):
    content["tables"]["table1"]["rows"]["$1"].pop()


@breaks("c500")
def expression_of_nothing(content):
    content["claims"][49]["published"] = "c050 / c500"


@breaks("Did you mean 'ff_std'")
def variant_of_nothing(content):
    content["claims"][30]["measure"]["variant"] = "ff_sdt"


@breaks("mnist")
def deviation_of_nothing(content):
    content["deviations"][0]["touches"] = {"datasets": ["mnist"]}


@breaks("Did you mean 'bptt'")
def label_of_nothing(content):
    content["variants"][0] = "bppt"


@breaks("Did you mean 'corrected'")
def treatment_of_nothing(content):
    content["experiments"]["bench"] = {"corected": "bench_published"}


@pytest.mark.parametrize(("break_it", "message"), BREAKAGES)
def test_a_wrong_file_is_refused(parts, break_it, message):
    load.build(PAPER, *parts, "file")  # as it is, it passes
    break_it(parts[0])
    with pytest.raises(FfreproError) as error:
        load.build(PAPER, *parts, "file")
    assert re.search(message, str(error.value))


def test_unknown_paper_and_table(project_root, claims):
    with pytest.raises(FfreproError, match="Did you mean 'chikhachev2025_rnn'"):
        load.load(project_root, "chikhachev2025_rn")
    with pytest.raises(FfreproError, match="Available: table1, table2, table3"):
        claims.table("table4")


def test_groups_and_cells_give_claims_what_they_have_in_common():
    each = [
        {"id": "001", "cell": "auc", "value": 1, "companions": [{"label": "b"}]},
        {"id": "002", "value": 2, "n": None},
    ]
    row = {"row": "r", "measure": {"experiment": "e"}, "each": each}
    cells = {"auc": {"metric": "AUC", "measure": {"metric": "test/auc"}, "companions": [{"label": "a"}]}}
    content = {"cells": cells, "claims": [{"id": "000"}, {"n": 5, "each": [row]}]}
    first, second = {"n": 5, "row": "r", "measure": {"experiment": "e"}}, {"id": "002", "value": 2, "n": None}
    assert complete.expanded(content, "here") == [
        {"id": "000"},
        first
        | {"id": "001", "value": 1, "metric": "AUC", "measure": {"experiment": "e", "metric": "test/auc"}}
        | {"companions": [{"label": "a"}, {"label": "b"}]},
        first | second,
    ]
    with pytest.raises(FfreproError, match="Did you mean 'auc'"):
        complete.expanded({"cells": cells, "claims": [{"cell": "aucc"}]}, "here")


def test_experiments_are_those_of_the_study(parts):
    """The loader takes a study that was cut down; the committed one is whole."""
    content, study, _ = parts
    named = {name for family, other in content["experiments"].items() for name in (family, *other.values())}
    named |= {name for entry in content["difficulty"]["methods"].values() for name in entry.values()}
    assert named == set(study["experiments"])
