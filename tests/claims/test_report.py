"""The report: what it says, that it is one file, and that equal records give equal bytes."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from helpers.world import World

from ffrepro.claims import html, markdown, report
from ffrepro.claims.audit import checks, form
from ffrepro.claims.blocks import Bullets, Code, Folded, Heading, Line, Notice, Paragraph, Picture, Table
from ffrepro.claims.figures import draw_all
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.report import build_report

PAPER = "chikhachev2025_rnn"


class Page(HTMLParser):
    """Collects ids, links, images and everything that a browser would fetch; checks that tags close."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.tags, self.open = [], [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if "href" in found:
            self.links.append(found["href"])
        if "src" in found:
            self.sources.append(found["src"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _draw_few(scene):
    content = scene.claims.content
    figures = [entry for entry in content["figures"] if entry["name"] in ("layers", "graph_ff", "epochs")]
    return draw_all(replace(scene, claims=Claims(content | {"figures": figures})))


@pytest.fixture(scope="module")
def built(tmp_path_factory, request):
    """A lite report of a small world: MCYT alone has runs; a stale record; smoke records beside."""
    world = World(tmp_path_factory.mktemp("report"))
    few = pytest.MonkeyPatch()
    few.setattr(report, "draw_all", _draw_few)  # test_figures.py draws all of them
    request.addfinalizer(few.undo)
    world.add_plans("smoke", "lite", datasets=["mcyt"], families=["rnn"])
    world.record_all("smoke")
    for plan in [p for p in world.plans if p["scale"] == "lite"]:
        world.record(plan, accuracy=0.88 + 0.002 * plan["seed"], auc=0.95 + 0.001 * plan["seed"], epochs=30)
    stale = world.find("rnn_mcyt_corrected", "bptt")[0]
    world.record(stale | {"net": stale["net"] | {"hidden": 64}}, epochs=30)
    build_report(Store(world.root, world.plans, ["cpu"]), "lite")
    return world


def text(world, name, scale="lite"):
    return (world.root / "reports" / scale / name).read_text()


def test_the_audit_stands_in_both_reports(built):
    rows = checks.rows(form.load(form.find(PAPER)))
    page, lines = Page(text(built, "report.html")), text(built, "report.md").splitlines()
    assert f"{PAPER}-audit" in page.ids
    for row in rows:
        assert f"audit-{PAPER}-{row.id}" in page.ids
        (line,) = [line for line in lines if line.startswith(f"| {row.id} |")]
        assert f"| {row.result} |" in line


def test_html_is_one_file_without_anything_to_fetch(built):
    page = Page(text(built, "report.html"))
    assert not page.open
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?://", text(built, "report.html"))


def test_html_works_in_the_dark_and_on_a_phone(built):
    content = text(built, "report.html")
    assert "prefers-color-scheme: dark" in content and "width=device-width" in content


def test_all_claims_with_verdicts_and_links_to_their_runs(built):
    page = text(built, "report.html")
    for claim in built.claims().claims:
        assert f'id="id-{claim.replace("/", "-")}"' in page
    row = page.split(f'id="id-{PAPER}-036"')[1].split("</tr>")[0]
    assert "ours 0.9510 ± 0.0010 against 0.9602" in row
    assert (
        '<div class="v-holds-loosely">' in row
        and "within the margin of a factor of 1.37 in 1 - value (post hoc)" in row
    )
    assert 'href="#id-lite-cpu-rnn_mcyt_corrected-ff_std"' in row
    row = page.split(f'id="id-{PAPER}-075"')[1].split("</tr>")[0]
    assert "refuted by the paper&#x27;s own figures" in row and "claimed" in row


def test_records_left_out_and_missing_are_named(built):
    page = text(built, "report.html")
    assert "settings are not the plan&#x27;s: net.hidden" in page
    assert "1 planned run without a record" in page
    assert "17 of 18 planned runs have a record" in page


def test_figures_are_files_and_in_the_page(built):
    folder = built.root / "reports/lite/figures" / PAPER
    pictures = sorted(path.name for path in folder.iterdir())
    assert pictures == ["epochs.png", "graph_ff.png", "layers_as_published.png", "layers_corrected.png"]
    assert text(built, "report.html").count("<img ") == 4
    assert f"figures/{PAPER}/layers_corrected.png" in text(built, "report.md")


def test_results_have_a_row_for_each_run(built):
    rows = list(csv.DictReader(text(built, "results.csv").splitlines()))
    assert len(rows) == 17
    row = next(r for r in rows if r["run"] == "lite/cpu/rnn_mcyt_corrected/ff_std/seed2")
    assert (row["test/accuracy"], row["net.hidden"], row["method.theta"], row["epochs"]) == ("0.884", "96", "7.0", "30")
    assert (row["source"], row["treatment"], len(row["fingerprint"])) == ("upstream", "corrected", 64)


def test_verdicts_have_a_row_for_each_claim_and_treatment(built):
    rows = list(csv.DictReader(text(built, "verdicts.csv").splitlines()))
    assert {row["claim"] for row in rows} == set(built.claims().claims)
    row = next(r for r in rows if r["claim"].endswith("/036") and r["treatment"] == "corrected")
    assert (row["verdict"], row["scale"], row["n"]) == ("holds loosely", "lite", "3")
    assert len(row["runs"].split()) == 3


def test_curves_have_a_row_for_each_epoch(built):
    rows = list(csv.DictReader(text(built, "curves.csv").splitlines()))
    assert len(rows) == 17 * 30
    assert list(rows[0])[:3] == ["run", "epoch", "phase"]
    assert rows[0]["epoch"] == "1" and rows[0]["val/accuracy_layer0"] == ""  # BPTT has no layers of its own
    assert float(rows[-1]["val/accuracy_layer0"]) > 0.5


def test_metrics_are_means(built):
    metrics = json.loads(text(built, "metrics.json"))
    assert metrics["rnn_mcyt_corrected"]["ff_std"] == {
        "runs": 3,
        "test/accuracy": pytest.approx(0.882),
        "test/auc": pytest.approx(0.951),
    }
    assert metrics["rnn_mcyt_corrected"]["bptt"]["runs"] == 2


def test_same_records_same_bytes_and_old_pictures_go(built):
    folder = built.root / "reports/lite"
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "figures" / PAPER / "old.png").write_bytes(b"old")
    build_report(Store(built.root, built.plans, ["cpu"]), "lite")
    after = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_smoke_warns_and_shows_the_best_evidence_beside(built):
    build_report(Store(built.root, built.plans, ["cpu"]), "smoke")
    page = text(built, "report.html", "smoke")
    assert "<title>ffrepro report, scale smoke (stand-in data)</title>" in page
    assert page.count("STAND-IN DATA, no result") == 2 * 3  # title and table of contents, three tables
    assert "runs on stand-in data that this project makes itself" in page
    assert "Table 1. Accuracy and AUC of Forward-Forward, by in-layer data transformation (best evidence)" in page
    row = page.split(f'id="id-{PAPER}-036"')[1].split("</tr>")[0]
    assert "holds loosely" in row  # from the lite runs
    metrics = json.loads(text(built, "metrics.json", "smoke"))
    assert metrics["rnn_mcyt_corrected"]["ff_std"]["runs"] == 2


def test_blocks_are_escaped_in_html():
    content = [
        Heading("a < b", 1, "top"),
        Heading("second", 2, "second"),
        Paragraph("`x < y` and [there](#second) & <b>no</b> [not](javascript:x)"),
        Notice("care"),
        Bullets(["one", "two"]),
        Code("a && b"),
        Folded("more", [Paragraph("inside")]),
        Table(["h|1", "n"], [[[Line("good", "reproduced"), Line("plain")], "1"]], frozenset({1}), ["row-1"]),
        Picture("p.png", b"png", 'the "alt"', "caption"),
    ]
    page = html.render("t < u", content)
    assert "<title>t &lt; u</title>" in page and '<h1 id="top">a &lt; b</h1>' in page
    assert (
        '<code>x &lt; y</code> and <a href="#second">there</a> &amp; &lt;b&gt;no&lt;/b&gt; [not](javascript:x)' in page
    )
    assert '<tr id="row-1"><td><div class="v-reproduced">good</div><div class="v-none">plain</div></td>' in page
    assert '<td class="number">1</td>' in page and "a &amp;&amp; b" in page
    assert 'alt="the &quot;alt&quot;"' in page
    assert not Page(page).open
    assert page.index("<h1") < page.index("<nav") < page.index("<h2")


def test_blocks_in_markdown():
    content = [
        Heading("Title", 2, "t"),
        Notice("care"),
        Table(["a|b", "n"], [[[Line("x"), Line("y")], "1"]], frozenset({1})),
        Picture("p.png", b"", "alt", "caption"),
    ]
    assert markdown.render(content) == (
        "## Title\n\n> **care**\n\n| a\\|b | n |\n| --- | ---: |\n| x<br>y | 1 |\n\n![alt](p.png)\n\n*caption*\n"
    )
