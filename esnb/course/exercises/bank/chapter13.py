"""Exercises to chapter 13: a copy of a read model, a bucket for each name, when it gets big."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import same, whole

chapter = Chapter("13_scale")

# --- 13-1 ---------------------------------------------------------------------------------------

END, COPY = 1_288, 1_000


@chapter.exercise(
    "13-1",
    form="Predict",
    title="What a copy saves",
    section="Can a read model have a snapshot, too?",
    stub="""
same_version = ...  # how many events must the second server process?
new_version = ...   # and when the declaration has a new version?
""",
    hints=(
        "The log ends at 1,288, and the copy knows where it stands.",
        "A copy holds the rows of one declaration. When the declaration changes, what are those "
        "rows "
        "worth?",
        "same_version = 1_288 - ...",
    ),
    right="288 events, or all 1,288. A copy is worth nothing exactly when one must rebuild.",
    mistakes={
        "from-the-start": "The second server need not see the first 1,000: their effect is in the "
        "rows of the copy.",
        "what-is-done": "That is what the copy has behind it. What is still to come?",
        "nothing-to-do": "The copy stands at 1,000, and the log goes on to 1,288.",
        "rows-of-the-old": "The rows of the copy were made by the old declaration. The new one has "
        "a column that no row of the copy has.",
    },
)
def _a_copy(answer: Any, trial: Trial) -> None:
    said = trial.parts(answer, 2, "two numbers: (same_version, new_version)")
    one, new = map(whole, said)
    if one is None or new is None:
        trial.fail("wrong-kind", got=repr(said), wanted="two whole numbers")
    rows: dict[str, Any] = {"given": f"the log ends at {END}, the copy stands at {COPY}"}
    if one != END - COPY:
        keys = {END: "from-the-start", COPY: "what-is-done", 0: "nothing-to-do"}
        trial.fail(keys.get(one, "other"), got=f"same_version: {one}", **rows)
    if new != END:
        old = new == END - COPY
        trial.fail("rows-of-the-old" if old else "other", got=f"new_version: {new}", **rows)


# --- 13-2 ---------------------------------------------------------------------------------------


class OtherText(str):
    """A text as another process would have it: equal, and with another `hash`."""

    def __hash__(self) -> int:
        return super().__hash__() ^ 0x5EED


@chapter.exercise(
    "13-2",
    form="Bug hunt",
    title="Two workers that do not agree",
    section="How can two workers share a log?",
    stub="""
def bucket(name):
    return hash(name) % 2
