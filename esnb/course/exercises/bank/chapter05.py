"""Exercises to chapter 05: what a snapshot spares, where it goes wrong, which one to believe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from esnb import replay, state_of
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import account_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, whole
from esnb.events import Event, new_event
from esnb.shop import Account

chapter = Chapter("05_snapshots")


# --- 05-1 ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loading:
    """A snapshot of an account, and its whole stream."""

    snapshot: tuple[int, int]
    events: list[Event]

    def __repr__(self) -> str:
        stream = ", ".join(f"{e.sequence_number} {_change(e):+d}" for e in self.events)
        return f"snapshot (number, balance) = {self.snapshot}; the stream: {stream}"


def _change(event: Event) -> int:
    sign = {"CreditAdded": 1, "CreditSpent": -1}.get(event.type, 0)
    return sign * int(event.data.get("amount", 0))


def _rest(start: int, *, balance: bool = True) -> Callable[..., Any]:
    """A loader that begins `start` numbers after the snapshot."""

    def load(snapshot: tuple[int, int], events: Sequence[Event]) -> tuple[int, int]:
        number, begin = snapshot
        rest = [e for e in events if (e.sequence_number or 0) >= number + start]
        changes = sum(map(_change, rest))
        return (begin if balance else 0) + changes, len(rest)

    return load


def _from_zero(snapshot: tuple[int, int], events: Sequence[Event]) -> tuple[int, int]:
    return sum(map(_change, events)), len(events)


STARTS = ("no snapshot yet: number 0", "a snapshot in the middle", "a snapshot at the end")


@chapter.exercise(
    "05-1",
    form="Bug hunt",
    title="The loader that counts one event twice",
    section="Could we start in the middle?",
    stub="""
def load(snapshot, events):
    number, balance = snapshot
    applied = 0
    for event in events:
        if event.sequence_number >= number:
            balance += change(event)
            applied += 1
    return balance, applied
""",
    todo="The function is still the one with the bug. Change a line, run the cell, check again.",
    hints=(
        "The snapshot stands *at* an event. Is that event in it, or not?",
        "A snapshot at 3 holds the events 1, 2 and 3. Which is the first that is still missing?",
        "if event.sequence_number > ...:",
    ),
    right="Events *after* the snapshot, not *from* it. The answer is that of the long way, and the "
    "work is shorter.",
    mistakes={
        "by-position": "You compared the number of the snapshot with positions. A snapshot has a "
        "sequence number, which counts within its stream.",
        "swapped": "The two numbers are in the other order: first the balance, then how many "
        "events were applied.",
        "one-too-many": "The event at which the snapshot stands was applied a second time. It is "
        "in the snapshot already.",
        "one-too-few": "The first event after the snapshot was left out.",
        "forgets-the-snapshot": "You applied the right events to an empty account. Begin with the "
        "balance that the snapshot holds.",
        "takes-the-long-way": "The balance is right, and every event was counted. Apply, and "
        "count, only those that the snapshot lacks; else it spares nothing.",
    },
    cases=STARTS,
    varies={
        "every type": variety.types(*variety.ACCOUNT_TYPES),
        "positions": variety.positions_unlike_numbers,
        "amounts": variety.amounts_off_the_hundred,
        "snapshots": variety.several(lambda case: case[0].snapshot[0], 6),
    },
)
def _the_loader(answer: Any, trial: Trial) -> None:
    trial.function(answer, "load(snapshot, events)")
    cases: dict[str, list[list[Any]]] = {name: [] for name in STARTS}
    for length in (2, 3, 4, 5, 6, 9):
        events = account_history(trial.rng, length)
        for number in range(length + 1):
            # By the shop's own class, which folds in another way than this exercise.
            balance = replay(Account, events[:number]).balance
            name = STARTS[0] if not number else STARTS[2] if number == length else STARTS[1]
            cases[name].append([_Loading((number, balance), events)])

    def truth(snapshot: tuple[int, int], events: list[Event]) -> tuple[int, int]:
        after = [e for e in events if (e.sequence_number or 0) > snapshot[0]]
        return replay(Account, events).balance, len(after)

    def ask(function: Any, case: list[Any]) -> Any:
        came = function(case[0].snapshot, list(case[0].events))
        if function is answer:
            pair = as_list(came)
            trial.kind(pair, list, "two numbers: (balance, applied)", given=case)
            trial.require(
                pair and len(pair) == 2,
                "wrong-kind",
                given=case,
                got=repr(came),
                wanted="two numbers: (balance, applied)",
            )
            return tuple(pair or ())
        return came

    trial.compare(
        answer,
        truth,
        cases,
        call=ask,
        legal=lambda case: len(case) == 1,
        models={
            "one-too-many": _rest(0),
            "one-too-few": _rest(2),
            "forgets-the-snapshot": _rest(1, balance=False),
            "takes-the-long-way": _from_zero,
            "by-position": _by_position,
            "swapped": lambda snapshot, events: truth(snapshot, events)[::-1],
        },
    )


def _by_position(snapshot: tuple[int, int], events: Sequence[Event]) -> tuple[int, int]:
    rest = [event for event in events if (event.position or 0) > snapshot[0]]
    return snapshot[1] + sum(map(_change, rest)), len(rest)


# --- 05-2 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "05-2",
    form="Fill in",
    title="Before a snapshot pays",
    section="How often is often enough?",
    stub="""
