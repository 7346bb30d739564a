"""TimeTravel: move through every state of one aggregate, and ask what if.

    tt = TimeTravel(store, "order-1042", fold=Order, stops={2: "the payment arrives"})
    tt
    tt.at, tt.state, tt.diff()

Python folds once, with your own `apply`, and the browser moves (`tape.py`). So the widget works
while the kernel is busy, after it has gone, and in the page that `to_html` writes. Position 0 is
before anything happened. The keys are listed under `?` in the widget.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import anywidget
import numpy as np
import pandas as pd
import traitlets

from esnb import figures
from esnb.errors import EsnbError, InvalidEventError
from esnb.events import Event
from esnb.reading import Reader
from esnb.store import EventStore
from esnb.timetravel import Diff, History, Policy, WhatIf
from esnb.widgets import parts, simple, tape

Guide = Literal["full", "partial", "off"]
Theme = Literal["auto", "light", "dark"]

CHECK_UP_TO = 2_000
_MARKS_UP_TO = 60
_BARS = 120
_FRAMES = 5
_STATIC = Path(__file__).parent / "static"
_ANSWERS = ["number", "event_type", "question", "answer", "actual", "match", "why"]


@cache
def _module() -> str:
    """The page's code: the core and the view in one ES module, put together as text."""
    core = (_STATIC / "core.js").read_text(encoding="utf-8")
    view = (_STATIC / "timetravel.js").read_text(encoding="utf-8")
    core = re.sub(r"^export (?=const |function )", "", core, flags=re.MULTILINE)
    view = re.sub(r'^import [^;]+ from "\./core\.js";\n', "", view, flags=re.MULTILINE)
    return f"{core}\n{view}"


@cache
def _style() -> str:
    return (_STATIC / "timetravel.css").read_text(encoding="utf-8")


