"""Exercises to chapter 11: steps between versions, a split, what a log can tell, a reversal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from esnb import EventStore, LessonClock, Upcasters
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import placed_in
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import fresh, settled, whole
from esnb.course.exercises.engine.verdicts import attempt, first_line
from esnb.events import Event, new_event

chapter = Chapter("11_changing_events")

Data = dict[str, Any]


# --- 11-2 ---------------------------------------------------------------------------------------


def _stored(trial: Trial, version: int) -> tuple[Data, int]:
    """An OrderPlaced as it was stored in those days; most have a field that nobody planned."""
    cents = trial.rng.choice([29, 57, 1001, 1999, 2690, 114, trial.rng.randint(1, 9999)])
    data: Data = {"customer": trial.rng.choice(["ada", "ben"])}
    data |= {"total": cents / 100} if version == 1 else {"amount": cents}
    if version == 3:
        data["currency"] = trial.rng.choice(["SEK", "EUR", "GBP"])
    if trial.rng.random() < 0.7:
        data[trial.rng.choice(["city", "note"])] = "London"
    return data, version


def _today(data: Data, version: int) -> Data:
    """By a table of what each version lacks, and without a chain; cents from the digits."""
    new = {k: v for k, v in data.items() if k != "total"}
    if version == 1:
        new["amount"] = int(f"{data['total']:.2f}".replace(".", ""))
    new.setdefault("currency", "EUR")
    return new


def _steps(cents: Callable[[float], float]) -> Callable[[Data, int], Data]:
    """The two steps, one after the other, with another way to make cents of euros."""

    def upcast(data: Data, version: int) -> Data:
        data = _cents(data, cents) if version < 2 else data
        return {**data, "currency": "EUR"} if version < 3 else data

    return upcast


def _cents(data: Data, cents: Callable[[float], float] = round) -> Data:
    rest = {k: v for k, v in data.items() if k != "total"}
    return rest | {"amount": cents(data["total"] * 100)}


def _named(data: Data, version: int) -> Data:
    new = _today(data, version)
    return {name: new[name] for name in ("customer", "amount", "currency")}


def _keeps(data: Data, version: int) -> Data:
    return {**data, **_today(data, version)}


def _one_only(data: Data, version: int) -> Data:
    return _cents(data) if version == 1 else _today(data, version)


def _twice(data: Data, version: int) -> Data:
    new = _today(data, version)
    return new | {"amount": data["amount"] * 100} if version == 2 else new


@chapter.exercise(
    "11-2",
    form="Fill in",
    title="Two steps to today",
    section="What if it changes again?",
    stub='''
def upcast(data, version):
    """The data of an OrderPlaced as version 3 has it: `amount` in whole cents, and a currency."""
    if version == 1:
        data = ...
    return data
''',
    hints=(
        "An event of version 1 needs two steps. Which one does an event of version 2 need?",
        "One step leads from 1 to 2: `total` in euros becomes `amount` in cents. The next leads "
        'from 2 to 3: `currency` is "EUR". Whatever else is in the data stays.',
        "if version < 2:\n        data = in_cents(data)",
    ),
    right="Each step knows its neighbour only, and the newest version passes untouched. Nothing "
    "was lost that you did not mean to lose.",
    mistakes={
        "one-step-only": "An event of version 1 went one step and stopped. Where does the second "
        "step begin?",
        "upcasts-twice": "An event of version 2 is in cents already. It was turned into cents "
        "again.",
        "changes-the-newest": "An event of version 3 says its currency itself. No step leads away "
        "from version 3.",
        "loses-a-field": "A field is gone that was in the stored event. A step that lists the "
        "fields it knows loses the others.",
        "keeps-the-old-one": "The old `total` is still there, beside `amount`. Two fields for one "
        "fact will disagree some day.",
        "cuts-cents": "A cent is missing. `int` cuts off what is behind the point, and no float is "
        "exactly 0.29.",
        "still-a-float": "The amount is a number with a point. A whole number of cents is asked "
        "for.",
    },
    cases=("an event of version 1", "an event of version 2", "an event of version 3"),
    varies={
        "versions": variety.several(lambda case: case[0][1], 3),
        "currencies": variety.several(lambda case: case[0][0].get("currency"), 3),
        "further fields": variety.several(lambda case: len(case[0][0]), 3),
        "cents that floats do not have": variety.some(
            lambda case: (
                "total" in case[0][0]
                and int(case[0][0]["total"] * 100) != round(case[0][0]["total"] * 100)
            )
        ),
    },
)
def _two_steps(answer: Any, trial: Trial) -> None:
    trial.function(answer, "upcast(data, version)")
    cases = {
        f"an event of version {version}": [[_stored(trial, version)] for _ in range(12)]
        for version in (1, 2, 3)
    }

    def call(function: Any, case: list[Any]) -> Any:
        # A number with a point counts as another one here, though Python says that 1.0 == 1.
        def seen(new: Any) -> Any:
            floats = isinstance(new, dict) and isinstance(new.get("amount"), float)
            return {**new, "amount": f"{new['amount']} (float)"} if floats else new

        return [seen(function(data, version)) for data, version in case]

    trial.compare(
        answer,
        _today,
        cases,
        call=call,
        legal=bool,
        models={
            "still-a-float": _steps(lambda x: x),
            "cuts-cents": _steps(int),
            "one-step-only": _one_only,
            "upcasts-twice": _twice,
            "changes-the-newest": lambda d, v: {**_today(d, v), "currency": "EUR"},
            "loses-a-field": _named,
            "keeps-the-old-one": _keeps,
        },
    )


# --- 11-3 ---------------------------------------------------------------------------------------


def _parts(data: Data) -> list[tuple[str, Data]]:
    parts = [("PaymentReceived", {"amount": data["amount"], "method": data["method"]})]
    if data["carrier"] is not None:
        parts.append(("OrderShipped", {"carrier": data["carrier"], "items": data["items"]}))
    return parts


def _all_in_both(data: Data) -> list[tuple[str, Data]]:
    return [(kind, data) for kind, _ in _parts(data)]


def _always_two(data: Data) -> list[tuple[str, Data]]:
    full = _parts({**data, "carrier": data["carrier"] or ""})
    return [full[0], (full[1][0], {"carrier": data["carrier"], "items": data["items"]})]


def _thin(data: Data) -> list[tuple[str, Data]]:
    keep = ("amount", "carrier")
    return [(kind, {k: v for k, v in part.items() if k in keep}) for kind, part in _parts(data)]


COMPLETED = ("shipped", "not shipped yet")


@chapter.exercise(
    "11-3",
    form="Fill in",
    title="Paid and shipped are two facts",
    section="What if one event was really two, or none?",
    stub='''
def split(data):
    """What an OrderCompleted is read as: a list of (type, data)."""
    return [("PaymentReceived", ...), ("OrderShipped", ...)]
''',
    hints=(
        "What happened first? And did both always happen?",
        "A carrier of None says that nothing has left the house. Then there is one fact, and the "
        "list has one part.",
        'parts = [("PaymentReceived", {"amount": data["amount"], "method": data["method"]})]',
    ),
    right="Two facts in the order in which they happened, each with what belongs to it, and no "
    "shipment that nobody sent.",
    mistakes={
        "loses-the-shipment": "A carrier took this parcel, and no part says that it was shipped.",
        "invents-a-shipment": "No carrier took this parcel, and your list says that it was "
        "shipped. A step may compute what is known, and not invent.",
        "loses-the-payment": "The payment was received, although nothing has been shipped yet.",
        "wrong-way-round": "The parts are read in the order of your list. Nobody ships here before "
        "the payment.",
        "all-in-both": "Both parts carry all of the data. Then a payment has a carrier, and a "
        "shipment an amount.",
        "loses-a-field": "A field of the stored event is missing from every part. Each of the "
        "four belongs "
        "into one.",
        "not-parts": "A split is a list of pairs, each with the name of a type and a dict of data.",
    },
    cases=COMPLETED,
    varies={
        "carriers": variety.several(lambda case: case[0]["carrier"], 3),
        "methods": variety.several(lambda case: case[0]["method"], 2),
        "several items": variety.some(lambda case: len(case[0]["items"]) > 1),
    },
)
def _two_facts(answer: Any, trial: Trial) -> None:
    trial.function(answer, "split(data)")
    cases: dict[str, list[list[Data]]] = {name: [] for name in COMPLETED}
    for name in (*COMPLETED, *COMPLETED, *COMPLETED):
        skus = trial.rng.sample(["MUG-BLUE", "LAMP-DESK", "NOTEBOOK-A5"], trial.rng.randint(1, 3))
        cases[name].append(
            [
                {
                    "amount": trial.rng.randint(100, 9999),
                    "method": trial.rng.choice(["card", "wallet", "transfer"]),
                    "items": [{"sku": sku, "quantity": trial.rng.randint(1, 4)} for sku in skus],
                    "carrier": trial.rng.choice(["post", "bike"]) if name == "shipped" else None,
                }
            ]
        )

    def call(function: Any, case: list[Any]) -> Any:
        parts = settled(function(case[0]))
        if not isinstance(parts, list | tuple):
            return parts
        return [part[:2] if isinstance(part, tuple | list) else part for part in parts]

    for name in COMPLETED:
        if trial.only and trial.only != name:
            continue
        [data] = cases[name][0]
        parts = settled(trial.call(answer, fresh(data), given=[data]))
        trial.require(parts is not None, "no-return-here", given=[data], got="None")
        fits = isinstance(parts, list | tuple) and all(
            isinstance(part, tuple | list)
            and 2 <= len(part) <= 3
            and isinstance(part[0], str)
            and isinstance(part[1], dict)
            for part in parts
        )
        trial.require(fits, "not-parts", given=[data], got=repr(parts))
    trial.compare(
        answer,
        _parts,
        cases,
        call=call,
        legal=bool,
        models={
            "invents-a-shipment": _always_two,
            "loses-the-payment": lambda d: _parts(d) if d["carrier"] else [],
            "wrong-way-round": lambda d: _parts(d)[::-1],
            "all-in-both": _all_in_both,
            "loses-a-field": _thin,
            "loses-the-shipment": lambda d: _parts(d)[:1],
        },
    )


# --- 11-5 ---------------------------------------------------------------------------------------


def _left_by(trial: Trial, version: int) -> tuple[Data, int]:
    """The state in a snapshot, as the code of that time had it."""
    amount = trial.rng.choice([29, 57, 1999, 2690, trial.rng.randint(1, 9999)])
    paid = trial.rng.choice([0, amount, amount, 113])
    state: Data = {"city": trial.rng.choice(["London", "Paris", None])}
    if version == 1:
        return {
            "customer": trial.rng.choice(["ada", "ben"]),
            "amount": amount / 100,
            "paid": paid / 100,
            **state,
        }, 1
    return {"amount": amount, "paid": paid, **state}, 2


def _state_now(state: Data, version: int) -> Data | None:
    """From the digits of the numbers."""
    if "customer" not in state:
        return None
    money = {k: int(f"{state[k]:.2f}".replace(".", "")) for k in ("amount", "paid")}
    return {**state, **money}


def _first_only(amount: Callable[[float], float]) -> Callable[[Data, int], Data | None]:
    """Version 1 with another way to make cents of euros."""

    def upcast(state: Data, version: int) -> Data | None:
        if version != 1:
            return None
        return {**state, **{k: amount(state[k] * 100) for k in ("amount", "paid")}}

    return upcast


def _without_points(new: Any) -> Any:
    """An amount that is not a whole number counts as wrong, however close it is."""
    if not isinstance(new, dict):
        return new
    odd = {
        key: f"{new[key]!r} (not whole)"
        for key in ("amount", "paid")
        if key in new and whole(new[key]) is None
    }
    return {**new, **odd}


def _times_100(state: Data, version: int) -> Data | None:
    return _first_only(round)({"customer": None, **state}, 1)


def _no_city(state: Data, version: int) -> Data | None:
    new = _state_now(state, version)
    return new and {k: v for k, v in new.items() if k != "city"}


@chapter.exercise(
    "11-5",
    form="Fill in",
    title="What the old snapshot never held",
    section="Is an old snapshot upcast, too?",
    stub='''
def upcast_state(state, state_version):
    """The state as version 3 has it, or None: then the events are replayed."""
    if state_version == 1:
        return ...
    return state
''',
    hints=(
        "Which of the two old states has everything that today's state needs?",
        "Euros can be turned into cents. A customer who was never in the state cannot be made of "
        "anything, but the events know. Who reads them, and what makes it happen?",
        'if state_version == 1:\n        return {**state, "amount": ..., "paid": ...}',
    ),
    right="What can be computed is computed, and the rest comes from the events. A snapshot is "
    "never the only copy, so None costs time and nothing else.",
    mistakes={
        "no-whole-cents": "Not every amount is a whole number of cents. A float of euros times 100 "
        "may be a hair beside it, so round it.",
        "no-state": "A state is a dict, and no state is None. Something else came back.",
        "invents-the-customer": "The state of version 2 has no customer, and yours has one, or "
        "None in its place. The events know it: let them be replayed.",
        "uses-it-as-it-is": "This state came from older code, and you use it as it is. Whoever "
        "loads this order gets a wrong one, and no error.",
        "always-replays": "This state has all that is needed, and you have it thrown away. That is "
        "right, and slow: every event is replayed.",
        "cents-again": "The state of version 2 is in cents already, and you turned it into "
        "cents again.",
        "cuts-cents": "A cent is missing. A snapshot that is wrong by a cent is worse than none.",
        "loses-a-field": "A field of the state is gone that has nothing to do with the change.",
    },
    cases=("a state of version 1", "a state of version 2"),
    varies={
        "versions": variety.several(lambda case: case[0][1], 2),
        "paid and not": variety.some(lambda case: case[0][0]["paid"] == 0),
        "cities": variety.several(lambda case: case[0][0]["city"], 3),
        "customers": variety.several(lambda case: case[0][0].get("customer"), 3),
    },
)
def _old_snapshot(answer: Any, trial: Trial) -> None:
    trial.function(answer, "upcast_state(state, state_version)")
    cases = {
        f"a state of version {version}": [[_left_by(trial, version)] for _ in range(12)]
        for version in (1, 2)
    }
    for name, group in cases.items():
        if trial.only and trial.only != name:
            continue
        state, version = group[0][0]
        new = trial.call(answer, {**state}, version, given=[(state, version)])
        facts: dict[str, Any] = {"given": [(state, version)], "got": new}
        trial.require(new is None or isinstance(new, dict), "no-state", **facts)
        trial.require(new != state, "uses-it-as-it-is", **facts)
        if version == 2 and isinstance(new, dict) and "customer" in new:
            trial.require(new.get("amount") != state["amount"], "invents-the-customer", **facts)

    def call(function: Any, case: list[Any]) -> Any:
        # A state is read anew for each load, so it may be changed in place.
        return [_without_points(function({**state}, version)) for state, version in case]

    trial.compare(
        answer,
        _state_now,
        cases,
        call=call,
        legal=bool,
        models={
            "always-replays": lambda s, v: None,
            "cents-again": _times_100,
            "cuts-cents": _first_only(int),
            "no-whole-cents": _first_only(lambda euros: euros),
            "loses-a-field": _no_city,
        },
    )


# --- 11-7 ---------------------------------------------------------------------------------------

Saved = tuple[str, Data]  # why, and the address afterwards
_HOME = ("CustomerRegistered", {"street": "Mill Lane 1", "postcode": "E1"})
_NEW = {"street": "Park Road 9", "postcode": "E7"}
_FIXED = {"street": "Mill Lane 11", "postcode": "E1"}

#: For each question two histories with different answers, and a word for them. A log that is the
#: same for both cannot answer it.
QUESTIONS: dict[str, tuple[list[Saved], list[Saved], str]] = {
    "what is her postcode today?": (
        [_HOME],
        [_HOME, ("CustomerMoved", _NEW)],
        "E1, and E7",
    ),
    "what was her street before that?": (
        [_HOME, ("CustomerMoved", _NEW)],
        [("CustomerRegistered", _FIXED), ("CustomerMoved", _NEW)],
        "number 1, and number 11",
    ),
    "how many customers moved?": (
        [_HOME, ("CustomerMoved", _NEW)],
        [_HOME, ("TypoCorrected", _NEW)],
        "one, and none",
    ),
    "how many typos were corrected?": (
        [_HOME, ("CustomerMoved", _FIXED)],
        [_HOME, ("TypoCorrected", _FIXED)],
        "none, and one",
    ),
    "who opened the form and saved nothing?": (
        [_HOME],
        [_HOME, ("", {})],
        "nobody, and she",
    ),
}


def _by_field(history: list[Saved]) -> list[Event]:
    events: list[Event] = []
    old: Data = {}
    for why, new in history:
        for field, value in new.items():
            if old.get(field) != value:
                events.append(new_event("FieldUpdated", field=field, value=value))
        old = new if why else old
    return events


def _by_business(history: list[Saved]) -> list[Event]:
    return [new_event(why, new) for why, new in history if why]


@chapter.exercise(
    "11-7",
    form="Predict",
    title="Which log can tell?",
    section="Is a changed field an event?",
    stub="""
