"""Lag: what a reader sees of a read model that is behind, over one simulated day of the shop.

    lag = Lag()
    lag
    lag.at, lag.state, lag.trace, lag.reader, lag.truth, lag.answers

The events are those of a real log, the read models those of a real `Projector`, and `trace` runs
the whole day again with both. Only the time is simulated: a tick is one second, so that a lecture,
a test and a picture agree. The page holds what was recorded here: each row after each event, and
what each event does when it is applied a second time. It counts seconds and positions, and it never
applies an event itself. So it also works without a kernel.
"""

from __future__ import annotations

import base64
import html
import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import anywidget
import duckdb
import pandas as pd
import traitlets

from esnb import figures
from esnb.aggregates import replay
from esnb.clock import LessonClock, utc
from esnb.errors import InvalidEventError, RejectedError
from esnb.events import Event, new_event
from esnb.projections import Lag as LagOf
from esnb.projections import Projection, Projector, handles
from esnb.shop import CATALOGUE, Order, item
from esnb.shop.rules import money
from esnb.store import EventStore
from esnb.widgets import parts
from esnb.widgets.timetravel import StaticPage, Theme, _in_script

Handler = Literal["transaction", "idempotent", "adds"]
Policy = Literal["as is", "wait", "stream"]
Guide = Literal["full", "off"]
Doing = Literal["write", "project", "pause", "resume", "crash", "restart", "rebuild"]
Step = tuple[int, str, int | None]
Row = tuple[str, int, int]  # status, total, paid

SECONDS = 45
RUSH = (12, 24)  # twice as much is written from the first of these seconds to the second
WRITES, PROJECTS = (2, 4, 6), (2, 4, 6, 12)  # events a second that the reader can choose
REBUILD = 3  # a rebuild gets this many times the events a second
TIMEOUT = 5  # seconds that a page waits for its position
EVENTS = 320
START = "2026-03-02T09:00:00Z"
BOB, BOB_PLACES, BOB_PAYS = "order-17", 62, 102
SHOWN = 5  # orders in the table
TREND = 3  # seconds over which the trend is taken
_STATIC = Path(__file__).parent / "static"
_ANSWERS = ["second", "policy", "question", "answer", "actual", "match", "why"]
_OPEN = ("PENDING", "PAID")


# -- the read model, with a handler that adds and one that can be repeated -----------------------


class AddingOrders(Projection):
    """The page of orders. Its handler adds to what is there: applied twice, it counts twice."""

    tables: ClassVar[dict[str, str]] = {
        "orders": "order_id varchar primary key, customer varchar, status varchar, "
        "total bigint, paid bigint, seen bigint"
    }
    guard: ClassVar[str] = ""

    @handles("OrderPlaced")
    def placed(self, read: Any, event: Event) -> None:
        """A new row; its total is added, should the row be there already."""
        guard = self.guard.replace("?", "excluded.seen")
        total = sum(line["quantity"] * line["price"] for line in event.data["items"])
        read.execute(
            "insert into orders values (?, ?, 'PENDING', ?, 0, ?) on conflict do update set "
            "status = excluded.status, total = orders.total + excluded.total, seen = excluded.seen "
            + (f"where orders.{guard}" if guard else ""),
            [event.aggregate_id, event.data["customer"], total, event.position],
        )

    @handles("ItemAdded")
    def item_added(self, read: Any, event: Event) -> None:
        """The total grows."""
        self._change(read, event, "total = total + ?", event.data["quantity"] * event.data["price"])

    @handles("PaymentReceived")
    def paid(self, read: Any, event: Event) -> None:
        """What was paid grows."""
        self._change(read, event, "status = 'PAID', paid = paid + ?", event.data["amount"])

    @handles("OrderShipped", "OrderCancelled")
    def closed(self, read: Any, event: Event) -> None:
        """The status is set: to set it twice does no harm."""
        self._change(read, event, "status = ?", event.type.removeprefix("Order").upper())

    def _change(self, read: Any, event: Event, what: str, value: Any) -> None:
        values = [value, event.position, event.aggregate_id]
        guard = f" and {self.guard}" if self.guard else ""
        read.execute(
            f"update orders set {what}, seen = ? where order_id = ?{guard}",
            values + ([event.position] if guard else []),
        )


