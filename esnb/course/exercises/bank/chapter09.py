"""Exercises to chapter 09: lag, tokens, skipped events, late and double ones, a dead metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from numbers import Number
from types import SimpleNamespace
from typing import Any

import duckdb

from esnb import EventStore, LagTimeoutError, LessonClock, Projector, new_event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.histories import order_history, shop_log
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.time_limit import lesson_time
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import whole
from esnb.course.exercises.engine.verdicts import attempt
from esnb.events import Event
from esnb.readmodels.projection import Lag
from esnb.shop.projections import Analytics
from esnb.store.appended import Appended
from esnb.transports import Transport

chapter = Chapter("09_consistency")

# --- 09-1 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "09-1",
    form="Predict",
    title="Two ends of a gap",
    section="How far behind is it?",
    stub="""
after_four = ...     # how many events is the page behind now?
after_payment = ...  # and now?
""",
    hints=(
        "Draw the log from 1 to 9, and put a tick at 3. Where does the tick go?",
        "The lag is the distance between two things that both move: the tick of the page, and "
        "the end of the log.",
        "after_four = 9 - 7",
    ),
    right="Catching up moves the tick, writing moves the end. The lag is the gap between the two.",
    mistakes={
        "position-is-no-lag": "That is the place where the page stands. How far is it from there "
        "to the end of the log?",
        "to-the-end": "With `limit=4` the page takes four events and stops, although there are "
        "more.",
        "starts-over": "The page goes on from where it stood, at 3. It does not begin again.",
        "the-end-stands-still": "Ada's payment is an event, too. Where does the log end now?",
    },
)
def _two_ends(answer: Any, trial: Trial) -> None:
    said = trial.parts(answer, 2, "two numbers: (after_four, after_payment)")
    first, then = map(whole, said)
    if first is None or then is None:
        trial.fail("wrong-kind", got=repr(said), wanted="two whole numbers")
    store = EventStore(clock=LessonClock())
    events = [new_event("ItemAdded", sku=f"sku-{n}") for n in range(1, 10)]
    store.append("order-1", events, expected_version=0, aggregate_type="ORDER")
    page, truth, where = Projector(store, Analytics), [], []
    for limit in (3, 4):
        page.catch_up(limit=limit)
    for _ in range(2):
        truth.append(page.lag().events)
        where.append(f"the page stands at {page.position}, the log ends at {store.position}")
        paid = new_event("PaymentReceived", amount=3990, method="card")
        store.append("order-1", [paid], expected_version=store.position)
    keys = {7: "position-is-no-lag", 0: "to-the-end", 5: "starts-over"}
    if first != truth[0]:
        trial.fail(keys.get(first, "other"), given=where[0], got=f"you said {first}")
    keys = {7: "position-is-no-lag", truth[0]: "the-end-stands-still"}
    if then != truth[1]:
        trial.fail(keys.get(then, "other"), given=where[1], got=f"you said {then}")


# --- 09-2 ---------------------------------------------------------------------------------------


class _Page:
    """A page that another program keeps up to date: it goes on by one event at each look.

    The log goes on as well, faster than the page. A dead page stays where it is.
    """

    def __init__(self, position: int, end: int, alive: bool) -> None:
        self._position, self._alive = position, alive
        self.store = SimpleNamespace(position=end)
        self.waited: list[int] = []
        self.looks = 0

    @property
    def position(self) -> int:
        here = self._position
        self.looks += 1
        self._position += self._alive and here < self.store.position
        return here

    @property
    def stands_at(self) -> int:
        return self._position

    def wait_for(self, position: int, timeout: float = 5.0) -> None:
        self.waited.append(position)
        if position > self._position and (not self._alive or position > self.store.position):
            raise LagTimeoutError(
                f"OrderSummary is at position {self._position}, you wait for {position}, and "
                f"{timeout:g} s are over."
            )
        # Other events came in the same batch: the page is often further than one has waited for.
        self._position = max(self._position, min(position + 1, self.store.position))

    def catch_up(self, limit: int | None = None) -> int:
        if not self._alive:
            return 0
        count = self.store.position - self._position
        count = count if limit is None else min(limit, count)
        self._position += count
        self.store.position += 1
        return count

    def lag(self) -> Lag:
        self.store.position += 1
        return Lag(self.store.position - self._position, 1.0)


#: Where a write ends, how many events it has, the version of its stream, the end of the log.
WRITES: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "your write is the end of the log": ((12, 1, 2, 12), (14, 1, 40, 14)),
    "others wrote after you": ((9, 1, 2, 30), (8, 1, 31, 34)),
    "a write of several events": ((13, 3, 7, 20), (11, 4, 4, 11)),
    "the page is further already": ((7, 1, 3, 30), (6, 2, 2, 25)),
    "a dead page": ((12, 1, 2, 14), (8, 2, 3, 8)),
}


@chapter.exercise(
    "09-2",
    form="Bug hunt",
    title="The helper that never waits",
    section="What can you do about it?",
    stub="""
