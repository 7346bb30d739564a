"""Exercises to chapter 08: positions and crashes, a projection in SQL, mails, events that stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from esnb import ANY, EventStore, LessonClock, Projection, ProjectionError, Projector, new_event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import attempt, first_line
from esnb.events import Event

chapter = Chapter("08_projections")


def _store_of(events: Sequence[Event]) -> EventStore:
    """A store with these events, in this order."""
    store = EventStore(clock=LessonClock())
    for event in events:
        copy = new_event(event.type, dict(event.data))
        store.append(
            event.aggregate_id or "order-1", [copy], expected_version=ANY, aggregate_type="ORDER"
        )
    return store


# --- 08-1 ---------------------------------------------------------------------------------------

WRITES = {
    "table first": ["table", "position"],
    "position first": ["position", "table"],
    "one transaction": ["table and position"],
}


def _after_a_power_cut(writes: Sequence[str], payment: int = 700) -> str:
    """Do the writes of one event, cut the power after the first commit, start again."""
    kept = {"table": 0, "position": 0}
    commits = 0
    for start in range(2):
        if kept["position"] == 1:
            continue  # nothing new to read
        for write in writes:
            after = dict(kept)
            if "table" in write:
                after["table"] += payment
            if "position" in write:
                after["position"] = 1
            if start == 0 and (commits == 1 or len(writes) == 1):
                break  # the power is off: this commit never happens
            kept, commits = after, commits + 1
    return {0: "lost", 1: "once", 2: "twice"}[kept["table"] // payment]


@chapter.exercise(
    "08-1",
    form="Predict",
    title="Table first, or position first?",
    section="What if we keep the answer ready?",
    stub="""
