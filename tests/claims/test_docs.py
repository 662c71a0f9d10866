"""Generated text of pages: hand-computed numbers from a small made-up project, and this project's own pages."""

import json
import math
import shutil
import types

import pytest
import yaml

from ffrepro.base.errors import FfreproError
from ffrepro.claims import docs, docs_tables
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.records import Store
from ffrepro.claims.screen import picture
from ffrepro.cli import main

PAPER = "chikhachev2025_rnn"
EXPERIMENT = "lite/cpu/rnn_mcyt_corrected"
FF, BPTT = f"{EXPERIMENT}/ff_std", f"{EXPERIMENT}/bptt"


def pages_of(store):
    """The generated pages and the picture, without the table of verdicts (test_results.py)."""
    return [page for page in docs.generate(store) if page.blocks[0].kind != "results"]


class Project:
    """A made-up project with committed records, one study's definitions and one page."""

    def __init__(self, world):
        self.world, self.root = world, world.root
        shutil.copy(world.project / docs.SCHEMA, self.root / docs.SCHEMA)
        self.page = self.root / "docs/page.md"
        self.page.parent.mkdir()

    def define(self, **definitions):
        path = self.root / docs.STUDIES / PAPER / docs.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(definitions, sort_keys=False))

    def table(self, rows, *columns):
        """The cells of a table with these columns, row by row."""
        self.define(tables={"t": {"rows": rows, "columns": [{"title": str(i)} | c for i, c in enumerate(columns)]}})
        self.page.write_text(f"<!-- ffrepro: table {PAPER}/t -->\n<!-- /ffrepro -->\n")
        (page,) = pages_of(Store(self.root, self.world.plans, local=False))
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.text.splitlines()[3:-1]]

    def value(self, **spec):
        self.define(values={"v": spec})
        self.page.write_text(f"It is <!-- ffrepro: value {PAPER}/v --><!-- /ffrepro -->.\n")
        (page,) = pages_of(Store(self.root, self.world.plans, local=False))
        return page.text.removeprefix(f"It is <!-- ffrepro: value {PAPER}/v -->").removesuffix("<!-- /ffrepro -->.\n")


@pytest.fixture
def project(world, project_root):
    """MCYT at scale lite: FF-Std errs 20, 18 and 16 percent, BPTT 10; FF-Norm has not been run; a bench."""
    world.project = project_root
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn", "bench"])
    for plan, accuracy in zip(world.find("rnn_mcyt_corrected", "ff_std"), (0.80, 0.82, 0.84), strict=True):
        world.commit_records([plan], accuracy=accuracy, auc=0.9, epochs=2)
    world.commit_records(world.find("rnn_mcyt_corrected", "bptt"), accuracy=0.9, auc=0.97, epochs=2)
    ratio = {"FF-Norm, plain autograd": 0.9, "FF-Std, plain autograd": 0.75}
    world.commit_records(world.find("bench_mcyt_corrected", "interleaved"), ratio=ratio)
    return Project(world)


ERROR = {"metric": "test/accuracy", "complement": True, "factor": 100, "digits": 1}


def test_means_over_seeds_and_the_twin(project):
    rows = project.table(
        {"runs": [FF, f"{EXPERIMENT}/*"]},
        {"text": "`{family}/{variant}`"},
        {"n": "runs"},
        ERROR,
        ERROR | {"twin": True},
        {"metric": "test/accuracy", "over_twin": "test/accuracy", "statistic": "mean", "digits": 2},
        {"metric": "test/accuracy_layer2", "statistic": "most", "digits": 2},
        {"metric": "bench/ratio_to_bp", "row": "FF-Norm", "digits": 2},
        {"metric": "test/accuracy", "digits": 2, "unless": {"method": "backprop_rnn"}},
        {"metric": "test/accuracy", "digits": 2, "when": {"method": "backprop_rnn"}},
    )
    assert rows == [  # each run once, in the order of the patterns; BPTT has no twin and no layers
        ["`rnn/ff_std`", "3", "18.0 ± 2.0", "10.0 ± 0.0", "0.91", "0.82", "–", "0.82 ± 0.02", "–"],
        ["`rnn/bptt`", "3", "10.0 ± 0.0", "–", "–", "–", "–", "–", "0.90 ± 0.00"],
    ]


