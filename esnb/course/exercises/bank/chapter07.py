"""Exercises to chapter 07: rules, given/when/then, conditions that span streams, edge or rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from esnb import (
    AppendCondition,
    ConcurrencyError,
    Decider,
    EventStore,
    InvalidCommandError,
    LessonClock,
    RejectedError,
    handle,
    new_event,
)
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.histories import is_shop_log, shop_log
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, numbered, settled
from esnb.course.exercises.engine.verdicts import attempt
from esnb.events import Event
from esnb.shop import (
    AddCredit,
    CancelOrder,
    OpenAccount,
    PayOrder,
    PlaceOrder,
    RefundOrder,
    ShipOrder,
    SpendCredit,
    item,
)

chapter = Chapter("07_commands")


# --- the account, as a decider --------------------------------------------------------------------


def _decide(command: Any, balance: int | None) -> list[Event]:
    match command:
        case OpenAccount() if balance is None:
            return [new_event("AccountOpened", customer=command.customer)]
        case AddCredit() if balance is not None:
            return [new_event("CreditAdded", amount=command.amount, reason=command.reason)]
        case SpendCredit() if balance is not None and command.amount <= balance:
            return _spent(command)
    raise RejectedError(f"{type(command).__name__} is refused: the balance is {balance}.")


def _evolve(balance: int | None, event: Event) -> int | None:
    amount = event.data.get("amount", 0)
    return {"CreditAdded": 1, "CreditSpent": -1}.get(event.type, 0) * amount + (balance or 0)


def _spent(command: SpendCredit) -> list[Event]:
    return [new_event("CreditSpent", amount=command.amount, order=command.order)]


def _account(kind: type | None = None, answer: Callable[..., list[Event]] | None = None) -> Any:
    """The right decider, or one that answers one kind of command in another way."""

    def decide(command: Any, balance: int | None) -> list[Event]:
        if kind and answer and isinstance(command, kind):
            return answer(command, balance)
        return _decide(command, balance)

    return Decider(None, decide, _evolve, "ACCOUNT")


# --- 07-1 ---------------------------------------------------------------------------------------


BALANCES: dict[str, tuple[int | None, ...]] = {
    "never opened": (None,),
    "open and empty": (0,),
    "with credit left": (1, 2, 37, 500, 12_345),
}
#: What somebody may raise to say no.
_REFUSALS = (
    "ValueError",
    "Exception",
    "RuntimeError",
    "InvalidCommandError",
    "PermissionError",
    "AssertionError",
)


@chapter.exercise(
    "07-1",
    form="Fill in",
    title="When may an account be closed?",
    section="Can you decide by hand?",
    stub="""
def decide_close(balance):
    if ...:  # your condition: when is it refused?
        raise RejectedError("The account is not open, or has credit left.")
    return [new_event("AccountClosed")]
