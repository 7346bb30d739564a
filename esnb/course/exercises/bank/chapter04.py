"""Exercises to chapter 04: folds, apply, what replay must not do, the order of events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from esnb import ConcurrencyError, EventStore, LessonClock, RejectedError, new_event, replay
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.histories import is_order_history, order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial, attempt, fresh, numbered
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
)
def _a_cancelled_order(answer: Any, trial: Trial) -> None:
    trial.function(answer, "evolve_more(state, event)")
    cases = [order_history(trial.rng, n) for n in (1, 2, 2, 3, 3, 4, 5, 6, 7) for _ in range(4)]

    def fold(evolve: Any, events: list[Event]) -> Any:
        return reduce(evolve, events, dict(EMPTY))

    def truth(events: list[Event]) -> dict[str, Any]:
        order = replay(Order, events)  # the shop's own class, and not a fold of dicts
        return {"status": order.status, "paid": order.paid}

    before = {"status": "PAID", "paid": 1900}
    given = dict(before)
    came = attempt(lambda: answer(given, new_event("OrderCancelled", reason="too late")))
    trial.require(given == before or came.error, "changes-the-state", given=before,
                  when="OrderCancelled", afterwards=given)  # fmt: skip
    models = {
        "forgets-the-rest": _cancelling(lambda state, event: {"status": "CANCELLED"}),
        "no-change": _cancelling(lambda state, event: state),
        "clears-the-payment": _cancelling(lambda s, e: {**s, "status": "CANCELLED", "paid": 0}),
        "gives-nothing": _cancelling(lambda state, event: None),  # type: ignore[arg-type, return-value]
    }
    trial.compare(
        answer, "truth", cases,
        models={name: partial(_folded, model) for name, model in models.items()},
        call=lambda what, events: _call(what, events, fold, truth),
        legal=is_order_history, tidy=numbered,
    )  # fmt: skip


def _folded(evolve: Evolve, events: list[Event]) -> Any:
    return reduce(evolve, events, dict(EMPTY))


def _call(what: Any, events: list[Event], fold: Any, truth: Any) -> Any:
    if what == "truth":
        return truth(events)
    return what(events) if isinstance(what, partial) else fold(what, events)


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
    letters = "".join(map(str, answer)).upper().replace(" ", "")
    trial.require(sorted(letters) == list("ABCD"), "wrong-letters", got=letters)
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
)
def _the_letter(answer: Any, trial: Trial) -> None:
    trial.function(answer, "ship(store, order_id, post)")

    def refund(store: EventStore) -> None:
        order = store.load(Order, "order-7")
        order.refund(100, "late")
        store.save(order)

    for customer, when in (("ada", "paid"), ("ben", "paid"), ("ada", "overtaken"),
                           ("ada", "shipped")):  # fmt: skip
        store = EventStore(clock=LessonClock())
        order = store.new(Order, "order-7")
        order.place(customer, [MUG])
        order.pay()
        if when == "shipped":
            order.ship()
        store.save(order)
        letters: list[str] = []
        busy = BusyStore(store, [refund] if when == "overtaken" else [])
        came = attempt(partial(answer, busy, "order-7", letters.append))
        said = {
            "paid": f"{customer}'s order is paid",
            "shipped": "the order was shipped last week: the rules say no",
            "overtaken": "somebody else saves a refund right before ship() saves",
        }[when]
        facts: dict[str, Any] = {"given": said, "got": came.lines(), "letters": letters,
                                 "in_the_log": store.events("order-7")}  # fmt: skip
        shipped = sum(e.type == "OrderShipped" for e in store.events("order-7"))
        if when == "shipped":
            trial.require(not letters, "letter-on-replay", **facts)
            expected: type[Exception] = RejectedError
        else:
            trial.require(len(letters) <= 1, "two-letters", **facts)
            trial.require(shipped or not letters, "letter-before-the-fact", **facts)
            expected = ConcurrencyError
        if came.error and not (when != "paid" and isinstance(came.error, expected)):
            trial.fail_for(came.error, given=said)
        if when == "paid":
            trial.require(shipped == 1, "not-shipped", **facts)
            trial.require(letters, "no-letter", **facts)
            trial.require(customer in str(letters[0]), "wrong-person", **facts)
        elif when == "overtaken" and shipped:  # it has tried again: then the letter is due
            trial.require(letters, "no-letter", **facts)


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
    trial.kind(answer, (list, tuple), "a list of four places")
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
        trial.fail(key.get(order.status or "", "other"), given=mixed, got=order.status,
                   wanted="PENDING")  # fmt: skip


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
        "forgets-what-was-placed": "What stood in OrderPlaced is not in the basket.",
        "ignores-additions": "What was added later is not in the basket.",
        "ignores-removals": "What was removed is still in the basket.",
        "no-lines": "The check looks at `lines`, a list of the lines in the basket.",
    },
)
def _the_basket(answer: Any, trial: Trial) -> None:
    trial.function(answer, "Basket()")
    cases = [_basket_history(trial, n) for n in (1, 2, 3, 4, 5, 6) * 6]
    made = trial.call(answer)
    trial.require(hasattr(made, "lines") and hasattr(made, "apply"), "no-lines", got=type(made))

    def lines(what: Any, events: list[Event]) -> Any:
        if what is not answer:
            return what(events)
        basket = answer()
        for event in events:
            basket.apply(event)
        return fresh(list(basket.lines))

    trial.compare(
        answer, _in_the_basket, cases, call=lines, legal=is_order_history, tidy=numbered,
        models={
            "skips-a-line": partial(_in_the_basket, skips=True),
            "forgets-what-was-placed": partial(_in_the_basket, without="OrderPlaced"),
            "ignores-additions": partial(_in_the_basket, without="ItemAdded"),
            "ignores-removals": partial(_in_the_basket, without="ItemRemoved"),
        },
    )  # fmt: skip


def _basket_history(trial: Trial, length: int) -> list[Event]:
    """A history with many changes of the basket, and with articles that come twice."""
    history = order_history(trial.rng, length + 6)
    changes = ("OrderPlaced", "ItemAdded", "ItemRemoved")
    return numbered([event for event in history if event.type in changes][:length])


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