def after_my_write(projector, appended):
    projector.wait_for(projector.position)
    return projector.position >= appended.position
""",
    todo="The helper is still the one that never waits. Change it, run the cell, and check again.",
    hints=(
        "How long does somebody wait who waits for the place where they stand?",
        "The append returned a token: the position of *your* event. It says how far the page must "
        "have come. Nothing after it is your affair.",
        "projector.wait_for(appended....)",
    ),
    right="The token comes from the write. So you wait for your own event, no longer, and never "
    "for nothing.",
    mistakes={
        "the-first-of-several": "Your write has several events, and you waited for the first of "
        "them. The token is the position of the last one.",
        "never-waits": "The page does not contain your write, and the helper did not wait for it.",
        "version-not-position": "You waited for the version, which counts the events of one "
        "stream. The page stands at a position, which counts through the whole log.",
        "waits-for-everybody": "You waited for events that others wrote after you. In a busy shop "
        "the end of the log moves on, and you may never get there.",
        "yes-all-the-same": "The page is dead and does not contain your write. The helper said "
        "that it does.",
        "says-no": "The page contains your write, and the helper does not say so. A page that has "
        "gone further contains it as well.",
    },
    cases=tuple(WRITES),
    varies={
        "the end is another's": variety.some(lambda tried: tried[0] != tried[3]),
        "several events": variety.some(lambda tried: tried[1] > 1),
        "versions below and above": variety.some(lambda tried: tried[2] > tried[0]),
        "positions": variety.several(lambda tried: tried[0], 6),
    },
)
def _never_waits(answer: Any, trial: Trial) -> None:
    trial.function(answer, "after_my_write(projector, appended)")
    for name, tries in WRITES.items():
        for mine, batch, version, end in tries:
            if trial.case(name, (mine, batch, version, end)):
                _one_wait(answer, trial, name, (mine, batch, version, end))


def _one_wait(answer: Any, trial: Trial, name: str, tried: tuple[int, int, int, int]) -> None:
    mine, batch, version, end = tried
    alive = name != "a dead page"
    page = _Page(9 if name == "the page is further already" else 5, end, alive)
    stood = page.stands_at
    event = order_history(trial.rng, 1)[0]
    events = tuple(
        replace(event, position=mine - n, sequence_number=version - n) for n in range(batch)[::-1]
    )
    appended = Appended(version=version, position=mine, events=events, duplicate=False)
    with lesson_time():  # a deadline of the answer's own does not depend on this machine
        came = attempt(lambda: answer(page, appended))
    rows: dict[str, Any] = {
        "given": f"the page stands at {stood}, your write ends at {mine}, the log at {end}"
        + ("" if alive else "; the machine with the projector is off"),
        "got": came.lines(),
        "waited_for": ", ".join(f"position {n}" for n in page.waited) or "nothing",
    }
    late = isinstance(came.error, LagTimeoutError)
    if came.error and not late:
        trial.fail_for(came.error, given=rows["given"])
    if not alive:
        trial.require(late or not came.value, "yes-all-the-same", **rows)
        return
    at = max([page.stands_at, *page.waited])
    if at < mine:
        key = "version-not-position" if version in page.waited else "never-waits"
        first = batch > 1 and mine - batch + 1 in page.waited
        trial.fail("the-first-of-several" if first else key, **rows)
    # A look at the page moves it by one: somebody who loops is there one step later.
    far = max(mine, stood) + 3
    key = (
        "version-not-position"
        if version in page.waited and version > far
        else ("waits-for-everybody")
    )
    trial.require(not late and at <= far, key, **rows)
    trial.require(came.value, "says-no", **rows)
    if not page.waited and mine > stood and page.looks > 2:
        trial.remark("You look again and again: `wait_for` does that for you, with a timeout.")


# --- 09-3 ---------------------------------------------------------------------------------------

STEPS = {
    "A": "the slow writer commits",
    "B": "the slow writer takes a number",
    "C": "the reader asks, and remembers",
    "D": "the fast writer takes a number and commits",
}


def _polled(order: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Do the four steps in a real database; what happened, and what the reader got in all."""
    said: list[str] = []
    got: list[tuple[int, str]] = []
    with duckdb.connect() as db:
        db.execute("create sequence ids")
        db.execute("create table log (id bigint default nextval('ids'), what text)")
        slow, fast, reader = db.cursor(), db.cursor(), db.cursor()
        begun = False

        def poll() -> None:
            after = got[-1][0] if got else 0
            query = "select id, what from log where id > ? order by id"
            got.extend(reader.execute(query, [after]).fetchall())

        for step in order:
            if step == "B":
                slow.execute("begin")
                slow.execute("insert into log (what) values ('slow')")
                begun = True
            elif step == "A" and begun:
                slow.execute("commit")
            elif step == "D":
                fast.execute("insert into log (what) values ('fast')")
            elif step == "C":
                poll()
            said.append(f"{step}: {STEPS[step]}" + (f", sees {got}" if step == "C" else ""))
        poll()
        said.append(f"later the reader asks again, and has in all: {got}")
    return said, got


