"""The page of a widget: its code and style, and what it shows where there is no kernel.

    class Race(PageWidget, view="race"):
        ...

In `static` a view has its own module (`race.js`, with its parts in the folder `race`) and its own
style (`race.css`), and shares the folder `shared` and `base.css`. anywidget takes one text, so the
modules are put one after another, each in a scope of its own: nothing is bundled, and nothing is
fetched. The same text runs in the notebook and in the page that `to_html` writes; a site can use
the files as they are. Where no script runs, a still is shown: a picture and a table.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import anywidget
import pandas as pd
import traitlets

from esnb.course.widgets import html_parts
from esnb.errors import InvalidEventError

Theme = Literal["auto", "light", "dark"]

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.{1,2}/[\w/]+\.js)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class|function|async function) (\w+))", re.MULTILINE)


@cache
def module(view: str) -> str:
    """The code of a view and of the files it imports, as one ES module without imports.

    Each file is a function that gives its exports, so that its other names stay its own. Comments
    are left out: each widget carries the text.
    """
    texts: dict[Path, str] = {}

    def add(path: Path) -> None:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        for _, needed in _IMPORT.findall(text):
            other = (path.parent / needed).resolve()
            if other not in texts:
                add(other)
        texts[path] = _scoped(path, text)

    entry = (STATIC / f"{view}.js").resolve()
    add(entry)
    return "\n".join(texts[path] for path in texts if path != entry) + "\n" + texts[entry]


def _name(path: Path) -> str:
    """The name of a file's exports in the text."""
    return "$" + "_".join(path.relative_to(STATIC.resolve()).with_suffix("").parts)


def _scoped(path: Path, text: str) -> str:
    """A file in a scope of its own; the outermost one, which exports the widget, stays as it is."""

    def bound(found: re.Match[str]) -> str:
        return f"const {found[1]} = {_name((path.parent / found[2]).resolve())};\n"

    inside, names = _IMPORT.sub(bound, text), _EXPORT.findall(text)
    if "\nexport default " in text:
        return inside
    exports = f"return {{ {', '.join(names)} }};"
    return f"const {_name(path)} = (() => {{\n{_EXPORT.sub('', inside)}{exports}\n}})();"


@cache
def style(view: str, root: str = "") -> str:
    """The style of a view whose outermost element has the class `root`, by default esnb-VIEW.

    The shared rules are written for that class. So each view has its own, and two views in one
    notebook do not depend on which style came first.
    """
    own = (STATIC / f"{view}.css").read_text(encoding="utf-8")
    shared = (STATIC / "base.css").read_text(encoding="utf-8")
    return shared.replace(".esnb-widget", f".{root or f'esnb-{view}'}") + own


def in_script(value: object) -> str:
    """A value as JSON for the inside of a script element, which it cannot end."""
    text = json.dumps(value, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def image(png: bytes, alt: str) -> str:
    """A picture inside the HTML itself, with its text for who does not see it."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html_parts.text(alt)}" src="data:image/png;base64,{data}">'


class StaticPage:
    """A page inside a cell; it runs in a sandbox and needs no kernel."""

    def __init__(self, page: str, text: str, height: int) -> None:
        self.page, self._text, self._height = page, text, height

    def __repr__(self) -> str:
        return f"<page of {self._text[1:-1]}>"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" sandbox="allow-scripts" '
            f'title="{html.escape(self._text[1:-1])}" loading="lazy" '
            f'style="width:100%;height:{self._height}px;border:0"></iframe>'
        )


class PageWidget(anywidget.AnyWidget):
    """A widget whose view also works as a page of its own.

    A subclass names its `view`, the traits that the page begins with (`_begins_with`), and the
    columns of `answers`. It has a `_title` and a `_still`, and a `__repr__`.
    """

    _esm: ClassVar[str] = ""
    _css: ClassVar[str] = ""
    _view: ClassVar[tuple[str, str]] = ("", "")
    _begins_with: ClassVar[tuple[str, ...]] = ()
    _columns: ClassVar[tuple[str, ...]] = ()
    _payload = traitlets.Bytes(b"").tag(sync=True)
    _answers: Any = traitlets.List().tag(sync=True)
    projector = traitlets.Bool(False).tag(sync=True)

    def __init_subclass__(cls, view: str = "", root: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if view:
            # Filled at import, so that a missing file shows there.
            cls._view = (view, root or f"esnb-{view}")
            cls._esm, cls._css = module(view), style(view, root)

    def __init__(self, data: dict[str, Any], **values: Any) -> None:
        self._data = data
        super().__init__(_payload=json.dumps(data, ensure_ascii=False).encode(), **values)

    @property
    def answers(self) -> pd.DataFrame:
        """What was predicted, a row a question: where it was asked, then question, answer, actual,
        match, why."""
        rows = [{name: row.get(name) for name in self._columns} for row in self._answers]
        return pd.DataFrame(rows, columns=list(self._columns))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """The live view, and beside it what a place without widgets can show: text, and a picture
        with a table."""
        return {
            "text/plain": repr(self),
            "text/html": self._still(),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
        }

    def to_html(self, path: str | Path, theme: Theme = "auto") -> Path:
        """Write one page that holds everything, and needs no network and no kernel; its path."""
        if theme not in get_args(Theme):
            raise InvalidEventError(f"theme is one of {get_args(Theme)}, found {theme!r}.")
        target = Path(path)
        target.write_text(self._page(theme), encoding="utf-8")
        return target

    def static(self, height: int = 760) -> StaticPage:
        """The page of `to_html` inside the cell, for a published notebook; it runs in a sandbox."""
        return StaticPage(self._page("auto"), repr(self), height)

    def _title(self) -> str:
        raise NotImplementedError

    def _still(self) -> str:
        raise NotImplementedError

    def _page_data(self) -> dict[str, Any]:
        """What the page holds; a view that asks the kernel for more says here what goes with it."""
        return self._data

    def exported(self) -> dict[str, Any]:
        """What another page needs to show this widget: its view, the class of its outermost
        element, the data, and the traits that it begins with. All of it goes into JSON."""
        view, root = self._view
        return {"view": view, "root": root, "data": self._page_data(), "state": self._state()}

    def _state(self) -> dict[str, Any]:
        names = (*self._begins_with, "projector", "_answers")
        return {name: getattr(self, name) for name in names}

    def _page(self, theme: Theme) -> str:
        fill = {
            "TITLE": html.escape(self._title()),
            "THEME": theme,
            "STYLE": self._css,
            "PAYLOAD": in_script(self._page_data()),
            "STATE": in_script(self._state()),
            "MODULE": self._esm,
            "STILL": self._still(),
        }
        page = (STATIC / "page.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: fill[found.group(1)], page)
