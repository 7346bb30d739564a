"""Two or three writers under four guards, in every order, against a real store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args
from uuid import NAMESPACE_URL, uuid5

import pandas as pd

from esnb.clock import LessonClock
from esnb.course.widgets.race_runs import STREAM, check_pieces, left, schedules
from esnb.errors import ConcurrencyError, DuplicateEventError, InvalidEventError
from esnb.events import Event, new_event
from esnb.store.conditions import AppendCondition
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

Rule = Literal["stock", "voucher"]


def race_outcomes(
    writers: int = 3, *, pieces: int = 1, rule: Rule = "stock", every: bool = False
) -> pd.DataFrame:
    """Run the orders of two or three writers under four guards, and count how they end.

    A row a guard, with the counts of schedules: `clean`, `refused` (the guard refused somebody, and
    the rule holds) and `broken` (the rule does not hold). The rule "stock" is "no more is sold than
    there was", in one stream with `pieces`. The rule "voucher" is "each voucher once" (or as often
    as there are `pieces`), and each writer has a stream of its own. The unique key is the event id
    (made from the number of the piece), or the stream's name (made from the voucher). Nobody tries
    again.

    Schedules are alike to the store when they differ only in who is who, or in when somebody
    decides, for that touches no store. One of those that are alike is run and counted for all: 15
    of 1,680 for three writers. With `every=True` each one is run, which takes some minutes.
    """
    if writers not in (2, 3):
        raise InvalidEventError(
            f"race_outcomes() runs two or three writers, found {writers!r}. Four would have "
            f"369,600 schedules."
        )
    if rule not in get_args(Rule):
        raise InvalidEventError(f"rule is one of {get_args(Rule)}, found {rule!r}.")
    check_pieces(pieces)
    found = schedules(writers)
    alike = Counter(found if every else map(_to_the_store, found))
    runs = {s if every else _to_the_store(s): s for s in found}
    rows = {}
    for guard in _GUARDS:
        counts = dict.fromkeys(("clean", "refused", "broken"), 0)
        for batch in _batches(list(runs), _RUNS_A_STORE):
            with EventStore(clock=LessonClock()) as store:
                for n, kind in enumerate(batch):
                    counts[_RULES[rule](store, n, runs[kind], guard, pieces)] += alike[kind]
        rows[guard] = counts
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("guard")


def race_retries(writers: Iterable[int] = (1, 2, 3, 4, 6, 8)) -> pd.DataFrame:
    """What conflicts cost when more writers write to one stream at once, counted by running it.

    Each writer has one note to add, and no rule that could refuse it. In every round all who are
    not done read, then all append; the losers of a round try again in the next one. Notes commute,
    so every retry succeeds in the end. A row a number of writers, with the counts of `appends`
    tried and of `conflicts` in one stream, and of `apart`: conflicts where each writer has a stream
    of its own, as in a finer cut of the aggregates.
    """
    rows = {}
    for count in writers:
        if not isinstance(count, int) or not 1 <= count <= _MOST_WRITERS:
            raise InvalidEventError(
                f"race_retries() runs 1 to {_MOST_WRITERS} writers, found {count!r}."
            )
        appends, conflicts = _rounds([STREAM] * count)
        rows[count] = (appends, conflicts, _rounds([f"{STREAM}-{n}" for n in range(count)])[1])
    columns = ["appends", "conflicts", "apart"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("writers")


def _rounds(streams: list[str]) -> tuple[int, int]:
    """Let one writer a stream in the list write its note: appends tried, and conflicts."""
    appends = conflicts = 0
    with EventStore(clock=LessonClock()) as store:
        waiting = list(enumerate(streams))
        while waiting:
            seen = [(n, stream, store.version(stream)) for n, stream in waiting]
            waiting = []
            for n, stream, version in seen:
                appends += 1
                if _refused(store, stream, new_event("NoteAdded", by=f"writer {n}"), version, None):
                    conflicts += 1
                    waiting.append((n, stream))
        assert sum(store.version(stream) for stream in set(streams)) == len(streams)
    return appends, conflicts


def _to_the_store(schedule: str) -> str:
    """What the store sees of a schedule: who reads and who appends, in the order of reading."""
    names = dict(zip(dict.fromkeys(schedule), "ABC", strict=False))
    seen, steps = Counter[str](), ""
    for name in schedule:
        seen[name] += 1
        steps += "" if seen[name] == 2 else names[name]
    return steps


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


_GUARDS = ("no check", "expected version", "unique key", "append condition")
_MOST_WRITERS = 50
_RUNS_A_STORE = 70  # conditions look through the log of other runs as well, so it is kept short


def _stock(store: EventStore, n: int, schedule: str, guard: str, pieces: int) -> str:
    stream = f"{STREAM} {n}"
    received = new_event("StockReceived", pieces=pieces)
    store.append(stream, [received], expected_version=0, aggregate_type="STOCK")
    question = AppendCondition(("PieceSold",), aggregate_id=stream)

    def writer(name: str) -> Iterator[bool]:
        """Read, decide, append: yields after each whether the guard refused."""
        condition = None
        if guard == "append condition":
            found, condition = store.matching(question)
            version, count = 1 + len(found), pieces - len(found)
        else:
            events = store.events(stream)
            version, count = len(events), left(events)
        yield False
        wanted = count > 0
        yield False
        key = uuid5(NAMESPACE_URL, f"piece {version} of {stream}")
        event = new_event("PieceSold", buyer=name, event_id=key if guard == "unique key" else None)
        yield wanted and _refused(
            store, stream, event, version if guard == "expected version" else ANY, condition
        )

    refused = _interleave(schedule, writer)
    broken = left(store.events(stream)) < 0
    return "broken" if broken else "refused" if refused else "clean"


def _voucher(store: EventStore, n: int, schedule: str, guard: str, pieces: int) -> str:
    voucher = f"SPRING-{n}"
    question = AppendCondition(("VoucherUsed",), {"voucher": voucher})

    def writer(name: str) -> Iterator[bool]:
        used, condition = store.matching(question)
        yield False
        wanted = len(used) < pieces
        yield False
        # With a unique key the use is filed under the voucher, so that there is one place for it.
        unique = guard == "unique key"
        stream = f"voucher-{voucher}-{len(used)}" if unique else f"order-{voucher}-{name}"
        yield wanted and _refused(
            store,
            stream,
            new_event("VoucherUsed", voucher=voucher, by=name),
            0 if unique or guard == "expected version" else ANY,
            condition if guard == "append condition" else None,
        )

    refused = _interleave(schedule, writer)
    broken = len(store.matching(question)[0]) > pieces
    return "broken" if broken else "refused" if refused else "clean"


_RULES: Mapping[str, Callable[[EventStore, int, str, str, int], str]] = {
    "stock": _stock,
    "voucher": _voucher,
}


def _interleave(schedule: str, writer: Callable[[str], Iterator[bool]]) -> bool:
    """Let the writers move in this order; whether one was refused."""
    running = {name: writer(name) for name in dict.fromkeys(schedule)}
    return sum([next(running[name]) for name in schedule]) > 0  # every step, not up to the first


def _refused(
    store: EventStore, stream: str, event: Event, expected: Any, condition: AppendCondition | None
) -> bool:
    try:
        store.append(
            stream,
            [event],
            expected_version=expected,
            condition=condition,
            aggregate_type="STOCK" if stream.startswith("stock") else "VOUCHER",
        )
    except (ConcurrencyError, DuplicateEventError):
        return True
    return False
