"""Exercises to chapter 02: numbers, bookmarks, forgeries, and a log of the reader's own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from esnb import Event, EventStore, LessonClock, new_event, replay, state_of
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.histories import order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.showing import value_lines
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, fresh, settled, whole
from esnb.course.exercises.engine.verdicts import attempt
from esnb.shop import Order, first_orders

chapter = Chapter("02_the_event_store")


ROUTES = {"each letter once": 0, "clocks that disagree": 0, "some letters twice": 1}


@chapter.exercise(
    "02-1",
    form="Put in order",
    title="Three routes, one order",
    section="What stays hidden without a number?",
    stub="""
def in_order(letters):
    return letters  # as they arrived
""",
    todo="The letters are still in the order in which they arrived. Sort them, and check again.",
    hints=(
        "Each letter is an event. It carries its time, and one thing that is better than the time.",
        "The sequence number counts the events of one stream. Sort by it, and keep each number "
        "once: a letter that came twice is one fact.",
        "def in_order(letters):\n    by_number = {}",
    ),
    right="Numbers put any delivery in order, and show what came twice. Clocks can do neither.",
    mistakes={
        "by-time": "You sort by the time. Clocks of two machines disagree, and two events may have "
        "the same time. Which number can be trusted?",
        "keeps-duplicates": "The order is right, and a letter that came twice is in it twice. Two "
        "letters with one number are one fact.",
        "drops-duplicates-only": "Each letter is there once, still in the order of arrival. Now "
        "sort them.",
        "backwards": "The last event comes first. Replay begins at number 1.",
        "by-name": "You sort by the names of the events, and the alphabet knows nothing of orders.",
    },
    cases=tuple(ROUTES),
    varies={
        "every type": variety.types(*variety.ORDER_TYPES[:6]),
        "both times": variety.recorded_unlike_occurred,
        "equal times": variety.equal_times,
        "positions": variety.positions_unlike_numbers,
        "lengths": variety.lengths(5),
        "duplicates": variety.some(lambda case: len({e.event_id for e in case}) < len(case)),
    },
)
def _three_routes(answer: Any, trial: Trial) -> None:
    trial.function(answer, "in_order(letters)")
    cases: dict[str, list[list[Event]]] = {name: [] for name in ROUTES}
    for length in (1, 2, 3, 4, 5, 6, 7):
        for (name, twice), disturbed in zip(ROUTES.items(), (False, True, True), strict=True):
            letters = order_history(trial.rng, length)
            if disturbed:
                letters = _by_other_clocks(letters, trial)
            letters += [trial.rng.choice(letters) for _ in range(twice * (1 + length // 3))]
            trial.rng.shuffle(letters)
            cases[name].append(letters)

    def once(letters: list[Event]) -> list[Event]:
        return [e for n, e in enumerate(letters) if e not in letters[:n]]

    def by_number(letters: list[Event]) -> list[Event]:
        pages = {event.sequence_number: event for event in letters}
        return [pages[n] for n in range(1, max(filter(None, pages), default=0) + 1) if n in pages]

    def by(field: str, keep: Any = once) -> Any:
        return lambda letters: sorted(keep(letters), key=lambda e: getattr(e, field))

    models = {
        "by-time": by("occurred_at"),
        "by-time 2": by("recorded_at"),
        "by-time 3": by("occurred_at", list),
        "by-time 4": by("recorded_at", list),
        "keeps-duplicates": by("sequence_number", list),
        "drops-duplicates-only": once,
        "backwards": lambda letters: by_number(letters)[::-1],
        "backwards 2": lambda letters: by("sequence_number", list)(letters)[::-1],
        "by-name": by("event_type"),
    }
    trial.compare(answer, by_number, cases, models=models, call=_letters_in)


def _letters_in(function: Any, letters: list[Event]) -> Any:
    """What came back; a tuple or a generator of letters will do."""
    got = settled(function(letters))
    return [*got] if isinstance(got, tuple) else got


def _by_other_clocks(letters: list[Event], trial: Trial) -> list[Event]:
    """Each of the two times is that of another machine: in no order, and some are equal."""
    occurred = [event.occurred_at for event in letters]
    recorded = [trial.rng.choice([event.recorded_at, letters[0].recorded_at]) for event in letters]
    trial.rng.shuffle(occurred)
    trial.rng.shuffle(recorded)
    return [
        replace(event, occurred_at=one, recorded_at=other)
        for event, one, other in zip(letters, occurred, recorded, strict=True)
    ]


#: Bookmarks by case; the log ends at position 12.
BOOKMARKS = {
    "events are waiting": (5, 3, 8),
    "from the beginning": (0,),
    "nothing is new": (12,),
    "somebody writes meanwhile": (6, 12),
}


@chapter.exercise(
    "02-2",
    form="Fill in",
    title="The newsletter's bookmark",
    section="Why are there two numbers?",
    stub="""
