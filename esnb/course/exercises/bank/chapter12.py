"""Exercises to chapter 12: what a row change knows, a broker without a version, when not to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from esnb import new_event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import placed_in
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.shrinking import shrink
from esnb.course.exercises.engine.stubs import is_gap
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import StillStub, attempt
from esnb.events import Event

chapter = Chapter("12_neighbours")

# --- 12-1 ---------------------------------------------------------------------------------------


def _updates(changes: Sequence[Any], column: str) -> list[tuple[Any, Any]]:
    """Old and new value of each change of a column, with the row it is of."""
    rows = [(c["before"], c["after"]) for c in changes if c["op"] == "u"]
    return [(old, new) for old, new in rows if old[column] != new[column]]


def _changed_back(changes: Sequence[Any]) -> bool:
    first: dict[str, Any] = {}
    for old, new in _updates(changes, "refund_to"):
        if new["refund_to"] == first.setdefault(old["id"], old["refund_to"]):
            return True
    return False


#: What is asked; how the changes of the story answer; the mistake of saying something else.
ASKED: dict[str, tuple[Callable[[Sequence[Any]], bool], str]] = {
    "the price before it was fixed": (lambda changes: bool(_updates(changes, "price")), "old-row"),
    "an order that was deleted": (
        lambda changes: any(c["op"] == "d" and c["before"] for c in changes),
        "a-deletion-is-a-change",
    ),
    "who fixed the price": (lambda changes: "mia" in str(changes), "nobody-by-name"),
    "a value that was changed back": (_changed_back, "both-changes"),
    "why it was changed": (lambda changes: "typing mistake" in str(changes), "no-reason-in-a-row"),
    "who looked at the page": (
        lambda changes: any(c["op"] not in "crud" for c in changes),
        "reading-changes-nothing",
    ),
}


@chapter.exercise(
    "12-1",
    form="Predict",
    title="CDC or not?",
    section="Can the database itself take the notes?",
    stub="""
cdc = {
    "the price before it was fixed": ...,
    "an order that was deleted": ...,
    "who fixed the price": ...,
    "a value that was changed back": ...,
    "why it was changed": ...,
    "who looked at the page": ...,
}  # True: the row changes alone can tell
""",
    hints=(
        "Imagine two photographs of a row: before the change, and after it. What is on them?",
        "A change has the old row, the new row, the operation and a time. A person and a reason "
        "are in none of these, and somebody who only looks changes no row.",
        '"the price before it was fixed": True,',
    ),
    right="Rows tell what changed, each time, and when. Who, why, and what changed nothing are not "
    "in them.",
    mistakes={
        "old-row": "An update carries the row before it and the row after it.",
        "a-deletion-is-a-change": "A deletion is a change as well. It carries the row as it was "
        "before.",
        "nobody-by-name": "At best a row change knows the database user, and all of the shop's "
        "programs are one user. It does not know the person.",
        "both-changes": "Today's row shows nothing. But both changes were recorded, there and "
        "back.",
        "no-reason-in-a-row": "A row has a price and no reason for it. Nobody wrote the reason "
        "into a column.",
        "reading-changes-nothing": "Looking at a page changes no row, so nothing is recorded.",
        "other-words": "Keep the six lines, and give each `True` or `False`.",
    },
)
def _cdc_or_not(answer: Any, trial: Trial) -> None:
    from esnb.capture import sample

    trial.kind(answer, dict, "the dict of the six lines")
    fits = answer.keys() == ASKED.keys() and all(v in (True, False) for v in answer.values())
    trial.require(fits, "other-words", got=[f"{k}: {v!r}" for k, v in answer.items()])
    changes = sample()
    for what, (truth, mistake) in ASKED.items():
        if bool(answer[what]) != truth(changes):
            shown = _updates(changes, "refund_to" if "back" in what else "price")[:2]
            rows = [f"{_short(old)} -> {_short(new)}" for old, new in shown]
            if "deleted" in what:
                gone = next(c for c in changes if c["op"] == "d")
                rows = [f"{_short(gone['before'])} -> {gone['after']}"]
            trial.fail(
                mistake,
                when=what,
                got=f"you said {answer[what]}",
                the_rows=rows,
                the_source=", ".join(changes[0]["source"]),
            )


def _short(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in ("id", "price", "refund_to"))


# --- 12-5 ---------------------------------------------------------------------------------------


def _turns(answers: Mapping[str, Any]) -> dict[str, str]:
    """The questions of which the other answer alone gives another verdict, and that verdict."""
    from esnb.course.widgets import advise

    now, found = advise(dict(answers)), {}
    for question, said in answers.items():
        if said != "not sure":
            other = advise({**answers, question: "no" if said == "yes" else "yes"})
            if other.verdict and other.verdict != now.verdict:
                found[question] = other.title
    return found


@chapter.exercise(
    "12-5",
    form="Your data",
    title="What does your verdict hang on?",
    section="How do you decide?",
    stub="""
