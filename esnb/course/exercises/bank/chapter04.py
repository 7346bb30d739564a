"""Exercises to chapter 04: folds, apply, what replay must not do, the order of events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from esnb import ConcurrencyError, EventStore, LessonClock, RejectedError, new_event, replay
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.histories import (
    PRICES,
    is_order_history,
    order_history,
    placed_in,
)
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, fresh, numbered
from esnb.course.exercises.engine.verdicts import attempt
from esnb.events import Event
from esnb.shop import Order

chapter = Chapter("04_replay")

EMPTY = {"status": None, "paid": 0}
MUG = {"sku": "MUG-BLUE", "quantity": 2, "price": 950}

Evolve = Callable[[dict[str, Any], Event], dict[str, Any]]


def _known_steps(state: dict[str, Any], event: Event) -> dict[str, Any]:
    """What the `evolve` of the setup cell says."""
    match event.type:
        case "OrderPlaced":
            return {**state, "status": "PENDING"}
        case "PaymentReceived":
            return {**state, "status": "PAID", "paid": state["paid"] + event.data["amount"]}
        case "OrderShipped":
            return {**state, "status": "SHIPPED"}
    return state


def _cancelling(change: Evolve) -> Evolve:
    def evolve(state: dict[str, Any], event: Event) -> dict[str, Any]:
        cancelled = event.type == "OrderCancelled"
        return change(state, event) if cancelled else _known_steps(state, event)

    return evolve


ENDINGS = ("cancelled", "cancelled after the payment", "orders that go on")


@chapter.exercise(
    "04-1",
    form="Fill in",
    title="A cancelled order",
    section="How do four events become one state?",
    stub="""
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return ...  # the state after a cancellation
    return evolve(state, event)
""",
    hints=(
        "Which fields of the state does a cancellation change? What about the others?",
        "A new state with everything of the old one, except the status. Look at the case of "
        "`OrderShipped` in `evolve`.",
        'return {**state, "status": ...}',
    ),
    right="A new state each time, and the old one is still there: `accumulate` can show them all.",
    mistakes={
        "cancels-everything": "Every order ends as CANCELLED, also those that were not cancelled.",
        "cancelled-only": "A cancellation is right, and all other events lost their effect. What "
        "they do is said in `evolve`.",
        "forgets-the-rest": "After the cancellation the state has lost its other fields. What was "
        "paid is still paid.",
        "changes-the-state": "You wrote into the state that you were given. Whoever kept it, "
        "`accumulate` for example, now sees another past. Give back a new state.",
        "no-change": "A cancelled order ends with the status it had before. Which status should it "
        "have?",
        "gives-nothing": "After `OrderCancelled` there is no state at all. The function has to "
        "return the next state, for every event.",
        "clears-the-payment": "The cancellation took back the payment. Nobody refunded anything "
        "yet: that would be an event of its own.",
    },
    cases=ENDINGS,
    varies={
        "every type": variety.types(*variety.ORDER_TYPES),
        "amounts": variety.amounts_off_the_hundred,
        "lengths": variety.lengths(5),
    },
)
def _a_cancelled_order(answer: Any, trial: Trial) -> None:
    trial.function(answer, "evolve_more(state, event)")
    cases: dict[str, list[list[Event]]] = {name: [] for name in ENDINGS}
    while any(len(group) < 8 for group in cases.values()):
        events = order_history(trial.rng, trial.rng.randint(1, 7))
        kinds = [event.type for event in events]
        name = "orders that go on"
        if "OrderCancelled" in kinds:
            name = "cancelled after the payment" if "PaymentReceived" in kinds else "cancelled"
        if len(cases[name]) < 8:
            cases[name].append(events)

    before = {"status": "PAID", "paid": 1937}
    given = dict(before)
    came = attempt(lambda: answer(given, new_event("OrderCancelled", reason="too late")))
    trial.require(
        given == before or came.error,
        "changes-the-state",
        given=before,
        when="OrderCancelled",
        afterwards=given,
    )
    models = {
        "forgets-the-rest": _cancelling(lambda state, event: {"status": "CANCELLED"}),
        "no-change": _cancelling(lambda state, event: state),
        "clears-the-payment": _cancelling(lambda s, e: {**s, "status": "CANCELLED", "paid": 0}),
        "gives-nothing": _cancelling(lambda state, event: None),  # type: ignore[arg-type, return-value]
        "cancels-everything": lambda state, event: {
            **_known_steps(state, event),
            "status": "CANCELLED",
        },
        "cancelled-only": lambda state, event: (
            {**state, "status": "CANCELLED"} if event.type == "OrderCancelled" else state
        ),
    }
    trial.compare(
        answer,
        _how_it_ended,
        cases,
        models={name: partial(_folded, model) for name, model in models.items()},
        call=_fold_or_ask,
        legal=is_order_history,
        tidy=numbered,
    )


def _how_it_ended(events: list[Event]) -> dict[str, Any]:
    """Looked up, not folded: the last event that sets a status, and all payments."""
    sets = {
        "OrderPlaced": "PENDING",
        "PaymentReceived": "PAID",
        "OrderShipped": "SHIPPED",
        "OrderCancelled": "CANCELLED",
    }
    status = next((sets[e.type] for e in reversed(events) if e.type in sets), None)
    paid = [event.data["amount"] for event in events if event.type == "PaymentReceived"]
    return {"status": status, "paid": sum(paid)}


def _fold_or_ask(what: Any, events: list[Event]) -> Any:
    if what is _how_it_ended or isinstance(what, partial):
        return what(events)
    return reduce(what, events, dict(EMPTY))


def _folded(evolve: Evolve, events: list[Event]) -> Any:
    return reduce(evolve, events, dict(EMPTY))


@chapter.exercise(
    "04-2",
    form="Put in order",
    title="What record does, and what save",
    section="What does an Aggregate add?",
    stub="""