def test_a_metric_over_another_of_the_same_run_and_limits(project):
    """Accuracies of .80, .82 and .84 (FF-Std), of .9 thrice (BPTT): over themselves 1, at most .83 or not."""
    rows = project.table(
        {"each": [{"v": "ff_std", "most": 0.83}, {"v": "bptt", "most": 0.95}]},
        {"metric": "test/accuracy", "of": f"{EXPERIMENT}/{{v}}", "over_metric": "test/accuracy", "digits": 2},
        {"metric": "test/accuracy", "of": f"{EXPERIMENT}/{{v}}", "at_most": 0.89},
        {"metric": "test/accuracy", "of": f"{EXPERIMENT}/{{v}}", "at_most": "most"},
        {"metric": "test/none", "of": f"{EXPERIMENT}/{{v}}", "at_most": 1},
    )
    assert rows == [
        ["1.00 ± 0.00", "met", "missed in 1 of 3", "–"],
        ["1.00 ± 0.00", "missed in 3 of 3", "met", "–"],
    ]


def test_what_is_not_run_says_so(project):
    columns = ({"text": "{family}"}, {"text": "{dataset}"}, ERROR, {"n": "runs"})
    for missing in (f"{EXPERIMENT}/ff_rms", "paper/*/rnn_*"):
        assert project.table({"runs": [missing]}, *columns) == [[f"`{missing}`", "–", "not run", "not run"]]
    assert project.value(of=f"{EXPERIMENT}/ff_rms", **ERROR) == "not run"
    world = project.world
    world.record(world.find("rnn_mcyt_corrected", "ff_rms")[0])  # here alone: another checkout does not have it
    assert project.value(of=f"{EXPERIMENT}/ff_rms", **ERROR) == "not run"
    missing = {"runs": ["paper/cpu/bench_*"], "bench": "{way}, plain autograd"}
    assert project.table(missing, {"text": "{way}"}, ERROR) == [["`paper/cpu/bench_*`", "not run"]]


def test_a_run_that_lost_a_file_is_not_run(project):
    (project.root / "reports/reference" / FF / "seed1/metrics.jsonl").unlink()
    assert project.value(of=FF, n="runs") == "2"


def test_rows_in_the_order_of_a_metric(project):
    spec = {"runs": [f"{EXPERIMENT}/*"], "sort": "test/accuracy"}
    assert [row[0] for row in project.table(spec, {"text": "{variant}"})] == ["ff_std", "bptt"]


def test_numbers_along_the_epochs(project):
    """The made-up accuracy at epoch e is .5 + (.82 - .5)(1 - exp(-e / 5)), mean over the seeds."""
    rows = project.table(
        {"runs": [FF], "epochs": [1, 2, 3]},
        {"field": "epoch"},
        {"metric": "val/accuracy", "statistic": "mean", "digits": 4},
    )
    expected = [0.5 + 0.32 * (1 - math.exp(-epoch / 5)) for epoch in (1, 2)]
    assert rows == [["1", f"{expected[0]:.4f}"], ["2", f"{expected[1]:.4f}"], ["3", "–"]]
    least = 0.5 + (0.80 - 0.5) * (1 - math.exp(-1 / 5))
    spec = {"metric": "val/accuracy", "epochs": "all", "statistic": "least", "digits": 4}
    assert project.value(of=FF, **spec) == f"{least:.4f}"


def test_rows_of_a_bench(project):
    rows = project.table(
        {"runs": ["lite/cpu/bench_mcyt_corrected/interleaved"], "bench": "{way}, plain autograd"},
        {"text": "{dataset}/{way}"},
        {"metric": "bench/ratio_to_bp", "row": "{way}, plain autograd", "statistic": "mean", "digits": 2},
        {"metric": "bench/ms_median", "row": "{way}", "statistic": "mean", "digits": 1},
        {"text": "{way}", "lookup": {"FF-Std": "{c036}, {c035}"}},
    )
    assert rows == [["mcyt/FF-Norm", "0.90", "20.0", "–"], ["mcyt/FF-Std", "0.75", "20.0", "0.9602, 0.8876"]]