class GuardedOrders(AddingOrders):
    """The same, idempotent: a row knows the position it has seen, and skips what is not newer."""

    guard: ClassVar[str] = "seen < ?"


class _Crash(BaseException):
    """The process ends here. No `except Exception` may take it for a mistake in a handler."""


class DayProjector(Projector):
    """A projector that can crash in the worst moment, and may save its position apart.

    `apart=False` is what `Projector` does: read model and position in one transaction. With
    `apart=True` they are two transactions, as where they are in two systems.
    """

    crashing = False

    def __init__(self, store: EventStore, projection: type[Projection], apart: bool) -> None:
        self.apart = apart
        super().__init__(store, projection)

    def restart(self) -> None:
        """Begin again with what the read database holds."""
        self.crashing = False
        self._read_checkpoint()

    def _handle(self, cursor: duckdb.DuckDBPyConnection, events: Any) -> None:
        super()._handle(cursor, events)
        if self.crashing and not self.apart:
            raise _Crash

    def _apply(self, cursor: duckdb.DuckDBPyConnection, events: Any, save: bool) -> None:
        if not self.apart or not save:
            super()._apply(cursor, events, save)
            return
        super()._apply(cursor, events, save=False)
        if self.crashing:
            raise _Crash
        cursor.execute(
            "update esnb.checkpoint set position = ?, event_id = ?",
            [events.last, events.last_id(cursor)],
        )
        self._position = events.last


KINDS: dict[str, tuple[type[Projection], bool]] = {
    "transaction": (AddingOrders, False),
    "idempotent": (GuardedOrders, True),
    "adds": (AddingOrders, True),
}


# -- the day -------------------------------------------------------------------------------------


class _Recorder(Projector):
    """Notes the row after each event, and after the same event again when `twice`."""

    def __init__(self, store: EventStore, projection: type[Projection], twice: bool) -> None:
        self.twice, self.rows = twice, [("", 0, 0)]
        self.again: list[Row] = [("", 0, 0)]
        super().__init__(store, projection)

    def _handle(self, cursor: duckdb.DuckDBPyConnection, events: Any) -> None:
        for event in events.read():
            for rows in (self.rows, self.again) if self.twice else (self.rows,):
                for name in self._handlers.get(event.event_type, ()):
                    getattr(self._instance, name)(cursor, event)
                rows.append(
                    cursor.execute(
                        "select status, total, paid from orders where order_id = ?",
                        [event.aggregate_id],
                    ).fetchall()[0]
                )


@dataclass(frozen=True)
class Day:
    """One day of the shop: its events in order, and what they do, as it was recorded.

    `rows[p]` and `truth[p]` are the row of the order of event p after it: by the projection, and by
    the fold of `Order`. `effects[p]` is what event p does to a row each time the adding handler
    gets it: the status it sets ("" for none), and what it adds to total and paid.
    """

    seed: int
    events: tuple[Event, ...]
    rows: tuple[Row, ...]
    truth: tuple[Row, ...]
    effects: tuple[Row, ...]

    def count(self, rate: int, second: int) -> int:
        """How many events are written in a second, counted from 0."""
        if second >= SECONDS:
            return 0
        rush = RUSH[0] <= second < RUSH[1]
        wobble = random.Random(f"{self.seed} {second}").choice((-1, 0, 0, 1))
        return rate * (2 if rush else 1) + wobble


