"""Exercises to chapter 01: what a row forgets, two records of one truth, facts and their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb

from esnb import Event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import account_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.showing import value_lines
from esnb.course.exercises.engine.shrinking import shrink
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import fresh, same, settled, whole
from esnb.course.exercises.engine.verdicts import attempt
from esnb.store.readonly_sql import shut

chapter = Chapter("01_facts_not_rows")

ROW = ("order-1042", "ada", "PAID", 2690)
MONDAY = (
    "insert into orders values ('order-1042', 'ada', 'PENDING', 1900)",
    "update orders set total = 3790 where id = 'order-1042'",
    "update orders set total = 1900 where id = 'order-1042'",
    "update orders set total = 2690 where id = 'order-1042'",
    "update orders set status = 'PAID' where id = 'order-1042'",
)


@chapter.exercise(
    "01-1",
    form="Break it",
    title="Another day, the same row",
    section="What does a row remember?",
    stub="""
story = ...  # a list of SQL statements, fewer than the five of monday
""",
    hints=(
        "How many statements does it take at least to make one row?",
        "A row holds its last values and nothing else. So leave out every value that was "
        "overwritten later.",
        "story = [\"insert into orders values ('order-1042', 'ada', ...)\"]",
    ),
    right="Two days, one and the same row. So nobody can tell from the row what happened.",
    mistakes={
        "other-values": "Your story ends in another row. Compare the two rows, value by value.",
        "not-shorter": "That is the right row, and the story is as long as Monday itself. Which "
        "statements leave no trace in the row?",
        "no-row": "No row is left at the end of your story.",
        "more-rows": "Your story ends with more than one row. How many orders did Ada place?",
        "does-not-run": "The database cannot run your story. Read the error, and look at the "
        "statement that it names.",
    },
)
def _another_day(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (list, tuple), "a list of SQL statements")
    database = duckdb.connect()
    database.execute("create table orders (id text, customer text, status text, total int)")
    shut(database)
    for statement in answer:
        trial.kind(statement, str, "a list of SQL statements, each a text")
        came = attempt(partial(database.execute, statement))
        trial.require(came.error is None, "does-not-run", when=statement, got=came.lines())
    came = attempt(lambda: database.execute("from orders").fetchall())
    trial.require(came.error is None, "does-not-run", when="from orders", got=came.lines())
    rows = came.value
    facts: dict[str, Any] = {"given": list(answer), "got": repr(rows)[1:-1], "wanted": repr(ROW)}
    trial.require(rows, "no-row", given=facts["given"], wanted=facts["wanted"])
    trial.require(len(rows) == 1, "more-rows", **facts)
    trial.require(rows[0] == ROW, "other-values", **facts)
    trial.require(len(answer) < len(MONDAY), "not-shorter", **facts)


@chapter.exercise(
    "01-2",
    form="Predict",
    title="The power fails in between",
    section="Is an audit table enough?",
    stub="""
writes = ...  # after how many of the two writes do the tables contradict each other?
ghost = ...   # "audit first" or "row first": when does the audit table tell of
              # a change that never happened?