counted = {
    "table first": ...,
    "position first": ...,
    "one transaction": ...,
}  # "lost", "once" or "twice"
""",
    hints=(
        "What does the program read when it starts again: an old position, or a new one?",
        "With an old position the same event comes once more. With a new one it never comes. What "
        "is in the table at that moment?",
        '"one transaction": "once",',
    ),
    right="Only together can the two never disagree. Everything else is a choice between a loss "
    "and a double.",
    mistakes={
        "table-first": "The table has the payment, and the position is still the old one. So the "
        "payment comes again.",
        "position-first": "The position says that this event is done, and the table never got it. "
        "Nobody will bring it again.",
        "one-transaction": "The power cut undoes both, and then the event comes again. How often "
        "does it count in the end?",
        "other-words": 'Keep the three lines, and give each "lost", "once" or "twice".',
    },
)
def _power_fails(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the three ways")
    words = {"lost", "once", "twice"}
    fits = answer.keys() == WRITES.keys() and set(map(str, answer.values())) <= words
    trial.require(fits, "other-words", got=[f"{k}: {v!r}" for k, v in answer.items()])
    for name, writes in WRITES.items():
        came = _after_a_power_cut(writes)
        done = [f"commit: {write}" for write in writes]
        done.insert(1 if len(writes) > 1 else 0, "the power fails, and the program starts again")
        trial.require(
            answer[name] == came, name.replace(" ", "-"), given=done, got=f"you said {answer[name]}"
        )


# --- 08-2 ---------------------------------------------------------------------------------------


#: A log (a customer who orders, or "-" and the type of another event), and how it arrives: so many
#: events at a time, None for the rest.
ARRIVALS: dict[str, tuple[list[str], list[int | None]]] = {
    "all events at once": (["ada", "ben", "ada", "-OrderShipped", "-PaymentReceived"], [None]),
    "a customer comes back": (
        ["ada", "ada", "ada", "ben", "-OrderShipped", "ada", "ada"],
        [5, None],
    ),
    "several come back, more than once": (
        ["ben", "-OrderShipped", "ada", "ben", "ada", "ada", "-OrderCancelled", "cleo", "ben"],
        [3, None],
    ),
    "one event at a time": (["ada", "-PaymentReceived", "ada", "ben", "ada"], [1, 1, 1, 1, 1]),
    "a batch without an order": (["ada", "-OrderShipped", "-OrderDelivered", "ada"], [1, 2, None]),
}


@chapter.exercise(
    "08-2",
    form="Fill in",
    title="Orders of each customer",
    section="How many read models can one log feed?",
    stub='''
sql = """
    insert into customers
    select event_data->>'$.customer', count(*) from new_events
    where event_type = 'OrderShipped' group by all
    on conflict do update set orders = excluded.orders"""
''',
    todo="The SQL is still the one with two bugs. Change it, run the cell, and check again.",
    hints=(
        "Which event has the customer in it? And what happens to a customer who comes back "
        "tomorrow?",
        "`new_events` holds only what came since the last time. What is already in the table must "
        "be added to, not replaced.",
        "on conflict do update set orders = customers.orders + excluded.orders",
    ),
    right="The same rows come out whether the events arrive one by one, in batches, or all at "
    "once in a rebuild.",
    mistakes={
        "adds-one": "A customer with two orders in one batch got one more, not two. Add what the "
        "batch has, `excluded.orders`.",
        "cannot-process": "The projector stopped at an event: this SQL cannot process it.",
        "replaces": "A customer who came back has only the orders of the last batch. Add to what "
        "is in the table.",
        "keeps-the-first": "A customer who came back has only the orders of the first batch.",
        "counts-something-else": "Even with all events at once these are not the orders of each "
        "customer.",
    },
    cases=tuple(ARRIVALS),
    varies={
        "batches": variety.several(lambda tried: tried[1], 4),
        "a last batch of several": variety.some(
            lambda tried: len(tried[0]) - tried[1][0] > 2 if tried[1][0] else False
        ),
        "every type": lambda seen: len({x for log, _ in seen for x in log if x[0] == "-"}) > 3,
    },
)
def _per_customer(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (str, list, tuple), "the text of an SQL statement, or a list of them")
    tables = {"customers": "customer varchar primary key, orders bigint"}
    kind = type("PerCustomer", (Projection,), {"tables": tables, "sql": answer})
    for name, (log, limits) in ARRIVALS.items():
        if not trial.case(name, (log, limits)):
            continue
        store = EventStore(clock=LessonClock())
        for number, customer in enumerate(log):
            event = new_event(customer[1:], carrier="post", amount=1037)
            if customer[0] != "-":
                event = new_event("OrderPlaced", customer=customer, items=[])
            store.append(f"order-{number}", [event], expected_version=0, aggregate_type="ORDER")
        events = list(store.read_all())
        wanted = _orders(events)
        got = _caught_up(kind, store, limits, trial, events)
        if got == wanted:
            continue
        words = " events, then ".join(map(str, limits[:-1]))
        trial.fail(
            _what_it_did(got, events, limits),
            given=events,
            got=sorted(got.items()),
            wanted=sorted(wanted.items()),
            when=f"{words} events, then the rest" if words else "all events at once",
        )


def _what_it_did(got: dict[str, int], events: list[Event], limits: Sequence[int | None]) -> str:
    """The mistake whose model gives the same table."""
    batches, at = [], 0
    for limit in limits:
        end = len(events) if limit is None else at + limit
        batches.append(_orders(events[at:end]))
        at = end
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    ones: dict[str, int] = {}
    for batch in batches:
        for name, count in batch.items():
            first.setdefault(name, count)
            last[name] = count
            ones[name] = ones[name] + 1 if name in ones else count
    models = {"keeps-the-first": first, "replaces": last, "adds-one": ones}
    return next(
        (key for key, model in models.items() if got == model and len(batches) > 1),
        "counts-something-else",
    )


def _orders(events: Sequence[Event]) -> dict[str, int]:
    return dict(Counter(e.data["customer"] for e in events if e.type == "OrderPlaced"))


def _caught_up(
    kind: type[Projection],
    store: EventStore,
    limits: Sequence[int | None],
    trial: Trial,
    events: list[Event],
) -> dict[str, int]:
    projector = Projector(store, kind)
    try:
        for limit in limits:
            if not projector.catch_up(limit):
                break
    except ProjectionError as error:
        at = projector.position
        trial.fail("cannot-process", given=events[at : at + 1], got=first_line(error))
    rows = projector.sql("select customer, orders from customers").fetchall()
    return {str(name): int(count) for name, count in rows}


# --- 08-3 ---------------------------------------------------------------------------------------


#: Orders by wave; "-": placed, and never shipped.
WAVES = {
    "one parcel after the other": [["order-1"], ["order-2"]],
    "several parcels at once": [
        ["order-7", "order-3"],
        ["-order-9"],
        ["order-5", "-order-6", "order-4"],
    ],
}


@chapter.exercise(
    "08-3",
    form="Bug hunt",
    title="The mail that goes out twice",
    section="Does a rebuild send the mails again?",
    stub="""
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []

    @handles("OrderShipped")
    def shipped(self, read, event):
        read.execute("insert into parcels values (?)", [event.aggregate_id])
        self.outbox.append(event.aggregate_id)
