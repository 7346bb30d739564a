"""Record the README's pictures, from the real widgets in the system's Chromium.

    python -m tools.record

It writes into notebooks/images: time_travel.webp (a short recording), time_travel.png, race.png and
lag.png. The recording is deterministic: a screenshot a step, drawn with a fixed clock and no real
time. How long a picture stays is written here, not measured. The name keeps this file out of the
test run; `test_record.py` checks the story, and what is stored.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from esnb import EventStore, LessonClock, shop
from esnb.course.widgets import Lag, Race, TimeTravel
from esnb.shop import item
from tests.lab import ROOT, find_chromium, launched
from tests.pages import View

IMAGES = ROOT / "notebooks" / "images"
WIDTH, HEIGHT, CAPTION = 960, 836, 40
STILL = 5  # the picture of the story that stands for it where nothing may move
SHORT, STEP, LONG = 450, 1100, 3200  # milliseconds that a picture stays


class Order(shop.Order):
    """An order with a snapshot every four events."""

    snapshot_every = 4


def tell(store: EventStore) -> TimeTravel:
    """An order that is changed, paid, sent and partly refunded."""
    order = store.new(Order, "order-17")
    order.place("ada", [item("MUG-BLUE", 2)])
    store.save(order)
    order.add_item("LAMP-DESK", 1, 4500)
    store.save(order)
    order.add_item("BOOK-7", 1, 1500)
    store.save(order)
    order.remove_item("LAMP-DESK")
    store.save(order)
    order.pay()
    store.save(order)
    store.clock.advance(hours=5)  # type: ignore[attr-defined]
    order.ship()
    store.save(order)
    store.clock.advance(days=2)  # type: ignore[attr-defined]
    order.deliver()
    store.save(order)
    order.refund(500, "a scratch on the mug")
    store.save(order)
    return TimeTravel(store, "order-17", fold=Order, at=1, stops={5: "the payment arrives"})


class Travel(View):
    """TimeTravel, with a line above it that says what is being done."""

    root_class = "esnb-tt"

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        page.evaluate(
            """height => {
                const line = document.createElement('div')
                line.id = 'caption'
                line.style.cssText = `height: ${height}px; padding: 0 14px; display: flex;
                    align-items: center; justify-content: space-between; background: #1f1f1f;
                    color: #fff; font: 600 19px system-ui, sans-serif`
                line.append(document.createElement('span'), document.createElement('kbd'))
                line.lastChild.style.cssText = 'font: 17px ui-monospace, monospace'
                document.body.prepend(line)
            }""",
            CAPTION,
        )

    def caption(self, text: str, key: str = "") -> None:
        """Say above the widget what is being done, and with which key."""
        self.page.evaluate(
            """([text, key]) => {
                const line = document.getElementById('caption')
                line.firstChild.textContent = text
                line.lastChild.textContent = key
            }""",
            [text, key and f"key  {key}"],
        )


def story(travel: Travel) -> Iterator[int]:
    """What is done, step by step; each step gives how long its picture stays."""
    names = {"ArrowRight": "→", "ArrowLeft": "←", "End": "End", "Escape": "Esc"}

    def press(key: str, text: str, stays: int) -> int:
        travel.keys(key)
        travel.caption(text, names.get(key, key))
        return stays

    slider = travel.root.get_by_role("slider", name="position")
    slider.focus()
    travel.caption("An order is the list of what happened to it")
    yield LONG
    for _ in range(3):
        yield press("ArrowRight", "Move through it: the state after each event", STEP)
    travel.press("only what changed")
    travel.caption("What changed is beside the event that did it")
    yield LONG
    travel.root.get_by_role("button", name="total", exact=True).click()
    slider.focus()
    travel.frame()
    travel.caption("Pick a field: which events changed it?")
    yield LONG
    for key in "[[]]":
        yield press(key, "Hop along its history", STEP)
    yield press("p", "Predict first: what will the payment change?", LONG)
    choices = travel.panel.locator("fieldset")
    for question, answer in ((0, "status, paid"), (1, "'SHIPPED'")):
        choices.nth(question).get_by_label(answer, exact=True).check()
        travel.caption("Predict first: what will the payment change?")
        yield STEP
    yield press("p", "Then the fact, beside your answer", LONG)
    travel.press("continue")
    slider.focus()
    travel.caption("and the state after it")
    yield LONG
    yield press("ArrowLeft", "Pin A before the payment", SHORT)
    yield press("a", "Pin A before the payment", STEP)
    yield press("End", "and B at the end", SHORT)
    yield press("b", "and B at the end", STEP)
    yield press("c", "Compare any two moments", LONG)
    yield press("Escape", "What if the payment had never come?", SHORT)
    for _ in range(3):
        yield press("ArrowLeft", "What if the payment had never come?", SHORT)
    yield press(
        "m", "What if the payment had never come? The rules refuse what follows", LONG + STEP
    )
    yield press("Escape", "Nothing was stored: events are facts", STEP)
    yield press("End", "Nothing was stored: events are facts", LONG)


def record(browser: Browser, folder: Path) -> tuple[list[Image.Image], list[int]]:
    """The pictures of the story, and how long each stays."""
    with EventStore(clock=LessonClock()) as store:
        path = tell(store).to_html(folder / "travel.html", theme="light")
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(path.as_uri())
    pictures, stays = [], []
    for milliseconds in story(Travel(page)):
        page.evaluate("scrollTo(0, 0)")
        pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        stays.append(milliseconds)
    context.close()
    return pictures, stays


def still(browser: Browser, folder: Path, widget: Any, view: type[View], name: str) -> None:
    """One picture of a widget, as wide as the recording."""
    path = widget.to_html(folder / f"{name}.html", theme="light")
    context = browser.new_context(viewport={"width": WIDTH, "height": 1400}, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    shown = view(page)
    shown.frame()
    data = shown.root.screenshot()
    context.close()
    store_picture(Image.open(io.BytesIO(data)), name)


def store_picture(picture: Image.Image, name: str) -> None:
    """Few colours are in it: a palette of 256 keeps it small, and nobody sees the difference."""
    target = IMAGES / f"{name}.png"
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size // 1000} kB")


class RaceView(View):
    """Race, in the recording."""

    root_class = "esnb-race"


class LagView(View):
    """Lag, in the recording."""

    root_class = "esnb-lag"


def main() -> int:
    """Record the story and the stills; 1 where there is no browser."""
    path = find_chromium()
    if path is None:
        print("There is no Chromium or Chrome on this machine: nothing is recorded.")
        return 1
    with tempfile.TemporaryDirectory() as temporary, launched(path) as browser:
        folder = Path(temporary)
        pictures, stays = record(browser, folder)
        store_picture(pictures[STILL], "time_travel")
        target = IMAGES / "time_travel.webp"
        pictures[0].save(
            target, save_all=True, append_images=pictures[1:], duration=stays, loop=0,
            quality=70, method=6, minimize_size=True,
        )  # fmt: skip
        print(f"{target.name}: {len(pictures)} pictures, {target.stat().st_size // 1000} kB")
        still(browser, folder, Race(schedule="ABABAB", predict=False), RaceView, "race")
        still(browser, folder, Lag(at=24, guide="off"), LagView, "lag")
    return 0


if __name__ == "__main__":
    sys.exit(main())