class TimeTravel(anywidget.AnyWidget):
    """Every state of one aggregate under one playhead: `TimeTravel(store, "order-17", fold=Order)`.

    `fold` is any class with `apply(event)`, or a list of them to swap under one playhead. `stops`
    maps event numbers to a sentence each; play halts there. `guide` is "full" (each step is put
    into words), "partial" (a step forward asks for a prediction first) or "off". `lanes` names the
    lane of an event, by default its type. `projector=True` is for a lecture hall. Raises what
    `History` raises; a stream of more than 2,000 events is not folded a second time to look for an
    impure `apply`.

    `at` (a number; also set it to a time), `pins` (a pair of numbers or None), `state`, `event`,
    `events`, `diff()` and `answers` are what the view shows.
    """

    _esm: ClassVar[str] = ""
    _css: ClassVar[str] = ""
    _payload = traitlets.Bytes(b"").tag(sync=True)
    _answers: Any = traitlets.List().tag(sync=True)
    _muted: Any = traitlets.List().tag(sync=True)
    _fold = traitlets.Int(0).tag(sync=True)
    _policy = traitlets.Unicode("stop").tag(sync=True)
    at: Any = traitlets.TraitType(0).tag(sync=True)
    pins: Any = traitlets.TraitType((None, None)).tag(sync=True)
    guide = traitlets.Unicode("full").tag(sync=True)
    projector = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, store: Reader, aggregate_id: str, fold: type[Any] | Sequence[type[Any]], *,
        stops: Mapping[int, str] | None = None, guide: Guide = "full", projector: bool = False,
        at: int | datetime | str | None = None, lanes: Callable[[Event], str] | None = None,
    ) -> None:  # fmt: skip
        long = len(store.events(aggregate_id)) > CHECK_UP_TO
        kinds: list[Any] = list(fold) if isinstance(fold, list | tuple) else [fold]
        if not kinds:
            raise InvalidEventError("fold needs at least one class with apply(event), found none.")
        first = History(store, kinds[0], aggregate_id, check=not long)
        others = [History.of(first.events, kind, check=not long) for kind in kinds[1:]]
        self.histories: list[History[Any]] = [first, *others]
        self.name = aggregate_id
        if guide not in get_args(Guide):
            raise InvalidEventError(f"guide is one of {get_args(Guide)}, found {guide!r}.")
        self.stops = {self._number(n): str(text) for n, text in (stops or {}).items()}
        self._data = tape.payload(
            store, self.histories, aggregate_id, stops=self.stops, lanes=lanes
        )
        begin = len(self.history) if at is None else self._number(at)
        super().__init__(
            _payload=json.dumps(self._data, ensure_ascii=False).encode(), at=begin, guide=guide,
            projector=projector,
        )  # fmt: skip
        self.on_msg(self._on_message)

    @classmethod
    def simple(cls, store: Reader, aggregate_id: str, fold: type[Any], **options: Any) -> Any:
        """The same with plain ipywidgets, where nothing can be installed; see `time_slider`."""
        return simple.time_slider(store, aggregate_id, fold, **options)

    @classmethod
    def store(
        cls, store: EventStore, *, as_of: datetime | str | None = None, **options: Any
    ) -> Any:
        """A whole store as of a time: `TimeTravel.store(store, as_of="2026-03-02T15:00:00Z")`.

        See `store_slider`, which shows it and takes the options.
        """
        return simple.store_slider(store, at=as_of, **options)

    # -- what is shown ---------------------------------------------------------------------

    @property
    def history(self) -> History[Any]:
        """The history behind the view, of the fold that is shown."""
        return self.histories[self._fold]

    @property
    def state(self) -> dict[str, Any]:
        """The state at the playhead."""
        return self.history.state(self.at)

    @property
    def event(self) -> Event | None:
        """The event at the playhead; None at 0."""
        return self.history.events[self.at - 1] if self.at else None

    @property
    def events(self) -> pd.DataFrame:
        """A row an event up to the playhead: number, type, time, data, and the paths it changed."""
        return self.history.df().head(self.at)

    def diff(self) -> Diff:
        """What separates the two pins; without both, what the event at the playhead changed."""
        a, b = self.pins
        if a is not None and b is not None:
            return self.history.diff(a, b)
        return self.history.diff(max(self.at - 1, 0), self.at)

    @property
    def answers(self) -> pd.DataFrame:
        """What was predicted, a row a question: number, event_type, question, answer, actual,
        match, why."""
        return pd.DataFrame(
            [{k: row.get(k) for k in _ANSWERS} for row in self._answers], columns=_ANSWERS
        )

    def what_if(self, mute: Iterable[int], policy: Policy = "stop") -> WhatIf[Any]:
        """Fold again without some events, and show it in the view. Nothing is stored.

        `policy` says what happens when the state machine refuses a later event: "stop" there,
        "skip" it, or "force" it. See `History.without`.
        """
        muted = [self._number(number) for number in mute]
        result = self.history.without(*muted, policy=policy)
        self._policy = policy
        self._muted = muted
        return result

    @property
    def code(self) -> str:
        """The Python that gives the state at the playhead."""
        name = json.dumps(self.name, ensure_ascii=False)
        kind = self.history.kind.__name__
        if ([self._data, *self._data["others"]])[self._fold]["loads"]:
            return f"store.load({kind}, {name}, at={self.at})"
        return f"History(store, {kind}, {name}).at({self.at})"

    def __repr__(self) -> str:
        n, kind = len(self.history), self.history.kind.__name__
        stops = (
            f", {len(self.stops)} stop{'' if len(self.stops) == 1 else 's'}" if self.stops else ""
        )
        return f"<time travel: {self.name} as {kind}, at event {self.at} of {n}{stops}>"

    # -- without a kernel ------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        """The live view, and beside it what a place without widgets can show: text, and a picture
        with a table."""
        return {
            "text/plain": repr(self),
            "text/html": self._still(),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2, "version_minor": 0, "model_id": self.model_id,
            },
        }  # fmt: skip

    def to_html(self, path: str | Path, theme: Theme = "auto") -> Path:
        """Write one page that holds everything and needs no network and no kernel.

        Returns its path. What-if with several events muted, or in a long stream, is not in it.
        """
        if theme not in get_args(Theme):
            raise InvalidEventError(f"theme is one of {get_args(Theme)}, found {theme!r}.")
        target = Path(path)
        target.write_text(self._page(theme), encoding="utf-8")
        return target

    def static(self, height: int = 760) -> StaticPage:
        """The page of `to_html` inside the cell, for a published notebook; it runs in a sandbox."""
        return StaticPage(self._page("auto"), repr(self), height)

    def _page(self, theme: Theme) -> str:
        state = {
            "at": self.at, "pins": list(self.pins), "guide": self.guide,
            "projector": self.projector, "_answers": list(self._answers),
            "_muted": list(self._muted), "_policy": self._policy, "_fold": self._fold,
        }  # fmt: skip
        fill = {
            "TITLE": html.escape(f"{self.name}: time travel"),
            "THEME": theme,
            "STYLE": _style(),
            "PAYLOAD": _in_script(json.dumps(self._data, ensure_ascii=False)),
            "STATE": _in_script(json.dumps(state, ensure_ascii=False)),
            "MODULE": _module(),
            "STILL": self._still(),
        }
        page = (_STATIC / "page.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: fill[found.group(1)], page)

    def _still(self) -> str:
        """A film strip for places without JavaScript: a picture, and the states in a table."""
        picture = base64.b64encode(self._picture()).decode("ascii")
        kind = parts.text(self.history.kind.__name__)
        stops = "".join(
            f"<li>{parts.text(str(number))}: {parts.text(text)}</li>"
            for number, text in sorted(self.stops.items())
        )
        return (
            f"<p><b>{parts.text(self.name)}</b>: {len(self.history)} events, folded with {kind}. "
            "Run this notebook to move through them.</p>"
            f'<p><img alt="{parts.text(self.name)}: its events in order, with the playhead after '
            f'event {self.at}" src="data:image/png;base64,{picture}"></p>'
            f"{f'<ul>{stops}</ul>' if stops else ''}{self._film()}"
            f"<p><code>{parts.text(self.code)}</code></p>"
        )

    def _film(self) -> str:
        """The states at the stops (else at both ends), a column each; what changed is marked."""
        n = len(self.history)
        chosen = sorted({*(self.stops or {0, n}), self.at})
        if len(chosen) > _FRAMES:
            chosen = sorted({self.at, *chosen[: _FRAMES - 1]})
        states = [
            {path: text for path, _, text in tape.Shadow().look(self.history.state(number))}
            for number in chosen
        ]
        rows = []
        for path in dict.fromkeys(p for state in states for p in state):
            cells, changed = [], set()
            for column, state in enumerate(states, start=1):
                text = state.get(path, "")
                cells.append(text)
                if column > 1 and text != cells[column - 2]:
                    changed.add(column)
            if any(cells):
                rows.append(parts.Row("~" if changed else "", (path, *cells), frozenset(changed)))
        more = len(rows) - parts.MAX_ROWS
        left = f"<p>and {more} more fields</p>" if more > 0 else ""
        headers = ("field", *(f"at {number}" for number in chosen))
        return parts.table(headers, rows[: parts.MAX_ROWS], signs=False) + left

    def _picture(self) -> bytes:
        events, at = self.history.events, self.at
        if len(events) <= _MARKS_UP_TO:
            ax = figures.canvas(max(len(events), 4), top=0.7, bottom=-0.8)
            return figures.png(figures.stream(ax, events, cursor=at))
        edges = np.linspace(0, len(events), _BARS + 1)
        counts = np.diff(np.floor(edges))
        ax = figures.chart(8, 1.2)
        colour = [figures.SOFT if e <= at else figures.GREY for e in edges[1:]]
        ax.bar((edges[:-1] + edges[1:]) / 2, counts, width=np.diff(edges) * 0.9, color=colour)
        ax.axvline(at, color=figures.INK, lw=1.4)
        ax.set_xlabel("event")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        return figures.png(ax)

    # -- how -------------------------------------------------------------------------------

    def _number(self, when: int | datetime | str) -> int:
        n = len(self.history)
        if isinstance(when, bool) or not isinstance(when, int | str | datetime):
            raise InvalidEventError(
                f"A position is a number from 0 to {n} or a time, found {when!r}."
            )
        if isinstance(when, int):
            if not 0 <= when <= n:
                raise InvalidEventError(f"There is no event {when}: {self.name} has 0 to {n}.")
            return when
        number = self.history.number_at(when)
        if number is None:
            raise InvalidEventError(
                f"At {when} the events of {self.name} are no beginning of the stream, because "
                f"their clocks disagreed. Ask the history: History(...).at({when!r})."
            )
        return number

    @traitlets.validate("at")
    def _check_at(self, proposal: dict[str, Any]) -> int:
        return self._number(proposal["value"])

    @traitlets.validate("pins")
    def _check_pins(self, proposal: dict[str, Any]) -> tuple[int | None, int | None]:
        value = proposal["value"]
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise InvalidEventError(f"pins is a pair such as (12, 23), found {value!r}.")
        a, b = (None if pin is None else self._number(pin) for pin in value)
        return a, b

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        """A what-if that was not computed ahead; the answer, or the error, goes back by its id."""
        if not isinstance(content, dict) or content.get("ask") != "what-if":
            return
        reply: dict[str, Any] = {"ask": "what-if", "id": content.get("id")}
        try:
            muted = [self._number(number) for number in content["muted"]]
            history = self.histories[content.get("fold", 0)]
            reply["result"] = tape.what_if(history, muted, content["policy"])
        except EsnbError as error:
            reply["error"] = str(error)
        self.send(reply)


# anywidget reads these from the class; filled here, so that a missing file shows at import.
TimeTravel._esm = _module()
TimeTravel._css = _style()


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


def _in_script(text: str) -> str:
    """JSON that stands inside a script element, and cannot end it."""
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