longest = ...  # the longest stream for which no snapshot at all is the cheapest
""",
    hints=(
        "Use `never` and `best` of the setup cell, and try a few lengths.",
        "Without snapshots a stream of 10 events costs 4.5 an event, and the best interval costs "
        "more. At 40 it is the other way round. The answer is in between.",
        "[length for length in range(10, 41) if never(length) <= best(length)][-1]",
    ),
    right="28 events, and no snapshot pays. Most orders of the shop have 4.",
    mistakes={
        "first-that-pays": "At 29 a snapshot begins to pay. Asked for is the longest stream at "
        "which it does not.",
        "the-interval": "15 is where that first snapshot would stand. Asked for is the length of "
        "the stream.",
        "other-loads": "That is the answer for a stream that is loaded less often. Here it is "
        "loaded once for each save.",
        "too-short": "There is a longer stream at which no snapshot is still the cheapest.",
        "too-long": "At this length a snapshot is already worth its price.",
    },
)
def _before_it_pays(answer: Any, trial: Trial) -> None:
    said = whole(answer)
    trial.require(said is not None, "wrong-kind", got=repr(answer), wanted="a number of events")
    answer = said
    truth = _longest_without(loads=1.0)
    if answer == truth:
        return
    others = {_longest_without(loads=0.1), _longest_without(loads=0.01)}
    never, best, interval = _bill(max(1, min(answer, 2_000)), 1.0)
    rows: dict[str, Any] = {
        "given": f"{answer} events, a load before each save",
        "got": f"without snapshots {never:.1f} an event; the best interval is {interval}, "
        f"at {best:.1f} an event",
    }
    if answer == _bill(truth + 1, 1.0)[2]:
        trial.fail("the-interval", **rows)
    trial.require(answer != truth + 1, "first-that-pays", **rows)
    trial.require(answer not in others, "other-loads", **rows)
    trial.fail("too-short" if answer < truth else "too-long", **rows)


def _bill(length: int, loads: float, snapshot: float = 200.0) -> tuple[float, float, int]:
    """Cost of an event without snapshots, with the best interval, and that interval."""

    def cost(every: int) -> float:
        full, part = divmod(length, every)  # a sum of 0..every-1 for each full round
        replayed = full * every * (every - 1) / 2 + part * (part - 1) / 2
        return (loads * replayed + snapshot * full) / length

    best = min(range(1, length + 1), key=lambda every: (cost(every), every))
    return cost(length + 1), cost(best), best


def _longest_without(loads: float) -> int:
    length = 1
    while (bill := _bill(length + 1, loads))[0] <= bill[1]:
        length += 1
    return length


# --- 05-3 ---------------------------------------------------------------------------------------


def _account_of(*changes: int) -> list[Event]:
    """An account with these changes, by the way of both kinds of events."""
    kinds = {True: "CreditAdded", False: "CreditSpent"}
    return [
        new_event("AccountOpened", customer="ada"),
        *(new_event(kinds[cents > 0], amount=abs(cents)) for cents in changes),
    ]


class _Renamed(Account):
    def __init__(self) -> None:
        self.customer = None
        self.credit_left = 0

    def apply(self, event: Event) -> None:
        if event.type == "AccountOpened":
            self.customer = event.data["customer"]
        self.credit_left += _change(event)


class _Fee(Account):
    def apply(self, event: Event) -> None:
        super().apply(event)
        if event.type == "CreditSpent":
            self.balance -= 10


class _Closing(Account):
    def close_account(self) -> None:
        self.record("AccountClosed")


class _Stricter(Account):
    LIMIT: ClassVar[int] = 10_000

    def refuses(self, event: Event) -> str | None:
        too_much = event.data.get("amount", 0) > self.LIMIT
        return "At most 100.00." if too_much else super().refuses(event)


CHANGES: dict[str, type[Account]] = {
    "balance is renamed": _Renamed,
    "apply takes a fee of 10": _Fee,
    "a new command close()": _Closing,
    "refuses() allows at most 100.00": _Stricter,
}


@chapter.exercise(
    "05-3",
    form="Predict",
    title="Which changes need a new state version?",
    section="Is an old snapshot still right?",
    stub="""