""",
    todo="The class is still the one with the bug. Change it, run the cell, and check again.",
    hints=(
        "Two things happen in one method. Which of them may be done again, and which may not?",
        "Rows can be derived as often as you like. What acts on the world goes into a method of "
        "its own, marked with `reacts_to`.",
        '@reacts_to("OrderShipped")\ndef mail(self, event):',
    ),
    right="Rows are derived, mails are sent. A rebuild does the one and never the other.",
    mistakes={
        "two-mails": "One parcel left, and more than one mail went out for it.",
        "not-a-parcel": "Somebody was thanked whose parcel has not left. Which event says that it "
        "did?",
        "cannot-process": "The projector stopped at an event that your class cannot process.",
        "mails-on-rebuild": "The rebuild wrote the mails again. Deriving a table must not act on "
        "the world.",
        "mails-the-past": "A new read model of an old log thanked for parcels of last year.",
        "no-mail": "A parcel left while the projector was at work, and nobody was thanked.",
        "no-rows": "The table `parcels` does not have every parcel. The rows are still wanted.",
        "not-the-order": "What goes into `outbox` is the id of the order.",
        "no-outbox": "The check looks at `outbox`, a list of the class.",
    },
    cases=tuple(WAVES),
    varies={
        "batches of several": variety.some(lambda waves: len(waves[-1]) > 1),
        "orders without a parcel": variety.some(
            lambda waves: any("-order-9" in wave for wave in waves)
        ),
    },
)
def _thanks(answer: Any, trial: Trial) -> None:
    projection = isinstance(answer, type) and issubclass(answer, Projection)
    trial.require(projection, "wrong-kind", got=repr(answer), wanted="a class, from Projection")
    outbox = getattr(answer, "outbox", None)
    trial.require(isinstance(outbox, list), "no-outbox", got=repr(outbox))
    assert isinstance(outbox, list)
    for name, waves in WAVES.items():
        if trial.case(name, waves):
            _one_outbox(answer, trial, outbox, waves)


def _one_outbox(answer: Any, trial: Trial, outbox: list[Any], waves: list[list[str]]) -> None:
    store = EventStore(clock=LessonClock())
    outbox.clear()
    projector = Projector(store, answer)
    shipped: list[str] = []

    def happen(order: str) -> None:
        events = [new_event("OrderPlaced", customer="ada", items=[])]
        if not order.startswith("-"):
            shipped.append(order)
            events.append(new_event("OrderShipped", items=[], carrier="post"))
        store.append(order.strip("-"), events, expected_version=0, aggregate_type="ORDER")

    def see(when: str, wanted: list[str], mistake: str, at: Projector) -> None:
        got = list(map(str, outbox))
        named = set(got) <= {event.aggregate_id for event in store.read_all()}
        rows: dict[str, Any] = {"when": when, "got": repr(got), "wanted": repr(wanted)}
        trial.require(named, "not-the-order", **rows)
        trial.require(set(got) <= set(shipped), "not-a-parcel", **rows)
        trial.require(set(wanted) <= set(got), "no-mail", **rows)
        trial.require(got == wanted, mistake, **rows)
        came = attempt(lambda: at.sql("from parcels order by all").fetchall())
        trial.require(not came.error, "no-rows", when=when, got=came.lines())
        found = [row[0] for row in came.value]
        trial.require(
            found == sorted(shipped), "no-rows", when=when, got=found, wanted=sorted(shipped)
        )

    def follow(when: str, wanted: list[str], mistake: str, at: Projector, work: Any) -> None:
        came = attempt(work)
        if isinstance(came.error, ProjectionError):
            trial.fail("cannot-process", when=when, got=first_line(came.error))
        if came.error:
            trial.fail_for(came.error, when=when)
        see(when, wanted, mistake, at)

    for number, wave in enumerate(waves, start=1):
        for order in wave:
            happen(order)
        follow(
            f"wave {number}: {', '.join(wave)}; the projector catches up",
            [*shipped],
            "two-mails",
            projector,
            projector.catch_up,
        )
    follow("the table is rebuilt", [*shipped], "mails-on-rebuild", projector, projector.rebuild)
    outbox.clear()
    late = Projector(store, answer)
    follow("a new read model of the same log", [], "mails-the-past", late, late.catch_up)
    outbox.clear()


# --- 08-4 ---------------------------------------------------------------------------------------


class _Revenue(Projection):
    """The daily money of the chapter: payments and refunds."""

    tables: ClassVar = {"revenue": "day date primary key, cents bigint, refunds bigint"}
    sql = """
        insert into revenue
        select occurred_at::date,
               coalesce(sum((event_data->>'$.amount')::bigint)
                        filter (event_type = 'PaymentReceived'), 0),
               coalesce(sum((event_data->>'$.amount')::bigint)
                        filter (event_type = 'RefundIssued'), 0)
        from new_events where event_type in ('PaymentReceived', 'RefundIssued') group by all
        on conflict do update set cents = revenue.cents + excluded.cents,
                                  refunds = revenue.refunds + excluded.refunds"""


@chapter.exercise(
    "08-4",
    form="Break it",
    title="The event that stops the report",
    section="What if an event cannot be processed?",
    stub="""
