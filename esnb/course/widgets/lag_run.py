"""The run behind Lag: a day second by second, with what the operator does.

The store and the projector are real: pause, crash, restart, rebuild, other rates. Only the time is
simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple, get_args

from esnb.clock import LessonClock, utc
from esnb.course.widgets.lag_day import (
    BOB,
    BOB_PAYS,
    PROJECTS,
    REBUILD,
    SECONDS,
    START,
    TIMEOUT,
    TREND,
    WRITES,
    Day,
)
from esnb.course.widgets.lag_projectors import (
    KINDS,
    Crash,
    DayProjector,
    Row,
)
from esnb.errors import InvalidEventError
from esnb.events import new_event
from esnb.shop import Order
from esnb.store.event_store import EventStore

Doing = Literal["write", "project", "pause", "resume", "crash", "restart", "rebuild"]
Step = tuple[int, str, int | None]


class Tick(NamedTuple):
    """One second of a run, as it stands at its end."""

    second: int
    head: int
    checkpoint: int
    events: int
    milliseconds: int
    trend: str
    state: str
    paused: bool
    crashed: bool
    rebuild: int | None


def trend_of(behind: Sequence[int]) -> str:
    """Growing, shrinking or steady: the lag against the one 3 seconds ago; 1 event is noise."""
    change = behind[-1] - behind[max(0, len(behind) - 1 - TREND)]
    return "growing" if change > 1 else "shrinking" if change < -1 else "steady"


def state_of_lag(behind: Sequence[int], checkpoints: Sequence[int]) -> str:
    """Caught up, stalled (events wait, and for 2 seconds nothing moved), catching up, or slow."""
    if behind[-1] == 0:
        return "caught up"
    if len(behind) > 2 and behind[-2] > 0 and checkpoints[-1] == checkpoints[-3]:
        return "stalled"
    return "catching up" if trend_of(behind) == "shrinking" else "slow"


class Simulation:
    """A run of the day over a real store and a real projector: `step()` lets one second pass.

    `script` says what the operator does, and when: `[(18, "crash"), (22, "restart")]`. What is done
    at second 18 counts from the end of second 18 on. `handler` is a key of `KINDS`.
    """

    def __init__(
        self,
        of: Day,
        script: Iterable[Sequence[Any]] = (),
        handler: str = "transaction",
        writes: int = 4,
        projects: int = 6,
    ) -> None:
        self.day, self.handler = of, handler
        self.script = checked(script)
        self.clock = LessonClock(START, step=0, seed=of.seed)
        self.store = EventStore(clock=self.clock)
        self.projector = self._new()
        self.beside: DayProjector | None = None
        self.writes, self.projects = writes, projects
        self.paused = self.crashed = False
        self.versions: dict[str, int] = {}
        self.ticks = [Tick(0, 0, 0, 0, 0, "steady", "caught up", False, False, None)]

    def _new(self) -> DayProjector:
        projection, apart = KINDS[self.handler]
        return DayProjector(self.store, projection, apart)

    def step(self) -> Tick:
        """Let one second pass: writers write, the projector takes a batch, a rebuild goes on."""
        second = len(self.ticks) - 1
        crash = False
        for when, what, value in self.script:
            if when == second:
                crash = self._do(what, value) or crash
        self._write(second)
        self.clock.set(utc(START) + timedelta(seconds=second + 1))
        if not self.crashed:
            self.projector.crashing = crash
            try:
                if not self.paused:
                    self.projector.catch_up(limit=self.projects)
            except Crash:
                pass
            self.crashed = crash
        if self.beside is not None:
            self.beside.catch_up(limit=self.projects * REBUILD)
            if self.beside.position == self.store.position:
                # The swap of `Projector.rebuild`, which does all of this in one call.
                self.projector.close()
                self.projector, self.beside, self.crashed = self.beside, None, False
        self.ticks.append(self._tick(second + 1))
        return self.ticks[-1]

    def run(self, upto: int = SECONDS) -> Simulation:
        """Step until the end of a second, and give itself back."""
        while len(self.ticks) <= upto:
            self.step()
        return self

    def close(self) -> None:
        """Close the store and the read databases."""
        for projector in (self.projector, self.beside):
            if projector is not None:
                projector.close()
        self.store.close()

    def _do(self, what: str, value: int | None) -> bool:
        if what == "write":
            self.writes = value or 0
        elif what == "project":
            self.projects = value or 0
        elif what in ("pause", "resume"):
            self.paused = what == "pause"
        elif what == "restart" and self.crashed:
            self.projector.restart()
            self.crashed = False
        elif what == "rebuild" and self.beside is None:
            self.beside = self._new()
        return what == "crash" and not self.crashed

    def _write(self, second: int) -> None:
        head = self.store.position
        count = self.day.count(self.writes, second)
        for k, event in enumerate(self.day.events[head : head + count]):
            share = 1000 * (k + 1) // (count + 1)
            self.clock.set(utc(START) + timedelta(seconds=second, milliseconds=share))
            name = str(event.aggregate_id)
            version = self.versions.get(name, 0)
            stored = new_event(event.event_type, event.event_data, metadata=event.metadata)
            appended = self.store.append(
                name, [stored], expected_version=version, aggregate_type="ORDER"
            )
            self.versions[name] = appended.version

    def _tick(self, second: int) -> Tick:
        lag = self.projector.lag()
        behind = [*(tick.events for tick in self.ticks), lag.events]
        places = [*(tick.checkpoint for tick in self.ticks), self.projector.position]
        return Tick(
            second,
            self.store.position,
            self.projector.position,
            lag.events,
            round(lag.seconds * 1000),
            trend_of(behind),
            state_of_lag(behind, places),
            self.paused,
            self.crashed,
            None if self.beside is None else self.beside.position,
        )

    # -- who sees what --

    def reader(self) -> dict[str, Row]:
        """The read model by order: status, total, paid."""
        rows = self.projector.sql("select order_id, status, total, paid from orders").fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def truth(self) -> dict[str, Row]:
        """The same by loading each order from its stream."""
        found = {}
        for name in self.versions:
            order: Any = self.store.load(Order, name)
            found[name] = (str(order.status), order.total, order.paid)
        return found

    def sees(self, policy: str) -> str:
        """What Bob sees when he refreshes now. With "wait" the simulation goes on while he waits.

        Texts as in the prediction: "PAID", "no such order", "PAID, after a wait", "a timeout".
        """
        if policy == "stream":
            return str(self.store.load(Order, BOB).status)
        waited = 0
        if policy == "wait":
            self.script = [step for step in self.script if step[0] < len(self.ticks) - 1]
            while self.projector.position < BOB_PAYS and waited < TIMEOUT:
                self.step()
                waited += 1
            if self.projector.position < BOB_PAYS:
                return "a timeout"
            self.projector.wait_for(BOB_PAYS)
        status = self.reader().get(BOB, ("no such order", 0, 0))[0]
        return f"{status}, after a wait" if waited else status


def checked(script: Iterable[Sequence[Any]]) -> list[Step]:
    """A script as a list of (second, action, value), in order; `InvalidEventError` says what is
    wrong."""
    steps: list[Step] = []
    for entry in script:
        whole = isinstance(entry, list | tuple) and 2 <= len(entry) <= 3
        second, what, value = (*entry, None)[:3] if whole else (None, None, None)
        rates = {"write": WRITES, "project": PROJECTS}.get(str(what))
        good = what in get_args(Doing) and (value in rates if rates else value is None)
        if not isinstance(second, int) or not 0 <= second < SECONDS or not good:
            raise InvalidEventError(
                f"A step of the script is (second, action), such as (18, 'pause'), with a second "
                f"from 0 to {SECONDS - 1} and an action of {get_args(Doing)}; 'write' takes one of "
                f"{WRITES} and 'project' one of {PROJECTS} as a third. Found {entry!r}."
            )
        steps.append((second, str(what), value))
    return sorted(steps, key=lambda step: step[0])