def test_what_is_left_names_its_hours(project):
    """FF-Std, BPTT and a bench have been run; each run takes two hours where anybody knows."""
    columns = ({"text": "{experiment}"}, {"field": "runs"}, {"text": "{hours}"})
    left = [plan for plan in project.world.plans if plan["variant"] not in ("ff_std", "bptt", "interleaved")]
    bench = ["bench_published_dollar_as_published", "1", "unknown"]
    spec = {"missing": {"scale": "lite", "hardware": "cpu"}}
    assert project.table(spec, *columns) == [["rnn_mcyt_corrected", str(len(left)), "unknown"], bench]
    store = Store(project.root, project.world.plans, local=False)

    def row(hours):
        return next(page for page in docs.generate(store, hours) if page.path == "docs/page.md").text.splitlines()[3]

    assert row(lambda plan: 2.0).endswith(f"| {2 * len(left)}.0 |")
    half = Sources(store, project.world.claims(), lambda plan: None if plan["variant"] == "ff_rms" else 2.0)
    assert half.hours([*left, *project.world.find("rnn_mcyt_corrected", "bptt")]) == "6.0, and 3 runs unknown"
    assert row(lambda plan: 0.001).endswith("| less than 0.1 |")


def test_parameters_are_counted_of_planned_runs_alone(project):
    with pytest.raises(FfreproError, match="no run"):
        project.table({"runs": [f"{EXPERIMENT}/nobody"]}, {"parameters": "net"})
    with pytest.raises(FfreproError, match="has no images"):
        project.table({"runs": [f"{EXPERIMENT}/ff_rms"]}, {"parameters": "net"})


def test_claims_and_verdicts(project):
    columns = [{"claim": what} for what in ("published", "ours", "n", "verdict", "evidence")]
    rows = project.table({"claims": ["table2"]}, {"text": "{id}"}, *columns)
    cells = {row[0]: row[1:] for row in rows}
    assert len(rows) == len(cells) == 16
    assert cells["036"] == ["0.9602", "0.9000 ± 0.0000", "3", "protocol not stated", "lite"]
    assert cells["028"] == ["0.9320", "–", "–", "not run", "–"]
    counted = project.table({"verdicts": "all"}, {"text": "{verdict}"}, {"field": "claims"})
    own = [claim for claim in project.world.claims().claims.values() if not claim.get("own")]  # of the paper
    assert sum(int(n) for _, n in counted) == len(own) == int(project.value(claims="paper"))
    assert project.value(claim="ours", id="045") == "0.9000 ± 0.0000"
    assert project.value(claim="published", id="017") == "200"  # a setting, which has no quantity


def test_cells_of_rows_that_are_written_out(project):
    rows = [{"variant": "ff_std", "says": "FF"}, {"variant": "bptt"}, {"says": "none"}]
    cells = project.table({"each": rows}, {"text": "{says}"}, ERROR | {"of": "lite/*/rnn_mcyt_corrected/{variant}"})
    assert cells == [["FF", "18.0 ± 2.0"], ["–", "10.0 ± 0.0"], ["none", "–"]]


def test_parts_of_json_files(project):
    nets = [{"net": "a", "rows": [{"name": "x", "rate": {"s": 0.5}, "bad": {"one": 2, "two": 3}, "bytes": 12_345_678}]}]
    (project.root / "bench.json").write_text(json.dumps({"nets": nets, "config": {"batch": 256}}))
    rows = project.table(
        {"json": "bench.json", "at": ["nets", {"net": "a"}, "rows"]},
        {"text": "{name}"},
        {"field": "rate.s", "digits": 2, "suffix": " s"},
        {"field": "bad"},
        {"field": "bytes", "factor": 1e-6, "digits": 1},
        {"field": "bytes"},
        {"field": "bytes", "over": "rate.s", "digits": 0},
    )
    assert rows == [["x", "0.50 s", "5", "12.3", "12,345,678", "24691356"]]
    assert project.value(json="bench.json", at=["config"], field="batch") == "256"