""",
    todo="The condition is still `...`, which Python takes for true: everything is refused.",
    hints=(
        "Two of the three balances None, 500 and 0 must be refused.",
        "`None` says that the account was never opened; 0 says that it is empty. They are not the "
        "same, and both are false in an `if`.",
        "if balance != ...:",
    ),
    right="Never opened and empty are two different things, and only one of them may be closed.",
    mistakes={
        "another-error": "It is refused, and with another error. A rule says no with a "
        "`RejectedError`, so that callers can tell it from a bug.",
        "not-in-a-list": "One event came back by itself. A decision is a list of events: none, "
        "one or several.",
        "another-event": "The rule says yes, and another event comes back than `AccountClosed`, "
        "or more than that one.",
        "closes-the-unopened": "An account that was never opened was closed. None is not zero.",
        "closes-with-credit": "There is credit left, and the account was closed all the same.",
        "refuses-in-silence": "Nothing was closed, and nobody was told: whoever asked takes that "
        "for a yes. A refusal is a RejectedError.",
        "never-closes": "An open account with nothing in it may be closed, and was refused.",
        "gives-no-event": "The rule says yes, and no event comes back. What happened then?",
    },
    cases=tuple(BALANCES),
    varies={"balances": variety.several(lambda balance: balance, 5)},
)
def _may_be_closed(answer: Any, trial: Trial) -> None:
    trial.function(answer, "decide_close(balance)")
    for name, balances in BALANCES.items():
        for balance in balances:
            if trial.case(name, balance):
                _one_closing(answer, trial, balance)


def _one_closing(answer: Any, trial: Trial, balance: int | None) -> None:
    opened = [] if balance is None else [new_event("AccountOpened", customer="ada")]
    given = opened + ([new_event("CreditAdded", amount=balance)] if balance else [])
    came = attempt(lambda: settled(answer(balance)))
    facts: dict[str, Any] = {
        "given": given or "no event: the account is not open",
        "when": f"decide_close({balance})",
        "got": came.lines(),
    }
    if came.error and not isinstance(came.error, RejectedError):
        if balance != 0 and (came.error.__class__.__name__ in _REFUSALS):
            trial.fail("another-error", **facts)
        trial.fail_for(came.error, given=facts["given"], when=facts["when"])
    if balance != 0:
        mistake = "closes-with-credit" if balance else "closes-the-unopened"
        mistake = mistake if came.error or came.value else "refuses-in-silence"
        trial.require(came.error, mistake, **facts)
        return
    trial.require(not came.error, "never-closes", **facts)
    trial.require(not isinstance(came.value, Event), "not-in-a-list", **facts)
    events = as_list(came.value) or []
    closed = [getattr(event, "type", None) for event in events] == ["AccountClosed"]
    trial.require(
        closed,
        "gives-no-event" if not events else "another-event",
        **facts,
        wanted=[new_event("AccountClosed")],
    )


# --- 07-2 ---------------------------------------------------------------------------------------

BROKEN = {
    "gifts vanish": _account(AddCredit, lambda c, b: []),
    "no limit": _account(SpendCredit, lambda c, b: _spent(c)),
    "never the last cent": _account(SpendCredit, lambda c, b: _decide(c, (b or 0) - 1)),
    "spends half": _account(
        SpendCredit,
        lambda c, b: (
            [new_event("CreditSpent", amount=c.amount // 2, order=c.order)]
            if c.amount <= (b or 0)
            else _decide(c, b)
        ),
    ),
    "gifts for the unopened": _account(
        AddCredit, lambda c, b: [new_event("CreditAdded", amount=c.amount, reason=c.reason)]
    ),
    "opens twice": _account(
        OpenAccount, lambda c, b: [new_event("AccountOpened", customer=c.customer)]
    ),
}


@chapter.exercise(
    "07-2",
    form="Break it",
    title="Sentences that catch",
    section="How do you test a rule?",
    stub="""
def my_tests(rules):
    given(rules, opened).when(AddCredit("a", 500, "gift")).then(gift)
    # write more sentences here