answers = {"before": "not sure", "why": "not sure", "team": "not sure"}
turns = ...  # one question whose other answer alone would turn the verdict; None: no single one
""",
    hints=(
        "Not the whole company: one part, such as invoices or user profiles. `print(advise(...))` "
        "shows where you stand.",
        "Answer what you know. As long as open questions can change the verdict, it is not "
        "decided. Then turn one answer after the other, and see whether the verdict turns.",
        'answers = {"before": "yes", "why": "yes", "past": "yes", "running": "no", ...}',
    ),
    right="A verdict, and you can say what it hangs on. Whoever disagrees can now disagree with "
    "that, and not with you.",
    mistakes={
        "no-such-question": "The checklist has ten questions. At least one of your keys is none "
        "of them.",
        "other-words": 'An answer is "yes", "no" or "not sure".',
        "not-decided": "Your answers still allow more than one verdict. Answer one of the open "
        "questions.",
        "not-answered": "Leaving a question open is fine. Then it cannot be the one that decided.",
        "does-not-turn": "With the other answer to that question the verdict stays the same.",
        "something-turns": "You say that no single answer would turn the verdict, and one would.",
    },
    none_counts=True,
)
def _your_verdict(answer: Any, trial: Trial) -> None:
    from esnb.course.widgets import advise
    from esnb.course.widgets.checklist import ITEMS

    answers, turns = trial.parts(answer, 2, "two things: (answers, turns)")
    trial.kind(answers, dict, "a dict of answers")
    unknown = [str(key) for key in answers if key not in ITEMS]
    trial.require(not unknown, "no-such-question", got=unknown, known=", ".join(ITEMS))
    strange = [f"{k}: {v}" for k, v in answers.items() if v not in ("yes", "no", "not sure")]
    trial.require(not strange, "other-words", got=strange)
    advice = advise(answers)
    trial.require(
        advice.verdict, "not-decided", got=advice.title, still_open=", ".join(advice.open)
    )
    found = _turns(answers)
    rows: dict[str, Any] = {
        "given": [f"{k}: {v}" for k, v in answers.items()],
        "verdict": advice.title,
    }
    if turns is None:
        trial.require(not found, "something-turns", **rows)
        return
    trial.require(turns in ITEMS, "no-such-question", got=str(turns), known=", ".join(ITEMS))
    trial.require(
        answers.get(turns, "not sure") != "not sure",
        "not-answered",
        **rows,
        got=f"{turns}: not sure",
    )
    other = advise({**answers, turns: "no" if answers[turns] == "yes" else "yes"})
    trial.require(
        turns in found,
        "does-not-turn",
        **rows,
        got=f"with the other answer to {turns}: {other.title}",
    )


# --- 12-2 ---------------------------------------------------------------------------------------


class Deed(NamedTuple):
    """What somebody did to the price of an order; `kind` is an event type, or what it was."""

    order: str
    kind: str
    price: int
    why: str = ""


LAMP = 3990
PAST_THE_SHOP = "a support tool writes the row"
AT_ONCE = "corrected and discounted in one save"
MISTYPED, SCRATCHED = "typing mistake in the catalogue", "the box is scratched"


def _deeds(rng: random.Random, orders: int) -> list[Deed]:
    deeds = []
    for n in range(orders):
        order = f"order-{1042 + n}"
        price = LAMP
        kinds = ["DiscountGranted", "PriceCorrected", "PriceCorrected", PAST_THE_SHOP, AT_ONCE]
        discounted = False
        for kind in rng.sample(kinds, rng.choice([1, 1, 2, 3])):
            if discounted and kind in ("DiscountGranted", AT_ONCE):
                continue
            discounted |= kind in ("DiscountGranted", AT_ONCE)
            factor = {"DiscountGranted": 0.9, AT_ONCE: 9.5}.get(kind, rng.choice([0.5, 0.8, 10]))
            price = round(price * factor)
            why = (
                ""
                if kind == PAST_THE_SHOP
                else (
                    MISTYPED
                    if kind == "PriceCorrected"
                    else rng.choice([SCRATCHED, "a regular guest"])
                )
            )
            deeds.append(Deed(order, kind, price, why))
    return deeds


def _recorded(deeds: Sequence[Deed]) -> tuple[list[dict[str, Any]], list[Event]]:
    """The row changes and the events of what was done."""
    rows: dict[str, dict[str, Any]] = {}
    changes: list[dict[str, Any]] = []
    events: list[Event] = []

    def event(deed: Deed, kind: str, why: str) -> None:
        meta = {"actor": "mia", "reason": why}
        said = new_event(kind, price=deed.price, metadata=meta)
        events.extend(placed_in(deed.order, "ORDER", [said], random.Random(len(events))))

    def change(before: Any, after: Any) -> None:
        source = {"connector": "duckdb", "table": "orders", "txId": len(changes) + 1}
        changes.append(
            {"op": "u" if before else "c", "before": before, "after": after, "source": source}
        )

    for deed in deeds:
        if deed.order not in rows:
            rows[deed.order] = {"id": deed.order, "price": LAMP}
            change(None, rows[deed.order])
        after = {**rows[deed.order], "price": deed.price}
        change(rows[deed.order], after)
        rows[deed.order] = after
        if deed.kind in ("PriceCorrected", AT_ONCE):
            event(deed, "PriceCorrected", MISTYPED)
        if deed.kind in ("DiscountGranted", AT_ONCE):
            event(deed, "DiscountGranted", deed.why)
    return changes, events


def _granted(deeds: Sequence[Deed]) -> dict[str, str]:
    """From what was done, and not from what was recorded of it."""
    return {d.order: d.why for d in deeds if d.kind in ("DiscountGranted", AT_ONCE)}


def _judged(deeds: Sequence[Deed], got: Mapping[Any, Any]) -> str:
    """The name of the mistake; "" for none."""
    truth = _granted(deeds)
    extra = set(got) - set(truth)
    if extra:
        changes, _ = _recorded(deeds)
        cheaper = {
            new["id"] for old, new in _updates(changes, "price") if new["price"] < old["price"]
        }
        return "cheaper-is-no-discount" if extra <= cheaper else "every-price-event"
    missing = set(truth) - set(got)
    if missing:
        hidden = {deed.order for deed in deeds if deed.kind == AT_ONCE}
        return "hidden-in-the-row" if missing <= hidden else "misses-a-discount"
    wrong = [order for order in truth if got[order] != truth[order]]
    others = {d.why for d in deeds if d.order in wrong} | {MISTYPED}
    if wrong:
        said = {str(got[order]) for order in wrong}
        return "reason-of-another-event" if said <= others else "no-reason"
    return ""


@chapter.exercise(
    "12-2",
    form="Bug hunt",
    title="Two prices went down",
    section="What does a changed row not say?",
    stub="""