def test_writing_is_idempotent_and_touches_nothing_else(project):
    project.define(values={"n": {"of": FF, "n": "runs"}})
    project.page.write_text(f"before <!-- ffrepro: value {PAPER}/n -->5<!-- /ffrepro --> after\n")
    other = project.root / "README.md"
    other.write_text("no markers\n")
    pages = pages_of(Store(project.root, project.world.plans, local=False))
    assert [(page.path, [block.name for block in page.changed]) for page in pages] == [("docs/page.md", ["n"])]
    assert docs.write(project.root, pages) == ["docs/page.md"]
    assert project.page.read_text() == f"before <!-- ffrepro: value {PAPER}/n -->3<!-- /ffrepro --> after\n"
    again = pages_of(Store(project.root, project.world.plans, local=False))
    assert [page.changed for page in again] == [[]]
    assert docs.write(project.root, again) == []
    assert other.read_text() == "no markers\n"


def test_the_picture_shows_the_first_screen_and_is_written_once(project):
    """FF-Std errs 18 percent, BPTT 10; times are of one process."""
    project.define(picture=True)
    for written in ([picture.FILE], []):
        pages = pages_of(Store(project.root, project.world.plans, local=False))
        assert docs.write(project.root, pages) == written
    text = (project.root / picture.FILE).read_text()
    shown = ["Does Forward-Forward really do that?", "error 18.0 / 10.0 % (MCYT)", "0.75 to 0.90× (training step)"]
    for line in [*shown, "RNN: MCYT, FF-Std"]:
        assert f">{line}</text>" in text
    assert "MobileTouch" not in text and "<dc:date>" not in text  # what has no runs is no row
    (project.root / picture.FILE).write_text(text.replace("MCYT", "ABCD"))
    (page,) = pages_of(Store(project.root, project.world.plans, local=False))
    assert page.path == picture.FILE and page.changed


def test_a_picture_without_any_run(project, world):
    project.define(picture=True)
    (page,) = pages_of(Store(project.root, [], local=False))
    assert page.path == picture.FILE and "percent" not in page.text and "not run" in page.text


TEXT = {"text": "{variant}"}


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ({"runs": [FF]}, {"text": "{variants}"}),
        ({"runs": [FF]}, {"text": "{c999}"}),
        ({"runs": [FF]}, {"field": "variant", "digits": 1}),
        ({"runs": [FF]}, {"when": {"methods": "ff"}, "text": "x"}),
        ({"runs": [FF]}, ERROR | {"of": "lite/cpu/rnn_mcyt_corrected/*"}),
        ({"runs": [FF]}, {"metric": "stopped_by", "digits": 1}),
        ({"runs": [FF], "sort": "stopped_by"}, TEXT),
        ({"runs": [FF]}, {"claim": "ours"}),
        ({"claims": ["table9"]}, TEXT),
        ({"claims": ["table1"]}, {"claim": "ours", "id": "999"}),
        ({"claims": ["table1"]}, {"claim": "ours", "treatment": "matched"}),
        ({"json": "none.json"}, TEXT),
        ({"json": "docs/page.md"}, TEXT),
        ({"json": "data.json"}, TEXT),
        ({"json": "data.json", "at": ["none"]}, TEXT),
        ({"json": "data.json", "at": ["rows", {"name": "b"}]}, TEXT),
        ({"json": "data.json", "at": ["numbers"]}, TEXT),
        ({"json": "data.json", "at": ["rows"]}, {"field": "sizes"}),
    ],
)
def test_a_definition_that_names_what_is_not_there(project, rows, column):
    (project.root / "data.json").write_text(
        json.dumps({"rows": [{"name": "a", "sizes": {"x": "big"}}], "numbers": [1, 2]})
    )
    with pytest.raises(FfreproError) as caught:
        project.table(rows, column)
    assert caught.value.where == f"{docs.STUDIES}/{PAPER}/{docs.FILE}, table t"


