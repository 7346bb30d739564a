"""A learner's own log: written after `join`, readable, handed in as a file, deletable.

The store is opened for each write and closed again, which takes about 30 ms: so two notebooks of
one learner can share the file, although a DuckDB file has one process at a time. While another
process holds it for longer, the events wait in memory, and the learner is told, once.
"""

from __future__ import annotations

import atexit
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from esnb.clock import Clock, SystemClock
from esnb.course import guesses
from esnb.course.exercises import Attempt, listeners, memories
from esnb.course.guesses import Guessed
from esnb.errors import EsnbError, StoreLockedError
from esnb.events import Event, new_event
from esnb.interchange import write_jsonl
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY
from esnb.store.reader import Reader

AGGREGATE = "LEARNER"
FOLDER, FILE = "my-learning", "learning.duckdb"
PATIENCE = 1.0  # seconds that a write waits for another notebook's write

_KEPT = """\
  for each check   the exercise, how it went, which known mistake it was, the time
  for each hint    the exercise, which step of the hints, the time
  for each guess   the prediction, how it went, which known mistake it was, the time
  never            your code, your answers, your name, your machine
"""


class ClassroomError(EsnbError):
    """The log of a learner cannot be kept, read or removed as asked."""


@dataclass(frozen=True, repr=False, slots=True)
class Stored:
    """What is kept about a learner: in words, and every event as a row of `events`."""

    text: str
    events: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False, slots=True)
class HandedIn:
    """A file to hand in: its path, and how many events of which learner are in it."""

    path: Path
    learner: str
    events: int

    def __repr__(self) -> str:
        return (
            f"{self.events} events of {self.learner} are in {self.path.name}. It is text: open it "
            "and read it.\nNothing was sent. Give the file to your teacher yourself, or do not."
        )


@dataclass
class _Session:
    """What one kernel has joined: where it writes, as whom, and what waits to be written."""

    course: str
    nickname: str | None
    folder: Path
    clock: Clock
    repeats: bool  # a lesson's clock gives the times as well
    learner: str | None = None
    waiting: list[Event] = field(default_factory=list)
    told: bool = False

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def hear(self, attempt: Attempt) -> None:
        """The listener of `check` and `hint`: one attempt becomes one or two events."""
        at = None if self.repeats else attempt.at
        if attempt.kind == "hint":
            data = {"exercise": attempt.exercise, "step": attempt.step}
            self.waiting.append(new_event("HintTaken", data, occurred_at=at))
        else:
            data = {"exercise": attempt.exercise, "outcome": attempt.outcome}
            data |= {"mistake": attempt.mistake} if attempt.mistake else {}
            self.waiting.append(new_event("ExerciseAttempted", data, occurred_at=at))
            if attempt.outcome == "right":
                solved = {"exercise": attempt.exercise}
                self.waiting.append(new_event("ExerciseSolved", solved, occurred_at=at))
        self.write()

    def hear_guess(self, guessed: Guessed) -> None:
        """The listener of predictions: the first guess that met its fact becomes an event."""
        outcome = "right" if guessed.right else "not quite"
        data = {"prediction": guessed.prediction, "outcome": outcome}
        data |= {"mistake": guessed.mistake[:60]} if guessed.mistake else {}
        at = None if self.repeats else guessed.at
        self.waiting.append(new_event("PredictionMade", data, occurred_at=at))
        self.write()

    def write(self) -> None:
        """Store what waits; say once, in words, what keeps it from being stored."""
        if self.learner is not None and not self.path.exists():
            # Deleted from another notebook: it would be wrong to begin it anew behind their back.
            _stop()
            print("Your class log was deleted. This notebook writes nothing any more.")
            return
        try:
            with _opened(self.path, self.clock) as store:
                self.learner = learner_of(store) or f"learner-{self.clock.new_id().hex[-10:]}"
                self._enter(store)
                if self.waiting:
                    # A fact that happened needs no version: nothing was decided on older ones.
                    store.append(self.learner, self.waiting, expected_version=ANY)
                    self.waiting = []
            self.told = False
        except StoreLockedError as error:
            if not self.told:
                self.told = True
                print(
                    f"Your class log is open in another notebook (process {error.pid or '?'}), so "
                    "this one cannot write to it now.\nGo on: your exercises work as before. "
                    "What happens here waits, and is stored once the log is free."
                )
        except EsnbError as error:
            _stop()
            print(f"Your class log cannot be written, so it ends here. Go on without it.\n{error}")

    def outcomes(self) -> dict[str, str]:
        """The best outcome of each exercise in this log, for `progress()`."""
        found: dict[str, str] = {}
        with _opened(self.path, self.clock) as store:
            for event in store.events(learner_of(store) or ""):
                if (
                    event.type == "ExerciseAttempted"
                    and found.get(event.data["exercise"]) != "right"
                ):
                    found[event.data["exercise"]] = event.data["outcome"]
        return found

    def at_the_end(self) -> None:
        """Before the kernel ends: a last try to store what waits."""
        if self.waiting:
            self.write()

    def _enter(self, store: EventStore) -> None:
        """Say in the log who joined what, unless it says so already."""
        assert self.learner is not None
        events = store.events(self.learner)
        joined = [e.data for e in events if e.type == "LearnerJoined"]
        data = {"course": self.course} | ({"nickname": self.nickname} if self.nickname else {})
        if not joined or joined[-1] != data:
            store.append(
                self.learner,
                [new_event("LearnerJoined", data)],
                expected_version=len(events),
                aggregate_type=AGGREGATE,
            )