def discounts(changes, events):
    found = {}
    for change in changes:
        if change["op"] == "u" and change["after"]["price"] < change["before"]["price"]:
            found[change["after"]["id"]] = "the price went down"
    return found
""",
    todo="The function is still the one that guesses from the rows. Change it, run the cell, and "
    "check again.",
    hints=(
        "A lower price may be a discount, a corrected typing mistake, or somebody with a tool. Do "
        "two photographs of a row tell you which?",
        "Ask those who were told what was meant. The event has a name for it, and carries the "
        "reason in its metadata.",
        'for event in events:\n        if event.type == "DiscountGranted":',
    ),
    right="The rows could only guess. The event was named after what was meant, and says why.",
    mistakes={
        "cheaper-is-no-discount": "This order became cheaper, and nobody granted a discount. From "
        "the two rows you cannot tell.",
        "every-price-event": "Correcting a typing mistake is not a discount, although it changes "
        "the "
        "price.",
        "misses-a-discount": "There was a discount, and you do not list it. What came after it in "
        "this order does not undo it.",
        "hidden-in-the-row": "A discount was saved together with a correction, so the row went up "
        "and not down. The rows alone hide it from you.",
        "reason-of-another-event": "The order is right, and the reason is that of another event of "
        "the same order.",
        "no-reason": "The order is right. Why did it get the discount? Somebody gave a reason.",
    },
    varies={
        "every kind of deed": lambda seen: (
            {d.kind for deeds in seen for d in deeds}
            == {"DiscountGranted", "PriceCorrected", PAST_THE_SHOP, AT_ONCE}
        ),
        "several reasons": lambda seen: len({d.why for deeds in seen for d in deeds}) > 3,
        "prices that rise and fall": lambda seen: (
            {d.price > LAMP for deeds in seen for d in deeds} == {True, False}
        ),
        "lengths": variety.lengths(4),
    },
)
def _went_down(answer: Any, trial: Trial) -> None:
    trial.function(answer, "discounts(changes, events)")

    def ask(deeds: Sequence[Deed]) -> str:
        changes, events = _recorded(deeds)
        got = trial.call(
            answer, changes, events, given=[f"{deed.order}: {deed.kind}" for deed in deeds]
        )
        trial.kind(got, Mapping, "a dict: the order, and why")
        return _judged(deeds, got)

    cases = [_deeds(trial.rng, n) for n in (1, 1, 1, 2, 2, 2, 3, 3, 4, 5) * 2]
    for case in cases:
        trial.case("", case)
    named = {key: case for case in reversed(cases) if (key := ask(case))}
    # Whoever takes all price events takes cheaper ones too: the wider mistake is the name.
    for key in ("every-price-event", "misses-a-discount", "cheaper-is-no-discount", *named):
        if key in named:
            small = shrink(named[key], lambda deeds, key=key: ask(deeds) == key)  # type: ignore[misc]
            changes, events = _recorded(small)
            said = [f"{e.aggregate_id} {e.type}, because: {e.metadata['reason']}" for e in events]
            rows = [
                f"{old['id']} {old['price']} -> {new['price']}"
                for old, new in _updates(changes, "price")
            ]
            trial.fail(
                key,
                given=[f"{d.order}: {d.kind}" for d in small],
                the_rows=rows,
                the_events=said or "none",
                got=answer(changes, events),
                wanted=_granted(small),
            )


# --- 12-3 ---------------------------------------------------------------------------------------

MOMENTS = ("before the look", "after the look", "after the send")


class _Broker:
    """A topic, as in the chapter; it notes what Ben asks and sends."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = [("lamp", "received 1")]
        self.done: list[str] = []
        self.saw: list[str] | None = None
        self.cheat = ""

    def read(self, key: str) -> list[str]:
        values = [value for name, value in self.records if name == key]
        self.saw = values if key == "lamp" else self.saw
        self.done.append(f"ben reads {key}: {', '.join(values)}")
        return [*values]

    def send(self, key: str, value: str) -> int:
        if self.saw is None:
            self.cheat = self.cheat or "did-not-look"
        elif len(self.saw) != 1:
            self.cheat = self.cheat or "knew-it-was-sold"
        self.records.append((key, value))
        self.done.append(f"ben sends {key}: {value}")
        return len(self.records) - 1


