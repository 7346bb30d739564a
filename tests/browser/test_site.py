"""The built pages in a real browser, opened from files, without a network and without a kernel."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages import AXE, View
from tools.site import build

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]


def generator() -> str:
    """A Python that has Sphinx: the one of `run.py site`, which is made here if need be."""
    if importlib.util.find_spec("myst_nb"):
        return sys.executable
    spec = importlib.util.spec_from_file_location("esnb_run", ROOT / "run.py")
    assert spec
    assert spec.loader
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    try:
        run.set_up(run.SITE_ENV, [run.SITE_LOCK])
    except SystemExit as problem:
        pytest.skip(f"the site's generator could not be installed: {str(problem).strip()[:60]}")
    return str(run.python_in(run.SITE_ENV))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    build.build(folder, generator())
    return folder


class Reader:
    """A reader with a browser and the folder; what goes wrong on a page is noted."""

    def __init__(self, page: Page, site: Path) -> None:
        self.page, self.site = page, site
        self.wrong: list[str] = []
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.site.as_uri(), "data:")):
            self.wrong.append(f"asks for {url}")

    def open(self, name: str) -> Page:
        self.page.goto((self.site / name).as_uri())
        self.page.wait_for_function("document.documentElement.dataset.esnb === 'ready'")
        return self.page


@pytest.fixture
def reader(site: Path, chromium: Browser) -> Iterator[Reader]:
    context = chromium.new_context(
        viewport={"width": 1200, "height": 900}, offline=True, color_scheme="light"
    )
    found = Reader(context.new_page(), site)
    yield found
    context.close()
    assert found.wrong == []


def the(page: Page, root: str, nth: int = 0) -> View:
    kind = type("Shown", (View,), {"root_class": root})
    shown: View = kind(page, nth)
    return shown


SERIOUS = """async rules => (await axe.run({preload: false, ...rules})).violations
    .filter(rule => ['serious', 'critical'].includes(rule.impact))
    .map(rule => rule.id + ': ' + rule.nodes[0].html.slice(0, 150))"""
NO_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
CONTRAST = {"runOnly": ["color-contrast"]}
# Long chapters take long: one page of each kind. Widgets have tests of their own.
CONTRAST_ON = ("index.html", "notebooks/13_scale.html", "notebooks/exercises/03_conflicts.html")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_each_page_in_both_themes_and_on_a_phone(reader: Reader, site: Path) -> None:
    """No error, no request outside, nothing serious for axe, no sideways scrolling.

    Contrast is computed in both themes on a page of each kind: it takes long.
    """
    axe = AXE.read_text(encoding="utf-8")
    page, wrong = reader.page, []
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert len(names) > 40
    for name in names:
        reader.open(name)
        page.evaluate(axe)
        wrong += [f"{name}: {line}" for line in page.evaluate(SERIOUS, NO_CONTRAST)]
        for theme in ("light", "dark") if name in CONTRAST_ON else ():
            page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
            wrong += [f"{name}, {theme}: {line}" for line in page.evaluate(SERIOUS, CONTRAST)]
        page.set_viewport_size({"width": 390, "height": 800})
        if (over := page.evaluate(SIDEWAYS)) > 0:
            wrong.append(f"{name}: {over} pixels too wide")
        page.set_viewport_size({"width": 1200, "height": 900})
    assert wrong == []


def test_time_travel_steps_by_keyboard(reader: Reader) -> None:
    shown = the(reader.open("notebooks/06_time_travel.html"), "esnb-tt")
    slider = shown.root.get_by_role("slider").first
    slider.focus()
    shown.keys("Home")
    expect(shown.root.locator(".w-count")).to_contain_text("0")
    shown.keys("ArrowRight", "ArrowRight", "ArrowRight")
    expect(shown.root.locator(".w-count")).to_contain_text("3")
    assert shown.has_focus()


def test_a_fact_stays_covered_until_a_guess(reader: Reader) -> None:
    page = reader.open("notebooks/06_time_travel.html")
    question, answer = the(page, "esnb-predict", 0), the(page, "esnb-predict", 1)
    covered, fact = answer.root.locator(".pr-covered"), answer.root.locator(".pr-open")
    expect(covered).to_be_visible()
    expect(fact).to_be_hidden()
    question.root.get_by_role("radio").first.check()
    expect(fact).to_be_visible()
    expect(covered).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "root"),
    [
        ("06_time_travel", "esnb-whole"),
        ("09_consistency", "esnb-lag"),
        ("09_consistency", "esnb-stepper"),
        ("03_conflicts", "esnb-race"),
    ],
)
def test_the_others_move_too(reader: Reader, name: str, root: str) -> None:
    shown = the(reader.open(f"notebooks/{name}.html"), root)
    before = shown.root.inner_text()
    shown.root.locator("[tabindex='0'], input, button:enabled").first.focus()
    shown.keys("End", "Home", "ArrowRight")
    shown.root.get_by_role("button", disabled=False).nth(1).click()
    shown.frame()
    assert shown.root.inner_text() != before


def test_the_checklist_answers(reader: Reader) -> None:
    shown = the(reader.open("notebooks/12_neighbours.html"), "esnb-checklist")
    before = shown.root.locator(".ck-verdict").inner_text()
    for field in shown.root.locator("fieldset").all()[:5]:
        field.get_by_label("no", exact=True).check()
    shown.frame()
    assert shown.root.locator(".ck-verdict").inner_text() != before


def test_search_finds_and_the_pages_follow_each_other(reader: Reader) -> None:
    page = reader.open("index.html")
    page.get_by_role("textbox", name="Search").first.fill("snapshot")
    page.keyboard.press("Enter")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("Snapshots" in text for text in results.all_inner_texts())
    page = reader.open("notebooks/05_snapshots.html")
    page.locator("a.next-page").click()
    expect(page).to_have_title(re.compile("06 +Time travel"))
    page.locator("a.prev-page").click()
    expect(page).to_have_title(re.compile("05 +Snapshots"))


def test_each_chapter_says_how_to_run_it_and_copies_its_code(reader: Reader) -> None:
    page = reader.open("notebooks/04_replay.html")
    end = page.locator("section[id^=run-this]")
    expect(end).to_contain_text("python run.py lab")
    expect(end).to_contain_text("notebooks/04_replay.ipynb")
    assert page.locator(".cell_input .copybtn").count() > 10
    page = reader.open("notebooks/exercises/03_conflicts.html")
    expect(page.locator("article")).to_contain_text("Nothing is checked on this page")