""",
    hints=(
        "Two writes make a pair. After how many of them is a pair only half there?",
        "Write down what each table says after 0, 1 and 2 writes, for both orders. A ghost is an "
        "audit line without its row.",
        "writes = 1",
    ),
    right="Half a pair is a contradiction, whichever comes first. Both writes have to be one "
    "transaction. In an event log there is no pair: the record of the change is the change.",
    mistakes={
        "nothing-written": "After 0 writes both tables still say the old thing: nothing happened, "
        "and nothing contradicts.",
        "both-written": "After 2 writes both tables say the new thing: they agree.",
        "the-other-order": "With the row first, the change has happened, and the audit table does "
        "not know. That is a gap, not a ghost. What does the other order leave behind?",
        "no-such-order": 'Answer with one of the two texts: `"audit first"` or `"row first"`.',
    },
)
def _the_power_fails(answer: Any, trial: Trial) -> None:
    said, ghost = trial.parts(answer, 2, "two answers: (writes, ghost)")
    writes = whole(said)
    trial.require(writes is not None, "wrong-kind", got=repr(said), wanted="0, 1 or 2")
    after = [
        f"after {n}: " + ("the tables contradict" if n == 1 else "the tables agree")
        for n in range(3)
    ]
    trial.require(writes != 0, "nothing-written", got=repr(said))
    trial.require(writes != 2, "both-written", got=repr(said))
    trial.require(writes == 1, "other", got=repr(said), wanted="0, 1 or 2")
    order = " ".join(str(ghost).lower().split())
    trial.require(order in ("audit first", "row first"), "no-such-order", got=repr(ghost))
    trial.require(
        order == "audit first",
        "the-other-order",
        given=after,
        when="row first, power off after 1",
        got=["the row says: SHIPPED", "the audit table says: PAID"],
    )


#: What happened on three days; the first is that of the chapter.
_MONDAYS: dict[str, list[Any]] = {
    "the five facts of Monday": [
        (
            "OrderPlaced",
            {"customer": "ada", "items": [{"sku": "MUG-BLUE", "quantity": 2, "price": 950}]},
        ),
        ("ItemAdded", {"sku": "POSTER-MAP", "quantity": 1, "price": 1890}),
        ("ItemRemoved", {"sku": "POSTER-MAP"}),
        ("ItemAdded", {"sku": "NOTEBOOK-A5", "quantity": 1, "price": 790}),
        ("PaymentReceived", {"amount": 2690, "method": "card"}),
    ],
    "the facts of another Monday": [
        (
            "OrderPlaced",
            {"customer": "ben", "items": [{"sku": "LAMP-DESK", "quantity": 1, "price": 3990}]},
        ),
        ("PaymentReceived", {"amount": 3990, "method": "wallet"}),
    ],
}


@chapter.exercise(
    "01-3",
    form="Fill in",
    title="Tuesday's fact",
    section="Where is the state, then?",
    stub="""
def tuesday(facts):
    \"\"\"Monday's facts, and one more: the warehouse ships the order by "post".\"\"\"
    return [*facts, ...]
""",
    hints=(
        "A fact is a pair: a name in the past tense, and a dict of data.",
        "The five facts stay as they are. Look at the names in the chapter's fold: which of them "
        "is the fact that makes an order SHIPPED?",
        'def tuesday(facts):\n    shipped = ("Order...", {"carrier": "post"})',
    ),
    right="One fact was added at the end, and the fold says SHIPPED. Nothing was overwritten.",
    mistakes={
        "written-down": "You wrote Monday's facts down yourself. They are passed in as `facts`, "
        "and on another Monday they are others.",
        "nothing-new": "All facts of Monday are there, and no new one.",
        "another-name": "That may be a fact, and the chapter's fold does not know it by this "
        "name. Look at the names in that fold: which one makes an order SHIPPED?",
        "a-command": "That is an order to do something, and it could still be refused. A fact has "
        "happened: put the verb into the past tense.",
        "a-status": "That names a field of the row. Name what happened in the warehouse, and let "
        "the fold find the status.",
        "past-changed": "Monday's facts are no longer what they were. They have happened: add to "
        "them, and leave them alone.",
        "not-at-the-end": "The new fact does not stand at the end. What happened last comes last.",
        "too-many": "One thing happened on Tuesday, so one fact is enough.",
        "no-carrier": "The fact does not say who carries the parcel. Facts keep the data that "
        'belongs to them: `{"carrier": "post"}`.',
        "not-a-pair": "A fact of this chapter is a pair: a name, and a dict of data.",
    },
    cases=tuple(_MONDAYS),
    varies={"several Mondays": variety.lengths(2)},
)
def _tuesday(answer: Any, trial: Trial) -> None:
    trial.function(answer, "tuesday(facts)")
    for name, monday in _MONDAYS.items():
        if trial.case(name, monday):
            _one_tuesday(answer, trial, monday)


def _one_tuesday(answer: Any, trial: Trial, monday: list[Any]) -> None:
    got = settled(trial.call(answer, fresh(monday)))
    trial.kind(got, (list, tuple), "a list of facts")
    shown: dict[str, Any] = {
        "given": [str(fact) for fact in monday],
        "got": [str(fact) for fact in got],
    }
    new = [fact for fact in got if fact not in monday]
    old = [fact for fact in got if fact in monday]
    if not same(old, monday):
        added = len(got) - len(monday)
        trial.fail("written-down" if added > 1 and len(new) > 1 else "past-changed", **shown)
    trial.require(len(new) <= 1, "too-many", **shown)
    trial.require(new, "nothing-new", **shown, wanted="one fact more")
    fact = new[0]
    pair = isinstance(fact, tuple | list) and len(fact) == 2 and isinstance(fact[0], str)
    trial.require(pair and isinstance(fact[1], dict), "not-a-pair", **shown)
    name, data = fact
    trial.require(same(got[-1], fact), "not-at-the-end", **shown)
    if name != "OrderShipped":
        low = name.lower()
        status = name.isupper() or any(word in low for word in ("status", "update", "set"))
        command = low.startswith(("ship", "send", "deliver")) and not low.endswith("ed")
        trial.fail(
            "a-status" if status else "a-command" if command else "another-name",
            **shown,
            wanted="the name that the chapter's fold knows",
        )
    trial.require(str(data.get("carrier")) == "post", "no-carrier", **shown)


_NAMES = {
    "OrderShipped": (True, "refuses-a-fact"),
    "CreateOrder": (False, "a-command-is-no-fact"),
    "OrderUpdated": (False, "hides-what-happened"),
    "RefundIssued": (True, "refuses-a-fact"),
    "FieldUpdated": (False, "hides-the-thing"),
    "AddressCorrected": (True, "refuses-a-correction"),
    "StatusSetToPaid": (False, "names-a-column"),
}


@chapter.exercise(
    "01-4",
    form="Predict",
    title="Seven names",
    section="What is a good name for a fact?",
    stub="""