@chapter.exercise(
    "09-3",
    form="Put in order",
    title="Lose an event without an error",
    section="Can a number from a sequence be the position?",
    stub="""
# A: the slow writer commits.     B: the slow writer takes number 1.
# C: the reader remembers 2.      D: the fast writer takes number 2 and commits.
order = ...  # four letters
""",
    hints=(
        "The reader must believe that everything up to 2 is there, while 1 is not.",
        "Who takes the first number must commit after the reader has looked. And the reader can "
        "only remember a number that it has seen.",
        'order = "B..."',
    ),
    right="The number was given before the commit, and the reader looked in between. Nobody ever "
    "asks for 1 again.",
    mistakes={
        "four-letters": "Each of the four letters comes once.",
        "commits-what-is-not-there": "The slow writer commits before it has taken a number. What "
        "does it commit?",
        "sees-before-it-is-there": "The reader remembers number 2 before anybody has committed it. "
        "It can only remember what it saw.",
        "fast-was-first": "The fast writer came first, so it got number 1, and the slow one got "
        "2. Events that become visible in the order of their numbers are not skipped.",
        "both-were-there": "The slow writer had committed before the reader looked. So it saw "
        "both.",
    },
)
def _skipped(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (str, list, tuple), 'four letters, such as "ABCD"')
    order = "".join(map(str, answer)).upper().replace(" ", "").replace(",", "")
    trial.require(sorted(order) == list("ABCD"), "four-letters", got=order)
    said, got = _polled(order)

    def before(first: str, second: str) -> bool:
        return order.index(first) < order.index(second)

    if before("B", "A") and before("D", "C") and [what for _, what in got] == ["fast"]:
        return
    trial.require(before("B", "A"), "commits-what-is-not-there", got=said)
    trial.require(before("D", "C"), "sees-before-it-is-there", got=said)
    trial.require(before("B", "D"), "fast-was-first", got=said)
    trial.fail("both-were-there", got=said)


# --- 09-4 ---------------------------------------------------------------------------------------


def _latest(arrived: list[Event]) -> dict[str, str]:
    """By the numbers of the streams, whatever the order of arrival."""
    ordered = sorted(arrived, key=lambda event: event.sequence_number or 0)
    return {str(event.aggregate_id): event.type for event in ordered}


def _arrives(table: dict[str, Any], event: Event) -> None:
    table[str(event.aggregate_id)] = {"last": event.type}


def _arrives_once(table: dict[str, Any], event: Event) -> None:
    known = table.setdefault("ids", set())
    if event.event_id not in known:
        known.add(event.event_id)
        _arrives(table, event)


def _first_stays(table: dict[str, Any], event: Event) -> None:
    table.setdefault(str(event.aggregate_id), {"last": event.type})


def _by(number: Callable[[Event], Any], across: bool = False, equal: bool = True) -> Any:
    """A row function that keeps the event with the highest number, per order or over all."""

    def row(table: dict[str, Any], event: Event) -> None:
        place = "" if across else event.aggregate_id
        seen = table.setdefault(f"number {place}", number(event))
        fresh = not across and str(event.aggregate_id) not in table
        if fresh or number(event) > seen or (equal and number(event) == seen):
            table[f"number {place}"] = number(event)
            table[str(event.aggregate_id)] = {"last": event.type}

    return row


