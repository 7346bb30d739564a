"""Race: two writers, one last lamp, and you say who moves next.

    race = Race()
    race
    race.schedule, race.trace, race.answers

Every step is taken by the real `EventStore`, in memory. The steps of every possible order are run
once, before the widget appears, and sent with it. So it also works while the kernel is busy, and in
the page that `to_html` writes. `race_outcomes` counts all orders of three writers under four
guards.

The form is a space-time diagram: L. Lamport, *Time, Clocks, and the Ordering of Events* (1978).
Letting the reader be the scheduler comes from *The Deadlock Empire* (2016).
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args
from uuid import NAMESPACE_URL, uuid5

import anywidget
import pandas as pd
import traitlets

from esnb import figures
from esnb.clock import LessonClock
from esnb.conditions import AppendCondition
from esnb.errors import ConcurrencyError, DuplicateEventError, InvalidEventError
from esnb.events import Event, new_event
from esnb.store import ANY, EventStore
from esnb.widgets import parts
from esnb.widgets.timetravel import StaticPage

Theme = Literal["auto", "light", "dark"]
Rule = Literal["stock", "voucher"]

STREAM = "stock-LAMP-DESK"
LETTERS = "AB"
_EXAMPLE = "ABABAB"
_MOST_PIECES = 9
_MOVE = re.compile(r"[A-Z][+-]?")
_STATIC = Path(__file__).parent / "static"
_ANSWERS = ["schedule", "guard", "writer", "question", "answer", "actual", "match", "why"]
_STORED, _OVERSOLD, _REFUSED = (
    "it is stored, and no more is sold than there was",
    "it is stored, and one too many is sold",
    "it is refused: a conflict",
)


# -- one run against the real store --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one writer as it went: what it did, in code and in words, and what was so then.

    `step` is read, decide, append, write (an append with `ANY`), conflict, refuse (sold out), raise
    (an append with a new number and the old decision) or give up. `knows` and `left` are what the
    writer has read; `expected`, `actual` and `between` belong to an append; `number` is that of the
    event stored. `version` and `sold` are those of the stream afterwards.
    """

    move: str
    who: str
    step: str
    code: str
    say: str
    version: int
    sold: int
    knows: int | None = None
    left: int | None = None
    expected: int | None = None
    actual: int | None = None
    between: tuple[str, ...] = ()
    number: int | None = None


def left(events: list[Event]) -> int:
    """Pieces on the shelf: received minus sold."""
    received = sum(event.data["pieces"] for event in events if event.type == "StockReceived")
    return int(received) - sum(event.type == "PieceSold" for event in events)


class _Writer:
    """What one writer knows and what it does next."""

    def __init__(self, letter: str, name: str) -> None:
        self.letter, self.name = letter, name
        self.shown = name[:1].upper() + name[1:]
        self.next = "read"
        self.events: list[Event] = []
        self.actual = 0

    def options(self, guard: bool) -> list[tuple[str, str]]:
        """What this writer can do now: (move, its name)."""
        if self.next == "conflict":
            return [
                (self.letter, "read again and retry"),
                (f"{self.letter}+", "raise the number only"),
                (f"{self.letter}-", "give up"),
            ]
        names = {
            "read": "read", "decide": "decide", "refuse": "answer: sold out",
            "append": f"append, expected {len(self.events)}" if guard else "append, any version",
        }  # fmt: skip
        return [(self.letter, names[self.next])] if self.next else []