yours = ("RefundIssued", {"amount": 100, "reason": "came too late"})
""",
    hints=(
        "The store takes any data that JSON can hold. What does the SQL of `Revenue` expect?",
        "It reads `amount`, of payments and refunds, as a whole number. Which amount is none?",
        'yours = ("RefundIssued", {"amount": "...", "reason": "came too late"})',
    ),
    right="The store keeps facts and judges none. The projector stops there, says so, and waits "
    "for your decision: repair, skip, or park.",
    mistakes={
        "processed": "The report took this event, and went on.",
        "not-looked-at": "The report does not look at events of this type, so they cannot stop it.",
        "the-same-type": "A payment stopped it in the chapter. Find another type.",
        "no-event": "The store does not take this as an event.",
        "not-a-pair": "Give a pair: the name of the type, and a dict of data.",
    },
)
def _stops(answer: Any, trial: Trial) -> None:
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    trial.require(pair, "not-a-pair", got=repr(answer))
    kind, data = answer
    fits = isinstance(kind, str) and isinstance(data, dict)
    trial.require(fits, "not-a-pair", got=repr(answer))
    store = _store_of(order_history(trial.rng, 3))
    came = attempt(
        lambda: store.append(
            "order-9", [new_event(kind, data)], expected_version=0, aggregate_type="ORDER"
        )
    )
    trial.require(not came.error, "no-event", got=came.lines())
    projector = Projector(store, _Revenue)
    came = attempt(projector.catch_up)
    yours = list(store.read_all())[-1:]
    if not came.error:
        read = kind in ("PaymentReceived", "RefundIssued")
        rows = projector.sql("from revenue").fetchall()
        trial.fail(
            "processed" if read else "not-looked-at", given=yours, the_report=list(map(str, rows))
        )
    trial.require(kind != "PaymentReceived", "the-same-type", given=yours)