# A: the event is applied    B: the event gets its place in the log
# C: the rule is asked       D: the event is made
order_of_steps = ...  # four letters, such as "ABCD"
""",
    hints=(
        "The rule is asked about something. What has to be there first?",
        "The rule must be able to say no before the state changes. And only one of the four needs "
        "the store.",
        'order_of_steps = "D..."',
    ),
    right="Made, asked about, applied: that is `record`. Much later, in `save`, it gets its place.",
    mistakes={
        "wrong-letters": "Each of the four steps happens once.",
        "asked-too-early": "The rule is asked *about* an event, so the event must be made first.",
        "applied-unasked": "The event is applied before the rule was asked. If the rule says no, "
        "the object has changed all the same.",
        "stored-too-early": "The place in the log is given by `save`, when the command is done. "
        "Until then the event is pending.",
        "applied-before-made": "Nothing can be applied before it is made.",
    },
)
def _what_record_does(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (str, list, tuple), "four letters")
    letters = "".join(map(str, answer)).upper().replace(" ", "").replace(",", "")
    trial.require(sorted(letters) == list("ABCD"), "wrong-letters", got=repr(letters))
    place = letters.index
    trial.require(place("D") < place("C"), "asked-too-early", got=letters)
    trial.require(place("D") < place("A"), "applied-before-made", got=letters)
    trial.require(place("C") < place("A"), "applied-unasked", got=letters)
    steps = _steps_of_an_order()
    trial.require(letters == steps, "stored-too-early", got=letters)


def _steps_of_an_order() -> str:
    """Ask an order that notes what happens to it, in place of a written answer."""
    steps: list[str] = []

    class Noting(Order):
        def refuses(self, event: Event) -> str | None:
            steps.extend("DC")  # it is handed the event, so the event is made
            return super().refuses(event)

        def apply(self, event: Event) -> None:
            steps.append("A")
            super().apply(event)

    store = EventStore(clock=LessonClock())
    order = store.new(Noting, "order-1")
    order.place("ada", [MUG])
    if store.position == 0:
        steps.append("B")
    return "".join(steps)


#: Order, customer, and the step before which somebody else moves; -1: right before the save.
PARCELS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "paid, and nobody else is there": (("order-7", "ada", 0), ("order-12", "ben", 0)),
    "shipped last week": (("order-7", "ada", 0), ("order-9", "cleo", 0)),
    "a refund comes first": (
        ("order-7", "ada", -1),
        ("order-8", "ben", 1),
        ("order-7", "dan", 2),
        ("order-7", "ada", 3),
    ),
    "somebody else ships it": (
        ("order-7", "cleo", -1),
        ("order-9", "ada", 1),
        ("order-7", "ben", 2),
    ),
}


@chapter.exercise(
    "04-3",
    form="Bug hunt",
    title="The letter that comes again",
    section="May apply() read the clock?",
    stub="""
