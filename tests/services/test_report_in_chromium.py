"""The report in a browser: nothing overflows, is asked for or fails, at both widths, in print and without scripts.

Chromium and Playwright are no part of the environment: `make services-test` installs them where it may.
"""

import pytest

from ffrepro.claims import html, report, verdict
from ffrepro.claims.records import Store
from ffrepro.cli.evidence import all_plans

WIDTHS = (390, 1280)
CLAIM = "chikhachev2025_rnn-027"
OVERFLOW = """() => [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".wide, pre, nav, dialog, svg"))
    .map(e => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`)"""


@pytest.fixture(scope="module")
def written(tmp_path_factory, project_root):
    """Writes the report of scale lite from committed records into a file."""

    def write():
        workspace, plans = all_plans(project_root, "lite", None)
        store = Store(project_root, plans, workspace.hardware, local=False)
        path = tmp_path_factory.mktemp("page") / "report.html"
        path.write_text(html.render("report", report.content_of(store, "lite", report.studies_of(store, "lite"))))
        return path.as_uri()

    return write


@pytest.fixture(scope="module")
def address(browser, written):
    """The page without pictures."""
    with pytest.MonkeyPatch.context() as few:
        few.setattr(report, "draw_all", lambda scene: [])
        return written()


@pytest.fixture(scope="module")
def illustrated(browser, written):
    """The page with all of its pictures."""
    return written()


@pytest.fixture
def opened(browser, address):
    """Opens the page; afterwards nothing may have been asked for or have failed."""
    said, pages = [], []

    def open_(width, where=address, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("request", lambda request: said.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(where)
        pages.append((page, where))
        return page

    yield open_
    places = {where for _, where in pages}
    assert [one for one in said if one not in places and not one.startswith("data:")] == []
    for page, _ in pages:
        page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_no_picture_overflows_or_is_broken(opened, illustrated, width):
    page = opened(width, illustrated)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("[...document.images].forEach(image => image.loading = 'eager')")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    sizes = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().right, i.alt])")
    assert len(sizes) > 10
    for natural, right, alt in sizes:
        assert natural > 100 and right <= width + 1 and alt


@pytest.mark.parametrize("width", WIDTHS)
def test_a_stranger_finds_a_claim_its_runs_and_its_command(opened, width):
    page = opened(width)
    total = page.locator("details.claim").count()
    page.click("nav a[href='#claims']")
    page.fill("#words", "table 1 mcyt auc")
    assert page.inner_text("#found") == f"2 of {total} claims"
    page.locator("details.claim:visible").first.locator("summary").click()
    shown = page.locator("details.claim[open]").inner_text()
    assert "verdict" in shown and "Runs" in shown and "ffrepro trace chikhachev2025_rnn/034" in shown
    page.select_option("select[data-facet='paper']", "krutsylo2025_sff")
    assert page.inner_text("#found") == f"0 of {total} claims"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_cell_opens_its_claim(opened, width):
    page = opened(width)
    cell = page.locator(f"table.stacked a[href='#id-{CLAIM}']:visible").first
    cell.click()
    assert "Standardization: accuracy" in page.inner_text("#shown")
    box = page.locator("#shown").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    assert not page.locator("#shown").is_visible()


def test_one_treatment_is_shown_and_another_can_be_chosen(opened):
    page = opened(1280)
    area = page.locator(".switch").first
    assert area.locator(".option:visible").count() == 1
    area.locator("button", has_text="as_published").first.click()
    (name,) = [one.get_attribute("data-name") for one in area.locator(".option:visible").all()]
    assert name.startswith("as_published") and area.locator("button[aria-pressed='true']").inner_text() == name


def test_a_word_leads_to_the_claims_behind_it(opened):
    page = opened(1280)
    link = page.locator("td[data-label='RNN'] a").first
    link.click()
    row = page.locator(page.evaluate("location.hash"))
    assert row.is_visible() and row.locator("a[href^='#id-']").count() >= 1


def test_without_scripts_everything_is_there(opened, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.goto(opened(390).url)
    assert page.locator(".option:visible").count() == page.locator(".option").count() > 2
    assert page.locator(".finder").is_hidden() and page.locator("details.claim").last.is_visible()
    context.close()


def test_printed(opened, tmp_path):
    page = opened(1280)
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden() and page.locator("h1").is_visible()
    page.set_viewport_size({"width": 720, "height": 1000})  # about a sheet of A4
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_colour_each_verdict_has_its_mark(opened):
    page = opened(1280)
    marks = {text.strip() for text in page.locator("details.claim > summary > .mark").all_inner_texts()}
    assert marks <= set(verdict.MARKS.values()) and len(marks) >= 4