@chapter.exercise(
    "12-3",
    form="Break it",
    title="One lamp, two honest customers",
    section="Is Kafka an event store?",
    stub='''
def ben(broker, moment):
    """Called at each moment: "before the look", "after the look" and "after the send" of Ada."""
    ...
''',
    hints=(
        "When does Ada believe that the lamp is there, although it need not be any more?",
        "Between her look and her send nothing protects her. Ben looks in that gap, sees the lamp, "
        "and is honest when he sends.",
        'if moment == "after the look" and broker.read("lamp") == ["received 1"]:',
    ),
    right="Both looked, both saw the lamp, and both records are in the topic for good. An event "
    "store asks which version you saw, and refuses the second.",
    mistakes={
        "no-sale": "What Ben sent is not a sale: send a value such as `sold to ben`.",
        "nobody-came": "Ben sent nothing at any of the three moments, so Ada got the only lamp.",
        "too-early": "Ben was so early that Ada saw his sale, and kept away. One lamp, one sale.",
        "did-not-look": "Ben sold to himself without a look. That breaks any shop: he has to read "
        "the topic first.",
        "knew-it-was-sold": "When Ben looked, the lamp was sold, and he sent all the same. Be "
        "honest: he sends only if he saw one record.",
        "other-key": "Ben bought something else. The lamp is the key `lamp`.",
    },
)
def _honest(answer: Any, trial: Trial) -> None:
    trial.function(answer, "ben(broker, moment)")
    broker = _Broker()

    def moment(name: str) -> None:
        came = attempt(partial(answer, broker, name))
        if came.error:
            trial.fail_for(came.error, when=name)
        if is_gap(came.value):
            raise StillStub

    moment(MOMENTS[0])
    seen = [value for key, value in broker.records if key == "lamp"]
    broker.done.append(f"ada reads lamp: {', '.join(seen)}")
    moment(MOMENTS[1])
    if len(seen) == 1:
        broker.records.append(("lamp", "sold to ada"))
        broker.done.append("ada sends lamp: sold to ada")
    moment(MOMENTS[2])
    rows: dict[str, Any] = {"got": broker.done}
    sales = [value for key, value in broker.records[1:] if key == "lamp"]
    bens = [done for done in broker.done if done.startswith("ben sends")]
    trial.require(bens, "nobody-came", **rows)
    trial.require(len(bens) == sum("ben sends lamp:" in done for done in bens), "other-key", **rows)
    trial.require(not broker.cheat, broker.cheat or "other", **rows)
    says = [value for value in sales if value != "sold to ada"]
    trial.require(all(str(value).startswith("sold") for value in says), "no-sale", **rows)
    trial.require("sold to ada" in sales, "too-early", **rows)