@pytest.mark.parametrize(
    ("definitions", "place"),
    [
        ({"tabels": {}}, ""),
        ({"tables": {"t": {"rows": {"runs": [FF]}}}}, "['tables']['t']"),
        (
            {"tables": {"t": {"rows": {"runs": [FF], "claims": ["table1"]}, "columns": [TEXT]}}},
            "['tables']['t']['rows']",
        ),
        ({"values": {"v": {"metric": "test/auc", "of": FF}}}, "['values']['v']"),
        ({"values": {"v": {"text": "a", "statistic": "median"}}}, "['values']['v']['statistic']"),
        (None, ""),
    ],
)
def test_a_file_that_breaks_the_schema(project, definitions, place):
    path = project.root / docs.STUDIES / PAPER / docs.FILE
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(definitions))
    project.page.write_text(f"It is <!-- ffrepro: value {PAPER}/v --><!-- /ffrepro -->.\n")
    with pytest.raises(FfreproError) as caught:
        docs.generate(Store(project.root, [], local=False))
    assert caught.value.where == (f"{path}:1" if definitions is None else f"{path} {place}")


@pytest.mark.parametrize("content", [b"tables: {", b"\xff\xfe"])
def test_a_file_that_is_no_yaml(project, content):
    project.define()
    path = project.root / docs.STUDIES / PAPER / docs.FILE
    path.write_bytes(content)
    project.page.write_text(f"It is <!-- ffrepro: value {PAPER}/v --><!-- /ffrepro -->.\n")
    with pytest.raises(FfreproError) as caught:
        docs.generate(Store(project.root, [], local=False))
    assert str(caught.value.where).startswith(str(path))


@pytest.mark.parametrize(
    ("marker", "where"),
    [
        ("value nobody2025/v", f"{docs.STUDIES}/*/{docs.FILE}"),
        (f"value {PAPER}/w", f"{docs.STUDIES}/{PAPER}/{docs.FILE}"),
        (f"value {PAPER}/t", f"{docs.STUDIES}/{PAPER}/{docs.FILE}"),  # there is a table of this name, no value
    ],
)
def test_a_marker_of_what_is_not_defined(project, marker, where):
    project.define(tables={"t": {"rows": {"runs": [FF]}, "columns": [TEXT | {"title": "run"}]}})
    project.page.write_text(f"It is <!-- ffrepro: {marker} --><!-- /ffrepro -->.\n")
    with pytest.raises(FfreproError) as caught:
        docs.generate(Store(project.root, [], local=False))
    assert caught.value.where == where


def test_the_pages_of_this_repository(project_root, monkeypatch, capsys):
    """They are up to date, and every definition is shown somewhere."""
    monkeypatch.chdir(project_root)
    assert main.main(["docs"]) == 0
    printed = capsys.readouterr().out
    assert "out of date" not in printed, "run `ffrepro docs --write` and commit what it writes"
    for paper, content in docs.Studies(Store(project_root, [], local=False)).definitions.items():
        for kind in ("table", "value"):
            for name in content.get(f"{kind}s", {}):
                assert f": {kind} {paper}/{name}: up to date\n" in printed


def test_a_module_of_the_study_gives_the_rows(project, monkeypatch):
    module = types.SimpleNamespace(docs_rows=lambda claims, store: [{"who": claims.paper, "x": 0.25, "y": None}])
    found = types.SimpleNamespace(module=lambda paper, name: module if name == "own" else None)
    monkeypatch.setattr(docs_tables, "studies", found)
    columns = ({"text": "{who}"}, {"field": "x", "digits": 1}, {"field": "y"})
    assert project.table({"module": "own"}, *columns) == [[PAPER, "0.2", "–"]]
    with pytest.raises(FfreproError, match="docs_rows"):
        project.table({"module": "other"}, *columns)