DELIVERIES: dict[str, dict[str, float]] = {
    "each once, in order": {},
    "some come twice": {"duplicate": 0.5},
    "in another order": {"reorder": 0.5, "delay": 0.3},
    "everything at once": {"duplicate": 0.3, "reorder": 0.3, "delay": 0.3},
}


@chapter.exercise(
    "09-4",
    form="Break it",
    title="Last to arrive, last to happen",
    section="Which read model survives which fault?",
    stub="""
def mine(table, event):
    order = table.setdefault(event.aggregate_id, {})
    order["last"] = event.type
""",
    todo="The function is still the one that believes whatever arrives last. Change it, run the "
    "cell, and check again.",
    hints=(
        "A late event arrives last. How can the row tell that it knows a newer one?",
        "Keep a number beside the type, and let an event in only if it is newer than what is "
        "there. Which number counts the events of one order?",
        'if event.sequence_number > order.get("number", 0):',
    ),
    right="The row takes the newer of two events, whichever comes first. Twice, late, in any "
    "order: it ends the same, and needs no inbox.",
    mistakes={
        "last-to-arrive": "An old event came late, and wrote over a newer one.",
        "first-stays": "The first event that came stays for good. What happened after it is lost.",
        "across-orders": "An event of one order kept out an event of another. Compare within the "
        "order.",
        "believes-the-clock": "You compared times. An event can be told of later, with an earlier "
        "time, and two can have the same. The numbers of the stream have no such trouble.",
        "no-last": 'The check reads `table[order]["last"]`, and your table has no such entry.',
    },
    cases=tuple(DELIVERIES),
    varies={
        "every type": variety.types(*variety.ORDER_TYPES[:6]),
        "several orders": variety.streams,
        "both times": variety.recorded_unlike_occurred,
        "equal times": variety.equal_times,
        "duplicates": variety.some(lambda case: len({e.event_id for e in case}) < len(case)),
        "late ones": variety.some(
            lambda case: [e.position for e in case] != sorted(e.position for e in case)
        ),
    },
)
def _last_to_happen(answer: Any, trial: Trial) -> None:
    trial.function(answer, "mine(table, event)")
    cases: dict[str, list[list[Event]]] = {}
    for name, faults in DELIVERIES.items():
        group = cases[name] = []
        for seed, orders in enumerate((1, 1, 2, 3, 3, 4) * 2):
            log = [
                _perhaps_typed_in(event, trial)
                for event in shop_log(trial.rng, orders, 1 + seed % 6)
            ]
            batches = Transport(log, **faults, seed=seed, size=1)
            group.append([event for batch in batches for event in batch.events])

    def call(function: Any, arrived: list[Event]) -> Any:
        if function is _latest:
            return _latest(arrived)
        table: dict[str, Any] = {}
        for event in arrived:
            function(table, event)
        orders = {str(event.aggregate_id) for event in arrived}
        rows = {order: table[order] for order in orders if order in table}
        if not all(isinstance(row, dict) and "last" in row for row in rows.values()):
            trial.fail("no-last", given=arrived[:3], got=repr(table)[:300])
        if function is answer and len(arrived) > 8:
            _remark_on(trial, rows, len(arrived))
        return {order: rows[order]["last"] if order in rows else None for order in orders}

    trial.compare(
        answer,
        _latest,
        cases,
        call=call,
        models={
            "last-to-arrive": _arrives,
            "last-to-arrive 2": _arrives_once,
            "first-stays": _first_stays,
            "across-orders": _by(lambda event: event.position, across=True),
            "believes-the-clock": _by(lambda event: event.occurred_at),
            "believes-the-clock 2": _by(lambda event: event.recorded_at),
            "believes-the-clock 3": _by(lambda event: event.recorded_at, equal=False),
            "believes-the-clock 4": _by(lambda event: event.occurred_at, equal=False),
        },
    )


def _remark_on(trial: Trial, rows: dict[str, Any], arrived: int) -> None:
    """A row that remembers every event grows without end."""
    kept = max(
        (
            len(part)
            for row in rows.values()
            for part in row.values()
            if isinstance(part, list | set | dict)
        ),
        default=0,
    )
    if kept > 2:
        trial.remark("Each row keeps all that came, and grows. The highest number is enough.")