# --- 12-4 ---------------------------------------------------------------------------------------


class _Crash(BaseException):
    """The consumer's machine goes off. No Exception, so that nobody handles it."""


class Bookmark:
    """What survives a crash: how many records are done."""

    def __init__(self) -> None:
        self._offset = 0
        self.moves: list[int] = []

    def offset(self) -> int:
        """The place of the next record."""
        return self._offset

    def move_to(self, offset: int) -> None:
        """Everything before this place is done."""
        self._offset = offset
        self.moves.append(offset)


#: The records, and the calls of `work` at which the machine goes off: before the work or after it.
CRASHES: dict[str, tuple[tuple[list[int], tuple[tuple[int, str], ...]], ...]] = {
    "no crash": (([100, 237, 300], ()), ([], ())),
    "a crash before the work": (([100, 200, 337, 400], ((3, "before"),)), ([55], ((1, "before"),))),
    "a crash after the work": (([120, 230, 340], ((2, "after"),)),),
    "two crashes": (([7, 11, 13, 17, 19], ((2, "before"), (5, "after"))),),
}


@chapter.exercise(
    "12-4",
    form="Bug hunt",
    title="The bookmark that came too early",
    section="Is Kafka an event store?",
    stub="""
def consume(records, bookmark, work):
    while bookmark.offset() < len(records):
        place = bookmark.offset()
        bookmark.move_to(place + 1)
        work(records[place])
""",
    todo="The function is still the one with the bug. Move a line, run the cell, and check again.",
    hints=(
        "The machine goes off in `work`. What does the bookmark say then?",
        "A bookmark says what is *done*. If it moves before the work, a crash between the two "
        "skips "
        "a record; if it moves after it, a crash repeats one.",
        "work(records[place])\n        bookmark.move_to(...)",
    ),
    right="Work first, then the bookmark: at least once. A crash repeats one record at most, and "
    "an id tells that it was there before.",
    mistakes={
        "skips-a-record": "A record was never worked on: the bookmark had passed it when the "
        "machine "
        "went off. That is *at most once*.",
        "starts-over": "After a crash, records came again that were done long before. The bookmark "
        "has to move with each record.",
        "stops-too-early": "There was no crash, and not every record was worked on.",
        "works-twice": "There was no crash, and a record was worked on more than once.",
        "another-order": "The records were not worked on in their order.",
    },
    cases=tuple(CRASHES),
    varies={
        "crashes before and after": lambda seen: (
            {side for _, crashes in seen for _, side in crashes} == {"before", "after"}
        ),
        "several crashes": variety.some(lambda tried: len(tried[1]) > 1),
        "no record at all": variety.some(lambda tried: not tried[0]),
    },
)
def _too_early(answer: Any, trial: Trial) -> None:
    trial.function(answer, "consume(records, bookmark, work)")
    for name, tries in CRASHES.items():
        for records, crashes in tries:
            if trial.case(name, (records, crashes)):
                _one_run(answer, trial, records, dict(crashes))


def _one_run(answer: Any, trial: Trial, records: list[int], crashes: dict[int, str]) -> None:
    bookmark, done, calls = Bookmark(), list[int](), 0
    story: list[str] = []

    def work(record: int) -> None:
        nonlocal calls
        calls += 1
        if crashes.get(calls) == "before":
            story.append(f"the machine goes off before {record} is done")
            raise _Crash
        done.append(record)
        story.append(f"{record} is done")
        if crashes.get(calls) == "after":
            story.append("the machine goes off")
            raise _Crash

    for _ in range(len(crashes) + 1):
        try:
            came = attempt(lambda: answer(list(records), bookmark, work))
        except _Crash:
            story.append(f"it starts again; the bookmark says {bookmark.offset()}")
            continue
        if came.error:
            trial.fail_for(came.error, given=records)
        break
    rows: dict[str, Any] = {"given": f"records {records}", "got": story or "nothing is done"}
    trial.require(
        set(done) >= set(records), "skips-a-record" if crashes else "stops-too-early", **rows
    )
    firsts = list(dict.fromkeys(done))
    trial.require(firsts == records, "another-order", **rows)
    again = len(done) - len(records)
    if again > sum(side == "after" for side in crashes.values()):
        trial.fail("starts-over" if crashes else "works-twice", **rows)