_session: _Session | None = None


def join(
    course: str,
    as_: str | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
) -> Stored:
    """Keep a log of your checks and hints from now on, in this kernel, on this machine only.

    `course` is the name of the course or of the notebook. You appear as a random name; `as_` adds a
    nickname, if you want one. The file learning.duckdb lies in `folder`, by default my-learning
    beside the notebook. Your next notebook of the same folder continues it, once it joins as well.
    Raises `ClassroomError` where nothing can be written. A `LessonClock` repeats ids and times.
    """
    global _session
    for name, value in (("course", course), ("as_", as_)):
        if (value is not None or name == "course") and not _is_name(value):
            raise ClassroomError(
                f"{name} is a short text of 1 to 60 characters on one line, found {value!r:.80}."
            )
    place = Path(folder or FOLDER)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClassroomError(
            f"The folder {place.name!r} cannot be made ({error.strerror}). Choose another one: "
            "classroom.join(course, folder=...)."
        ) from None
    session = _Session(course, as_, place, clock or SystemClock(), clock is not None)
    _stop()
    _session = session
    listeners.append(session.hear)
    memories.append(session.outcomes)
    guesses.listeners.append(session.hear_guess)
    atexit.register(session.at_the_end)
    session.write()
    if _session is None:
        raise ClassroomError("You have not joined: see the reason above.")
    who = session.learner or "known once the log is free"
    return Stored(
        f"From now on, checks and hints in this notebook are kept as events, on this machine.\n"
        f"  where            {place.name}/{FILE}\n"
        f"  who              {who}{f', nickname {as_}' if as_ else ', a random name'}\n{_KEPT}"
        f"  sent             nothing; classroom.hand_in() writes a file, for you to give away\n"
        f"  to stop          classroom.leave(), or with delete=True to remove the log too",
        _table(place, session.learner),
    )


def leave(*, delete: bool = False, folder: str | os.PathLike[str] | None = None) -> str:
    """Stop keeping a log; with `delete` remove it, with the hand-ins beside it. Says what it did.

    Joined or not, `delete` removes the log of `folder`. A hand-in that somebody else has is theirs
    to delete.
    """
    place = Path(folder or (_session.folder if _session else FOLDER))
    lost = len(_session.waiting) if _session else 0
    _stop()
    if not delete:
        kept = f" What was kept is in {place.name}/{FILE}." if (place / FILE).exists() else ""
        waited = f" {lost} events that waited were dropped." if lost else ""
        return f"Nothing is written any more.{kept}{waited}"
    found = [*place.glob(f"{FILE}*"), *place.glob("hand-in-learner-*.jsonl")]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise ClassroomError(
            f"{path.name} cannot be deleted ({error.strerror}). Is the log open? Close it "
            "(store.close()), or shut that notebook's kernel down, then try again."
        ) from None
    with suppress(OSError):
        place.rmdir()  # only when empty: other files of yours stay
    names = ", ".join(sorted(path.name for path in found)) or "nothing, as there was nothing"
    return (
        f"Deleted: {names}. Nothing is written any more.\nA file that you gave to "
        "somebody is not deleted by this: ask for it."
    )