def catch_up(store, bookmark):
    \"\"\"The events after the bookmark, and the bookmark for the next time.\"\"\"
    new = list(store.read_all(after=...))
    return new, ...
""",
    hints=(
        "A reader of the whole log needs the number that counts through the whole log.",
        "The position of the last event that was read is the new bookmark. And when nothing is "
        "new, the old bookmark stays where it was.",
        "def catch_up(store, bookmark):\n    new = list(store.read_all(after=bookmark))",
    ),
    right="A bookmark is a position, and it moves only when something was read. So nothing is read "
    "twice, and nothing is missed.",
    mistakes={
        "reads-everything": "All events of the log came, the old ones too. Those up to the "
        "bookmark have been read.",
        "reads-twice": "The last event before the bookmark came once more. `after=5` begins at 6 "
        "by itself.",
        "skips-one": "The first new event is missing. `after=5` begins at 6 by itself.",
        "sequence-number": "The new bookmark is a sequence number, which counts within one stream. "
        "The log as a whole is counted by the position.",
        "counts-what-came": "The new bookmark is the number of new events. It has to say how far "
        "you are in the whole log.",
        "loses-the-bookmark": "When nothing is new, the bookmark must stay. Yours was lost, so "
        "the next newsletter goes wrong.",
        "bookmark-stays": "The bookmark did not move, so the same events come again next time.",
        "no-pair": "Give back two things: the new events, and the new bookmark.",
    },
    cases=tuple(BOOKMARKS),
    varies={
        "bookmarks": variety.several(lambda tried: tried[0], 5),
        "a writer at every step": variety.several(lambda tried: tried[1], 4),
    },
)
def _the_bookmark(answer: Any, trial: Trial) -> None:
    trial.function(answer, "catch_up(store, bookmark)")
    for name, bookmarks in BOOKMARKS.items():
        for bookmark in bookmarks:
            for turn in (1, 2, 3) if name == "somebody writes meanwhile" else (0,):
                if trial.case(name, (bookmark, turn)):
                    _caught_up(answer, trial, bookmark, turn)


def _newsletter_log() -> EventStore:
    """A log in which positions, sequence numbers and counts are all different."""
    store = EventStore(clock=LessonClock())
    first_orders(store)
    for stream, count in (("order-1044", 1), ("order-1045", 3)):
        events = [new_event("OrderPlaced", customer="cleo", items=[], n=n) for n in range(count)]
        store.append(stream, events, expected_version=0, aggregate_type="ORDER")
    return store


def _caught_up(answer: Any, trial: Trial, bookmark: int, turn: int) -> None:
    store = _newsletter_log()
    end = store.position

    def rival(real: EventStore) -> None:
        more = [new_event("OrderCancelled", reason="too late"), new_event("RefundIssued", amount=5)]
        real.append("order-1044", more, expected_version=1)

    busy = BusyStore(store, before={turn: rival} if turn else {})
    came = attempt(partial(answer, busy, bookmark))
    facts: dict[str, Any] = {
        "given": f"a log with the positions 1 to {end}",
        "when": f"bookmark {bookmark}" + ("; two more events come meanwhile" if turn else ""),
    }
    if isinstance(came.error, IndexError | ValueError | StopIteration) and bookmark == end:
        trial.fail("loses-the-bookmark", **facts, got=came.lines())
    if came.error:
        trial.fail_for(came.error, **facts)
    if came.value is None:
        trial.fail("no-return-here", **facts, got="None")
    value = came.value
    if not isinstance(value, tuple | list) or len(value) != 2 or isinstance(value[0], Event):
        trial.fail("no-pair", **facts, got=came.lines())
    new, after = as_list(value[0]), value[1]
    if new is None or not all(isinstance(event, Event) for event in new):
        trial.fail("no-pair", **facts, got=came.lines())
    got = [event.position or 0 for event in new]
    # Who reads after the other writer has the two more events, who reads before has not.
    wanted = list(range(bookmark + 1, max([end, *got]) + 1))
    last = wanted[-1] if wanted else bookmark
    facts |= {
        "got": f"positions {got}, and the bookmark {after!r}",
        "wanted": f"positions {wanted}, and the bookmark {last}",
    }
    if got != wanted:
        trial.require(got != [bookmark, *wanted], "reads-twice", **facts)
        trial.require(got != wanted[1:], "skips-one", **facts)
        trial.require(sorted(got) != list(range(1, last + 1)), "reads-everything", **facts)
        trial.fail(**facts)
    if turn and busy.moved and whole(after) == store.position != last:
        trial.remark(
            "One trap is left: who writes between your look and `store.position` is passed by. The "
            "position of the last event that was read is safe."
        )
    elif whole(after) != last:
        trial.require(wanted, "loses-the-bookmark", **facts)
        trial.require(after != bookmark, "bookmark-stays", **facts)
        trial.require(after != new[-1].sequence_number, "sequence-number", **facts)
        trial.require(after != len(new), "counts-what-came", **facts)
        trial.fail(**facts)
    asked = [(*given, *named.values()) for name, given, named in busy.asked if name == "read_all"]
    if bookmark and any(not given or given[0] == 0 for given in asked):
        trial.remark(
            "This reads the whole log each time, and drops what is old: `read_all(after=bookmark)` "
            "begins at the first new event."
        )


@chapter.exercise(
    "02-3",
    form="Break it",
    title="A forgery without a gap",
    chapter="02b_a_stores_promises",
    section="Who stops you from changing the past?",
    stub="""