class _Run:
    """A stream with so many pieces, and two writers that stop after each step."""

    def __init__(
        self, store: EventStore, stream: str, pieces: int, names: tuple[str, str], guard: bool
    ) -> None:
        self.store, self.stream, self.pieces, self.guard = store, stream, pieces, guard
        self.writers = {x: _Writer(x, name) for x, name in zip(LETTERS, names, strict=True)}
        received = new_event("StockReceived", pieces=pieces)
        store.append(stream, [received], expected_version=0, aggregate_type="STOCK")
        self._look()

    def begin(self) -> dict[str, Any]:
        """What is so before the first step."""
        code = (
            f'store.append({_code(STREAM)}, [new_event("StockReceived", pieces={self.pieces})], '
            'expected_version=0, aggregate_type="STOCK")'
        )
        say = f"{_lamps(self.pieces)} on the shelf, two buyers. Choose who moves: a or b."
        shelf = {"version": self.version, "sold": self.sold}
        return {"step": "begin", "code": code, "say": say, **shelf}

    def options(self) -> list[tuple[str, str]]:
        return [o for writer in self.writers.values() for o in writer.options(self.guard)]

    def move(self, move: str) -> Step:
        writer = self.writers[move[0]]
        if move.endswith("-"):
            writer.next = ""
            return self._step(
                move, writer, "give up", f'answer = "conflict: please look again, {writer.shown}"',
                f"{writer.shown} gives up, and is told to look again.",
            )  # fmt: skip
        if move.endswith("+"):
            return self._append(move, writer, writer.actual)
        match writer.next:
            case "read" | "conflict":
                return self._read(move, writer)
            case "decide":
                return self._decide(move, writer)
            case "append":
                return self._append(move, writer, len(writer.events) if self.guard else None)
        writer.next = ""
        return self._step(
            move, writer, "refuse", 'answer = "sold out"',
            f"{writer.shown} is told: sold out. That is the rule's answer, on what was read.",
        )  # fmt: skip

    def _read(self, move: str, writer: _Writer) -> Step:
        again = " again" if writer.next == "conflict" else ""
        writer.events = self.store.events(self.stream)
        writer.next = "decide"
        count = left(writer.events)
        return self._step(
            move, writer, "read", f"events = store.events({_code(STREAM)})",
            f"{writer.shown} reads{again}: version {len(writer.events)}, {_lamps(count)} left.",
        )  # fmt: skip

    def _decide(self, move: str, writer: _Writer) -> Step:
        count = left(writer.events)
        writer.next = "append" if count > 0 else "refuse"
        said = "sell one" if count > 0 else "no sale"
        return self._step(
            move, writer, "decide", "wanted = left(events) > 0",
            f"{writer.shown} decides: {said}, for {_lamps(count)} "
            f"{'was' if count == 1 else 'were'} left at version {len(writer.events)}.",
        )  # fmt: skip

    def _append(self, move: str, writer: _Writer, expected: int | None) -> Step:
        event = new_event("PieceSold", buyer=writer.name)
        code = (
            f'store.append({_code(STREAM)}, [new_event("PieceSold", buyer={_code(writer.name)})], '
            f"expected_version={'ANY' if expected is None else expected})"
        )
        try:
            done = self.store.append(
                self.stream, [event], expected_version=ANY if expected is None else expected
            )
        except ConcurrencyError as error:
            writer.next, writer.actual = "conflict", error.actual
            new = self.store.events(self.stream, after=error.expected)
            return self._step(
                move, writer, "conflict", code,
                f"{writer.shown} appends at expected version {error.expected}. The stream has "
                f"version {error.actual}: a conflict, and nothing of it is stored.",
                expected=error.expected, actual=error.actual,
                between=tuple(_line(event) for event in new),
            )  # fmt: skip
        writer.next = ""
        before = done.version - 1
        self._look()
        how = {
            "": f"at expected version {expected}, and it is",
            "+": f"with the number raised to {expected} and the old decision. It is",
        }[move[1:]]
        how = "without a check. It is" if expected is None else how
        over = self.sold - self.pieces
        broken = f" {self.sold} sold, {self.pieces} received: {over} too many." if over > 0 else ""
        step = "raise" if move.endswith("+") else "write" if expected is None else "append"
        return self._step(
            move, writer, step, code,
            f"{writer.shown} appends {how} stored as event {done.version}.{broken}",
            expected=expected, actual=before, number=done.version,
        )  # fmt: skip

    def _look(self) -> None:
        events = self.store.events(self.stream)
        self.version, self.sold = len(events), sum(e.type == "PieceSold" for e in events)

    def _step(
        self, move: str, writer: _Writer, step: str, code: str, say: str, **more: Any
    ) -> Step:
        knows = len(writer.events) or None
        count = left(writer.events) if writer.events else None
        return Step(
            move, writer.name, step, code, say, self.version, self.sold, knows, count, **more
        )