""",
    hints=(
        "A limit has two sides: what may be spent at most, and what is one cent too much?",
        "For each command ask: what is the event when it is allowed? And what has to be refused? "
        "An account may also not be open yet, or be open already.",
        'given(rules, opened, gift).when(SpendCredit("a", 501, "order-1042")).then_rejected()',
    ),
    right="All six broken rules are caught, and the right ones pass. Tests at both sides of a "
    "limit did most of it.",
    mistakes={
        "no-upper-limit": "Rules without any limit pass your sentences. What is refused, with a "
        "balance of 500?",
        "not-the-last-cent": "Rules that never let the last cent go pass your sentences. What may "
        "be spent at most?",
        "amount-unseen": "Rules that spend the wrong amount pass your sentences. `then` takes the "
        "whole event: say which amount it has.",
        "unopened-unseen": "Rules that give credit to an account nobody opened pass your "
        "sentences. Given no events, what must be refused?",
        "twice-unseen": "Rules that open an account twice pass your sentences.",
        "gift-unseen": "Rules under which a gift vanishes pass your sentences.",
    },
    cases=tuple(BROKEN),
)
def _sentences(answer: Any, trial: Trial) -> None:
    trial.function(answer, "my_tests(rules)")
    known = {
        "no limit": "no-upper-limit",
        "never the last cent": "not-the-last-cent",
        "spends half": "amount-unseen",
        "gifts for the unopened": "unopened-unseen",
        "opens twice": "twice-unseen",
        "gifts vanish": "gift-unseen",
    }
    trial.score_tests(answer, _account(), BROKEN, known)


# --- 07-3 ---------------------------------------------------------------------------------------

LAMPS = AppendCondition(("OrderPlaced",), where={"items[*].sku": "LAMP-DESK"})


#: Who asks, what somebody else buys, and before which step; -1: right before the save.
RIVALS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "nobody else": (("ben", "", 0), ("cleo", "", 0)),
    "sold yesterday": (("ben", "LAMP-DESK", 0), ("dan", "LAMP-DESK", 0)),
    "a lamp is bought at any moment": (
        ("ben", "LAMP-DESK", -1),
        ("cleo", "LAMP-DESK", 1),
        ("ben", "LAMP-DESK", 2),
        ("dan", "LAMP-DESK", 3),
        ("ben", "LAMP-DESK", 4),
    ),
    "a mug is bought at any moment": (
        ("ben", "MUG-BLUE", -1),
        ("cleo", "MUG-BLUE", 1),
        ("ben", "MUG-BLUE", 2),
        ("dan", "POSTER-MAP", 3),
    ),
}


@chapter.exercise(
    "07-3",
    form="Bug hunt",
    title="The clerk who looked too early",
    section="Can the store check a question?",
    stub="""
def clerk(store, buyer):
    sold, _ = store.matching(LAMPS)
    condition = AppendCondition(LAMPS.event_types, LAMPS.where, after=store.position)
    if not sold:
        order = store.new(Order, f"order-{buyer}")
        order.place(buyer, [item("LAMP-DESK")])
        store.save(order, condition=condition)
""",
    todo="The function is still the one with the bug. Change it, run the cell, and check again.",
    hints=(
        "The condition says: nothing of the kind came *after this position*. When was the "
        "position taken, and when did the clerk look?",
        "Somebody may slip in between the first line and the second. The look and the position "
        "have to belong together.",
        "sold, condition = store.matching(LAMPS)",
    ),
    right="The look and the condition stand at one position. Whatever comes after it is noticed "
    "at the moment of writing.",
    mistakes={
        "wrong-buyer": "The lamp was sold to somebody who did not ask for it. The buyer is passed "
        "in.",
        "looked-too-early": "Somebody bought the lamp between your look and the position in your "
        "condition. That sale comes before the position, so the store did not count it.",
        "no-condition": "Somebody bought the lamp right before your save, and nothing stopped you. "
        "Give the condition to `save`.",
        "too-wide": "Somebody bought a mug, and that stopped the sale of the lamp. Ask about lamps "
        "only.",
        "does-not-look": "The lamp was sold yesterday, and you sold it again. A condition guards "
        "what comes after the look; the look itself is yours.",
        "sells-nothing": "The lamp was there, nobody else came, and no order was written.",
    },
    cases=tuple(RIVALS),
    varies={
        "several buyers": variety.several(lambda tried: tried[0], 3),
        "several articles": variety.several(lambda tried: tried[1], 3),
        "rivals before every step": variety.several(lambda tried: tried[2], 5),
    },
)
def _the_clerk(answer: Any, trial: Trial) -> None:
    trial.function(answer, "clerk(store, buyer)")
    for name, tries in RIVALS.items():
        for buyer, sku, step in tries:
            if trial.case(name, (buyer, sku, step)):
                _one_sale(answer, trial, name, (buyer, sku, step))


def _one_sale(answer: Any, trial: Trial, name: str, tried: tuple[str, str, int]) -> None:
    buyer, sku, step = tried
    store = EventStore(clock=LessonClock())
    handle(store, PlaceOrder("order-eve", "eve", [item("NOTEBOOK-A5")]))

    def rival(real: EventStore) -> None:
        handle(real, PlaceOrder("order-ada", "ada", [item(sku)]))

    if name == "sold yesterday":
        rival(store)
    moved = {step: rival} if step > 0 else {}
    busy = BusyStore(store, [rival] if step < 0 else [], before=moved)
    came = attempt(partial(answer, busy, buyer))
    when = f"{buyer} asks for the lamp"
    if sku and name != "sold yesterday":
        at = "right before the save" if step < 0 else f"right before step {step}"
        steps = f" ({', '.join(busy.calls)})" if step > 0 else ""
        when += f"; ada buys {sku} {at}{steps}"
    if came.error and not isinstance(came.error, ConcurrencyError | RejectedError):
        trial.fail_for(came.error, when=when)
    facts: dict[str, Any] = {
        "given": "one desk lamp" + (", sold to ada" if name == "sold yesterday" else ""),
        "got": came.lines(),
        "in_the_log": [*store.read_all()],
        "when": when,
    }
    buyers = [e.data["customer"] for e in store.read_all() if LAMPS.matches(e)]
    trial.require(set(buyers) <= {"ada", buyer}, "wrong-buyer", **facts)
    if "ada" in buyers:
        key = (
            "does-not-look"
            if name == "sold yesterday" or busy.moved == [1]
            else ("no-condition" if step < 0 else "looked-too-early")
        )
        trial.require(buyer not in buyers, key, **facts)
    else:
        trial.require(buyers == [buyer], "too-wide" if sku else "sells-nothing", **facts)


# --- 07-4 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "07-4",
    form="Fill in",
    title="One lamp for each customer",
    section="How does a command carry such a rule?",
    stub="""