def forge(events):
    forged = list(events)
    ...  # change the past, and let the numbers look healthy
    return forged
""",
    todo="Nothing is forged yet: the list comes back as it was. Change the past, and check again.",
    hints=(
        "Taking an event out leaves a gap. What else can you do to a fact?",
        "The numbers say how many facts there are, and in which order. They say nothing about what "
        "is *in* a fact. `dataclasses.replace(event, ...)` makes a changed copy.",
        "def forge(events):\n    first, *rest = events",
    ),
    right="Every number is in its place, and the past is another one. Sequence numbers find what "
    "is missing, not what was rewritten: for that you need guards, copies, or a chain of proofs.",
    mistakes={
        "gap": "The numbers have a gap, and that gives you away.",
        "twice": "One number is there twice: everybody can see that something is wrong.",
        "shorter": "The numbers look healthy, but the log has become shorter. The store writes its "
        "last position down, so a cut is noticed. Keep as many events as there were.",
        "longer": "You added a fact at the end, as everybody may. Forge one that is there already, "
        "and keep as many events as there were.",
        "same-story": "Replay gives the same states as before: no story was changed. Change what "
        "counts, such as a price.",
        "no-replay": "Replay stops at your forgery, so it is found at once. Forge something that "
        "can be replayed.",
        "wrong-order": "The numbers are all there, and not in rising order.",
    },
    varies={"lengths": variety.lengths(3), "every type": variety.types(*variety.ORDER_TYPES[:4])},
)
def _forgery(answer: Any, trial: Trial) -> None:
    trial.function(answer, "forge(events)")
    for length in (4, 5, 6, 9):
        events = order_history(trial.rng, length)
        trial.case("", events)
        given = fresh(events)
        forged = settled(trial.call(answer, given, given=events))
        if given != events:
            trial.fail("changes-events", given=events, after_the_call=given)
        trial.kind(forged, (list, tuple), "a list of events")
        if not all(isinstance(event, Event) for event in forged):
            trial.fail("wrong-kind", got=value_lines(forged), wanted="a list of events")
        numbers = [event.sequence_number for event in forged]
        facts = {"given": events, "got": [*forged]}
        counts = Counter(numbers)
        trial.require(not any(n > 1 for n in counts.values()), "twice", **facts)
        trial.require(None not in counts, "gap", **facts)
        healthy = list(range(1, len(forged) + 1))
        trial.require(sorted(n for n in numbers if n) == healthy, "gap", **facts)
        trial.require(numbers == healthy, "wrong-order", **facts)
        trial.require(len(forged) >= len(events), "shorter", **facts)
        trial.require(len(forged) <= len(events), "longer", **facts)
        came = attempt(partial(_replayed, forged))
        trial.require(came.error is None, "no-replay", **facts, error=came.lines())
        trial.require(came.value != _replayed(events), "same-story", **facts)


def _replayed(events: list[Event]) -> list[dict[str, Any]]:
    """The state after each event: what somebody may have seen in between counts too."""
    return [state_of(replay(Order, events[:n])) for n in range(1, len(events) + 1)]


@chapter.exercise(
    "02-4",
    form="Your data",
    title="A log of your own",
    chapter="02b_a_stores_promises",
    section="Can you load your own data?",
    stub="""
