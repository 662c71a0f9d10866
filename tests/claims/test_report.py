"""The report: what it says, that it is one file, and that equal records give equal bytes."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from helpers.world import World

from ffrepro.claims import html, markdown, report, verdict
from ffrepro.claims.audit import checks, form
from ffrepro.claims.blocks import Bullets, Code, Folded, Heading, Line, Notice, Paragraph, Picture, Table
from ffrepro.claims.figures import draw_all
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.report import build_report
from ffrepro.claims.screen.promises import promises

PAPER = "chikhachev2025_rnn"


class Page(HTMLParser):
    """Collects ids, links, images and everything that a browser would fetch; checks that tags close."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "circle", "rect", "path", "line"})

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.tags, self.open, self.claims = [], [], [], set(), [], {}
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
        if found.get("class") == "claim":
            self.claims[found["id"]] = found

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

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
    assert all(link.startswith("#") or link == "data:," for link in page.links)  # the icon is none
    assert {link[1:] for link in page.links if link != "data:,"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not page.tags & {"iframe", "object"} and text(built, "report.html").count("<script") == 1
    assert not re.search(r"url\(|@import|https?://|fetch\(|import\(|XMLHttp", text(built, "report.html"))


def test_html_works_in_the_dark_and_on_a_phone(built):
    content = text(built, "report.html")
    assert "prefers-color-scheme: dark" in content and "width=device-width" in content


def entry(world, short, scale="lite"):
    """A claim's entry in the page."""
    return text(world, "report.html", scale).split(f'id="id-{PAPER}-{short}"')[1].split('<details class="claim"')[0]


def test_every_claim_has_its_verdict_runs_and_command(built):
    page = Page(text(built, "report.html"))
    assert set(page.claims) == {f"id-{claim.replace('/', '-')}" for claim in built.claims().claims}
    shown = entry(built, "036")
    for part in ("0.9602", "0.9510 ± 0.0010", "[0.9485, 0.9535]", "✓ holds loosely", "Deviation D4", "Table 1"):
        assert part in shown, part
    assert 'href="#id-lite-cpu-rnn_mcyt_corrected-ff_std"' in shown
    runs = [f"runs/lite/cpu/rnn_mcyt_{name}/ff_std/seed{{0,1,2}}/result.json" for name in ("corrected", "as_published")]
    assert f"snakemake --cores all {' '.join(runs)} --config scale=lite hardware=cpu" in shown
    assert f"snakemake --cores all {PAPER}_table1 --config scale=lite" in shown
    assert f"ffrepro trace {PAPER}/036" in shown
    shown = entry(built, "075")
    assert "refuted by the paper&#x27;s own figures" in shown and "claimed" in shown


def test_the_search_looks_through_what_a_reader_knows(built):
    page = Page(text(built, "report.html"))
    found = page.claims[f"id-{PAPER}-036"]
    assert (found["data-paper"], found["data-outcome"], found["data-verdict"]) == (PAPER, "hold", "holds loosely")

    def hits(*words):
        return {i[-3:] for i, one in page.claims.items() if all(word in one["data-words"] for word in words)}

    assert hits("table1", "mcyt", "auc") == hits("table 1", "mcyt", "auc") == {"034", "036"}
    assert "036" in hits("rnn", "holds loosely") and "093" in hits("preserving their independence")
    controls = text(built, "report.html").split('class="finder" hidden')[1].split("</div>")[0]
    assert '<option value="hold">✓ hold</option>' in controls and f'<option value="{PAPER}">RNN</option>' in controls


def test_a_table_shows_one_treatment_at_a_time_and_its_cells_lead_to_their_claims(built):
    part = text(built, "report.html").split(f'id="{PAPER}-table1"')[1].split("<h3")[0]
    assert part.count('class="option"') == 2 and 'data-name="corrected"' in part and 'data-name="as_published"' in part
    cell = part.split('data-name="as_published"')[0].split(f'href="#id-{PAPER}-036"')[0].rsplit("<td", 1)[1]
    assert "paper 0.9602" in cell and "ours 0.9510 ± 0.0010 (n = 3)" in cell and "✓" not in cell.split("v-")[0]
    assert "[a]" not in part and "Deviation" not in part  # they stand at the claim


def test_the_first_screen_has_the_counts_and_every_promise(built):
    page = text(built, "report.html")
    first = page.split("<main>")[1].split("<h2")[0]
    assert "Does Forward-Forward really do that?" in first and re.search(
        r"1 paper · \d+ claims of their own: ✓ \d+", first
    )
    for promise in promises():
        assert f">{promise.label}</td>" in first
    assert f'href="#promise-{PAPER}-accurate"' in first and f'id="promise-{PAPER}-accurate"' in page
    assert "RNN: MCYT, FF-Std" in first and 'class="strip axis"' in first


def test_figures_stand_beside_the_claims_that_they_answer(built):
    part = text(built, "report.html").split(f'id="{PAPER}-layers_corrected"')[1].split("<h4")[0]
    assert f'Answers <a href="#id-{PAPER}-107">107</a>' in part
    assert f'href="#{PAPER}-layers_corrected"' in entry(built, "107")


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


def test_the_counts_of_the_first_screen_are_those_of_the_verdicts_in_the_csv_file(built):
    rows = list(csv.DictReader(text(built, "verdicts.csv").splitlines()))
    headlines = {row["claim"]: row["outcome"] for row in reversed(rows) if not row["own"]}  # a claim's first line
    shown = re.search(r"1 paper · .*", text(built, "report.md")).group()
    for name, mark in verdict.MARKS.items():
        count = list(headlines.values()).count(name)
        assert f"{mark} {count} {name}" in shown or (count == 0 and name == verdict.AHEAD)


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
    assert page.count("STAND-IN DATA, no result") == 2 * 3  # title and list of contents, three tables
    assert "runs on stand-in data that this project makes itself" in page
    assert 'data-name="corrected, best evidence"' in page and 'data-name="corrected, scale smoke"' in page
    assert "holds loosely" in entry(built, "036", "smoke")  # from the lite runs
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
    assert page.index("<h1") < page.index("<section>", page.index("<h1")) < page.index("<h2")


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