def ship(store, order_id, post):
    class Chatty(Order):
        def apply(self, event):
            super().apply(event)
            if event.type == "OrderShipped":
                post(f"Dear {self.customer}, {order_id} is on its way.")

    order = store.load(Chatty, order_id)
    order.ship()
    store.save(order)
""",
    todo="The function is still the one with the bug. Move the letter, run the cell, and check "
    "again.",
    hints=(
        "How often does `apply` see one `OrderShipped`? Once when it happens, and then?",
        "`apply` runs at each replay, and also before anything is stored. Which line of `ship` is "
        "reached once, and only if the parcel really left?",
        "order = store.load(Order, order_id)",
    ),
    right="The letter follows the fact: it is written once, after `save` has stored OrderShipped, "
    "and never by a replay.",
    mistakes={
        "letter-on-replay": "The order was shipped last week, and loading it wrote another letter. "
        "A replay must not act on the world.",
        "letter-before-the-fact": "The letter went out, and the log has no shipment. Write it "
        "after the save that may fail.",
        "no-letter": "The order is shipped, and nobody wrote to the customer.",
        "two-letters": "One shipment, and more than one letter.",
        "not-shipped": "The log has no `OrderShipped`. Load the order, ship it, save it.",
        "wrong-person": "The letter does not name the customer of this order.",
    },
    cases=tuple(PARCELS),
    varies={
        "several orders": variety.several(lambda tried: tried[0], 3),
        "several customers": variety.several(lambda tried: tried[1], 3),
        "others before every step": variety.several(lambda tried: tried[2], 5),
    },
)
def _the_letter(answer: Any, trial: Trial) -> None:
    trial.function(answer, "ship(store, order_id, post)")
    for name, tries in PARCELS.items():
        for order_id, customer, step in tries:
            if trial.case(name, (order_id, customer, step)):
                _one_parcel(answer, trial, name, (order_id, customer, step))


def _one_parcel(answer: Any, trial: Trial, when: str, tried: tuple[str, str, int]) -> None:
    order_id, customer, step = tried
    store = EventStore(clock=LessonClock())
    for name, whose in ((order_id, customer), ("order-1", "eve")):
        order = store.new(Order, name)
        order.place(whose, [MUG])
        order.pay()
        if when == "shipped last week" and name == order_id:
            order.ship()
        store.save(order)

    def rival(real: EventStore) -> None:
        order = real.load(Order, order_id)
        if when == "a refund comes first":
            order.refund(100, "late")
        else:
            order.ship(actor="robot")
        real.save(order)

    letters: list[Any] = []
    moved = {step: rival} if step > 0 else {}
    busy = BusyStore(store, [rival] if step < 0 else [], before=moved)
    came = attempt(partial(answer, busy, order_id, letters.append))
    log = store.events(order_id)
    mine = [e for e in log if e.type == "OrderShipped" and e.metadata.get("actor") != "robot"]
    others = [e for e in log if e.type == "OrderShipped" and e not in mine]
    facts: dict[str, Any] = {
        "given": f"{customer}'s order {order_id}: {when}",
        "got": came.lines(),
        "letters": [*map(str, letters)] or "none",
        "in_the_log": log,
    }
    if when == "shipped last week":
        trial.require(not letters, "letter-on-replay", **facts)
        mine = []
    trial.require(len(letters) <= max(1, len(mine)), "two-letters", **facts)
    trial.require(mine or not letters, "letter-before-the-fact", **facts)
    refused = isinstance(came.error, ConcurrencyError | RejectedError)
    if came.error and not (refused and (others or moved or step or when == "shipped last week")):
        trial.fail_for(came.error, given=facts["given"])
    if when == "shipped last week" or others:
        return
    if not step:
        trial.require(len(mine) == 1, "not-shipped", **facts)
    if mine:
        trial.require(letters, "no-letter", **facts)
        trial.require(customer in str(letters[0]), "wrong-person", **facts)


@chapter.exercise(
    "04-4",
    form="Break it",
    title="Paid, delivered, and pending",
    section="Does the order of the events matter?",
    stub="""