def what_is_stored(folder: str | os.PathLike[str] | None = None) -> Stored:
    """All that is kept about you: in words, and in `.events` every event there is."""
    place = Path(folder or (_session.folder if _session else FOLDER))
    if not (place / FILE).exists():
        return Stored(
            "Nothing is stored about you. If you join (classroom.join), this would be kept, on "
            f"this machine:\n{_KEPT.rstrip()}"
        )
    frame = _table(place)
    who = frame["learner"].iloc[0] if len(frame) else "nobody yet"
    counts = frame["event"].value_counts(sort=False).to_dict()
    shown = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    nickname = [d["nickname"] for d in frame["data"] if "nickname" in d][-1:]
    return Stored(
        f"{len(frame)} events of {who}{f', nickname {nickname[0]}' if nickname else ''}, in "
        f"{place.name}/{FILE}: {shown}.\n{_KEPT}"
        f"  written          {'yes, in this notebook' if _session else 'no, not in this notebook'}"
        f"\n  each event is a row of classroom.what_is_stored().events",
        frame,
    )


def open_store(folder: str | os.PathLike[str] | None = None) -> EventStore:
    """Your log as an event store, to query and to project; close it when you are done.

    While it is open, this notebook goes on writing to it, and your other notebooks wait.
    """
    place = Path(folder or (_session.folder if _session else FOLDER))
    if not (place / FILE).exists():
        raise ClassroomError(
            f"There is no log in {place.name!r}. Join first: classroom.join('name of the course')."
        )
    return _opened(place / FILE, _session.clock if _session else None)


def hand_in(
    path: str | os.PathLike[str] | None = None, *, folder: str | os.PathLike[str] | None = None
) -> HandedIn:
    """Write your events as JSON Lines, for a teacher; nothing is sent.

    `path` is a file or a folder, by default the folder of the log. Hand in as often as you like:
    `merge` counts an event once.
    """
    if _session and _session.waiting:
        _session.write()
    with open_store(folder) as store:
        learner = learner_of(store)
        if learner is None:
            raise ClassroomError("The log is empty: there is nothing to hand in.")
        place = Path(folder or (_session.folder if _session else FOLDER))
        target = Path(path) if path is not None else place
        if target.is_dir():
            target = target / f"hand-in-{learner}.jsonl"
        return HandedIn(target, learner, write_jsonl(store, target).events)


def learner_of(store: Reader) -> str | None:
    """The learner whose log this is; None for an empty one."""
    query = "select aggregate_id from events where aggregate_type = ? order by position limit 1"
    row = store.sql(query, [AGGREGATE]).fetchone()
    return row[0] if row else None


def _stop() -> None:
    global _session
    if _session is not None:
        with suppress(ValueError):
            listeners.remove(_session.hear)
            memories.remove(_session.outcomes)
            guesses.listeners.remove(_session.hear_guess)
        atexit.unregister(_session.at_the_end)
    _session = None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 60 and value.isprintable()


def _opened(path: Path, clock: Clock | None) -> EventStore:
    """The store, after a short wait for another notebook that is writing right now."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return EventStore(path, clock=clock)
        except StoreLockedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _table(place: Path, learner: str | None = "") -> pd.DataFrame:
    if learner is None:  # the log is busy, and cannot be read now
        return pd.DataFrame()
    with _opened(place / FILE, None) as store:
        rows = [
            (e.sequence_number, e.occurred_at, e.aggregate_id, e.type, e.data)
            for e in store.read_all()
        ]
    return pd.DataFrame(rows, columns=["number", "time", "learner", "event", "data"])
