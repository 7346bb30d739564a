"""The time sliders in JupyterLab, in a real browser: keys, mouse, buttons, both themes.

What the page shows is compared with a fold that is written here, not with the widget's own.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from esnb import EventStore, LessonClock
from esnb.shop import first_orders
from tests.lab import Lab

pytestmark = pytest.mark.browser

SET_UP = """
from esnb import EventStore, LessonClock
from esnb.shop import Order, first_orders
from esnb.course.widgets import store_slider, time_slider
store = EventStore(clock=LessonClock()); first_orders(store)
"""


def notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in (SET_UP, *sources)]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def folded(number: int) -> dict[str, str]:
    """What the table should say after that many events of order-1042, by a fold of its own."""
    state: dict[str, Any] = {
        "status": None, "customer": None, "total": 0, "paid": 0, "refunded": 0, "delivered": False
    }  # fmt: skip
    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        for event in store.events("order-1042", upto=number):
            match event.event_type:
                case "OrderPlaced":
                    lines = event.data["items"]
                    state |= {"status": "PENDING", "customer": event.data["customer"]}
                    state["total"] = sum(line["quantity"] * line["price"] for line in lines)
                    state |= {f"items.{li['sku']}.price": li["price"] for li in lines}
                    state |= {f"items.{li['sku']}.quantity": li["quantity"] for li in lines}
                case "PaymentReceived":
                    state |= {"status": "PAID", "paid": event.data["amount"]}
                case "OrderShipped":
                    state["status"] = "SHIPPED"
                    state |= {f"shipped.{li['sku']}": li["quantity"] for li in event.data["items"]}
                case "OrderDelivered":
                    state["delivered"] = True
    return {name: repr(value) for name, value in state.items()}


class Shown:
    """The first slider on the page."""

    def __init__(self, lab: Lab) -> None:
        self.box = lab.page.locator(".jp-OutputArea-output .widget-vbox").first
        self.handle = self.box.get_by_role("slider")

    def at(self, number: int) -> None:
        """Wait until the page shows this number, then compare state, event and slider with it."""
        expect(self.box).to_contain_text(f"after event {number} of 4")
        table = self.box.locator("table", has=self.box.page.locator("th", has_text="field"))
        expect(table.locator("thead")).to_contain_text(f"at {number}change")
        rows = table.locator("tbody tr").evaluate_all(
            "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
        )
        state = {field: now for field, _, now, _ in rows if now not in ("", "{}")}
        assert state == folded(number)
        before = folded(max(number - 1, 0))
        marked = {field for field, _, _, change in rows if change}
        assert {f for f in state if state[f] != before.get(f)} <= marked
        assert int(float(self.handle.get_attribute("aria-valuenow") or -1)) == number

    def button(self, name: str) -> Locator:
        return self.box.get_by_role("button", name=name)  # the icon is a letter of the name, too


@pytest.fixture
def slider(lab: Lab, tmp_path: Path) -> Shown:
    lab.open(notebook(tmp_path / "slider.ipynb", "time_slider(store, 'order-1042', fold=Order)"))
    lab.run_all()
    assert lab.errors() == []
    return Shown(lab)


def test_keys_move_the_slider_and_nothing_else(lab: Lab, slider: Shown) -> None:
    slider.at(4)
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    slider.handle.focus()
    cell = lab.page.evaluate(active)
    presses = [("ArrowLeft", 3), ("ArrowLeft", 2), ("ArrowRight", 3), ("Home", 0)]
    presses += [("ArrowUp", 1), ("ArrowDown", 0), ("ArrowDown", 0), ("End", 4)]
    for key, number in presses:
        lab.page.keyboard.press(key)
        slider.at(number)
    assert lab.page.evaluate(active) == cell


def test_mouse_drags_and_clicks(lab: Lab, slider: Shown) -> None:
    page, track = lab.page, slider.box.locator(".noUi-base").bounding_box()
    assert track is not None
    y = track["y"] + track["height"] / 2

    def x(number: int) -> float:
        return track["x"] + track["width"] * number / 4

    page.mouse.move(x(4), y)
    page.mouse.down()
    for number in (3, 2, 1):
        page.mouse.move(x(number), y, steps=6)
        slider.at(number)
    page.mouse.up()
    slider.at(1)
    page.mouse.click(x(3), y)
    slider.at(3)
    slider.button("previous").click()
    slider.at(2)
    slider.button("next").click()
    slider.at(3)


def test_play_pin_and_time(lab: Lab, slider: Shown) -> None:
    slider.handle.press("Home")
    slider.at(0)
    slider.button("play").click()
    slider.at(4)  # it steps by itself, and stops at the end
    expect(slider.button("play")).not_to_have_class(re.compile("mod-active"), timeout=5000)
    slider.handle.press("Home")
    slider.at(0)
    slider.button("pin").click()
    slider.handle.press("End")
    expect(slider.box.locator("thead")).to_contain_text("at 0at 4change")
    box = slider.box.get_by_label("at time")
    box.fill("2026-03-02T15:00:00Z")
    box.press("Enter")
    slider.at(2)


def test_a_whole_store_as_of_the_time_at_the_slider(lab: Lab, tmp_path: Path) -> None:
    source = "store_slider(store, every='1h', query='select 1 as a, count(*) as n from events')"
    lab.open(notebook(tmp_path / "store.ipynb", source))
    lab.run_all()
    assert lab.errors() == []
    shown = Shown(lab)
    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        shown.handle.focus()
        for key, hour in (("Home", 8), ("ArrowRight", 9), ("ArrowRight", 10), ("PageUp", None)):
            lab.page.keyboard.press(key)
            if hour is None:
                continue
            past = store.as_of(f"2026-03-02T{hour:02}:00:00Z")
            want = Counter(event.event_type for event in past.read_all())
            expect(shown.box).to_contain_text(f"as of 2026-03-02 {hour:02}:00:00 UTC")
            expect(shown.box).to_contain_text(f"aggregates, {want.total()} events")
            table = shown.box.locator("table", has=lab.page.locator("th", has_text="so far"))
            for kind, count in want.items():  # the table may be drawn after the words
                row = table.locator("tbody tr", has=lab.page.locator(f":text-is('{kind}')"))
                expect(row.locator("td").nth(1)).to_have_text(str(count))
            rows = table.locator("tbody tr").evaluate_all(
                "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
            )
            assert {row[0]: int(row[1]) for row in rows if row[1] != "0"} == want


def test_both_themes_have_contrast(lab: Lab, slider: Shown) -> None:
    """Text of the state table against what is behind it, as the browser computes both."""
    measure = """element => {
        const numbers = c => c.match(/[\\d.]+/g).map(Number)
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
        let ground = element
        while (/, 0\\)$|transparent/.test(getComputedStyle(ground).backgroundColor))
            ground = ground.parentElement
        const a = light(numbers(getComputedStyle(element).color))
        const b = light(numbers(getComputedStyle(ground).backgroundColor))
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    }"""
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        light = str("Light" in theme).lower()
        lab.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        lab.settle()
        for place in ("tbody td >> nth=2", "thead th >> nth=0", "pre", "code"):
            assert slider.box.locator(place).first.evaluate(measure) >= 4.5, (theme, place)