# the places of the events: 0 placed, 1 paid, 2 shipped, 3 delivered
mix = [0, 1, 2, 3]
""",
    hints=(
        "Which event sets PENDING? When does it come too late?",
        "The last event that sets a status wins. The other three may stand as you like, as long "
        "as the payment counts.",
        "mix = [1, ...]",
    ),
    right="`apply` believes what it is told, in the order in which it is told. Only the sequence "
    "number says which order that is.",
    mistakes={
        "not-each-once": "Use each of the places 0, 1, 2 and 3 once.",
        "counts-from-one": "The places count from 0: placed is 0, delivered is 3.",
        "ends-shipped": "The order ends as SHIPPED. Which event has to come after that one?",
        "ends-paid": "The order ends as PAID: the payment came when it was pending, and nothing "
        "set another status afterwards.",
    },
)
def _paid_and_pending(answer: Any, trial: Trial) -> None:
    given = as_list(answer)
    trial.kind(given, list, "a list of four places", "wrong-kind")
    answer = given
    trial.require(sorted(map(str, answer)) != list("1234"), "counts-from-one", got=list(answer))
    each = sorted(map(str, answer)) == list("0123")
    trial.require(each, "not-each-once", got=list(answer))
    lamp = [{"sku": "LAMP-DESK", "quantity": 1}]
    events = [
        new_event("OrderPlaced", customer="ada", items=[{**lamp[0], "price": 3990}]),
        new_event("PaymentReceived", amount=3990, method="card"),
        new_event("OrderShipped", items=lamp, carrier="post"),
        new_event("OrderDelivered"),
    ]
    mixed = [events[int(n)] for n in answer]
    order = replay(Order, mixed)
    if order.status != "PENDING":
        key = {"SHIPPED": "ends-shipped", "PAID": "ends-paid"}
        trial.fail(
            key.get(order.status or "", "other"), given=mixed, got=order.status, wanted="PENDING"
        )


def _twice(history: list[Event]) -> bool:
    """Whether an article is on two consecutive lines when it is taken out."""
    return _skipping(history) != _in_the_basket(history)


BASKETS = ("things are put in", "things are taken out", "an article in two lines is taken out")


@chapter.exercise(
    "04-5",
    form="Bug hunt",
    title="The basket that writes into its events",
    section="May the state share a list with the event?",
    stub="""
class Basket:
    def __init__(self):
        self.lines = []

    def apply(self, event):
        if event.type == "OrderPlaced":
            self.lines = event.data["items"]
        elif event.type == "ItemAdded":
            self.lines.append(event.data)
        elif event.type == "ItemRemoved":
            for line in self.lines:
                if line["sku"] == event.data["sku"]:
                    self.lines.remove(line)