can_tell = {
    "what is her postcode today?": ...,
    "what was her street before that?": ...,
    "how many customers moved?": ...,
    "how many typos were corrected?": ...,
    "who opened the form and saved nothing?": ...,
}  # "fields", "business", "both" or "neither"
""",
    hints=(
        "Think of two different stories. Do they leave different events in the log?",
        "If two stories with different answers leave the same log, this log cannot tell. Moving "
        "house and correcting a typo may write the same fields.",
        '"what is her postcode today?": "both",',
    ),
    right="Both logs know every state. Only one knows why, and none knows what nobody recorded.",
    mistakes={
        "fields-say-why": "Two different stories leave the same field events. So that log cannot "
        "tell them apart.",
        "states-are-in-both": "This asks for a state, and both logs can be replayed to it.",
        "reads-minds": "Nothing was saved, so no event was written, in either shop.",
        "business-is-blind": "One of the logs writes down why. Look at the two stories as business "
        "events.",
        "other-words": 'Keep the five lines, and give each "fields", "business", "both" or '
        '"neither".',
    },
)
def _can_tell(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the five questions")
    words = {"fields", "business", "both", "neither"}
    fits = answer.keys() == QUESTIONS.keys() and {*map(str, answer.values())} <= words
    trial.require(fits, "other-words", got=[f"{k}: {v!r}" for k, v in answer.items()])
    for question, (one, other, words_for) in QUESTIONS.items():
        tells = [
            name
            for name, log in (("fields", _by_field), ("business", _by_business))
            if log(one) != log(other)
        ]
        truth = {0: "neither", 2: "both"}.get(len(tells), tells[0] if tells else "")
        said = answer[question]
        if said == truth:
            continue
        if truth == "neither":
            key = "reads-minds"
        elif truth == "both":
            key = "states-are-in-both"
        else:
            key = "fields-say-why" if said in ("both", "fields") else "business-is-blind"
        log = _by_field if key in ("fields-say-why", "reads-minds") else _by_business
        trial.fail(
            key,
            when=question,
            got=f"you said {said}",
            two_stories=f"their answers: {words_for}",
            events_of_one=log(one),
            of_the_other=log(other),
        )


# --- 11-8 ---------------------------------------------------------------------------------------


def _income(events: Sequence[Event], start: int = 0) -> int:
    """What a read model adds up that has seen `start` events already."""
    kinds = ("PaymentReceived", "PaymentReversed")
    return sum(e.data.get("amount", 0) for e in events[start:] if e.type in kinds)


def _mistyped(trial: Trial) -> Iterator[tuple[str, list[Event], int, int]]:
    """A name, the events, the place of the wrong one, and what should have been typed."""
    for name, payments in PAYMENTS.items():
        for place in range(1, payments + 1):
            cents = [trial.rng.randint(1000, 9999) for _ in range(payments)]
            typed = [cent * (10 if n == place else 1) for n, cent in enumerate(cents, start=1)]
            events = placed_in(
                "order-19",
                "ORDER",
                [
                    new_event("OrderPlaced", customer="eve", amount=sum(cents)),
                    *(new_event("PaymentReceived", amount=cent) for cent in typed),
                    *([new_event("OrderShipped")] if payments == 3 else []),
                ],
                trial.rng,
            )
            yield name, events, place, cents[place - 1]


PAYMENTS = {
    "one payment, and it is wrong": 1,
    "one of two payments": 2,
    "one of three, then a parcel": 3,
}


@chapter.exercise(
    "11-8",
    form="Bug hunt",
    title="The tutorial that deletes",
    section="What if the fact itself was wrong?",
    stub='''
def correct(events, wrong, amount):
    """The log afterwards; `wrong` is one of its events, and `amount` should have been typed."""
    kept = [event for event in events if event is not wrong]
    return [*kept, new_event("PaymentReceived", amount=amount)]
''',
    todo="The function still does what the tutorial says. Change it, run the cell, and check "
    "again.",
    hints=(
        "Who has seen the wrong event already, and how would they learn that it was wrong?",
        "Everything stays. Two events come after it: one takes the wrong payment back and says "
        "which it was, the other is the right payment.",
        'back = new_event("PaymentReversed", amount=-wrong.data["amount"], of=...)',
    ),
    right="Nothing was removed, each reader comes to the right sum by reading on, and the log says "
    "which payment was wrong.",
    mistakes={
        "wrong-amount": "The wrong payment is taken back, and the new one has another amount than "
        "was really paid. It is passed in as `amount`.",
        "more-than-two": "The sum is right, and more was added than a reversal and the right "
        "payment. Each event is a fact that somebody will read.",
        "rewrites-the-past": "An event that was in the log is gone, or is another one now. Who has "
        "read it will never hear of that.",
        "not-taken-back": "A read model that has counted the wrong payment reads on, and still has "
        "too much. Nothing takes the wrong amount back.",
        "only-the-difference": "The sum is right, and the log now tells of a payment that never "
        "was. Nobody paid this amount.",
        "which-one": "Something was reversed. Which payment was it? Let the event say so in `of`, "
        "with the id of the wrong one.",
        "no-right-payment": "The wrong payment is taken back, and the right one is missing.",
        "not-the-log": "Give back the whole log: the events that were there, and then yours.",
    },
    cases=tuple(PAYMENTS),
    varies={
        "every type": variety.types("OrderPlaced", "PaymentReceived", "OrderShipped"),
        "amounts": variety.amounts_off_the_hundred,
        "lengths": variety.lengths(3),
    },
)
def _tutorial(answer: Any, trial: Trial) -> None:
    trial.function(answer, "correct(events, wrong, amount)")
    for name, events, place, amount in _mistyped(trial):
        if trial.case(name, events):
            _one_correction(answer, trial, events, place, amount)


def _one_correction(
    answer: Any, trial: Trial, events: list[Event], place: int, amount: int
) -> None:
    theirs = fresh(events)
    wrong = events[place]
    log = settled(trial.call(answer, list(theirs), theirs[place], amount, given=events))
    trial.require(log is not None, "no-return-here", given=events, got="None")
    fits = isinstance(log, list | tuple) and all(isinstance(e, Event) for e in log)
    trial.require(fits, "not-the-log", given=events, got=repr(log)[:300])
    log = list(log)
    when = f"event {wrong.sequence_number} should have been {amount}"
    facts: dict[str, Any] = {"given": events, "when": when, "got": log}
    news = log[len(events) :]
    # Compared with a copy: who changes an old event in place has changed it in the log as well.
    if log[: len(events)] != events or theirs != events:
        only_new = log and not any(e.sequence_number for e in log)
        trial.fail("not-the-log" if only_new else "rewrites-the-past", **facts)
    read_on = _income(events) + _income(log, len(events))
    truth = _income([e for e in events if e is not wrong]) + amount
    sums: dict[str, Any] = {"read_model": f"has {read_on}, and {truth} was paid"}
    backs = [e for e in news if e.type == "PaymentReversed"]
    paid = [e for e in news if e.type == "PaymentReceived"]
    if not backs and read_on == truth:
        trial.fail("only-the-difference", **facts)
    trial.require(backs, "not-taken-back", **facts, **sums)
    trial.require(paid, "no-right-payment", **facts, **sums)
    if read_on != truth:
        right_back = backs[0].data.get("amount") == -wrong.data["amount"]
        trial.fail("wrong-amount" if right_back else "not-taken-back", **facts, **sums)
    trial.require(paid[0].data.get("amount") == amount, "only-the-difference", **facts)
    trial.require(len(backs) == len(paid) == 1, "more-than-two", **facts)
    named = str(wrong.event_id) in map(str, backs[0].data.values())
    trial.require(named, "which-one", **facts)


# --- 11-1 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "11-1",
    form="Predict",
    title="The cents that int cuts off",
    section="Can today's code read yesterday's event?",
    stub="""