@cache
def day(seed: int) -> Day:
    """The day of a seed: written with real commands, and projected by real projectors."""
    dice = random.Random(seed)
    with EventStore(clock=LessonClock(START)) as store:
        _live(store, dice)
        events = tuple(store.read_all(limit=EVENTS))
        once = _Recorder(store, GuardedOrders, twice=False)
        twice = _Recorder(store, AddingOrders, twice=True)
        once.catch_up()
        twice.catch_up()
        once.close()
        twice.close()
    truth: list[Row] = [("", 0, 0)]
    seen: dict[str, list[Event]] = {}
    for event in events:
        stream = seen.setdefault(str(event.aggregate_id), [])
        stream.append(event)
        order = replay(Order, stream)
        truth.append((str(order.status), order.total, order.paid))
    effects: list[Row] = [("", 0, 0)]
    before: dict[str, Row] = {}
    for event, first, again in zip(events, twice.rows[1:], twice.again[1:], strict=False):
        was = before.get(str(event.aggregate_id), ("", 0, 0))
        status = first[0] if first[0] != was[0] else ""
        # The second time tells an addition from a value that is set.
        effects.append((status, again[1] - first[1], again[2] - first[2]))
        before[str(event.aggregate_id)] = again
    n = len(events) + 1
    return Day(seed, events, tuple(once.rows[:n]), tuple(truth), tuple(effects))


def _live(store: EventStore, dice: random.Random) -> None:
    """Customers place, change, pay; the shop ships. Bob places and pays where the lesson needs."""
    living: list[Any] = []
    number = 1

    def place(customer: str) -> None:
        nonlocal number
        order = store.new(Order, f"order-{number}")
        skus = dice.sample([article.sku for article in CATALOGUE[:12]], dice.choice((1, 1, 2)))
        order.place(customer, [item(sku, dice.choice((1, 1, 2))) for sku in skus])
        store.save(order)
        number += 1
        living.append(order)

    names = ("ada", "cem", "dora", "eli", "fay", "gus", "hana", "ivo")
    bob: Any = None
    while store.position < EVENTS:
        if store.position + 1 == BOB_PLACES:
            number, kept = int(BOB.split("-")[1]), number
            place("bob")
            bob, number = living.pop(), kept
            continue
        if bob is not None and store.position + 1 == BOB_PAYS:
            bob.pay()
            store.save(bob)
            continue
        if len(living) < 5 or dice.random() < 0.2:
            number += number == int(BOB.split("-")[1])
            place(dice.choice(names))
            continue
        order = dice.choice(living)
        try:
            _next_step(order, dice)
        except RejectedError:
            living.remove(order)
            continue
        store.save(order)
        if order.status in ("SHIPPED", "CANCELLED"):
            living.remove(order)


def _next_step(order: Any, dice: random.Random) -> None:
    if order.status == "PAID":
        order.ship()
        return
    chance = dice.random()
    if chance < 0.4:
        article = dice.choice(CATALOGUE[:12])
        order.add_item(article.sku, 1, article.price)
    elif chance < 0.46:
        order.cancel("changed my mind")
    else:
        order.pay()


# -- running it ----------------------------------------------------------------------------------


class Tick(NamedTuple):
    """One second of a run, as it stands at its end."""

    second: int
    head: int
    checkpoint: int
    events: int
    milliseconds: int
    trend: str
    state: str
    paused: bool
    crashed: bool
    rebuild: int | None


def trend_of(behind: Sequence[int]) -> str:
    """Growing, shrinking or steady: the lag against the one 3 seconds ago; 1 event is noise."""
    change = behind[-1] - behind[max(0, len(behind) - 1 - TREND)]
    return "growing" if change > 1 else "shrinking" if change < -1 else "steady"


def state_of_lag(behind: Sequence[int], checkpoints: Sequence[int]) -> str:
    """Caught up, stalled (events wait, and for 2 seconds nothing moved), catching up, or slow."""
    if behind[-1] == 0:
        return "caught up"
    if len(behind) > 2 and behind[-2] > 0 and checkpoints[-1] == checkpoints[-3]:
        return "stalled"
    return "catching up" if trend_of(behind) == "shrinking" else "slow"