def bought_before(customer):
    return AppendCondition(["OrderPlaced"], where=...)
""",
    todo="Put the values that `where` needs in place of `...`.",
    hints=(
        "What is in the data of an OrderPlaced, and which two parts does the rule speak of?",
        "All values of `where` must match at once. The lamp is there already in the chapter; who "
        "is missing?",
        'where={"items[*].sku": "LAMP-DESK", "customer": ...}',
    ),
    right="The question names both, so Ada's lamp and Ben's mug do not stand in Ben's way.",
    mistakes={
        "stops-everybody": "The lamp of somebody else stops this customer. Whose lamp is it about?",
        "any-article": "Another article of this customer stops the lamp.",
        "always-the-same": "Your condition asks for the same customer whoever is buying.",
        "other-events": "Your condition also matches events that are not orders.",
        "matches-nothing": "This customer has bought a lamp, and your condition does not see it.",
        "no-condition": "The function returns an `AppendCondition`.",
    },
    cases=("logs with a lamp", "logs without one"),
    varies={
        "every type": variety.types(*variety.ORDER_TYPES[:5]),
        "several customers": variety.customers(3),
        "orders with several lines": lambda seen: any(
            len(e.data.get("items", [])) > 1 for e in variety.events_in(seen)
        ),
        "several orders": variety.streams,
    },
)
def _one_each(answer: Any, trial: Trial) -> None:
    trial.function(answer, "bought_before(customer)")
    condition = trial.call(answer, "ben")
    trial.require(condition is not None, "no-return-here", got="None")
    trial.require(isinstance(condition, AppendCondition), "no-condition", got=repr(condition))
    if "customer" in (condition.where or {}) and trial.call(answer, "ada") == condition:
        trial.fail(
            "always-the-same",
            when=["bought_before('ben')", "bought_before('ada')"],
            got=f"both times where={condition.where}",
        )
    logs = [shop_log(trial.rng, orders, 3) for orders in (1, 1, 2, 2, 3, 4, 6) * 5]
    cases = {
        "logs with a lamp": [log for log in logs if _lamps_in(log)],
        "logs without one": [log for log in logs if not _lamps_in(log)],
    }

    def ask(function: Any, events: list[Event]) -> Any:
        return [
            (name, e.aggregate_id)
            for name in ("ada", "ben", "cleo", "dan")
            for e in events
            if function(name).matches(e)
        ]

    def lamps(*types: str, **where: Any) -> Any:
        def asked(customer: str) -> AppendCondition:
            found = {k: customer if v is None else v for k, v in where.items()}
            return AppendCondition(types or ("OrderPlaced",), found)

        return asked

    trial.compare(
        answer,
        _BoughtByHand,
        cases,
        call=ask,
        legal=is_shop_log,
        tidy=numbered,
        models={
            "stops-everybody": lamps(**{"items[*].sku": "LAMP-DESK"}),
            "any-article": lamps(customer=None),
            "other-events": lambda customer: AppendCondition(),
            "other-events 2": lamps(
                "OrderPlaced", "OrderShipped", "PaymentReceived", customer=None
            ),
            "matches-nothing": lamps(**{"sku": "LAMP-DESK", "customer": None}),
        },
    )


def _lamps_in(log: list[Event]) -> bool:
    placed = [event for event in log if event.type == "OrderPlaced"]
    return any(line["sku"] == "LAMP-DESK" for event in placed for line in event.data["items"])


class _BoughtByHand:
    """The same question as a walk through the data, without a condition."""

    def __init__(self, customer: str) -> None:
        self.customer = customer

    def matches(self, event: Event) -> bool:
        mine = event.type == "OrderPlaced" and event.data["customer"] == self.customer
        return mine and any(line["sku"] == "LAMP-DESK" for line in event.data["items"])


# --- 07-5 ---------------------------------------------------------------------------------------

REQUESTS: dict[str, Callable[[], Any]] = {
    "pay -5": lambda: PayOrder("order-7", -5),
    "ship three of two mugs": lambda: ShipOrder("order-7", {"MUG-BLUE": 3}),
    "cancel, without a reason": lambda: CancelOrder("order-7", ""),
    "refund 10.00 that nobody paid": lambda: RefundOrder("order-7", 1000, "goodwill"),
    "place an order without items": lambda: PlaceOrder("order-8", "ada", []),
    "pay an order that is cancelled": lambda: PayOrder("order-9", 1900),
}


@chapter.exercise(
    "07-5",
    form="Predict",
    title="Who says no?",
    section="Who says no: the edge or the rule?",
    stub="""
