"""The day behind Lag: 45 simulated seconds of the shop, with a real store and a real `Projector`.

`day` writes the events with real commands, and records what a real projection makes of each, and
what each does a second time. `Simulation` lives through the day second by second, with what the
operator does: pause, crash, restart, rebuild, other rates. Only the time is simulated.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import duckdb

from esnb.clock import LessonClock, utc
from esnb.errors import InvalidEventError, RejectedError
from esnb.events import Event, new_event
from esnb.model.aggregate import replay
from esnb.readmodels.projection import Projection, handles
from esnb.readmodels.projector import Projector
from esnb.readmodels.read_tables import ReadTables
from esnb.shop import CATALOGUE, Order, item
from esnb.store.event_store import EventStore

Handler = Literal["transaction", "idempotent", "adds"]
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
TREND = 3  # seconds over which the trend is taken


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
        self._refresh()

    def _handle(self, read: ReadTables, events: Any) -> None:
        super()._handle(read, events)
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
            [events.last, events.last_id()],
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

    def _handle(self, read: ReadTables, events: Any) -> None:
        for event in events.read():
            for rows in (self.rows, self.again) if self.twice else (self.rows,):
                for name in self._handlers.get(event.event_type, ()):
                    getattr(self._instance, name)(read, event)
                rows.append(
                    read.execute(
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