class Simulation:
    """A run of the day over a real store and a real projector: `step()` lets one second pass.

    `script` says what the operator does, and when: `[(18, "crash"), (22, "restart")]`. What is done
    at second 18 counts from the end of second 18 on. `handler` is a key of `KINDS`.
    """

    def __init__(
        self, of: Day, script: Iterable[Sequence[Any]] = (), handler: str = "transaction",
        writes: int = 4, projects: int = 6,
    ) -> None:  # fmt: skip
        self.day, self.handler = of, handler
        self.script = checked(script)
        self.clock = LessonClock(START, step=0, seed=of.seed)
        self.store = EventStore(clock=self.clock)
        self.projector = self._new()
        self.beside: DayProjector | None = None
        self.writes, self.projects = writes, projects
        self.paused = self.crashed = False
        self.versions: dict[str, int] = {}
        self.ticks = [Tick(0, 0, 0, 0, 0, "steady", "caught up", False, False, None)]

    def _new(self) -> DayProjector:
        projection, apart = KINDS[self.handler]
        return DayProjector(self.store, projection, apart)

    def step(self) -> Tick:
        """Let one second pass: writers write, the projector takes a batch, a rebuild goes on."""
        second = len(self.ticks) - 1
        crash = False
        for when, what, value in self.script:
            if when == second:
                crash = self._do(what, value) or crash
        self._write(second)
        self.clock.set(utc(START) + timedelta(seconds=second + 1))
        if not self.crashed:
            self.projector.crashing = crash
            try:
                if not self.paused:
                    self.projector.catch_up(limit=self.projects)
            except _Crash:
                pass
            self.crashed = crash
        if self.beside is not None:
            self.beside.catch_up(limit=self.projects * REBUILD)
            if self.beside.position == self.store.position:
                # The swap of `Projector.rebuild`, which does all of this in one call.
                self.projector.close()
                self.projector, self.beside, self.crashed = self.beside, None, False
        self.ticks.append(self._tick(second + 1))
        return self.ticks[-1]

    def run(self, upto: int = SECONDS) -> Simulation:
        """Step until the end of a second, and give itself back."""
        while len(self.ticks) <= upto:
            self.step()
        return self

    def close(self) -> None:
        """Close the store and the read databases."""
        for projector in (self.projector, self.beside):
            if projector is not None:
                projector.close()
        self.store.close()

    def _do(self, what: str, value: int | None) -> bool:
        if what == "write":
            self.writes = value or 0
        elif what == "project":
            self.projects = value or 0
        elif what in ("pause", "resume"):
            self.paused = what == "pause"
        elif what == "restart" and self.crashed:
            self.projector.restart()
            self.crashed = False
        elif what == "rebuild" and self.beside is None:
            self.beside = self._new()
        return what == "crash" and not self.crashed

    def _write(self, second: int) -> None:
        head = self.store.position
        count = self.day.count(self.writes, second)
        for k, event in enumerate(self.day.events[head : head + count]):
            share = 1000 * (k + 1) // (count + 1)
            self.clock.set(utc(START) + timedelta(seconds=second, milliseconds=share))
            name = str(event.aggregate_id)
            version = self.versions.get(name, 0)
            stored = new_event(event.event_type, event.event_data, metadata=event.metadata)
            appended = self.store.append(
                name, [stored], expected_version=version, aggregate_type="ORDER"
            )
            self.versions[name] = appended.version

    def _tick(self, second: int) -> Tick:
        lag = self.projector.lag()
        behind = [*(tick.events for tick in self.ticks), lag.events]
        places = [*(tick.checkpoint for tick in self.ticks), self.projector.position]
        return Tick(
            second, self.store.position, self.projector.position, lag.events,
            round(lag.seconds * 1000), trend_of(behind), state_of_lag(behind, places),
            self.paused, self.crashed, None if self.beside is None else self.beside.position,
        )  # fmt: skip

    # -- who sees what --

    def reader(self) -> dict[str, Row]:
        """The read model by order: status, total, paid."""
        rows = self.projector.sql("select order_id, status, total, paid from orders").fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def truth(self) -> dict[str, Row]:
        """The same by loading each order from its stream."""
        found = {}
        for name in self.versions:
            order: Any = self.store.load(Order, name)
            found[name] = (str(order.status), order.total, order.paid)
        return found

    def sees(self, policy: str) -> str:
        """What Bob sees when he refreshes now. With "wait" the simulation goes on while he waits.

        Texts as in the prediction: "PAID", "no such order", "PAID, after a wait", "a timeout".
        """
        if policy == "stream":
            return str(self.store.load(Order, BOB).status)
        waited = 0
        if policy == "wait":
            self.script = [step for step in self.script if step[0] < len(self.ticks) - 1]
            while self.projector.position < BOB_PAYS and waited < TIMEOUT:
                self.step()
                waited += 1
            if self.projector.position < BOB_PAYS:
                return "a timeout"
            self.projector.wait_for(BOB_PAYS)
        status = self.reader().get(BOB, ("no such order", 0, 0))[0]
        return f"{status}, after a wait" if waited else status