def _code(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _lamps(count: int) -> str:
    return f"{count} lamp{'' if count == 1 else 's'}"


def _line(event: Event) -> str:
    buyer = f", buyer {event.data['buyer']}" if "buyer" in event.data else ""
    return f"{event.sequence_number} {event.type}{buyer}"


def _moves(schedule: str) -> list[str]:
    """A schedule such as "AABABB-" in its moves."""
    found = _MOVE.findall(schedule)
    if "".join(found) != schedule:
        raise InvalidEventError(
            f"A schedule is written with A and B, such as {_EXAMPLE!r}; after a conflict A reads "
            f"again, A+ raises the number only, A- gives up. Found {schedule!r:.60}."
        )
    return found


# -- every order there is ------------------------------------------------------------------------


def schedules(writers: int = 2, steps: int = 3) -> list[str]:
    """The orders in which so many writers can take so many steps each: 20 for two with three."""

    def grow(done: str, rest: tuple[int, ...]) -> Iterator[str]:
        if not any(rest):
            yield done
        for n, count in enumerate(rest):
            if count:
                yield from grow(done + chr(65 + n), (*rest[:n], count - 1, *rest[n + 1 :]))

    return list(grow("", (steps,) * writers))


@cache
def _tree(pieces: int, names: tuple[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """What each move leads to, with the guard ("on") and without ("off"), by the moves before.

    Each order is run from the beginning, in a stream of its own: a run cannot be taken back.
    """
    with EventStore(clock=LessonClock()) as store:
        fresh = (f"{STREAM} {n}" for n in itertools.count())
        return {
            key: _explore(lambda on=guard: _Run(store, next(fresh), pieces, names, on))  # type: ignore[misc]
            for key, guard in (("on", True), ("off", False))
        }


def _explore(begin: Callable[[], _Run]) -> dict[str, dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {}
    todo: list[list[str]] = [[]]
    while todo:
        plan, run, path = todo.pop(), begin(), ""
        for depth in itertools.count():
            options = run.options()
            if path not in nodes:
                nodes[path] = run.begin()
            if "next" not in nodes[path]:
                nodes[path]["next"] = options
                here = list(_MOVE.findall(path))
                todo += [[*here, move] for move, _ in reversed(options[1:])]
            if not options:
                break
            step = run.move(plan[depth] if depth < len(plan) else options[0][0])
            path += step.move
            if path not in nodes:
                nodes[path] = {k: v for k, v in asdict(step).items() if v not in (None, ())}
    return nodes


def _outcome(steps: list[dict[str, Any]], pieces: int) -> str:
    if steps[-1]["sold"] > pieces:
        return "oversold"
    return "conflict" if any(step["step"] == "conflict" for step in steps) else "clean"


# -- three writers, four guards ------------------------------------------------------------------


def race_outcomes(
    writers: int = 3, *, pieces: int = 1, rule: Rule = "stock", every: bool = False
) -> pd.DataFrame:
    """Run the orders of two or three writers under four guards, and count how they end.

    A row a guard, with the counts of schedules: `clean`, `refused` (the guard refused somebody, and
    the rule holds) and `broken` (the rule does not hold). The rule "stock" is "no more is sold than
    there was", in one stream with `pieces`. The rule "voucher" is "each voucher once" (or as often
    as there are `pieces`), and each writer has a stream of its own. The unique key is the event id
    (made from the number of the piece), or the stream's name (made from the voucher). Nobody tries
    again.

    Schedules are alike to the store when they differ only in who is who, or in when somebody
    decides, for that touches no store. One of those that are alike is run and counted for all: 15
    of 1,680 for three writers. With `every=True` each one is run, which takes some minutes.
    """
    if writers not in (2, 3):
        raise InvalidEventError(
            f"race_outcomes() runs two or three writers, found {writers!r}. Four would have "
            f"369,600 schedules."
        )
    if rule not in get_args(Rule):
        raise InvalidEventError(f"rule is one of {get_args(Rule)}, found {rule!r}.")
    _check_pieces(pieces)
    found = schedules(writers)
    alike = Counter(found if every else map(_to_the_store, found))
    runs = {s if every else _to_the_store(s): s for s in found}
    rows = {}
    for guard in _GUARDS:
        counts = dict.fromkeys(("clean", "refused", "broken"), 0)
        for batch in _batches(list(runs), _RUNS_A_STORE):
            with EventStore(clock=LessonClock()) as store:
                for n, kind in enumerate(batch):
                    counts[_RULES[rule](store, n, runs[kind], guard, pieces)] += alike[kind]
        rows[guard] = counts
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("guard")


def _to_the_store(schedule: str) -> str:
    """What the store sees of a schedule: who reads and who appends, in the order of reading."""
    names = dict(zip(dict.fromkeys(schedule), "ABC", strict=False))
    seen, steps = Counter[str](), ""
    for name in schedule:
        seen[name] += 1
        steps += "" if seen[name] == 2 else names[name]
    return steps


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


_GUARDS = ("no check", "expected version", "unique key", "append condition")
_RUNS_A_STORE = 70  # conditions look through the log of other runs as well, so it is kept short


def _stock(store: EventStore, n: int, schedule: str, guard: str, pieces: int) -> str:
    stream = f"{STREAM} {n}"
    received = new_event("StockReceived", pieces=pieces)
    store.append(stream, [received], expected_version=0, aggregate_type="STOCK")
    question = AppendCondition(("PieceSold",), aggregate_id=stream)

    def writer(name: str) -> Iterator[bool]:
        """Read, decide, append: yields after each whether the guard refused."""
        condition = None
        if guard == "append condition":
            found, condition = store.matching(question)
            version, count = 1 + len(found), pieces - len(found)
        else:
            events = store.events(stream)
            version, count = len(events), left(events)
        yield False
        wanted = count > 0
        yield False
        key = uuid5(NAMESPACE_URL, f"piece {version} of {stream}")
        event = new_event("PieceSold", buyer=name, event_id=key if guard == "unique key" else None)
        yield wanted and _refused(
            store, stream, event, version if guard == "expected version" else ANY, condition
        )

    refused = _interleave(schedule, writer)
    broken = left(store.events(stream)) < 0
    return "broken" if broken else "refused" if refused else "clean"


def _voucher(store: EventStore, n: int, schedule: str, guard: str, pieces: int) -> str:
    voucher = f"SPRING-{n}"
    question = AppendCondition(("VoucherUsed",), {"voucher": voucher})

    def writer(name: str) -> Iterator[bool]:
        used, condition = store.matching(question)
        yield False
        wanted = len(used) < pieces
        yield False
        # With a unique key the use is filed under the voucher, so that there is one place for it.
        unique = guard == "unique key"
        stream = f"voucher-{voucher}-{len(used)}" if unique else f"order-{voucher}-{name}"
        yield wanted and _refused(
            store, stream, new_event("VoucherUsed", voucher=voucher, by=name),
            0 if unique or guard == "expected version" else ANY,
            condition if guard == "append condition" else None,
        )  # fmt: skip

    refused = _interleave(schedule, writer)
    broken = len(store.matching(question)[0]) > pieces
    return "broken" if broken else "refused" if refused else "clean"


_RULES: Mapping[str, Callable[[EventStore, int, str, str, int], str]] = {
    "stock": _stock, "voucher": _voucher,
}  # fmt: skip


def _interleave(schedule: str, writer: Callable[[str], Iterator[bool]]) -> bool:
    """Let the writers move in this order; whether one was refused."""
    running = {name: writer(name) for name in dict.fromkeys(schedule)}
    return sum([next(running[name]) for name in schedule]) > 0  # every step, not up to the first


def _refused(
    store: EventStore, stream: str, event: Event, expected: Any, condition: AppendCondition | None
) -> bool:
    try:
        store.append(
            stream, [event], expected_version=expected, condition=condition,
            aggregate_type="STOCK" if stream.startswith("stock") else "VOUCHER",
        )  # fmt: skip
    except (ConcurrencyError, DuplicateEventError):
        return True
    return False


def _check_pieces(pieces: object) -> None:
    if not isinstance(pieces, int) or isinstance(pieces, bool) or not 1 <= pieces <= _MOST_PIECES:
        raise InvalidEventError(
            f"pieces is how many lamps there are, 1 to {_MOST_PIECES}; found {pieces!r}."
        )


# -- the widget ----------------------------------------------------------------------------------


@cache
def _module() -> str:
    """The page's code: the core and the view in one ES module, put together as text."""
    core = (_STATIC / "core.js").read_text(encoding="utf-8")
    view = (_STATIC / "race.js").read_text(encoding="utf-8")
    core, view = (
        re.sub(r"^export (?=const |function )", "", text, flags=re.MULTILINE)
        for text in (core, view)
    )
    view = re.sub(r'^import [^;]+ from "\./core\.js";\n', "", view, flags=re.MULTILINE)
    return f"{core}\n{view}"


@cache
def _style() -> str:
    return (_STATIC / "race.css").read_text(encoding="utf-8")


class Race(anywidget.AnyWidget):
    """Two writers sell from one shelf, a step at a time, in the order you choose: `Race()`.

    `pieces` is how many lamps there are, `names` who wants one. `guard` says whether an append
    states the version it has read. A `schedule` such as "ABABAB" is run at once; "A" is the next
    step of the first writer. After a conflict "B" reads again, "B+" raises the number and keeps the
    old decision, "B-" gives up. With `predict` the reader says what an append will do before it is
    made. `projector=True` is for a lecture hall. A schedule that cannot be run is an
    `InvalidEventError`.

    `schedule` and `guard` can be set. `trace`, `store`, `schedules` and `answers` are DataFrames
    and a store to look into; `code` is the line of the last step.
    """

    _esm: ClassVar[str] = ""
    _css: ClassVar[str] = ""
    _payload = traitlets.Bytes(b"").tag(sync=True)
    _answers: Any = traitlets.List().tag(sync=True)
    schedule = traitlets.Unicode("").tag(sync=True)
    guard = traitlets.Bool(True).tag(sync=True)
    predict = traitlets.Bool(True).tag(sync=True)
    projector = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, *, pieces: int = 1, names: tuple[str, str] = ("ada", "ben"), guard: bool = True,
        schedule: str = "", predict: bool = True, projector: bool = False,
    ) -> None:  # fmt: skip
        _check_pieces(pieces)
        self.pieces, self.names = pieces, _check_names(names)
        self._runs = _tree(pieces, self.names)
        self._data = self._content()
        super().__init__(
            _payload=json.dumps(self._data, ensure_ascii=False).encode(), guard=guard,
            schedule=schedule, predict=predict, projector=projector,
        )  # fmt: skip
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
    def answers(self) -> pd.DataFrame:
        """What was predicted, a row a question: schedule (with the move it was about), guard,
        writer, question, answer, actual, match, why."""
        return pd.DataFrame(
            [{k: row.get(k) for k in _ANSWERS} for row in self._answers], columns=_ANSWERS
        )

    @property
    def code(self) -> str:
        """The line of Python that the last step ran; at the start, the one that fills the shelf."""
        return str(self._nodes()[self.schedule]["code"])

    def __repr__(self) -> str:
        node = self._nodes()[self.schedule]
        how = "expected version" if self.guard else "no check"
        return (
            f"<race: {' and '.join(self.names)} for {_lamps(self.pieces)}, guard: {how}, "
            f"schedule {self.schedule or '(no step yet)'}, {node['sold']} sold>"
        )

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
        """Write one page that holds everything, and needs no network and no kernel; its path."""
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
            "schedule": self.schedule, "guard": self.guard, "predict": self.predict,
            "projector": self.projector, "_answers": list(self._answers),
        }  # fmt: skip
        fill = {
            "TITLE": html.escape(f"Race for {_lamps(self.pieces)}"),
            "THEME": theme,
            "STYLE": _style(),
            "PAYLOAD": _in_script(self._data),
            "STATE": _in_script(state),
            "MODULE": _module(),
            "STILL": self._still(),
        }
        page = (_STATIC / "page.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: fill[found.group(1)], page)

    def _still(self) -> str:
        """For places without JavaScript: the lanes, the steps in a table, and all 20 schedules.

        Before the first step, an example is shown.
        """
        shown = self.schedule or _EXAMPLE
        steps = self._path(shown)
        lane = {"raise": "write"}
        trace = [(step["move"][0], lane.get(step["step"], step["step"])) for step in steps]
        names = dict(zip(LETTERS, self.names, strict=True))
        drawn = figures.png(figures.lanes([("A", ""), ("B", ""), *trace][2:], names=names))
        picture = base64.b64encode(drawn).decode("ascii")
        last = steps[-1]
        rows = [
            parts.Row(
                "", (n, step["who"], step["step"], _numbers(step), step["version"], step["sold"])
            )
            for n, step in enumerate(steps, start=1)
        ]
        table = parts.table(
            ("step", "who", "does", "numbers", "version after", "sold after"), rows, signs=False
        )
        every = parts.table(
            ("schedule", "with guard", "without guard"),
            [parts.Row("", tuple(row)) for row in self._data["schedules"]], signs=False,
        )  # fmt: skip
        how = "with the expected version checked" if self.guard else "without a check"
        example = "" if self.schedule else "For example, "
        holds = "holds" if last["sold"] <= self.pieces else "is broken"
        return (
            f"<p><b>Race for {_lamps(self.pieces)}</b>: {example}schedule {shown}, {how}. "
            "Run this notebook to choose the order yourself.</p>"
            f'<p><img alt="{parts.text(" ".join(step["say"] for step in steps))}" '
            f'src="data:image/png;base64,{picture}"></p>{table}'
            f"<p>sold ≤ received: {last['sold']} ≤ {self.pieces} {holds}</p>"
            f"<details><summary>All 20 schedules</summary>{every}</details>"
        )

    # -- how -------------------------------------------------------------------------------

    def _content(self) -> dict[str, Any]:
        """All that the page needs; it knows no rule of its own."""
        return {
            "stream": STREAM, "pieces": self.pieces, "names": self.names,
            "title": f"Race for {_lamps(self.pieces)}", "lamps": _lamps(self.pieces),
            "types": [_drawn("StockReceived"), _drawn("PieceSold")],
            "choices": [_STORED, _OVERSOLD, _REFUSED],
            "guards": self._runs,
            "schedules": [
                [order, *(_outcome(self._path(order, key), self.pieces) for key in self._runs)]
                for order in schedules()
            ],
        }  # fmt: skip

    def _nodes(self) -> dict[str, dict[str, Any]]:
        return self._runs["on" if self.guard else "off"]

    def _path(self, schedule: str, key: str | None = None) -> list[dict[str, Any]]:
        nodes = self._runs[key] if key else self._nodes()
        moves = _moves(schedule)
        return [nodes["".join(moves[: n + 1])] for n in range(len(moves))]

    def _real(self) -> tuple[EventStore, list[Step]]:
        store = EventStore(clock=LessonClock())
        run = _Run(store, STREAM, self.pieces, self.names, self.guard)
        return store, [run.move(move) for move in _moves(self.schedule)]

    @traitlets.validate("schedule")
    def _check_schedule(self, proposal: dict[str, Any]) -> str:
        schedule: str = proposal["value"]
        nodes, done = self._nodes(), ""
        for n, move in enumerate(_moves(schedule), start=1):
            if done + move not in nodes:
                options = ", ".join(f"{m} ({name})" for m, name in nodes[done]["next"])
                raise InvalidEventError(
                    f"Schedule {schedule!r}, move {n}: {move} is not possible there. "
                    f"Possible: {options or 'nothing, both are done'}."
                )
            done += move
        return schedule

    def _shorten(self, _: object) -> None:
        """The same schedule with the other guard: as far as its moves exist there."""
        moves, nodes = _moves(self.schedule), self._nodes()
        while "".join(moves) not in nodes:
            moves.pop()
        self.schedule = "".join(moves)


def _drawn(event_type: str) -> dict[str, Any]:
    code, shape, hue = figures.mark(event_type)
    return {
        "name": event_type, "code": code, "points": parts._POLYGONS.get(shape), "hue": hue,
        "y": parts._LETTERS.get(shape, 15.5),
        "ink": "#ffffff" if hue == figures.BLUE else "#000000",
    }  # fmt: skip


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
    return ""


def _check_names(names: object) -> tuple[str, str]:
    if (
        not isinstance(names, tuple | list) or len(names) != 2
        or any(not isinstance(name, str) or not name.strip() for name in names)
        or names[0] == names[1]
    ):  # fmt: skip
        raise InvalidEventError(f"names are two different texts, found {names!r:.60}.")
    return names[0], names[1]


def _in_script(value: object) -> str:
    """JSON that stands inside a script element, and cannot end it."""
    text = json.dumps(value, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


# anywidget reads these from the class; filled here, so that a missing file shows at import.
Race._esm = _module()
Race._css = _style()