names = {"OrderShipped": None, "CreateOrder": None, "OrderUpdated": None, "RefundIssued": None,
         "FieldUpdated": None, "AddressCorrected": None, "StatusSetToPaid": None}
""",
    todo="Each of the seven names wants an answer: put `True` or `False` in the place of `None`.",
    hints=(
        "Two tests for a name. Has it happened, so that nobody can refuse it? And would a "
        "colleague from the shop know *why*?",
        "Three of the seven pass both tests. A command fails the first test. A name of a field, or "
        "of a change in general, fails the second.",
        'names = {"OrderShipped": True, "CreateOrder": False,',
    ),
    right="A good name is a verb in the past tense that the people in the shop would use.",
    mistakes={
        "refuses-a-fact": "This one has happened, and everybody in the shop knows what it means: "
        "a good name.",
        "a-command-is-no-fact": "`CreateOrder` asks for something, and the answer may be no. It is "
        "a command; the fact would be `OrderPlaced`.",
        "hides-what-happened": "`OrderUpdated` is in the past, and says nothing: paid, shipped, "
        "cancelled? Everything is an update.",
        "hides-the-thing": "`FieldUpdated` is UPDATE in disguise. It does not even say of which "
        "thing.",
        "refuses-a-correction": "`AddressCorrected` says why the address is another one: it was "
        "wrong. `AddressChanged` could also mean that Ada has moved.",
        "names-a-column": "`StatusSetToPaid` names a column. What happened in the world was "
        "`PaymentReceived`, and the status follows from it.",
    },
)
def _seven_names(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "a dict from the seven names to True or False")
    trial.require(
        answer.keys() == _NAMES.keys(),
        "wrong-kind",
        got=[repr(key) for key in answer],
        wanted=list(_NAMES),
    )
    odd = [f"{name}: {said!r}" for name, said in answer.items() if said not in (True, False)]
    trial.require(not odd, "wrong-kind", got=odd, wanted="True or False for each")
    wrong = [name for name, (good, _) in _NAMES.items() if bool(answer[name]) is not good]
    if wrong:
        trial.fail(
            _NAMES[wrong[0]][1],
            points=1 - len(wrong) / len(_NAMES),
            when=wrong[0],
            got=f"{answer[wrong[0]]}; {len(_NAMES) - len(wrong)} of {len(_NAMES)} are right",
        )


_MISTAKES = {
    "credit that was added by mistake": "CreditAdded",
    "credit that was spent by mistake": "CreditSpent",
}


@chapter.exercise(
    "01-5",
    form="Bug hunt",
    title="Taken back, not wiped out",
    section="Can a fact be taken back?",
    stub="""
def take_back(events, wrong):
    return [event for event in events if event is not wrong]