cents = ...  # what does int(0.29 * 100) give?
wrong = ...  # how many of the 1000 prices from 0.01 to 10.00 does int(price * 100) get wrong?
""",
    hints=(
        "Look at `0.29 * 100` in a cell of its own.",
        "No float is exactly 0.29, and `int` cuts off what is behind the point. Let Python count "
        "the "
        "prices for which that matters.",
        "wrong = sum(int(cents / 100 * 100) != cents for cents in range(1, 1_001))",
    ),
    right="69 of 1000 prices lose a cent, and no error is raised. `round` is the cure.",
    mistakes={
        "it-rounds": "29 is what `round` gives. `int` cuts off what is behind the point, and "
        "0.29 * 100 is a little less than 29.",
        "nothing-is-lost": "Some prices lose a cent. Look at 0.29 again.",
        "too-many": "Most prices come out right: those whose product is exact, or a little above.",
        "too-few": "There are more of them. Count all prices, from 0.01 to 10.00.",
    },
)
def _cut_off(answer: Any, trial: Trial) -> None:
    said = trial.parts(answer, 2, "two numbers: (cents, wrong)")
    cents, wrong = map(whole, said)
    if cents is None or wrong is None:
        trial.fail("wrong-kind", got=repr(said), wanted="two whole numbers")
    truth = int(0.29 * 100)
    trial.require(cents != round(0.29 * 100), "it-rounds", got=cents, given=repr(0.29 * 100))
    trial.require(cents == truth, "other", got=cents, given=repr(0.29 * 100))
    lost = [n for n in range(1, 1_001) if int(n / 100 * 100) != n]
    rows: dict[str, Any] = {
        "got": f"you said {wrong}",
        "given": [f"{n / 100:.2f}: {int(n / 100 * 100)}" for n in lost[:3]],
    }
    trial.require(wrong, "nothing-is-lost", **rows)
    if wrong != len(lost):
        trial.fail("too-many" if wrong > len(lost) else "too-few", **rows)


# --- 11-4 ---------------------------------------------------------------------------------------

REVENUES: dict[str, tuple[tuple[float, ...], tuple[int, ...]]] = {
    "old orders and new ones": ((26.9, 0.29), (950, 1237)),
    "old orders only": ((12.35, 5.7), ()),
    "new orders only": ((), (3990, 121)),
}


def _orders_of_two_times(old: Sequence[float], new: Sequence[int]) -> EventStore:
    """Orders with a total in euros (version 1) and with an amount in cents (version 2)."""
    steps = Upcasters()
    steps.register("OrderPlaced", 1)(_cents)
    store = EventStore(clock=LessonClock(), upcasters=steps)
    datas: list[tuple[Data, int]] = [({"total": euros}, 1) for euros in old]
    datas += [({"amount": cents}, 2) for cents in new]
    for number, (data, version) in enumerate(datas):
        placed = new_event("OrderPlaced", {"customer": "ada", **data}, event_version=version)
        paid = new_event("PaymentReceived", amount=77)
        store.append(f"order-{number}", [placed, paid], expected_version=0, aggregate_type="ORDER")
    return store


@chapter.exercise(
    "11-4",
    form="Bug hunt",
    title="Too little revenue, and no error",
    section="Does every reader see the same?",
    stub='''
revenue = """
    select sum((event_data->>'$.amount')::bigint)
    from events where event_type = 'OrderPlaced'
