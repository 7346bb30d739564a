"""The whole store as of a time in a real browser: with a kernel, without one, and in JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from esnb import EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel
from esnb.course.widgets.store_travel import StoreTravel
from esnb.shop import Account, Order, first_orders
from tests.lab import Lab, notebook
from tests.pages import View

pytestmark = pytest.mark.browser

CLOSED = ["OrderCancelled", "OrderDelivered"]


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        first_orders(made)
        yield made


class Whole(View):
    root_class = "esnb-whole"
    shop: StoreTravel

    def table(self) -> dict[str, list[str]]:
        rows = self.rows("tbody tr:not([hidden])")
        return {row[0]: row[1:] for row in rows}

    def summary(self, text: str) -> None:
        expect(self.root.locator(".wh-summary strong")).to_have_text(text)


Opened = Callable[..., Whole]


@pytest.fixture
def opened(open_page: Callable[..., Page], store: EventStore) -> Opened:
    """Open the page of a whole store, joined to the widget in this process: `kernel=False` not."""

    def open_whole(
        *, kernel: bool = True, theme: Any = "light", size: tuple[int, int] = (1100, 900),
        of: EventStore | None = None, **options: Any,
    ) -> Whole:  # fmt: skip
        shop = TimeTravel.store(
            of or store, **{"fold": [Order, Account], "closed": CLOSED, **options}
        )
        sent: list[Any] = []
        shop.table.send = sent.append  # type: ignore[method-assign]

        def answer(text: str) -> str:
            shop.table._on_message(shop.table, json.loads(text), [])
            return json.dumps([sent.pop(), []])

        behind = answer if kernel else None
        view = Whole(open_page(shop, size=size, theme=theme, kernel=behind))
        view.shop = shop
        return view

    return open_whole


def test_every_step_of_time_is_the_store(opened: Opened, store: EventStore) -> None:
    view = opened(as_of="2026-03-02T09:00:00Z")
    view.summary("since 2026-03-02 08:59:59.999999: 1 new, 0 changed, 0 closed")
    view.root.get_by_role("slider", name="time").focus()
    times = sorted({e.occurred_at for e in store.read_all()})
    for when in times[1:]:
        view.keys("ArrowRight")
        expect(view.root.locator(".w-count")).to_have_text(f"{when:%Y-%m-%d %H:%M:%S}")
        past = store.as_of(when)
        there = {e.aggregate_id for e in past.read_all()}
        expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(len(there))
        for name, row in view.table().items():
            assert row[-2] == str(past.version(name))
            if name.startswith("order"):
                assert row[0].split(" → ")[-1] == repr(past.load(Order, name).status)
    view.keys("Home")
    expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(0)
    view.hears("0 aggregates")


def test_the_summary_and_the_marks(opened: Opened) -> None:
    view = opened(as_of="2026-03-02T15:00:00Z", since="2026-03-02T09:05:00Z")
    view.summary("since 2026-03-02 09:05:00: 1 new, 1 changed, 1 closed")
    table = view.table()
    assert table["order-1042"][0] == "'PENDING' → 'PAID'"
    assert {name: row[-1] for name, row in table.items()} == {
        "order-1042": "~ changed", "order-1043": "− closed", "account-ada": "+ new",
    }  # fmt: skip
    row = view.root.locator("tbody tr", has_text="order-1042")
    expect(row).to_have_class("w-changed")
    expect(row.locator("td.wh-changed").first).to_have_text("'PENDING' → 'PAID'")
    view.press("unpin A")
    expect(view.button("pin A")).to_have_attribute("aria-pressed", "false")
    view.keys("c")
    expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(1)
    view.keys("c", "s", "s")
    expect(view.button("step: 1 hour")).to_be_visible()
    view.summary("since 2026-03-02 14:00:00: 1 new, 0 changed, 0 closed")


def test_a_row_opens_by_click_and_enter(opened: Opened) -> None:
    view = opened(as_of="2026-03-02T15:00:00Z")
    answered = "n => asked.filter(a => a.ask === 'open' && a.done).length === n"
    view.button("order-1043").click()
    view.page.wait_for_function(answered, arg=1)
    expect(view.root.locator(".wh-problem")).to_be_empty()
    assert (view.shop.opened.name, view.shop.opened.at) == ("order-1043", 2)
    view.root.get_by_role("slider").focus()
    view.root.locator("input.wh-text").fill("1042")
    expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(1)
    view.root.locator(".wh-range").focus()
    view.root.locator(".wh-table button").first.focus()
    view.keys("Enter")
    view.page.wait_for_function(answered, arg=2)
    assert (view.shop.opened.name, view.shop.opened.at) == ("order-1042", 2)


def test_going_to_a_time_and_dragging(opened: Opened) -> None:
    view = opened()
    view.root.locator(".wh-range").focus()
    view.keys("g")
    view.page.keyboard.type("2026-03-02 15:00")
    view.keys("Enter")
    expect(view.root.locator(".w-count")).to_have_text("2026-03-02 15:00:00")
    view.page.wait_for_function("timetravel.get('_at') === 1772463600000000")
    box = view.root.locator(".wh-track").bounding_box()
    assert box is not None
    view.page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    view.page.mouse.down()
    view.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=8)
    view.page.mouse.up()
    expect(view.root.locator(".w-count")).to_contain_text("2026-03-03 11:")
    expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(3)
    time = view.root.locator(".wh-time")
    time.fill("soon")
    time.press("Enter")
    expect(view.root.get_by_role("alert")).to_contain_text("Not a time")


def test_a_kernel_that_is_late_or_away(opened: Opened) -> None:
    view = opened(as_of="2026-03-02T09:00:00Z")
    view.page.evaluate("() => { late = 600; asked.length = 0 }")
    view.root.locator(".wh-range").focus()
    for _ in range(4):
        view.page.keyboard.press("ArrowRight")
    expect(view.root).to_have_class("esnb-whole wh-stale")
    expect(view.root).to_have_class("esnb-whole")
    assert view.page.evaluate("asked.filter(a => a.ask === 'look').length") <= 3
    view.page.evaluate("() => { deaf = true }")
    view.keys("End")
    alert = view.root.get_by_role("alert")
    expect(alert).to_contain_text("The kernel does not answer", timeout=12_000)


def test_without_a_kernel_it_moves_between_places(opened: Opened, store: EventStore) -> None:
    view = opened(kernel=False)
    view.root.locator(".wh-range").focus()
    view.keys("Home")
    expect(view.root.locator("tbody tr:not([hidden])")).to_have_count(0)
    for when in sorted({e.occurred_at for e in store.read_all()}):
        view.keys("ArrowRight")
        expect(view.root.locator(".w-count")).to_have_text(f"{when:%Y-%m-%d %H:%M:%S}")
        past = store.as_of(when)
        for name, row in view.table().items():
            assert row[-2] == str(past.version(name))
    expect(view.root.locator(".wh-name").first).to_be_disabled()
    expect(view.root.locator(".wh-name").first).to_have_attribute(
        "title", "run the notebook to open it"
    )


def test_pages_of_rows(opened: Opened) -> None:
    with EventStore(clock=LessonClock()) as many:
        for n in range(30):
            placed = new_event("OrderPlaced", customer="ada", items=[])
            many.append(f"order-{n}", [placed], expected_version=0, aggregate_type="ORDER")
        view = opened(of=many, closed=())
        where = view.root.locator(".wh-pages span")
        expect(where).to_have_text("1 to 12 of 30")
        names = set(view.table())
        for text in ("13 to 24 of 30", "25 to 30 of 30"):
            view.press("next rows")
            expect(where).to_have_text(text)
            names |= set(view.table())
        assert len(names) == 30
        expect(view.button("next rows")).to_be_disabled()
        assert "closed" not in view.root.locator(".wh-summary").inner_text()


def test_data_is_text(opened: Opened, store: EventStore) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    data = {"customer": evil, "items": []}
    store.append(evil, [new_event("OrderPlaced", data)], expected_version=0, aggregate_type="ORDER")
    view = opened()
    assert evil in view.table()
    assert view.page.locator("img").count() == 0
    assert view.page.title() != "owned"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_reading_conditions(opened: Opened, theme: str) -> None:
    view = opened(as_of="2026-03-02T15:00:00Z", since="2026-03-02T09:05:00Z", theme=theme)
    view.root.locator(".wh-range").focus()
    for keys in ((), ("?",)):
        view.keys(*keys)
        view.check_names_and_roles()
        view.check_contrast(4.5)
        view.check_axe()
    view.keys("Escape")
    assert view.tab_stops() <= 8
    hall = opened(as_of="2026-03-02T15:00:00Z", projector=True, theme=theme, size=(1280, 720))
    hall.check_contrast(7.0)
    hall.check_projector(small=".wh-name")


def test_lab_a_store_opens_a_row(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(
        tmp_path / "whole.ipynb",
        "from esnb import EventStore, LessonClock\n"
        "from esnb.shop import Account, Order, first_orders\n"
        "from esnb.course.widgets import TimeTravel\n"
        "store = EventStore(clock=LessonClock())\n"
        "first_orders(store)\n"
        "shop = TimeTravel.store(store, as_of='2026-03-02T15:00:00Z', fold=[Order, Account])\nshop",
        "print(shop.opened)",
    ))  # fmt: skip
    lab.run_all()
    assert lab.errors() == []
    view = Whole(lab.page)
    view.root.locator(".wh-range").focus()
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    cell = lab.page.evaluate(active)
    view.keys("Home", "ArrowRight", "ArrowDown", "a", "c", "c", "a")
    assert lab.page.evaluate(active) == cell
    view.root.locator(".wh-range").focus()
    view.keys("End")
    view.button("order-1042").click()
    below = lab.page.locator(".esnb-tt")
    expect(below).to_have_count(1, timeout=20_000)
    expect(below.locator(".w-title")).to_have_text("order-1042 as Order")
    expect(below.get_by_role("slider", name="position")).to_have_value("4")