""",
    todo="The function still uses Python's own `hash`. Change it, run the cell, and check again.",
    hints=(
        "Python salts `hash` of texts anew in each process. Which function has no salt?",
        "Any fixed function of the *bytes* of the name will do. `name.encode()` has them, and "
        "`hashlib.md5` spreads them well.",
        "int.from_bytes(hashlib.md5(name.encode()).digest(), 'little') % ...",
    ),
    right="Each process gives a name the same bucket, today and next year, so no order is lost "
    "between two workers.",
    mistakes={
        "another-tomorrow": "The same name has another bucket in the next process. Two workers "
        "then "
        "both leave an order to the other.",
        "one-worker": "All names, or nearly all, go into one bucket. Then the other worker has "
        "nothing to do.",
        "no-such-bucket": "There are two buckets, 0 and 1.",
    },
    cases=("every process agrees", "both workers have work"),
    varies={
        "names": variety.several(lambda name: name, 100),
        "lengths": variety.lengths(3),
    },
)
def _agree(answer: Any, trial: Trial) -> None:
    trial.function(answer, "bucket(name)")
    names = [f"order-{trial.rng.randint(1000, 9999)}" for _ in range(120)]
    names += [f"account-{name}" for name in ("ada", "ben", "cleo")] + ["order-7"]
    said = [trial.call(answer, str(name), given=[name]) for name in names]
    for name, number in zip(names, said, strict=True):
        trial.require(number is not None, "no-return-here", given=repr(name), got="None")
        trial.require(whole(number) in (0, 1), "no-such-bucket", given=repr(name), got=repr(number))
    if trial.case("every process agrees", *names):
        for name, number in zip(names, said, strict=True):
            again = trial.call(answer, OtherText(name), given=[name])
            trial.require(
                same(again, number),
                "another-tomorrow",
                given=repr(name),
                in_one_process=repr(number),
                in_another=repr(again),
            )
    if trial.case("both workers have work", *names):
        share = sum(map(int, said)) / len(said)
        trial.require(
            0.2 < share < 0.8,
            "one-worker",
            given=f"{len(said)} names",
            got=f"{sum(map(int, said))} of them in bucket 1",
        )


# --- 13-3 ---------------------------------------------------------------------------------------

SHOPS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "the shop of the chapter": ((1e9, 1_000, 4.0),),
    "other shops": ((1e9, 40_000, 4.3), (2.5e8, 120, 7.5), (1e10, 3_000_000, 12.25)),
}


def _years(events: float, orders: float, each: float) -> float:
    days = 0.0 if not orders * each else events / (orders * each)
    return days / 365


MODELS: dict[str, Callable[[float, float, float], float]] = {
    "days-not-years": lambda events, orders, each: events / (orders * each),
    "forgets-the-events": lambda events, orders, each: events / orders / 365,
    "forgets-the-orders": lambda events, orders, each: events / each / 365,
    "upside-down": lambda events, orders, each: orders * each * 365 / events,
    "orders-not-events": lambda events, orders, each: events * each / orders / 365,
}


@chapter.exercise(
    "13-3",
    form="Fill in",
    title="When does it get big?",
    section="When should you leave it alone?",
    stub="""
def years(events, orders_a_day, events_an_order):
    return ...
""",
    hints=(
        "Events a day, then days, then years.",
        "A day brings `orders_a_day * events_an_order` events. How many days fill the log?",
        "days = events / (orders_a_day * ...)",
    ),
    right="A shop with 1,000 orders a day needs some 685 years for a billion events. Count before "
    "you shard.",
    mistakes={
        "days-not-years": "These are days. How many days has a year?",
        "forgets-the-events": "An order is more than one event.",
        "forgets-the-orders": "More than one order comes each day.",
        "upside-down": "The larger the shop, the *sooner* it is there. Divide the other way round.",
        "orders-not-events": "More events in each order fill the log sooner, not later.",
    },
    cases=tuple(SHOPS),
    varies={
        "events": variety.several(lambda tried: tried[0], 3),
        "orders": variety.several(lambda tried: tried[1], 4),
        "events an order": variety.several(lambda tried: tried[2], 4),
    },
)
def _how_big(answer: Any, trial: Trial) -> None:
    trial.function(answer, "years(events, orders_a_day, events_an_order)")
    for name, tries in SHOPS.items():
        for tried in tries:
            if trial.case(name, tried):
                _one_shop(answer, trial, tried)


def _one_shop(answer: Any, trial: Trial, tried: tuple[float, float, float]) -> None:
    events, orders, each = tried
    said = trial.call(
        answer,
        *tried,
        given=f"{events:,.0f} events, {orders:,.0f} orders a day, {each} events an order",
    )
    trial.require(said is not None, "no-return-here", got="None")
    try:
        number = float(said)
    except (TypeError, ValueError):
        trial.fail("wrong-kind", got=repr(said), wanted="a number of years")
    rows: dict[str, Any] = {
        "given": f"{events:,.0f} events, {orders:,.0f} orders a day, {each} events an order",
        "got": f"{number:,.4g} years",
        "wanted": f"about {_years(*tried):,.4g} years",
    }
    if _near(number, _years(*tried)):
        return
    key = next((key for key, model in MODELS.items() if _near(number, model(*tried))), "other")
    trial.fail(key, **rows)


def _near(number: float, truth: float) -> bool:
    """With or without leap years, and rounded to whole years."""
    return abs(number - truth) <= max(0.001 * abs(truth), 0.5 if truth > 100 else 0.0)