"""
''',
    todo="The query is still the analyst's, and too little comes out. Change it, run the cell, and "
    "check again.",
    hints=(
        "Which orders have an `amount` in the table that she asks?",
        "`events` is the log as it was written. There is a second table, with the log in today's "
        "shape.",
        "from events_now where event_type = 'OrderPlaced'",
    ),
    right="`events_now` is the log as today's code reads it, so old orders have an `amount` too. "
    "In `events` a missing field is null, and `sum` passes over nulls.",
    mistakes={
        "old-orders-missing": "Old orders are missing. In the log as it was written they have a "
        "`total` and no `amount`.",
        "adds-euros": "Euros and cents were added up as if they were one unit.",
        "other-events": "This counts more than the orders that were placed.",
        "one-number": "One number is asked for: a row with one column.",
        "not-a-query": "The engine does not take this query.",
    },
    cases=tuple(REVENUES),
    varies={
        "old and new orders": variety.several(lambda tried: (bool(tried[0]), bool(tried[1])), 3),
        "cents that floats do not have": variety.some(lambda tried: 0.29 in tried[0]),
    },
)
def _too_little(answer: Any, trial: Trial) -> None:
    trial.kind(answer, str, "the text of a query")
    for name, (old, new) in REVENUES.items():
        if trial.case(name, (old, new)):
            _one_revenue(answer, trial, old, new)


def _one_revenue(answer: str, trial: Trial, old: Sequence[float], new: Sequence[int]) -> None:
    store = _orders_of_two_times(old, new)
    came = attempt(lambda: store.sql(answer).fetchall())
    if came.error:
        trial.fail("not-a-query", got=first_line(came.error))
    rows: dict[str, Any] = {"given": f"old orders: {list(old)} euros; new ones: {list(new)} cents"}
    one = len(came.value) == 1 and len(came.value[0]) == 1
    trial.require(one, "one-number", got=[str(row) for row in came.value][:5], **rows)
    cents = [round(euros * 100) for euros in old]
    said, truth = came.value[0][0], sum(cents) + sum(new)
    rows |= {"got": repr(said), "wanted": repr(truth)}
    if whole(said) == truth:
        return
    paid = 77 * (len(old) + len(new))
    trial.require(whole(said or 0) != sum(new), "old-orders-missing", **rows)
    more = said is not None and whole(said) in (truth + paid, sum(new) + paid)
    trial.require(not more, "other-events", **rows)
    euros = [sum(new) + sum(old), sum(new) + sum(map(int, old)), sum(new) + sum(map(round, old))]
    if said is not None and any(abs(float(said) - float(sum_)) < 0.01 for sum_ in euros):
        trial.fail("adds-euros", **rows)
    trial.fail("other", **rows)


# --- 11-6 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "11-6",
    form="Break it",
    title="Lost without an error",
    section="Who tries it on the whole log?",
    stub="""