def checked(script: Iterable[Sequence[Any]]) -> list[Step]:
    """A script as a list of (second, action, value), in order; `InvalidEventError` says what is
    wrong."""
    steps: list[Step] = []
    for entry in script:
        whole = isinstance(entry, list | tuple) and 2 <= len(entry) <= 3
        second, what, value = (*entry, None)[:3] if whole else (None, None, None)
        rates = {"write": WRITES, "project": PROJECTS}.get(str(what))
        good = what in get_args(Doing) and (value in rates if rates else value is None)
        if not isinstance(second, int) or not 0 <= second < SECONDS or not good:
            raise InvalidEventError(
                f"A step of the script is (second, action), such as (18, 'pause'), with a second "
                f"from 0 to {SECONDS - 1} and an action of {get_args(Doing)}; 'write' takes one of "
                f"{WRITES} and 'project' one of {PROJECTS} as a third. Found {entry!r}."
            )
        steps.append((second, str(what), value))
    return sorted(steps, key=lambda step: step[0])


# -- the widget ----------------------------------------------------------------------------------


@cache
def _module() -> str:
    """The page's code: the core and the view in one ES module, put together as text."""
    core = (_STATIC / "core.js").read_text(encoding="utf-8")
    view = (_STATIC / "lag.js").read_text(encoding="utf-8")
    core = re.sub(r"^export (?=const |function )", "", core, flags=re.MULTILINE)
    view = re.sub(r'^import [^;]+ from "\./core\.js";\n', "", view, flags=re.MULTILINE)
    return f"{core}\n{re.sub(r'^export (?=const |function )', '', view, flags=re.MULTILINE)}"


@cache
def _style() -> str:
    return (_STATIC / "lag.css").read_text(encoding="utf-8")