""",
    todo="The class is still the one with the bugs. Change it, run the cell, and check again.",
    hints=(
        "Two bugs. For the first, ask who else holds the list that `OrderPlaced` brings.",
        "Keep a list of your own: `list(...)`. And a list that loses a line while a `for` goes "
        "through it skips the next one. Build the list of what stays.",
        'self.lines = [line for line in self.lines if line["sku"] != event.data["sku"]]',
    ),
    right="The state has a list of its own, and a removal leaves exactly what stays. Any number of "
    "replays give the same.",
    mistakes={
        "skips-a-line": "The same article was put in twice, and only one of its lines went. A list "
        "that loses a line while a `for` goes through it skips the next one.",
        "forgets-what-was-placed": "What OrderPlaced held is not in the basket.",
        "ignores-additions": "What was added later is not in the basket.",
        "ignores-removals": "What was removed is still in the basket.",
        "no-lines": "The check looks at `lines`, a list of the lines in the basket.",
    },
    cases=BASKETS,
    varies={
        "every type": variety.types("OrderPlaced", "ItemAdded", "ItemRemoved"),
        "lengths": variety.lengths(5),
        "two lines of one article": variety.some(_twice),
    },
)
def _the_basket(answer: Any, trial: Trial) -> None:
    trial.function(answer, "Basket()")
    made = trial.call(answer)
    trial.require(hasattr(made, "lines") and hasattr(made, "apply"), "no-lines", got=repr(made))
    cases: dict[str, list[list[Event]]] = {name: [] for name in BASKETS}
    for n in (1, 2, 3, 4, 5, 6) * 6:
        history = _basket_history(trial, n)
        kinds = {event.type for event in history}
        cases[BASKETS["ItemRemoved" in kinds]].append(history)
    cases[BASKETS[2]] = [_in_two_lines(trial, again=n % 2 == 0) for n in range(4)]

    def lines(what: Any, events: list[Event]) -> Any:
        if what is not answer:
            return what(events)
        basket = answer()
        for event in events:
            basket.apply(event)
        trial.kind(basket.lines, (list, tuple), "a list of lines, in `lines`", "no-lines")
        return fresh(list(basket.lines))

    trial.compare(
        answer,
        _in_the_basket,
        cases,
        call=lines,
        legal=is_order_history,
        tidy=numbered,
        models={
            "skips-a-line": partial(_in_the_basket, skips=True),
            "forgets-what-was-placed": partial(_in_the_basket, without="OrderPlaced"),
            "ignores-additions": partial(_in_the_basket, without="ItemAdded"),
            "ignores-removals": partial(_in_the_basket, without="ItemRemoved"),
        },
    )


def _basket_history(trial: Trial, length: int) -> list[Event]:
    """A history with many changes of the basket, and with articles that come twice."""
    history = order_history(trial.rng, length + 6)
    changes = ("OrderPlaced", "ItemAdded", "ItemRemoved")
    return numbered([event for event in history if event.type in changes][:length])


def _in_two_lines(trial: Trial, *, again: bool) -> list[Event]:
    """An article is put in twice, one line after the other, and taken out."""
    keeps, goes = trial.rng.sample(list(PRICES), 2)

    def line(sku: str) -> dict[str, Any]:
        return {"sku": sku, "quantity": trial.rng.randint(1, 3), "price": PRICES[sku]}

    events = [
        new_event("OrderPlaced", customer="ben", items=[line(keeps)]),
        new_event("ItemAdded", line(goes)),
        new_event("ItemAdded", line(goes)),
        new_event("ItemRemoved", sku=goes),
        *([new_event("ItemAdded", line(goes))] if again else []),
    ]
    return placed_in("order-1042", "ORDER", events, trial.rng)


def _in_the_basket(events: list[Event], *, without: str = "", skips: bool = False) -> list[Any]:
    """The oracle looks from the end: a line is there if no later event takes its article out."""
    left = []
    for number, event in enumerate(events):
        if event.type == without or event.type not in ("OrderPlaced", "ItemAdded"):
            continue
        for line in event.data.get("items", [event.data]):
            later = [e for e in events[number + 1 :] if e.type == "ItemRemoved"]
            gone = any(e.data["sku"] == line["sku"] for e in later)
            if not gone or without == "ItemRemoved":
                left.append(line)
    return left if not skips else _skipping(events)


def _skipping(events: list[Event]) -> list[Any]:
    lines: list[Any] = []
    for event in fresh(events):
        if event.type == "ItemRemoved":
            for line in lines:
                if line["sku"] == event.data["sku"]:
                    lines.remove(line)
        else:
            lines.extend(event.data.get("items", [event.data]))
    return lines
