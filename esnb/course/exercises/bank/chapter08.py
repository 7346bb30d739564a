"""Exercises to chapter 08: positions and crashes, a projection in SQL, mails, events that stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from esnb import ANY, EventStore, LessonClock, Projection, ProjectionError, Projector, new_event
from esnb.course.exercises.engine.histories import order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial, attempt
from esnb.events import Event

chapter = Chapter("08_projections")


def _store_of(events: Sequence[Event]) -> EventStore:
    """A store with these events, in this order."""
    store = EventStore(clock=LessonClock())
    for event in events:
        copy = new_event(event.type, dict(event.data))
        store.append(event.aggregate_id or "order-1", [copy], expected_version=ANY,
                     aggregate_type="ORDER")  # fmt: skip
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
    trial.require(fits, "other-words", got=list(map(str, answer.items())))
    for name, writes in WRITES.items():
        came = _after_a_power_cut(writes)
        done = [f"commit: {write}" for write in writes]
        done.insert(1 if len(writes) > 1 else 0, "the power fails, and the program starts again")
        trial.require(answer[name] == came, name.replace(" ", "-"), given=done,
                      got=f"you said {answer[name]}")  # fmt: skip


# --- 08-2 ---------------------------------------------------------------------------------------


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
        "cannot-process": "The projector stopped at an event: this SQL cannot process it.",
        "replaces": "A customer who came back has only the orders of the last batch. Add to what "
        "is in the table.",
        "keeps-the-first": "A customer who came back has only the orders of the first batch.",
        "counts-something-else": "Even with all events at once these are not the orders of each "
        "customer.",
    },
)
def _per_customer(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (str, list, tuple), "the text of an SQL statement, or a list of them")
    tables = {"customers": "customer varchar primary key, orders bigint"}
    kind = type("PerCustomer", (Projection,), {"tables": tables, "sql": answer})
    # The smallest log first in which a customer comes back; then a longer one.
    for before, after in ((["ada", "ben", "ada", ""], ["ada"]), (["ben", "", "ada"] * 3, ["ben"])):
        store = EventStore(clock=LessonClock())
        for number, customer in enumerate(before + after):
            event = new_event("OrderShipped", carrier="post")
            if customer:
                event = new_event("OrderPlaced", customer=customer)
            store.append(f"order-{number}", [event], expected_version=0, aggregate_type="ORDER")
        events = list(store.read_all())
        wanted, first = _orders(events), _orders(events[: len(before)])
        facts: dict[str, Any] = {"given": events, "wanted": sorted(wanted.items())}
        got = _caught_up(kind, store, [None], trial, events)
        trial.require(got == wanted, "counts-something-else", **facts, got=sorted(got.items()),
                      when="all events at once")  # fmt: skip
        got = _caught_up(kind, store, [len(before), None], trial, events)
        mistake = "keeps-the-first" if got == first else "replaces"
        trial.require(got == wanted, mistake, **facts, got=sorted(got.items()),
                      when=f"{len(before)} events, then the rest")  # fmt: skip


def _orders(events: Sequence[Event]) -> dict[str, int]:
    return dict(Counter(e.data["customer"] for e in events if e.type == "OrderPlaced"))


def _caught_up(
    kind: type[Projection], store: EventStore, limits: Sequence[int | None], trial: Trial,
    events: list[Event],
) -> dict[str, int]:  # fmt: skip
    projector = Projector(store, kind)
    try:
        for limit in limits:
            if not projector.catch_up(limit):
                break
    except ProjectionError as error:
        at = projector.position
        trial.fail("cannot-process", given=events[at : at + 1], got=str(error).splitlines()[0])
    rows = projector.sql("select customer, orders from customers").fetchall()
    return {str(name): int(count) for name, count in rows}


# --- 08-3 ---------------------------------------------------------------------------------------


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
        "mails-on-rebuild": "The rebuild wrote the mails again. Deriving a table must not act on "
        "the world.",
        "mails-the-past": "A new read model of an old log thanked for parcels of last year.",
        "no-mail": "A parcel left while the projector was at work, and nobody was thanked.",
        "no-rows": "The table `parcels` does not have every parcel. The rows are still wanted.",
        "not-the-order": "What goes into `outbox` is the id of the order.",
        "no-outbox": "The check looks at `outbox`, a list of the class.",
    },
)
def _thanks(answer: Any, trial: Trial) -> None:
    projection = isinstance(answer, type) and issubclass(answer, Projection)
    trial.require(projection, "wrong-kind", got=repr(answer), wanted="a class, from Projection")
    outbox = getattr(answer, "outbox", None)
    trial.require(isinstance(outbox, list), "no-outbox", got=repr(outbox))
    assert isinstance(outbox, list)
    store = EventStore(clock=LessonClock())
    outbox.clear()
    projector = Projector(store, answer)

    def ship(order: str) -> None:
        shipped = new_event("OrderShipped", items=[], carrier="post")
        store.append(order, [shipped], expected_version=0, aggregate_type="ORDER")

    def see(when: str, wanted: list[str], mistake: str, at: Projector) -> None:
        got = list(outbox)
        named = set(got) <= {event.aggregate_id for event in store.read_all()}
        trial.require(named, "not-the-order", when=when, got=got, wanted=wanted)
        trial.require(got == wanted, mistake if got != wanted[:-1] or not wanted else "no-mail",
                      when=when, got=got, wanted=wanted)  # fmt: skip
        rows = [row[0] for row in at.sql("from parcels order by all").fetchall()]
        trial.require(rows == sorted(e.aggregate_id or "" for e in store.read_all()), "no-rows",
                      when=when, got=rows)  # fmt: skip

    ship("order-1")
    projector.catch_up()
    see("a parcel leaves, and the projector catches up", ["order-1"], "mails-on-rebuild", projector)
    ship("order-2")
    projector.catch_up()
    see("a second parcel leaves", ["order-1", "order-2"], "mails-on-rebuild", projector)
    projector.rebuild()
    see("the table is rebuilt", ["order-1", "order-2"], "mails-on-rebuild", projector)
    outbox.clear()
    late = Projector(store, answer)
    late.catch_up()
    see("a new read model of the same log", [], "mails-the-past", late)
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
    "for your decision: mend, skip, or park.",
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
        lambda: store.append("order-9", [new_event(kind, data)], expected_version=0,
                             aggregate_type="ORDER")
    )  # fmt: skip
    trial.require(not came.error, "no-event", got=came.lines())
    projector = Projector(store, _Revenue)
    came = attempt(projector.catch_up)
    yours = list(store.read_all())[-1:]
    if not came.error:
        read = kind in ("PaymentReceived", "RefundIssued")
        rows = projector.sql("from revenue").fetchall()
        trial.fail("processed" if read else "not-looked-at", given=yours,
                   the_report=list(map(str, rows)))  # fmt: skip
    trial.require(kind != "PaymentReceived", "the-same-type", given=yours)
