"""Directions that papers announce: what covers them follows from committed records, and what they name exists."""

import pytest
import yaml

from ffrepro.base.errors import FfreproError
from ffrepro.claims import docs, docs_directions, load
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.records import Store

PAPER, OTHER = "chikhachev2025_rnn", "krutsylo2025_sff"
FF = "lite/cpu/rnn_mcyt_corrected/ff_std"
BASE = {"direction": "Sleep", "where": "Sec. 5"}
ABSENT = {"why": "Nobody sleeps.", "cost": "a night"}


@pytest.fixture
def sources(world):
    """MCYT at scale lite: three runs of FF-Std and of BPTT; FF-Norm has not been run."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for variant in ("bptt", "ff_std"):
        world.commit_records(world.find("rnn_mcyt_corrected", variant), accuracy=0.8, auc=0.9, epochs=2)
    return Sources(Store(world.root, world.plans, local=False), world.claims())


@pytest.fixture
def row(sources):
    """The cells of one direction, beside another one that names every announcement."""

    def of(**entry):
        every = BASE | ABSENT | {"claims": docs_directions.announced(sources)}
        return docs_directions.table(sources, [every, BASE | entry], other).rows[1]

    def other(paper):
        return Sources(sources.store, load.load(sources.store.root, paper))

    return of


def test_the_state_follows_from_committed_runs(row):
    one, rest = {"experiment": "rnn", "variants": ["ff_std"]}, {"why": "One set."}
    assert row(runs=[one])[2:] == ["covered", "`rnn` (`ff_std`): 3 runs at scale lite", "–"]
    assert row(runs=[one], **rest)[2:] == ["partly", "`rnn` (`ff_std`): 3 runs at scale lite", "One set."]
    both = {"experiment": "rnn", "variants": ["ff_std", "ff_rms"]}
    assert row(runs=[both])[2:4] == ["partly", "`rnn` (`ff_std`, `ff_rms`): 3 runs at scale lite"]
    assert row(runs=[one, {"experiment": "theta"}])[2] == "partly"
    assert row(runs=[{"experiment": "theta"}])[2:4] == ["declared, not run", "`theta`: no run"]
    assert row(**ABSENT)[2:] == ["not covered", "–", "Nobody sleeps. a night"]


def test_a_bench_covers_the_variants_that_its_record_has_rows_of(world, sources, row):
    """It is called ``interleaved``, whatever its rows."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["bench"], processes=2)
    world.commit_records(world.find("bench_mcyt_corrected", "interleaved"))
    sources.store = Store(world.root, world.plans, local=False)
    one = {"experiment": "bench", "variants": ["ff_std", "bptt"]}
    assert row(runs=[one])[2:4] == ["covered", "`bench` (`ff_std`, `bptt`): 2 runs at scale lite"]
    assert row(runs=[{"experiment": "bench"}])[2:4] == ["covered", "`bench`: 2 runs at scale lite"]
    more = {"experiment": "bench", "variants": ["ff_std", "ff_readout"]}
    assert row(runs=[more])[2] == "partly"
    none = {"experiment": "bench", "variants": ["ff_readout"]}
    assert row(runs=[none])[2:4] == ["declared, not run", "`bench` (`ff_readout`): no run"]


def test_verdicts_and_files_and_other_studies(row, sources):
    kinds = {short: sources.claim(short).verdict.kind for short in ("075", "085")}
    assert kinds == {"075": "refuted by the paper's own figures", "085": "not run"}
    assert row(answers=["075"], why="x")[2:4] == ["partly", f"claim 075: {kinds['075']}"]
    assert row(answers=["085"], **ABSENT)[2] == "not covered"
    (sources.store.root / "page.md").write_text("x")
    assert row(by="a page", files=["page.md"])[2:4] == ["declared, not run", "a page; `page.md`"]
    other = {"study": OTHER, "experiment": "thousand", "variants": ["cnnb_sff"]}
    assert row(runs=[other])[3] == f"`thousand` (`cnnb_sff`) of {OTHER}: no run"
    assert row(claims=["075", "085"], **ABSENT)[1] == "Sec. 5 (claims 075, 085)"


def test_costs_are_computed_from_runs(row, sources):
    seconds = sources.groups[FF].records[0].value("time/train_s")
    spec = {"runs": FF, "metric": "time/train_s", "over": [2, seconds], "times": [3600, 50], "says": "so"}
    assert row(why="x", cost=spec)[4] == "x Cost: about 1.0 days (so)"  # 90,000 s = 1.04 days
    assert row(why="x", cost={"per_s": 1e6, "times": [6, 1.5e9], "says": "so"})[4] == "x Cost: about 2.5 hours (so)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.5, "about 0.5 seconds"), (90, "about 1.5 minutes"), (3599, "about 60 minutes"), (43_200, "about 12 hours"),
     (86_400 * 30.4, "about 30 days"), (3.15576e7 * 1234, "about 1,200 years")],
)  # fmt: skip
def test_durations(seconds, shown):
    assert docs_directions.duration(seconds) == shown


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"runs": [{"experiment": "rnns"}]}, "rnns"),
        ({"runs": [{"experiment": "rnn", "variants": ["ff_stdd"]}]}, "ff_stdd"),
        ({"runs": [{"experiment": "rnn", "study": "nobody2025"}]}, "nobody2025"),
        ({"runs": [{"experiment": "rnn", "study": OTHER}]}, "rnn"),
        ({"claims": ["999"]} | ABSENT, "999"),
        ({"answers": ["999"]}, "999"),
        ({"files": ["docs/none.md"]}, "docs/none.md"),
        ({"why": "x", "cost": {"runs": "lite/cpu/no", "metric": "epochs", "times": [1], "says": "x"}}, "lite/cpu/no"),
        ({"why": "x", "cost": {"runs": FF, "metric": "time/none", "times": [1], "says": "x"}}, "time/none"),
    ],
)  # fmt: skip
def test_what_a_direction_names_must_exist(row, entry, named):
    with pytest.raises(FfreproError) as caught:
        row(**entry)
    assert "Sleep" in caught.value.what and named in caught.value.what


def test_an_announcement_that_no_direction_names(sources):
    assert {"077", "104"} <= set(docs_directions.announced(sources))
    with pytest.raises(FfreproError) as caught:
        docs_directions.table(sources, [BASE | ABSENT | {"claims": ["077"]}], None)
    assert "104" in caught.value.what and "077" not in caught.value.what


@pytest.mark.parametrize(
    "entry",
    [{}, {"why": "x"}, {"cost": "x"}, {"runs": []}, ABSENT | {"state": "covered"},
     {"why": "x", "cost": {"times": [1], "says": "x"}},
     {"why": "x", "cost": {"per_s": 1, "over": [2], "times": [1], "says": "x"}}],
)  # fmt: skip
def test_the_schema_refuses(world, project_root, entry):
    """Nothing named and no reason; a state by hand; a cost without a source."""
    schema = world.root / docs.SCHEMA
    schema.write_text((project_root / docs.SCHEMA).read_text())
    path = world.root / docs.STUDIES / PAPER / docs.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"directions": [BASE | entry]}))
    with pytest.raises(FfreproError) as caught:
        docs.generate(Store(world.root, [], local=False))
    assert str(caught.value.where).startswith(f"{path} ['directions']")


def test_this_repository_shows_every_studys_directions(project_root):
    studies = docs.Studies(Store(project_root, [], local=False))
    page = (project_root / "docs/COVERAGE.md").read_text()
    for paper in load.papers():
        assert studies.definitions[paper]["directions"]
        assert f"<!-- ffrepro: table {paper}/directions -->" in page