class Lag(anywidget.AnyWidget):
    """Write head and checkpoint of one simulated day, with what a reader sees: `Lag()`.

    `writes` and `projects` are events a second at the start; a lunch rush doubles the writes.
    `handler` says how the read model is kept: "transaction" (its position in the same transaction,
    as `Projector` does), or with the position saved apart, "idempotent" or "adds". `policy` says
    how Bob's page reads: "as is", "wait" for the position of his payment, or the "stream". `script`
    lists what the operator does: `[(18, "crash"), (22, "restart")]`, also "pause", "resume",
    "rebuild", ("write", n), ("project", n). `guide="off"` shows without asking first.

    `at` is the second that is shown. `trace`, `lag`, `state`, `reader`, `truth` and `compare` are
    what the real store and projector have there; `answers` is what was predicted.
    """

    _esm: ClassVar[str] = ""
    _css: ClassVar[str] = ""
    _payload = traitlets.Bytes(b"").tag(sync=True)
    _answers: Any = traitlets.List().tag(sync=True)
    at = traitlets.Int(0, min=0, max=SECONDS).tag(sync=True)
    script: Any = traitlets.TraitType(()).tag(sync=True)
    handler: Any = traitlets.Enum(get_args(Handler), "transaction").tag(sync=True)
    policy: Any = traitlets.Enum(get_args(Policy), "as is").tag(sync=True)
    guide: Any = traitlets.Enum(get_args(Guide), "full").tag(sync=True)
    projector = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, *, writes: int = 4, projects: int = 6, handler: Handler = "transaction",
        policy: Policy = "as is", script: Iterable[Sequence[Any]] = (), at: int = 0,
        guide: Guide = "full", projector: bool = False, seed: int = 7,
    ) -> None:  # fmt: skip
        for name, value, known in (
            ("writes", writes, WRITES), ("projects", projects, PROJECTS),
            ("handler", handler, get_args(Handler)), ("policy", policy, get_args(Policy)),
            ("guide", guide, get_args(Guide)), ("at", at, range(SECONDS + 1)),
        ):  # fmt: skip
            if value not in known:
                raise InvalidEventError(f"{name} is one of {list(known)}, found {value!r}.")
        self._day, self.writes, self.projects = day(seed), writes, projects
        self._runs: dict[tuple[Any, ...], Any] = {}
        self._data = payload(self._day, writes, projects)
        super().__init__(
            _payload=json.dumps(self._data).encode(), script=list(script), handler=handler,
            policy=policy, at=at, guide=guide, projector=projector,
        )  # fmt: skip

    # -- what is shown, by really running it -----------------------------------------------

    def simulate(self, upto: int | None = None) -> Simulation:
        """A new run of the day to the end of a second (by default `at`), with its real `store` and
        `projector`, to look at or to go on with. Close it."""
        run = Simulation(self._day, self.script, self.handler, self.writes, self.projects)
        return run.run(self.at if upto is None else upto)

    @property
    def trace(self) -> pd.DataFrame:
        """A row a second of the whole day: head, checkpoint, the lag in events and in seconds,
        trend, state, and how far a rebuild is."""
        frame = pd.DataFrame(self._run("trace"), columns=Tick._fields).set_index("second")
        frame["rebuild"] = frame["rebuild"].astype("Int64")
        frame.insert(3, "seconds", frame.pop("milliseconds") / 1000)
        return frame

    @property
    def lag(self) -> LagOf:
        """How far the read model is behind: events, and seconds."""
        tick = self._run("trace")[self.at]
        return LagOf(tick.events, tick.milliseconds / 1000)

    @property
    def state(self) -> str:
        """One of: caught up, catching up, slow, stalled."""
        return str(self._run("trace")[self.at].state)

    @property
    def reader(self) -> pd.DataFrame:
        """The read model: a row an order with status, total and paid, in cents."""
        return _frame(self._run("reader"))

    @property
    def truth(self) -> pd.DataFrame:
        """The same, each order loaded from its stream."""
        return _frame(self._run("truth"))

    @property
    def compare(self) -> pd.DataFrame:
        """The orders of the page whose reader's row is not the truth, with +, ~ or -; the last row
        is what was paid in all."""
        rows = compared(self._run("reader"), self._run("truth"))
        return pd.DataFrame(rows, columns=["order", "reader", "truth", "change"]).set_index("order")

    @property
    def answers(self) -> pd.DataFrame:
        """What was predicted, a row a question: second, policy, question, answer, actual, match,
        why."""
        return pd.DataFrame(
            [{k: row.get(k) for k in _ANSWERS} for row in self._answers], columns=_ANSWERS
        )

    @property
    def code(self) -> str:
        """The Python that reads as the policy says. `token` is what appending the payment gave."""
        return CODE[self.policy]

    def __repr__(self) -> str:
        steps = len(self.script)
        done = f", {steps} step{'' if steps == 1 else 's'} by the operator" if steps else ""
        return (
            f"<projection lag: second {self.at} of {SECONDS}, {self.lag}, {self.state}, "
            f"handler {self.handler}{done}>"
        )

    def _run(self, what: str) -> Any:
        """Something of the present settings, from one real run, which is kept: "trace", "reader",
        "truth" at `at`, or "still": a moment for a picture, and the comparison there."""
        key = (tuple(map(tuple, self.script)), self.handler, self.at)
        if key not in self._runs:
            kept: dict[str, Any] = {}
            run = self.simulate(0)
            for second in range(SECONDS + 1):
                tick = run.step() if second else run.ticks[0]
                # Nothing is wrong at second 0: the picture then shows what the lesson asks about.
                good = second == self.at if self.at else tick.head >= BOB_PAYS
                if second == self.at or (good and "still" not in kept):
                    reader, truth = run.reader(), run.truth()
                    if second == self.at:
                        kept |= {"reader": reader, "truth": truth}
                    if good:
                        kept["still"] = second, compared(reader, truth)
            run.close()
            self._runs[key] = {**kept, "trace": run.ticks}
        return self._runs[key][what]

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
        """Write one page that holds everything and needs no network and no kernel."""
        if theme not in get_args(Theme):
            raise InvalidEventError(f"theme is one of {get_args(Theme)}, found {theme!r}.")
        target = Path(path)
        target.write_text(self._page(theme), encoding="utf-8")
        return target

    def static(self, height: int = 900) -> StaticPage:
        """The page of `to_html` inside the cell, for a published notebook; it runs in a sandbox."""
        return StaticPage(self._page("auto"), repr(self), height)

    def _page(self, theme: Theme) -> str:
        names = ("at", "script", "handler", "policy", "guide", "projector", "_answers")
        state = {name: getattr(self, name) for name in names}
        fill = {
            "TITLE": "Projection lag",
            "THEME": theme,
            "STYLE": _style(),
            "PAYLOAD": _in_script(json.dumps(self._data)),
            "STATE": _in_script(json.dumps(state)),
            "MODULE": _module(),
            "STILL": self._still(),
        }
        page = (_STATIC / "page.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: fill[found.group(1)], page)

    def _still(self) -> str:
        """For places without JavaScript: the day in a picture, and one moment of it in a table."""
        ticks = self._run("trace")
        at, found = self._run("still")
        rows = [
            parts.Row(sign, (name, seen, true), frozenset({2} if sign else ()))
            for name, seen, true, sign in found
        ]
        tick = ticks[at]
        picture = base64.b64encode(self._picture(ticks, at)).decode("ascii")
        headers = ("order", f"a reader sees (at {tick.checkpoint})", f"truth (at {tick.head})")
        return (
            f"<p><b>Projection lag</b>, a simulated day of {SECONDS} s: at second {at} the read "
            f"model is {tick.events} events and {tick.milliseconds / 1000:.1f} s behind "
            f"({html.escape(tick.state)}). Run this notebook to move through it.</p>"
            f'<p><img alt="write head and checkpoint over time; the gap between them is the lag" '
            f'src="data:image/png;base64,{picture}"></p>'
            f"{parts.table(headers, rows, caption=CAPTION)}"
            f"<p><code>{parts.text(self.code)}</code></p>"
        )

    def _picture(self, ticks: Sequence[Tick], at: int) -> bytes:
        ax = figures.chart(8, 3.4)
        seconds = [tick.second for tick in ticks]
        head, checkpoint = [t.head for t in ticks], [t.checkpoint for t in ticks]
        ax.fill_between(
            seconds, checkpoint, head, color=figures.GREY, hatch="///", ec=figures.SOFT, lw=0
        )
        ax.plot(seconds, head, color=figures.BLUE, ls="-")
        ax.plot(seconds, checkpoint, color=figures.INK, ls="--")
        figures.note(ax, seconds[-1] + 0.5, head[-1], "write head", va="bottom")
        figures.note(ax, seconds[-1] + 0.5, checkpoint[-1], "checkpoint", va="top")
        ax.axvline(at, color=figures.INK, lw=1.1)
        ax.set(xlabel="seconds", ylabel="position", xlim=(0, SECONDS), ylim=(0, None))
        return figures.png(ax)

    @traitlets.validate("script")
    def _check_script(self, proposal: dict[str, Any]) -> list[list[Any]]:
        return [list(step) for step in checked(proposal["value"])]


CAPTION = "the page of open orders: status, paid of total"
CODE = {
    "as is": "orders.df()",
    "wait": f"orders.wait_for(token.position, timeout={TIMEOUT}); orders.df()",
    "stream": f'store.load(Order, "{BOB}")',
}


def written(row: Row | None) -> str:
    """A row of the page to read, "PAID 30.50 of 30.50"; an order that is not open has none."""
    if row is None or row[0] not in _OPEN:
        return ""
    return f"{row[0]} {money(row[2])} of {money(row[1])}"


def compared(
    reader: dict[str, Row], truth: dict[str, Row]
) -> list[tuple[str, str, str, Literal["", "+", "~", "-"]]]:
    """Reader against truth for the page of open orders: Bob's, some that differ, and a total.

    The sign says what became of the reader's row in truth. At most 5 orders: one of each sign at
    least, and the newest where few differ.
    """
    rows: list[tuple[str, str, str, Literal["", "+", "~", "-"]]] = []
    for name in sorted(truth, key=lambda name: int(name.split("-")[1])):
        seen, true = written(reader.get(name)), written(truth[name])
        rows.append((name, seen, true, sign_of(seen, true)))
    rows.sort(key=lambda row: row[0] != BOB)
    others = [row for row in rows if row[0] != BOB]
    differ = [row for row in others if row[3]]
    firsts = [next((row for row in differ if row[3] == sign), None) for sign in "+~-"]
    same = [row for row in others if row[2] and not row[3]]
    chosen = [row for row in rows if row[0] == BOB]
    chosen += filter(None, (*firsts, *differ, *reversed(same)))
    kept = list(dict.fromkeys(chosen))[:SHOWN]
    seen, true = (money(sum(row[2] for row in side.values())) for side in (reader, truth))
    shown = [row for row in rows if row in kept]
    return [*shown, ("paid in all orders", seen, true, sign_of(seen, true))]


def sign_of(seen: str, true: str) -> Literal["", "+", "~", "-"]:
    """What happened to the reader's value meanwhile: + came, - went, ~ changed."""
    return "" if seen == true else "+" if not seen else "-" if not true else "~"


def _frame(rows: dict[str, Row]) -> pd.DataFrame:
    columns = ["status", "total", "paid"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis("order_id")


def payload(of: Day, writes: int, projects: int) -> dict[str, Any]:
    """All that the browser needs, as JSON types."""
    names = list(dict.fromkeys(str(event.aggregate_id) for event in of.events))
    place = {name: number for number, name in enumerate(names)}
    return {
        "seconds": SECONDS, "rush": RUSH, "writes": writes, "projects": projects,
        "write_rates": WRITES, "project_rates": PROJECTS, "rebuild": REBUILD, "timeout": TIMEOUT,
        "trend": TREND, "shown": SHOWN, "bob": place[BOB], "token": BOB_PAYS, "code": CODE,
        "caption": CAPTION,
        "counts": {rate: [of.count(rate, s) for s in range(SECONDS)] for rate in WRITES},
        "orders": names, "order": [-1, *(place[str(e.aggregate_id)] for e in of.events)],
        "type": ["", *(event.event_type for event in of.events)],
        "rows": of.rows, "truth": of.truth, "effects": of.effects,
    }  # fmt: skip


# anywidget reads these from the class; filled here, so that a missing file shows at import.
Lag._esm = _module()
Lag._css = _style()