needs = {
    "balance is renamed": ...,
    "apply takes a fee of 10": ...,
    "a new command close()": ...,
    "refuses() allows at most 100.00": ...,
}  # True or False
""",
    hints=(
        "Ask of each: an old snapshot, and the rest of the events by the new code. Is that what "
        "the new code makes of *all* events?",
        "A command and a rule write events, or refuse to. What do they change about events that "
        "are stored?",
        '"balance is renamed": True,',
    ),
    right="Raise it whenever `apply` would compute another state from the same events. Commands "
    "and rules look forward; they have no say in a replay.",
    mistakes={
        "only-the-shape": "The fee leaves the shape of the state as it is, and changes the "
        "numbers. An old snapshot knows nothing of the fee.",
        "a-name-is-nothing": "The new code looks for its field in the old snapshot, and does not "
        "find it.",
        "commands-count": "A new command only writes new events. What does it change about the "
        "state after the old ones?",
        "rules-count": "A stricter rule refuses what comes. Old events are facts, and `apply` "
        "believes them as before.",
        "another-list": "Keep the four lines of the list, each with `True` or `False`.",
    },
)
def _which_changes(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the four changes")
    said = {name: answer.get(name) for name in CHANGES}
    clear = answer.keys() == CHANGES.keys() and all(v in (True, False) for v in said.values())
    trial.require(clear, "another-list", got=[f"{k}: {v!r}" for k, v in answer.items()])
    events = _account_of(500, -120, 313, -77, 12_345, -40, 61, -999)
    keys = ("a-name-is-nothing", "only-the-shape", "commands-count", "rules-count")
    for (name, kind), key in zip(CHANGES.items(), keys, strict=True):
        old = state_of(replay(Account, events[:6]))
        try:
            state = kind.from_state(old)
            for event in events[6:]:
                state.apply(event)
            short: Any = state_of(state)
        except Exception as error:
            short = f"{type(error).__name__}: {error}"
        truth = state_of(replay(kind, events))
        trial.require(
            bool(said[name]) == (short != truth),
            key,
            given=f"the change: {name}",
            **{"by snapshot": short, "by all events": truth},
        )


# --- 05-4 ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shelf:
    """What stands on the shelf, and what is asked for."""

    snapshots: list[tuple[int, int]]
    at: int
    version: int

    def __repr__(self) -> str:
        return f"snapshots {self.snapshots}, at={self.at}, state_version={self.version}"


def _choosing(
    *, at: bool = True, version: bool = True, newest: bool = True, inclusive: bool = True
) -> Callable[..., int]:
    """A rule for choosing, with parts of it left out."""

    def choose(snapshots: list[tuple[int, int]], limit: int, wanted: int) -> int:
        fit = [
            number
            for number, written_by in snapshots
            if (not at or number < limit + inclusive) and (not version or written_by == wanted)
        ]
        return (max if newest else min)(fit, default=0)

    return choose


def _newest_or_none(snapshots: list[tuple[int, int]], at: int, version: int) -> int:
    number, written_by = max([s for s in snapshots if s[0] <= at], default=(0, version))
    return number if written_by == version else 0


@chapter.exercise(
    "05-4",
    form="Fill in",
    title="Which snapshot may be used?",
    section="Who takes the snapshots?",
    stub="""