mine = ...  # EventStore.from_frame(...) with a table of your own, five rows or more
""",
    hints=(
        "Look at your table with three questions: which thing, what happened, when?",
        "The column that says *which thing* comes again in many rows: it names the stream. The "
        "column that says *what happened* has a few words that come again and again.",
        'mine = EventStore.from_frame(table, aggregate_id="...", event_type="...",\n'
        '    occurred_at="...", aggregate_type="...", timezone="Europe/Berlin")',
    ),
    right="Your own data is a log now: each row a fact, each thing a stream with its own numbers.",
    mistakes={
        "too-few": "Five events make a beginning. Load some more rows.",
        "a-stream-for-each-row": "Every event is alone in a stream of its own. `aggregate_id` "
        "names the thing to which many things happen, such as an account, and not the row.",
        "a-name-for-each-row": "Every event has a name of its own. `event_type` says what kind of "
        "thing happened, in a few words that come again.",
        "one-moment": "All events have the same time. Which column says when it happened?",
        "not-yet-happened": "Some of these events lie in the future. A fact has happened already: "
        "check the zone, and the order of day and month.",
        "frame-only": "This is a table, and not yet a log. Hand it to `EventStore.from_frame`.",
    },
)
def _your_data(answer: Any, trial: Trial) -> None:
    if hasattr(answer, "columns") and hasattr(answer, "iloc"):
        trial.fail("frame-only", got=answer)
    trial.kind(answer, EventStore, "an EventStore")
    events = list(answer.read_all(limit=20_000))
    facts = {
        "got": f"{len(events)} events in {len({e.aggregate_id for e in events})} streams, "
        f"{len({e.event_type for e in events})} types"
    }
    trial.require(len(events) >= 5, "too-few", **facts, in_the_log=events)
    own = len({event.aggregate_id for event in events}) == len(events)
    trial.require(not own, "a-stream-for-each-row", **facts, in_the_log=events)
    named = len({event.event_type for event in events}) == len(events)
    trial.require(not named, "a-name-for-each-row", **facts, in_the_log=events)
    times = {event.occurred_at for event in events}
    trial.require(len(times) > 1, "one-moment", **facts)
    day = timedelta(days=1)
    late = [
        e for e in events if e.occurred_at and e.recorded_at and e.occurred_at > e.recorded_at + day
    ]
    trial.require(not late, "not-yet-happened", **facts, in_the_log=late)