def _perhaps_typed_in(event: Event, trial: Trial) -> Event:
    late = trial.rng.random() < 0.3
    assert event.occurred_at is not None
    return replace(event, occurred_at=event.occurred_at - timedelta(hours=6 * late))


# --- 09-5 ---------------------------------------------------------------------------------------


def _moments() -> Iterator[tuple[str, EventStore, Any, float]]:
    """One weekend: what happens, the store, the page, and the seconds that are true."""
    clock = LessonClock(step=0)
    store = EventStore(clock=clock)
    recorded: list[datetime] = []

    def sell(count: int = 1, **when: Any) -> None:
        events = [
            new_event("PaymentReceived", amount=700 + n, method="card", **when)
            for n in range(count)
        ]
        order = f"order-{1 + len(recorded) % 2}"  # two streams: positions are not sequence numbers
        version = store.version(order)
        store.append(order, events, expected_version=version, aggregate_type="ORDER")
        recorded.extend([clock.now()] * count)

    def waits(number: int) -> float:
        return (clock.now() - recorded[number - 1]).total_seconds()

    for _ in range(3):
        sell()
        clock.advance(seconds=1)
    page = SimpleNamespace(position=3, end_seen=3, last_look=clock.now())
    yield "all three events are on the page", store, page, 0.0
    clock.advance(hours=1)
    yield "the projector has stopped; nothing was sold for an hour", store, page, 0.0
    sell(occurred_at="2026-03-01T09:00:00Z")
    clock.advance(seconds=40)
    yield "event 4, told of a day late, is recorded; 40 seconds pass", store, page, waits(4)
    clock.advance(hours=2)
    sell(2)
    clock.advance(seconds=5)
    yield "two hours later 5 and 6 are recorded; 5 seconds pass", store, page, waits(4)
    page.position, page.end_seen, page.last_look = 4, 6, clock.now()
    clock.advance(hours=30)
    yield (
        "the projector looked, saw the end at 6, and died at event 5; 30 hours pass",
        store,
        page,
        waits(5),
    )
    page.position, page.end_seen, page.last_look = 6, 6, clock.now()
    clock.advance(hours=8)
    yield "the projector ran again; then a quiet night of 8 hours", store, page, 0.0
    sell(3)
    clock.advance(hours=50, seconds=1)
    yield "it stopped; 7, 8 and 9 are recorded together; 50 hours pass", store, page, waits(7)


def _missing(store: EventStore, page: Any) -> list[Event]:
    return list(store.read_all(page.position))


def _since(store: EventStore, moment: datetime | None) -> float:
    return (store.clock.now() - moment).total_seconds() if moment else 0.0


METRICS: dict[str, Callable[[EventStore, Any], float]] = {
    "asks-the-dead": lambda store, page: page.end_seen - page.position,
    "from-end-seen": lambda store, page: _since(
        store, next((e.recorded_at for e in store.read_all(page.end_seen)), None)
    ),
    "loses-the-days": lambda store, page: (
        _since(store, _missing(store, page)[0].recorded_at if _missing(store, page) else None)
        % 86_400
    ),
    "one-too-early": lambda store, page: _since(
        store,
        next(store.read_all(page.position - 1, 1)).recorded_at if _missing(store, page) else None,
    ),
    "not-in-seconds": lambda store, page: (
        _since(store, _missing(store, page)[0].recorded_at if _missing(store, page) else None) / 60
    ),
    "not-in-seconds 2": lambda store, page: (
        _since(store, _missing(store, page)[0].recorded_at if _missing(store, page) else None)
        / 3600
    ),
    "not-in-seconds 3": lambda store, page: (
        _since(store, _missing(store, page)[0].recorded_at if _missing(store, page) else None)
        * 1000
    ),
    "turned-round": lambda store, page: (
        -_since(store, _missing(store, page)[0].recorded_at if _missing(store, page) else None)
    ),
    "counts-events": lambda store, page: len(_missing(store, page)),
    "newest-not-oldest": lambda store, page: _since(
        store, _missing(store, page)[-1].recorded_at if _missing(store, page) else None
    ),
    "happened-not-recorded": lambda store, page: _since(
        store, _missing(store, page)[0].occurred_at if _missing(store, page) else None
    ),
    "a-quiet-night-alarms": lambda store, page: _since(store, page.last_look),
    "a-quiet-night-alarms 2": lambda store, page: _since(
        store, next(store.read_all(page.position - 1, 1)).recorded_at
    ),
}


