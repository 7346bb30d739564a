"""A class that never was: seeded learners, to try the dashboard and to teach with it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from esnb.clock import LessonClock
from esnb.events import new_event
from esnb.interchange import write_jsonl
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

from .log import AGGREGATE, ClassroomError

# Exercise, chance that a try is right, and its mistakes with their weights. Made up: the real
# numbers come from a real class.
PLAN: tuple[tuple[str, float, dict[str, int]], ...] = (
    ("01-1", 0.80, {"other": 3, "error": 2}),
    ("02-1", 0.65, {"order-by-time": 4, "other": 2, "error": 1}),
    ("02-2", 0.55, {"gap-in-numbers": 3, "other": 2}),
    ("03-1", 0.60, {"next-number": 4, "other": 1}),
    ("03-2", 0.16, {"blind-retry": 9, "endless": 2, "error": 2}),
    ("03-3", 0.45, {"old-read": 3, "other": 2}),
    ("04-1", 0.50, {"changes-events": 3, "error": 2, "other": 1}),
)


def simulated_class(
    folder: str | os.PathLike[str], learners: int = 24, seed: int = 7, minutes: int = 45
) -> list[Path]:
    """Write the hand-ins of a simulated class into `folder`, the same ones for the same seed.

    Each learner works through seven exercises at a pace of their own, until `minutes` are over;
    some of them are stuck at that moment. Returns the files, one a learner.
    """
    if not 0 < learners <= 500:
        raise ClassroomError(f"learners is a number from 1 to 500, found {learners!r}.")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    files = []
    for _ in range(learners):
        clock = LessonClock("2026-03-02T09:00:00Z", step=0, seed=chance.getrandbits(64))
        clock.advance(seconds=chance.randrange(180))
        with EventStore(clock=clock) as store:
            learner = f"learner-{clock.new_id().hex[-10:]}"
            _learn(store, clock, learner, chance, minutes)
            files.append(place / f"hand-in-{learner}.jsonl")
            write_jsonl(store, files[-1])
    return files


def _learn(
    store: EventStore, clock: LessonClock, learner: str, chance: random.Random, minutes: int
) -> None:
    def write(kinds: Sequence[tuple[str, dict[str, object]]]) -> None:
        events = [new_event(kind, data) for kind, data in kinds]
        store.append(learner, events, expected_version=ANY, aggregate_type=AGGREGATE)

    write([("LearnerJoined", {"course": "a simulated class"})])
    skill, pace = chance.triangular(0.5, 1.5), chance.triangular(0.6, 1.5)
    end = clock.now() + timedelta(minutes=minutes)
    for exercise, ease, mistakes in PLAN:
        clock.advance(seconds=pace * chance.randrange(150, 480))  # reading
        steps = 0
        right = False
        while not right:
            clock.advance(seconds=pace * chance.randrange(30, 150))
            if clock.now() > end:
                return
            right = chance.random() < min(0.95, ease * skill * (1 + 0.25 * steps))
            outcome = "right" if right else "not yet" if chance.random() < 0.08 else "not quite"
            data: dict[str, object] = {"exercise": exercise, "outcome": outcome}
            if outcome == "not quite":
                names = list(mistakes)
                data["mistake"] = chance.choices(names, [mistakes[name] for name in names])[0]
            kinds = [("ExerciseAttempted", data)]
            if right:
                kinds.append(("ExerciseSolved", {"exercise": exercise}))
            write(kinds)
            if not right and steps < 4 and chance.random() < 0.35:
                steps += 1
                clock.advance(seconds=20)
                write([("HintTaken", {"exercise": exercise, "step": steps})])
