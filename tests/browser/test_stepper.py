"""The stepper in a real browser: the page that `to_html` writes, and JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Page, expect

from esnb.course.widgets import Stepper
from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser

FACTS = [("OrderPlaced", {"customer": "ada"}), ("ItemAdded", {"sku": "POSTER"}),
         ("PaymentReceived", {"amount": 5})]  # fmt: skip


class Shown(View):
    root_class: ClassVar[str] = "esnb-stepper"


def made(**options: Any) -> Stepper:
    return Stepper(
        [{"row": {"status": status}, "log": FACTS[:n]}
         for n, status in enumerate(["none", "PENDING", "PENDING", "PAID"])],
        labels=["nothing yet", "Ada orders", "she adds a poster", "she pays"], **options,
    )  # fmt: skip


def test_slider_buttons_and_keys_show_the_same_steps(open_page: Callable[..., Page]) -> None:
    shown = Shown(open_page(made()))
    expect(shown.root.locator(".st-label")).to_have_text("nothing yet")
    expect(shown.root).to_contain_text("nothing yet")
    shown.button("next").click()
    shown.hears("Step 1 of 3: Ada orders")
    shown.root.get_by_role("slider").focus()
    shown.keys("End")
    expect(shown.root.locator(".st-log tbody tr")).to_have_count(3)
    expect(shown.root.locator(".st-fields td")).to_have_text("~PAID")
    assert shown.page.evaluate("window.timetravel.get('at')") == 3
    shown.keys("ArrowLeft")
    expect(shown.root.locator(".w-count")).to_have_text("2 / 3")
    shown.root.get_by_role("slider").fill("0")
    expect(shown.button("back")).to_be_disabled()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_everybody_can_read_it(open_page: Callable[..., Page], theme: str, width: int) -> None:
    shown = Shown(open_page(made(at=3), theme=theme, size=(width, 720)))
    shown.check_names_and_roles()
    shown.check_nothing_sticks_out()
    shown.check_contrast(4.5, texts_at_least=8)
    shown.check_axe()


def test_a_reader_in_jupyterlab(lab: Lab) -> None:
    lab.run(
        "from esnb.course.widgets import Stepper\n"
        "shown = Stepper([{'a': 1}, {'a': 2}], labels=['one', 'two'])\nshown"
    )
    shown = Shown(lab.page)
    shown.button("next").click()
    expect(shown.root.locator(".st-label")).to_have_text("two")
    lab.comes_to("print(shown.at, end='')", "1")