def careless(data):
    return in_cents(data)  # change this line: the customer gets lost, and nothing fails
""",
    todo="The step still keeps everything. Let it lose the customer, and check again.",
    hints=(
        "A step returns a dict. What if a key is not in it?",
        "The amount has to be right, in whole cents, so that whoever looks at amounts is content. "
        "Leave the customer out of what is returned.",
        'return {"amount": in_cents(data)["amount"]}',
    ),
    right="No error, right amounts, and every customer is gone. A dry run finds what it is asked "
    "for. That is why its report names each field that no step keeps.",
    mistakes={
        "keeps-the-customer": "The customer is still there.",
        "fails": "The step raised an error: somebody would notice that at once.",
        "amount-differs": "The amount is not right, in whole cents: somebody would notice that.",
        "no-data": "A step returns the data of an event: a dict with an `amount`.",
    },
    cases=("any order",),
    varies={
        "customers": variety.several(lambda data: data["customer"], 2),
        "cents that floats do not have": variety.some(
            lambda data: int(data["total"] * 100) != round(data["total"] * 100)
        ),
    },
)
def _careless(answer: Any, trial: Trial) -> None:
    trial.function(answer, "careless(data)")
    for _ in range(12):
        data, _ = _stored(trial, 1)
        if not trial.case("any order", data):
            continue
        came = attempt(lambda data=data: answer(fresh(data)))  # type: ignore[misc]
        rows: dict[str, Any] = {"given": [data], "got": came.lines()}
        trial.require(not came.error, "fails", **rows)
        trial.require(came.value is not None, "no-return-here", **rows)
        fits = isinstance(came.value, dict) and "amount" in came.value
        trial.require(fits, "no-data", **rows)
        amount = came.value["amount"]
        right = amount == _today(data, 1)["amount"] and not isinstance(amount, float)
        trial.require(right, "amount-differs", **rows)
        trial.require(came.value.get("customer") != data["customer"], "keeps-the-customer", **rows)