""",
    todo="The colleague's code still deletes a fact. Let it add one instead, and check again.",
    hints=(
        "What does a bank do about a wrong entry?",
        "Every old event stays in its place. One new event at the end has the opposite effect: "
        "added credit is reversed, and what was spent is credited.",
        'def take_back(events, wrong):\n    kinds = {"CreditAdded": "CreditReversed", ...}',
    ),
    right="The balance is right again, and the mistake and its correction can both be read. That "
    "is what append-only means.",
    mistakes={
        "no-effect": "The new event changes no balance. The chapter's events are `CreditAdded`, "
        "`CreditSpent` and `CreditReversed`, with an `amount` above zero.",
        "deletes": "A fact is gone, and with it the trace of the mistake. Keep all events, and add "
        "one that takes it back.",
        "changes-the-past": "An old event is not what it was. It happened, even if it was a "
        "mistake: leave it, and add a new one.",
        "same-direction": "The new event has the effect of the wrong one once more. Which kind "
        "of event has the opposite effect?",
        "only-credit": "Wrong credit is taken back. A wrong `CreditSpent` has to be taken back, "
        "and that takes a `CreditAdded`.",
        "inserted": "The correction stands among the old events. It happened last, so it comes "
        "last.",
        "nothing-added": "All events are there, and no new one takes the wrong one back.",
    },
    cases=tuple(_MISTAKES),
    varies={
        "every type": variety.types(*variety.ACCOUNT_TYPES),
        "amounts": variety.amounts_off_the_hundred,
        "lengths": variety.lengths(4),
    },
)
def _taken_back(answer: Any, trial: Trial) -> None:
    trial.function(answer, "take_back(events, wrong)")
    for name, kind in _MISTAKES.items():
        for length in (2, 3, 4, 5, 6, 8):
            events = account_history(trial.rng, length)
            places = [n for n, e in enumerate(events) if e.event_type == kind]
            for place in {*places[:1], *places[-1:]}:
                if trial.case(name, events):
                    _one_taken_back(answer, trial, events, events[place])


def _one_taken_back(answer: Any, trial: Trial, events: list[Event], wrong: Event) -> None:
    mistake = _what_is_wrong(answer, trial, events, wrong)[0]
    if not mistake:
        return

    def fails(some: list[Event]) -> bool:
        return wrong in some and _what_is_wrong(answer, trial, some, wrong)[0] == mistake

    small = shrink(events, fails)
    _, got = _what_is_wrong(answer, trial, small, wrong)
    trial.fail(
        mistake,
        given=small,
        when=f"event {wrong.sequence_number} was wrong",
        got=got,
        wanted=f"balance {_balance(small) - _effect(wrong)}, and all old events",
    )


def _what_is_wrong(
    answer: Any, trial: Trial, events: list[Event], wrong: Event
) -> tuple[str, Sequence[Event]]:
    given = fresh(events)
    theirs = [*given]
    got = settled(trial.call(answer, given, theirs[events.index(wrong)], given=events))
    if theirs != events:
        return "changes-the-past", theirs
    if not isinstance(got, list | tuple) or not all(isinstance(e, Event) for e in got):
        trial.kind(got, (list, tuple), "a list of events", given=events)
        trial.fail("wrong-kind", got=value_lines(got), wanted="a list of events")
    old = [event for event in got if event in events]
    new = [event for event in got if event not in events]
    if old != events:
        # As many as before, one of them another one: the past was rewritten, not cut.
        return ("changes-the-past" if len(got) == len(events) and new else "deletes"), got
    if not new:
        return "nothing-added", got
    if any(event in events for event in got[len(events) :]):
        return "inserted", got
    if _balance(got) == _balance(events) - _effect(wrong):
        return "", got
    if sum(map(_effect, new)) == 0:
        return "no-effect", got
    if wrong.event_type == "CreditSpent" and sum(map(_effect, new)) <= 0:
        return "only-credit", got
    return ("same-direction" if sum(map(_effect, new)) == _effect(wrong) else "other"), got


def _effect(event: Event) -> int:
    sign = {"CreditAdded": 1, "CreditSpent": -1, "CreditReversed": -1}.get(event.event_type, 0)
    return sign * int(event.event_data.get("amount", 0))


def _balance(events: Sequence[Event]) -> int:
    return sum(map(_effect, events))
