"""The page that a widget writes, opened offline, and what every widget promises its readers.

`open_page` opens it; `View` is a widget on a page, of its own or in JupyterLab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Locator, Page, expect


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open what `to_html` writes: `open_page(widget, theme="dark", size=(1280, 720))`.

    There is no network. A message of the page about an error fails the test. With `kernel`, what
    the model of the page sends is answered by it: JSON in, JSON of a message and its buffers out.
    """
    contexts, errors = [], []

    def opened(
        widget: Any, *, size: tuple[int, int] = (1100, 1000), theme: Any = "light",
        motion: Any = "no-preference", kernel: Callable[[str], str] | None = None,
    ) -> Page:  # fmt: skip
        path = widget.to_html(tmp_path / f"page{len(contexts)}.html", theme=theme)
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, offline=True, reduced_motion=motion
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        if kernel:
            page.expose_function("kernel", kernel)
            page.add_init_script(f"({JOIN})()")
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


class View:
    """A widget on a page: what a reader does with it, and what it promises every reader."""

    root_class: ClassVar[str] = ""

    def __init__(self, page: Page, nth: int = 0) -> None:
        self.page = page
        self.root = page.locator(f".{self.root_class}").nth(nth)
        self.panel = self.root.locator(".w-panel")
        expect(self.root).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name)

    def radio(self, name: str) -> Locator:
        return self.root.get_by_role("radio", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()
        self.frame()

    def pick(self, name: str) -> None:
        self.radio(name).check()
        self.frame()

    def keys(self, *keys: str) -> None:
        """Press keys, each after what the last one did is drawn."""
        for key in keys:
            self.page.keyboard.press(key)
            self.frame()

    def frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )

    def rows(self, of: str = "tbody tr") -> list[list[str]]:
        """The texts of a table, a list a row."""
        return self.root.locator(of).evaluate_all(
            "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
        )

    def has_focus(self) -> bool:
        return bool(self.root.evaluate("e => e.contains(document.activeElement)"))

    def hears(self, text: str) -> None:
        """The one region that a screen reader follows comes to say this."""
        region = self.root.locator("[aria-live]")
        expect(region).to_have_count(1)
        expect(region).to_have_attribute("aria-live", "polite")
        expect(region).to_contain_text(text)

    def tab_stops(self) -> int:
        """How often the tab key stops inside the widget, on the way from before it to after it."""
        self.page.evaluate(
            "document.body.append(Object.assign(document.createElement('button'), {id: 'after'}))"
        )
        self.page.evaluate("document.activeElement?.blur()")
        for stops in range(20):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.id") == "after":
                return stops
        raise AssertionError("the tab key does not leave the widget")

    def check_names_and_roles(self) -> None:
        """Every control has a name, keeps its keys from JupyterLab and is large enough."""
        assert self.root.evaluate(NAMES_AND_ROLES) == []

    def check_nothing_sticks_out(self) -> None:
        """No text is wider than its place, and lists of terms are not laid out by JupyterLab."""
        wrong = self.root.evaluate(
            """root => [...root.querySelectorAll('td, th, dt, button, legend, label')]
                .filter(e => e.checkVisibility() && !e.querySelector('[aria-hidden]'))
                .filter(e => (e.scrollWidth > e.clientWidth + 1
                    && getComputedStyle(e).display !== 'inline'
                    || getComputedStyle(e).float !== 'none' && e.tagName === 'DT'))
                .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""
        )
        assert wrong == []

    def check_contrast(self, least: float, texts_at_least: int = 11) -> None:
        """Every text stands out from its ground: 4.5 to 1 is WCAG's minimum, 7 for a hall."""
        texts = self.root.evaluate(CONTRAST)
        assert len(texts) >= texts_at_least
        assert texts[0][0] >= least, texts[:3]

    def check_axe(self) -> None:
        """axe-core finds nothing serious."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.root.evaluate("async root => (await axe.run(root)).violations")
        serious = [
            (rule["id"], rule["nodes"][0]["html"][:120])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]
        assert serious == []

    def check_projector(self, small: str = "", inside: Sequence[Locator] = ()) -> None:
        """It fits 1280 by 720 without scrolling, and a hall can read and press it.

        `small` selects buttons that may be smaller; `inside` are parts that must not scroll.
        """
        over = "e => Math.max(e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth)"
        assert self.page.evaluate("document.documentElement.scrollHeight") <= 720
        for part in (self.root, *inside):
            assert part.evaluate(over) <= 0, part.inner_text()
        size = "e => parseFloat(getComputedStyle(e).fontSize)"
        assert self.root.evaluate(size) >= 20
        assert self.root.locator(".w-count").evaluate(size) == 48
        boxes = self.root.evaluate(
            """(root, small) => [...root.querySelectorAll('button')]
                .filter(b => b.checkVisibility() && !(small && b.matches(small)))
                .map(b => [b.getBoundingClientRect(), b.textContent])
                .filter(([box]) => Math.min(box.width, box.height) < 43.9).map(b => b[1])""",
            small,
        )
        assert boxes == []


# Joins the model of a page to `kernel`: `late` answers late, `deaf` hears nothing of an answer.
JOIN = """() => {
    const heard = []
    window.asked = []
    window.late = 0
    window.deaf = false
    Object.defineProperty(window, 'timetravel', {configurable: true, set(model) {
        const on = model.on
        model.on = (event, callback) => { heard.push([event, callback]); on(event, callback) }
        model.send = async content => {
            asked.push(content)
            if (deaf) return
            const [reply, buffers] = JSON.parse(await kernel(JSON.stringify(content)))
            await new Promise(done => setTimeout(done, late))
            content.done = true
            const views = buffers.map(text => new DataView(
                Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer))
            for (const [event, callback] of heard)
                if (event === 'msg:custom') callback(reply, views)
        }
        Object.defineProperty(window, 'timetravel', {value: model})
    }})
}"""

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")

CONTRAST = """root => {
    // Colours may be half transparent: paint them over each other, as the page does.
    const brush = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
    const paint = colours => {
        for (const c of ['white', ...colours]) {
            brush.fillStyle = c
            brush.fillRect(0, 0, 1, 1)
        }
        return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
    }
    const grounds = e => e ? [...grounds(e.parentElement), getComputedStyle(e).backgroundColor] : []
    const found = []
    for (const e of root.querySelectorAll('*')) {
        const own = [...e.childNodes].some(c => c.nodeType === 3 && c.data.trim())
        if (!own || e.closest('svg, .w-live') || e.disabled) continue
        if (!e.checkVisibility({visibilityProperty: true})) continue
        const ground = grounds(e)
        const a = paint(ground), b = paint([...ground, getComputedStyle(e).color])
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
        found.push([ratio, e.className + ': ' + e.textContent.slice(0, 30)])
    }
    return found.sort((p, q) => p[0] - q[0])
}"""

NAMES_AND_ROLES = """root => {
    const wrong = []
    const say = (what, e) => wrong.push(what + ': ' + e.outerHTML.slice(0, 90))
    const named = e => e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length
    const silent = ['presentation', 'alert', 'status']
    for (const e of root.querySelectorAll('button, input, select, textarea, svg[role], [role]'))
        if (!silent.includes(e.getAttribute('role')) && !named(e)) say('no name', e)
    for (const e of [root, ...root.querySelectorAll('button, input, select, textarea, [tabindex]')])
        if (!e.dataset.lmSuppressShortcuts) say('shortcuts', e)
    for (const e of root.querySelectorAll('button, select, textarea, label:has(input), input')) {
        if (!e.checkVisibility() || ['radio', 'range'].includes(e.type)) continue
        const box = e.getBoundingClientRect()
        if (Math.min(box.width, box.height) < 23.9) say('small', e)
    }
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id)
    if (new Set(ids).size < ids.length) wrong.push('an id twice')
    for (const list of root.querySelectorAll('[role=listbox]')) {
        const chosen = document.getElementById(list.getAttribute('aria-activedescendant'))
        if (chosen && chosen.getAttribute('aria-selected') !== 'true') say('not selected', chosen)
    }
    for (const t of root.querySelectorAll('table'))
        if (!t.querySelector('th[scope=col]')) say('no heads', t)
    return wrong
}"""
