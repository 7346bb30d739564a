"""Predictions in a real browser: the page that `to_html` writes, and JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Page, expect

from esnb.course import guesses
from esnb.course.predict import predict
from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser

NOTES = {1890: "That is the poster alone: a fact adds to the rest.", 0: "Facts are never undone."}
OPTIONS = ["it is stored", "it is refused", "it waits"]


@pytest.fixture(autouse=True)
def new_kernel() -> Iterator[None]:
    guesses.forget()
    yield
    guesses.forget()


class Shown(View):
    """A prediction on a page, its question or its answer."""

    root_class: ClassVar[str] = "esnb-predict"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.field = self.root.get_by_role("textbox")
        self.fact = self.root.locator(".pr-facts").first

    def guess(self, text: str) -> None:
        self.field.fill(text)
        self.keys("Enter")


Opened = Callable[..., Shown]


@pytest.fixture
def opened(open_page: Callable[..., Page]) -> Opened:
    def open_one(widget: Any, **page: Any) -> Shown:
        return Shown(open_page(widget, **page))

    return open_one


def number(**arguments: Any) -> Any:
    return predict("01", "What is the total after two facts?", unit="cents", **arguments)


def choice(**arguments: Any) -> Any:
    return predict("03", "What happens to the second append?", options=OPTIONS, **arguments)


def test_the_answer_stays_covered_until_a_guess(opened: Opened) -> None:
    shown = opened(number().reveal(2690, NOTES))
    expect(shown.fact).to_be_hidden()
    assert "2690" not in shown.root.inner_text()
    shown.guess("")
    expect(shown.fact).to_be_hidden()
    shown.guess("1,890")
    text = shown.root.inner_text()
    assert "1,890 cents" in text
    assert "2690 cents" in text
    assert NOTES[1890] in text
    shown.hears(f"Your guess: 1,890 cents. The fact: 2690 cents. {NOTES[1890]}")
    assert shown.has_focus()
    assert shown.page.evaluate("window.timetravel.get('_guess')") == "1,890"


def test_show_me_without_a_guess_shows_the_usual_wrong_one(opened: Opened) -> None:
    shown = opened(number().reveal(2690, NOTES))
    shown.press("show me")
    assert "2690 cents" in shown.fact.inner_text()
    assert "Often guessed" in shown.fact.inner_text()
    assert NOTES[1890] in shown.root.inner_text()
    assert shown.page.evaluate("window.timetravel.get('_shown')") is True


def test_an_option_counts_in_the_question_at_once_and_in_the_answer_by_its_button(
    opened: Opened,
) -> None:
    asked = opened(choice())
    asked.radio("it is stored").focus()
    asked.keys("ArrowDown")
    assert asked.page.evaluate("window.timetravel.get('_guess')") == "it is refused"
    asked.hears("Your guess: it is refused.")
    answer = opened(choice().reveal("it is refused", {"it waits": "Nothing waits here."}))
    answer.radio("it is stored").focus()
    answer.keys("ArrowDown", "ArrowDown")
    expect(answer.fact).to_be_hidden()
    answer.press("this is my guess")
    assert "it waits" in answer.fact.inner_text()
    assert "Nothing waits here." in answer.root.inner_text()


def test_a_guess_can_be_taken_back(opened: Opened) -> None:
    asked = opened(number().say(5))
    expect(asked.field).to_have_value("5")
    asked.guess("")
    assert asked.page.evaluate("window.timetravel.get('_guess')") == ""
    expect(asked.root.locator(".pr-status")).to_contain_text("Commit to an answer")


def test_hands_are_counted_in_projector_mode(opened: Opened) -> None:
    shown = opened(choice(), size=(1280, 720))
    expect(shown.root.locator(".pr-hands").first).to_be_hidden()
    shown.press("projector")
    for _ in range(3):
        shown.press("one more hand for it waits")
    shown.press("one more hand for it is stored")
    shown.press("one less hand for it is stored")
    assert shown.page.evaluate("window.timetravel.get('_hands')") == [["it waits", 3]]
    assert shown.root.locator(".pr-count").all_inner_texts() == ["0", "0", "3"]
    called = opened(number(projector=True), size=(1280, 720))
    called.field.fill("1890")
    called.press("a hand for it")
    called.press("a hand for it")
    called.press("one more hand for 1890 cents")
    assert called.page.evaluate("window.timetravel.get('_hands')") == [["1890", 3]]


def test_hands_stand_beside_the_fact(opened: Opened) -> None:
    asked = number(projector=True)
    asked._hands = [["1890", 12], ["2690", 1]]
    shown = opened(asked.reveal(2690, NOTES), size=(1280, 720))
    shown.press("show me")
    bars = shown.root.locator(".pr-facts").nth(1).inner_text()
    assert "12 hands" in bars
    assert "1 hand = the fact" in bars


def test_data_is_text(opened: Opened) -> None:
    evil = "<img src=x onerror=\"document.title='run'\">"
    asked = predict("x", f"What {evil}?", options=[evil, "b"]).say("b")
    shown = opened(asked.reveal(evil, {"b": f"No {evil}"}))
    assert evil in shown.fact.inner_text()
    assert shown.root.locator("img").count() == 0
    assert shown.page.title() != "run"


def states() -> Iterator[Any]:
    """Each of the pages that a reader can come to."""
    for projector in (False, True):
        yield number(projector=projector)
        yield choice(projector=projector)
        yield choice(projector=projector).reveal("it waits")
        yield number(projector=projector).say(1890).reveal(2690, NOTES)
        guesses.forget()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_names_sizes_and_contrast(opened: Opened, theme: str) -> None:
    for widget in states():
        size = (1280, 720) if widget.projector else (1100, 1000)
        shown = opened(widget, theme=theme, size=size)
        shown.check_names_and_roles()
        shown.check_contrast(7.0 if widget.projector else 4.5, 4)
        shown.check_axe()
        shown.check_nothing_sticks_out()
        assert shown.tab_stops() <= 10


def test_projector_fits_and_a_narrow_page_does_not_scroll_sideways(opened: Opened) -> None:
    for widget in states():
        shown = opened(widget, size=(1280, 720))
        if widget.projector:
            assert shown.page.evaluate("document.documentElement.scrollHeight") <= 720
            assert shown.root.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 20
        shown.page.set_viewport_size({"width": 390, "height": 800})
        shown.frame()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390


ASK = (
    "from esnb.course.predict import predict\n"
    "guess = predict('01', 'What is the total?', unit='cents')\nguess"
)
TELL = "facts = [1890, 800]\nguess.reveal(sum(facts), {1890: 'That is the poster alone.'})"


def test_lab_a_guess_reaches_python_and_uncovers_the_answer(lab: Lab) -> None:
    lab.run(ASK, TELL)
    asked, answer = Shown(lab.page), Shown(lab.page, 1)
    expect(answer.fact).to_be_hidden()
    cells = lab.page.locator(".jp-Cell").count()
    asked.field.focus()
    at = lab.active_cell()
    asked.keys("d", "d", "Control+a", "1", "8", "9", "0", "Enter")
    assert (lab.active_cell(), lab.page.locator(".jp-Cell").count()) == (at, cells)
    assert "That is the poster alone." in answer.root.inner_text()
    lab.comes_to("print(guess.guess)", "1890\n")
    # Running the cells again keeps the guess, and shows the fact at once.
    lab.run_all()
    expect(Shown(lab.page).field).to_have_value("1890")
    assert "2690 cents" in Shown(lab.page, 1).fact.inner_text()
    for theme in lab.themes():
        for nth in (0, 1):
            Shown(lab.page, nth).check_contrast(4.5, 3)
        assert theme


def test_lab_a_guess_below_is_the_guess_above_and_a_busy_kernel_does_not_matter(lab: Lab) -> None:
    lab.run(ASK, TELL)
    asked, answer = Shown(lab.page), Shown(lab.page, 1)
    with lab.busy_kernel():
        answer.guess("2690")
        assert "as you said" in answer.fact.inner_text()
        expect(asked.field).to_have_value("2690")
    lab.comes_to("print(guess.guess)", "2690\n")


def test_lab_saved_and_reopened_the_answer_waits_behind_a_fold(lab: Lab) -> None:
    lab.run(ASK, TELL)
    lab.reopen_elsewhere(lab.save())
    page = lab.page
    assert "What is the total?" in " ".join(lab.outputs())
    fact = page.get_by_text("The fact: 2690 cents")
    expect(fact).to_be_hidden()
    page.get_by_text("Guess first, then open this").click()
    expect(fact).to_be_visible()
