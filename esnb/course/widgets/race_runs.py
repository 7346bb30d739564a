"""The runs behind Race: two writers in a real store, who stop after each step.

`tree` runs every order there is, with the guard and without; the widget only shows them. A run is
deterministic: its store is in memory, and its clock is a `LessonClock`.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from esnb.clock import LessonClock
from esnb.errors import ConcurrencyError, InvalidEventError
from esnb.events import Event, new_event
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

STREAM = "stock-LAMP-DESK"
LETTERS = "AB"
EXAMPLE = "ABABAB"
_MOST_PIECES = 9
_MOVE = re.compile(r"[A-Z][-+!=]?")


# -- one run against the real store --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one writer as it went: what it did, in code and in words, and what was so then.

    `step` is read, decide, append, write (an append with `ANY`), conflict, refuse (sold out), raise
    (an append with a new number and the old decision), give up, crash (before the append) or again
    (the same event a second time). `knows` and `left` are what the writer has read; `expected`,
    `actual` and `between` belong to an append; `number` is that of the event stored. `version` and
    `sold` are those of the stream afterwards.
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
    duplicate: bool | None = None


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
        self.sent: tuple[Event, Any] | None = None  # what was stored, and the version it expected

    def options(self, guard: bool) -> list[tuple[str, str]]:
        """What this writer can do now: (move, its name)."""
        if self.next == "conflict":
            return [
                (self.letter, "read again and retry"),
                (f"{self.letter}+", "raise the number only"),
                (f"{self.letter}-", "give up"),
            ]
        names = {
            "read": "read",
            "decide": "decide",
            "refuse": "answer: sold out",
            "append": f"append, expected {len(self.events)}" if guard else "append, any version",
        }
        return [(self.letter, names[self.next])] if self.next else []

    def trouble(self, last: bool) -> list[tuple[str, str]]:
        """What can go wrong for this writer now: (move, its name). `last`: it moved last."""
        if self.next == "append":
            return [(f"{self.letter}!", "crash before the append")]
        return [(f"{self.letter}=", "no answer: send it again")] if self.sent and last else []


class Run:
    """A stream with so many pieces, and two writers that stop after each step."""

    def __init__(
        self, store: EventStore, stream: str, pieces: int, names: tuple[str, str], guard: bool
    ) -> None:
        self.store, self.stream, self.pieces, self.guard = store, stream, pieces, guard
        self.writers = {x: _Writer(x, name) for x, name in zip(LETTERS, names, strict=True)}
        self.last: _Writer | None = None
        self.troubled = False
        received = new_event("StockReceived", pieces=pieces)
        store.append(stream, [received], expected_version=0, aggregate_type="STOCK")
        self.version, self.sold = 1, 0

    def begin(self) -> dict[str, Any]:
        """What is so before the first step."""
        code = (
            f'store.append({_code(STREAM)}, [new_event("StockReceived", pieces={self.pieces})], '
            'expected_version=0, aggregate_type="STOCK")'
        )
        say = f"{lamps(self.pieces)} on the shelf, two buyers. Choose who moves: a or b."
        shelf = {"version": self.version, "sold": self.sold}
        return {"step": "begin", "code": code, "say": say, **shelf}

    def options(self) -> list[tuple[str, str]]:
        """What can be done now: (move, its name)."""
        return [o for writer in self.writers.values() for o in writer.options(self.guard)]

    def trouble(self) -> list[tuple[str, str]]:
        """What can go wrong now: (move, its name). Once in a run: more would tell nothing new."""
        if self.troubled:
            return []
        return [o for writer in self.writers.values() for o in writer.trouble(writer is self.last)]

    def move(self, move: str) -> Step:
        """Take a step that is among the options."""
        writer = self.last = self.writers[move[0]]
        self.troubled = self.troubled or move[1:] in ("!", "=")
        if move.endswith("-"):
            writer.next = ""
            return self._step(
                move,
                writer,
                "give up",
                f'answer = "conflict: please look again, {writer.shown}"',
                f"{writer.shown} gives up, and is told to look again.",
            )
        if move.endswith("!"):
            writer.next = ""
            return self._step(
                move,
                writer,
                "crash",
                'raise SystemExit("power cut")',
                f"{writer.shown}'s program ends before the append. Nothing is stored: a decision "
                "is not a fact. Whoever starts it again begins with a read.",
            )
        if move.endswith("="):
            return self._again(move, writer)
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
            move,
            writer,
            "refuse",
            'answer = "sold out"',
            f"{writer.shown} is told: sold out. That is the rule's answer, on what was read.",
        )

    def _read(self, move: str, writer: _Writer) -> Step:
        again = " again" if writer.next == "conflict" else ""
        writer.events = self.store.events(self.stream)
        writer.next = "decide"
        count = left(writer.events)
        return self._step(
            move,
            writer,
            "read",
            f"events = store.events({_code(STREAM)})",
            f"{writer.shown} reads{again}: version {len(writer.events)}, {lamps(count)} left.",
        )

    def _decide(self, move: str, writer: _Writer) -> Step:
        count = left(writer.events)
        writer.next = "append" if count > 0 else "refuse"
        said = "sell one" if count > 0 else "no sale"
        return self._step(
            move,
            writer,
            "decide",
            "wanted = left(events) > 0",
            f"{writer.shown} decides: {said}, for {lamps(count)} "
            f"{'was' if count == 1 else 'were'} left at version {len(writer.events)}.",
        )

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
                move,
                writer,
                "conflict",
                code,
                f"{writer.shown} appends at expected version {error.expected}. The stream has "
                f"version {error.actual}: a conflict, and nothing of it is stored.",
                expected=error.expected,
                actual=error.actual,
                between=tuple(_line(event) for event in new),
            )
        writer.next, writer.sent = "", (event, expected)
        before = done.version - 1
        self.version, self.sold = done.version, self.sold + 1
        how = {
            "": f"at expected version {expected}, and it is",
            "+": f"with the number raised to {expected} and the old decision. It is",
        }[move[1:]]
        how = "without a check. It is" if expected is None else how
        over = self.sold - self.pieces
        broken = f" {self.sold} sold, {self.pieces} received: {over} too many." if over > 0 else ""
        step = "raise" if move.endswith("+") else "write" if expected is None else "append"
        return self._step(
            move,
            writer,
            step,
            code,
            f"{writer.shown} appends {how} stored as event {done.version}.{broken}",
            expected=expected,
            actual=before,
            number=done.version,
        )

    def _again(self, move: str, writer: _Writer) -> Step:
        assert writer.sent is not None
        (event, expected), writer.sent = writer.sent, None
        version = "ANY" if expected is None else expected
        done = self.store.append(
            self.stream, [event], expected_version=ANY if expected is None else expected
        )
        return self._step(
            move,
            writer,
            "again",
            f"same = store.events({_code(STREAM)})[{done.version - 1}]; "
            f"store.append({_code(STREAM)}, [same], expected_version={version})",
            f"{writer.shown} got no answer and sends the same event again. The store knows its id: "
            f"it is event {done.version} already, and nothing is added.",
            expected=expected,
            actual=done.version,
            duplicate=done.duplicate,
        )

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


def lamps(count: int) -> str:
    """So many lamps, in words."""
    return f"{count} lamp{'' if count == 1 else 's'}"


def _line(event: Event) -> str:
    buyer = f", buyer {event.data['buyer']}" if "buyer" in event.data else ""
    return f"{event.sequence_number} {event.type}{buyer}"


def moves_of(schedule: str) -> list[str]:
    """A schedule such as "AABABB-" in its moves."""
    found = _MOVE.findall(schedule)
    if "".join(found) != schedule:
        raise InvalidEventError(
            f"A schedule is written with A and B, such as {EXAMPLE!r}; after a conflict A reads "
            "again, A+ raises the number only, A- gives up. A! is a crash before the append, A= "
            f"the same append a second time. Found {schedule!r:.60}."
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
def tree(pieces: int, names: tuple[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """What each move leads to, with the guard ("on") and without ("off"), by the moves before.

    Each order is run from the beginning, in a stream of its own: a run cannot be taken back.
    """
    with EventStore(clock=LessonClock()) as store:
        fresh = (f"{STREAM} {n}" for n in itertools.count())
        return {
            key: _explore(lambda on=guard: Run(store, next(fresh), pieces, names, on))  # type: ignore[misc]
            for key, guard in (("on", True), ("off", False))
        }


def _explore(begin: Callable[[], Run]) -> dict[str, dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {}
    todo: list[list[str]] = [[]]
    while todo:
        plan, run, path = todo.pop(), begin(), ""
        for depth in itertools.count():
            options, trouble = run.options(), run.trouble()
            if path not in nodes:
                nodes[path] = run.begin()
            if "next" not in nodes[path]:
                nodes[path] |= {"next": options, "trouble": trouble}
                here = list(_MOVE.findall(path))
                todo += [[*here, move] for move, _ in reversed([*options[1:], *trouble])]
            if depth >= len(plan) and not options:
                break
            step = run.move(plan[depth] if depth < len(plan) else options[0][0])
            path += step.move
            if path not in nodes:
                nodes[path] = {k: v for k, v in asdict(step).items() if v not in (None, ())}
    return nodes


def outcome(steps: list[dict[str, Any]], pieces: int) -> str:
    """How a schedule ended: clean, conflict or oversold."""
    if steps[-1]["sold"] > pieces:
        return "oversold"
    return "conflict" if any(step["step"] == "conflict" for step in steps) else "clean"


def check_pieces(pieces: object) -> None:
    """Raise `InvalidEventError` unless it is a number of lamps that Race can run."""
    if not isinstance(pieces, int) or isinstance(pieces, bool) or not 1 <= pieces <= _MOST_PIECES:
        raise InvalidEventError(
            f"pieces is how many lamps there are, 1 to {_MOST_PIECES}; found {pieces!r}."
        )