def choose(snapshots, at, version):
    \"\"\"The number of the snapshot to start from; 0: none, replay everything.\"\"\"
    return ...
""",
    hints=(
        "Two reasons forbid a snapshot. One is about time, the other about code.",
        "Keep those that stand at `at` or before it, and that carry `version`. Of these, the "
        "newest spares most.",
        "fit = [number for number, written_by in snapshots if number <= at and ...]",
    ),
    right="Not from the future, not from other code, and of the rest the newest. This is what "
    "`load` asks the store for.",
    mistakes={
        "trusts-the-order": "You took the first or the last that fits. The pairs come in no "
        "particular order: the newest one has the highest number.",
        "older-code-too": "A snapshot of older code was used. Not older and not newer: the "
        "version has to be the same.",
        "from-other-code": "This snapshot was written by another version of the code. It may lack "
        "a field, or hold another number.",
        "from-the-future": "This snapshot knows what happened after `at`.",
        "the-oldest": "It may be used, and there is a newer one that spares more.",
        "leaves-out-at": "A snapshot that stands exactly at `at` is what is asked for: nothing "
        "more has to be applied.",
        "gives-up-too-early": "The newest one is from other code, and you gave up. An older one "
        "of the right version is still a good start.",
    },
    cases=(
        "no snapshot at all",
        "one at the very event",
        "the newest is from other code",
        "in any order",
    ),
    varies={
        "any order": variety.some(lambda case: case[0].snapshots == sorted(case[0].snapshots)),
        "versions": variety.several(lambda case: case[0].version, 3),
        "the limit": variety.some(lambda case: any(n == case[0].at for n, _ in case[0].snapshots)),
        "two at one number": variety.some(
            lambda case: len({n for n, _ in case[0].snapshots}) < len(case[0].snapshots)
        ),
    },
)
def _which_snapshot(answer: Any, trial: Trial) -> None:
    trial.function(answer, "choose(snapshots, at, version)")
    cases: dict[str, list[list[Any]]] = {
        "no snapshot at all": [[_Shelf([], 5, 1)], [_Shelf([], 1, 2)]],
        "one at the very event": [[_Shelf([(4, 1)], 4, 1)], [_Shelf([(7, 3)], 7, 3)]],
        "the newest is from other code": [
            [_Shelf([(4, 1), (6, 2)], 7, 1)],
            [_Shelf([(6, 1), (2, 2)], 9, 2)],
        ],
        "in any order": [],
    }
    for size in (1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6) * 4:
        shelf = [(trial.rng.randint(1, 9), trial.rng.randint(1, 3)) for _ in range(size)]
        shelf = list(dict.fromkeys(shelf))
        one = _Shelf(shelf, trial.rng.randint(1, 10), trial.rng.randint(1, 3))
        cases["in any order"].append([one])

    def truth(snapshots: list[tuple[int, int]], at: int, version: int) -> int:
        # Walking back from `at`, one number at a time: slow, and hard to get wrong.
        for number in range(at, 0, -1):
            if (number, version) in snapshots:
                return number
        return 0

    trial.compare(
        answer,
        truth,
        cases,
        legal=lambda case: len(case) == 1,
        call=lambda f, case: f(list(case[0].snapshots), case[0].at, case[0].version),
        models={
            "from-other-code": _choosing(version=False),
            "from-the-future": _choosing(at=False),
            "the-oldest": _choosing(newest=False),
            "leaves-out-at": _choosing(inclusive=False),
            "gives-up-too-early": _newest_or_none,
            "trusts-the-order": _in_their_order(last=True),
            "trusts-the-order 2": _in_their_order(last=False),
            "older-code-too": _older_code_too,
        },
    )


def _in_their_order(*, last: bool) -> Callable[..., int]:
    def choose(snapshots: list[tuple[int, int]], at: int, version: int) -> int:
        fit = [number for number, written_by in snapshots if number <= at and written_by == version]
        return fit[-1 if last else 0] if fit else 0

    return choose


def _older_code_too(snapshots: list[tuple[int, int]], at: int, version: int) -> int:
    return max((number for number, by in snapshots if number <= at and by <= version), default=0)
