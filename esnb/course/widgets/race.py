"""Race: two writers, one last lamp, and you say who moves next.

    race = Race()
    race
    race.schedule, race.trace, race.answers

Every step is taken by the real `EventStore`, in memory (`race_runs.py`). The steps of every
possible order are run once, before the widget appears, and sent with it. So it also works while
the kernel is busy, and in the page that `to_html` writes. `race_outcomes` counts all orders of
three writers under four guards (`race_guards.py`).

The form is a space-time diagram: L. Lamport, *Time, Clocks, and the Ordering of Events* (1978).
Letting the reader be the scheduler comes from *The Deadlock Empire* (2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import pandas as pd
import traitlets

from esnb.clock import LessonClock
from esnb.course import figures
from esnb.course.widgets import html_parts
from esnb.course.widgets.page import PageWidget, image
from esnb.course.widgets.race_runs import (
    EXAMPLE,
    LETTERS,
    STREAM,
    Run,
    Step,
    check_pieces,
    lamps,
    moves_of,
    outcome,
    schedules,
    tree,
)
from esnb.errors import InvalidEventError
from esnb.store.event_store import EventStore

# What an append can do. The page asks for it, in these words.
ALREADY = "it is stored already: nothing is added"
STORED, OVERSOLD, REFUSED = (
    "it is stored, and no more is sold than there was",
    "it is stored, and one too many is sold",
    "it is refused: a conflict",
)


class Race(PageWidget, view="race"):
    """Two writers sell from one shelf, a step at a time, in the order you choose: `Race()`.

    `pieces` is how many lamps there are, `names` who wants one. `guard` says whether an append
    states the version it has read. A `schedule` such as "ABABAB" is run at once; "A" is the next
    step of the first writer. After a conflict "B" reads again, "B+" raises the number and keeps the
    old decision, "B-" gives up. "B!" is a crash before the append, and "B=" right after an append
    sends the same event again. With `predict` the reader says what an append will do before it is
    made. `projector=True` is for a lecture hall. A schedule that cannot be run is an
    `InvalidEventError`.

    `schedule` and `guard` can be set. `trace`, `store`, `schedules` and `answers` are DataFrames
    and a store to look into; `code` is the line of the last step.
    """

    _begins_with: ClassVar[tuple[str, ...]] = ("schedule", "guard", "predict")
    _columns: ClassVar[tuple[str, ...]] = (
        "schedule",
        "guard",
        "writer",
        "question",
        "answer",
        "actual",
        "match",
        "why",
    )
    schedule = traitlets.Unicode("").tag(sync=True)
    guard = traitlets.Bool(True).tag(sync=True)
    predict = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        *,
        pieces: int = 1,
        names: tuple[str, str] = ("ada", "ben"),
        guard: bool = True,
        schedule: str = "",
        predict: bool = True,
        projector: bool = False,
    ) -> None:
        check_pieces(pieces)
        self.pieces, self.names = pieces, _check_names(names)
        self._runs = tree(pieces, self.names)
        super().__init__(
            self._content(), guard=guard, schedule=schedule, predict=predict, projector=projector
        )
        self.observe(self._shorten, "guard")

    # -- what is shown ---------------------------------------------------------------------

    @property
    def store(self) -> EventStore:
        """A new store in memory, in which the shown schedule has been run; close it when done."""
        return self._real()[0]

    @property
    def trace(self) -> pd.DataFrame:
        """The steps of the shown schedule, a row each, run again on a new store."""
        store, steps = self._real()
        store.close()
        columns = ["who", "step", "knows", "expected", "actual", "version", "sold", "code"]
        frame = pd.DataFrame([asdict(step) for step in steps], columns=columns)
        numbers = ["knows", "expected", "actual"]
        frame[numbers] = frame[numbers].astype("Int64")
        frame.index += 1
        return frame

    @property
    def schedules(self) -> pd.DataFrame:
        """The 20 schedules, and how each ended with the guard and without."""
        columns = ["schedule", "with guard", "without guard"]
        return pd.DataFrame(self._data["schedules"], columns=columns)

    @property
    def code(self) -> str:
        """The line of Python that the last step ran; at the start, the one that fills the shelf."""
        return str(self._nodes()[self.schedule]["code"])

    def __repr__(self) -> str:
        node = self._nodes()[self.schedule]
        how = "expected version" if self.guard else "no check"
        return (
            f"<race: {' and '.join(self.names)} for {lamps(self.pieces)}, guard: {how}, "
            f"schedule {self.schedule or '(no step yet)'}, {node['sold']} sold>"
        )

    # -- without a kernel ------------------------------------------------------------------

    def _title(self) -> str:
        return f"Race for {lamps(self.pieces)}"

    def _still(self) -> str:
        """For places without JavaScript: the lanes, the steps in a table, and all 20 schedules.

        Before the first step, an example is shown.
        """
        shown = self.schedule or EXAMPLE
        steps = self._path(shown)
        lane = {"raise": "write", "again": "sends again", "crash": "crashes"}
        trace = [(step["move"][0], lane.get(step["step"], step["step"])) for step in steps]
        names = dict(zip(LETTERS, self.names, strict=True))
        drawn = figures.png(figures.lanes([("A", ""), ("B", ""), *trace][2:], names=names))
        picture = image(drawn, " ".join(step["say"] for step in steps))
        last = steps[-1]
        rows = [
            html_parts.Row(
                "", (n, step["who"], step["step"], _numbers(step), step["version"], step["sold"])
            )
            for n, step in enumerate(steps, start=1)
        ]
        table = html_parts.table(
            ("step", "who", "does", "numbers", "version after", "sold after"), rows, signs=False
        )
        every = html_parts.table(
            ("schedule", "with guard", "without guard"),
            [html_parts.Row("", tuple(row)) for row in self._data["schedules"]],
            signs=False,
        )
        how = "with the expected version checked" if self.guard else "without a check"
        example = "" if self.schedule else "For example, "
        holds = "holds" if last["sold"] <= self.pieces else "is broken"
        return (
            f"<p><b>Race for {lamps(self.pieces)}</b>: {example}schedule {shown}, {how}. "
            "Run this notebook to choose the order yourself.</p>"
            f"<p>{picture}</p>{table}"
            f"<p>sold ≤ received: {last['sold']} ≤ {self.pieces} {holds}</p>"
            f"<details><summary>All 20 schedules</summary>{every}</details>"
        )

    # -- how -------------------------------------------------------------------------------

    def _content(self) -> dict[str, Any]:
        """All that the page needs; it knows no rule of its own."""
        return {
            "stream": STREAM,
            "pieces": self.pieces,
            "names": self.names,
            "title": self._title(),
            "lamps": lamps(self.pieces),
            "types": [_drawn("StockReceived"), _drawn("PieceSold")],
            "choices": [STORED, OVERSOLD, REFUSED],
            "already": ALREADY,
            "guards": self._runs,
            "schedules": [
                [order, *(outcome(self._path(order, key), self.pieces) for key in self._runs)]
                for order in schedules()
            ],
        }

    def _nodes(self) -> dict[str, dict[str, Any]]:
        return self._runs["on" if self.guard else "off"]

    def _path(self, schedule: str, key: str | None = None) -> list[dict[str, Any]]:
        nodes = self._runs[key] if key else self._nodes()
        moves = moves_of(schedule)
        return [nodes["".join(moves[: n + 1])] for n in range(len(moves))]

    def _real(self) -> tuple[EventStore, list[Step]]:
        store = EventStore(clock=LessonClock())
        run = Run(store, STREAM, self.pieces, self.names, self.guard)
        return store, [run.move(move) for move in moves_of(self.schedule)]

    @traitlets.validate("schedule")
    def _check_schedule(self, proposal: dict[str, Any]) -> str:
        schedule: str = proposal["value"]
        nodes, done = self._nodes(), ""
        for n, move in enumerate(moves_of(schedule), start=1):
            if done + move not in nodes:
                here = [*nodes[done]["next"], *nodes[done]["trouble"]]
                options = ", ".join(f"{m} ({name})" for m, name in here)
                raise InvalidEventError(
                    f"Schedule {schedule!r}, move {n}: {move} is not possible there. "
                    f"Possible: {options or 'nothing, both are done'}."
                )
            done += move
        return schedule

    def _shorten(self, _: object) -> None:
        """The same schedule with the other guard: as far as its moves exist there."""
        moves, nodes = moves_of(self.schedule), self._nodes()
        while "".join(moves) not in nodes:
            moves.pop()
        self.schedule = "".join(moves)


def _drawn(event_type: str) -> dict[str, Any]:
    code, shape, hue = figures.mark(event_type)
    return {
        "name": event_type,
        "code": code,
        "points": html_parts.POLYGONS.get(shape),
        "hue": hue,
        "y": html_parts.LETTERS.get(shape, 15.5),
        "ink": "#ffffff" if hue == figures.BLUE else "#000000",
    }


def _numbers(step: Mapping[str, Any]) -> str:
    match step["step"]:
        case "read":
            return f"knows {step['knows']}, {step['left']} left"
        case "conflict":
            return f"expected {step['expected']}, found {step['actual']}"
        case "append" | "raise":
            return f"expected {step['expected']}, found {step['actual']}: event {step['number']}"
        case "write":
            return f"any version: event {step['number']}"
        case "again":
            return f"event {step['actual']} already"
    return ""


def _check_names(names: object) -> tuple[str, str]:
    if (
        not isinstance(names, tuple | list)
        or len(names) != 2
        or any(not isinstance(name, str) or not name.strip() for name in names)
        or names[0] == names[1]
    ):
        raise InvalidEventError(f"names are two different texts, found {names!r:.60}.")
    return names[0], names[1]