@chapter.exercise(
    "09-5",
    form="Bug hunt",
    title="The metric that died as well",
    section="Who notices that a read model stopped?",
    stub="""
def seconds_behind(store, page):
    return page.end_seen - page.position
""",
    todo="The metric is still the colleague's. Change it, run the cell, and check again.",
    hints=(
        "Who writes down `end_seen`, and who does it when that program is dead?",
        "Ask the log: which is the oldest event after the position of the page, and when was it "
        "recorded? If there is none, nothing waits.",
        "for event in store.read_all(page.position):",
    ),
    right="The number comes from the log, so it grows while the projector is silent. And on a "
    "quiet night it stays 0.",
    mistakes={
        "from-end-seen": "You asked for events after `end_seen`, the end that the projector saw. "
        "It had not brought all of those to the page: the page stands at `position`.",
        "loses-the-days": "More than a day has passed, and the days are missing. `.seconds` is a "
        "part of a span, `.total_seconds()` the whole of it.",
        "one-too-early": "You measured from the last event that is on the page. The first one "
        "after it is the one that waits.",
        "not-in-seconds": "The right event, in another unit. Seconds are asked for.",
        "turned-round": "The number is below zero: now minus then, not then minus now.",
        "asks-the-dead": "The projector stopped, and the metric looks healthy: it comes from the "
        "projector. Ask somebody who is still alive.",
        "counts-events": "That is the number of events that wait. Asked for are seconds: how long "
        "has the oldest one been waiting?",
        "newest-not-oldest": "You measured from the newest event. Each sale sets the number back, "
        "so a shop that sells all night looks healthy.",
        "happened-not-recorded": "You took the time at which it happened. The event was told of a "
        "day later, and the page could not have had it before.",
        "a-quiet-night-alarms": "Nothing is missing on the page, and the number is high. On a "
        "quiet night it would call somebody out of bed.",
    },
    varies={
        "position unlike end_seen": variety.some(lambda seen: seen[0] != seen[1]),
        "over a day": variety.some(lambda seen: seen[2] > 86_400),
        "nothing waits": variety.some(lambda seen: seen[2] == 0),
    },
)
def _the_metric(answer: Any, trial: Trial) -> None:
    trial.function(answer, "seconds_behind(store, page)")
    story: list[str] = []
    said: list[Any] = []
    known: dict[str, list[float]] = {name: [] for name in METRICS}
    truth: list[float] = []
    reads_all = False
    for what, store, page, true in _moments():
        trial.case("", (page.position, page.end_seen, true))
        story.append(what)
        busy = BusyStore(store)
        said.append(trial.call(answer, busy, SimpleNamespace(**vars(page)), given=story))
        asked = [
            (*given, *named.values()) for name, given, named in busy.asked if name == "read_all"
        ]
        reads_all |= any(not given or given[0] == 0 for given in asked) and page.position > 0
        truth.append(true)
        for name, metric in METRICS.items():
            known[name].append(metric(store, page))
    trial.require(
        None not in said,
        "no-return-here",
        given=story[: said.index(None) + 1] if None in said else story,
        got="None",
    )
    numbers = all(isinstance(n, Number | Decimal) and not isinstance(n, bool) for n in said)
    trial.require(
        numbers, "wrong-kind", got=[repr(n) for n in said], wanted="a number of seconds each time"
    )
    said = [float(n) for n in said]

    def alike(a: list[float], b: list[float]) -> bool:
        return all(abs(x - y) < 0.5 for x, y in zip(a, b, strict=True))

    if alike(said, truth):
        if reads_all:
            trial.remark(
                "It reads the whole log to find one event: `read_all(page.position)` "
                "begins at the one that waits."
            )
        return
    pairs = zip(said, truth, strict=True)
    first = next(n for n, (one, true) in enumerate(pairs) if not abs(one - true) < 0.5)
    key = next((name for name, numbers in known.items() if alike(said, numbers)), "")
    if not key:
        dead = said[3] < truth[3] / 2
        key = "asks-the-dead" if dead and said[3] == said[0] else "other"
        quiet = [n for n, true in enumerate(truth) if not true]
        key = "a-quiet-night-alarms" if any(said[n] > 60 for n in quiet) else key
    trial.fail(
        key.removesuffix(" 2").removesuffix(" 3"),
        given=story[: first + 1],
        got=f"{said[first]:g} s",
        wanted=f"{truth[first]:g} s",
    )