says_no = {
    "pay -5": ...,
    "ship three of two mugs": ...,
    "cancel, without a reason": ...,
    "refund 10.00 that nobody paid": ...,
    "place an order without items": ...,
    "pay an order that is cancelled": ...,
}  # "edge" or "rule"
""",
    hints=(
        "Imagine that you see the request on a sheet of paper, and know nothing of the shop.",
        "If it is nonsense in any shop, the edge says no. If you would have to ask what happened "
        "before, it is a rule.",
        '"pay -5": "edge",',
    ),
    right="The edge needs the request alone. The rule needs the events, and so it has to be asked "
    "again at each retry.",
    mistakes={
        "needs-the-past": "From the request alone nobody can tell that this is wrong. It may be "
        "fine for another order, or would have been fine yesterday.",
        "nonsense-anywhere": "No event of any order could make this request right. It is refused "
        "before anybody looks into the store.",
        "other-words": 'Keep the six requests, and give each "edge" or "rule".',
    },
)
def _who_says_no(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the six requests")
    fits = answer.keys() == REQUESTS.keys() and set(map(str, answer.values())) <= {"edge", "rule"}
    trial.require(fits, "other-words", got=[f"{k}: {v!r}" for k, v in answer.items()])
    store = EventStore(clock=LessonClock())
    for order in ("order-7", "order-9"):
        handle(store, PlaceOrder(order, "ada", [item("MUG-BLUE", 2)]))
    handle(store, CancelOrder("order-9", "found it elsewhere"))
    for name, request in REQUESTS.items():
        came = attempt(lambda request=request: handle(store, request()))  # type: ignore[misc]
        truth = "edge" if isinstance(came.error, InvalidCommandError) else "rule"
        trial.require(
            answer[name] == truth,
            "nonsense-anywhere" if truth == "edge" else "needs-the-past",
            when=name,
            got=f"you said {answer[name]}",
            the_shop=came.lines(),
        )
