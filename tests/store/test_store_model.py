"""The store against a plain list: whatever is done to both, both must answer the same."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from esnb import (
    ANY,
    AggregateNotFoundError,
    ConcurrencyError,
    DuplicateEventError,
    Event,
    EventStore,
    LessonClock,
    new_event,
)
from tests.support import Snapped, Tally, exactly, expected_tally, public

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b", "it's"])
HOURS = st.integers(0, 4)  # few, so that times are equal and run backwards
TIMES = HOURS.map(lambda hour: T0 + timedelta(hours=hour))
KINDS = st.sampled_from(["Added", "Noted", "Reset"])
DRAFTS = st.lists(st.tuples(KINDS, st.integers(-3, 3), HOURS), min_size=1, max_size=4)


def drawn(drafts: list[tuple[str, int, int]]) -> list[Event]:
    return [
        new_event(kind, n=n, occurred_at=T0 + timedelta(hours=hour)) for kind, n, hour in drafts
    ]


def said(event: Event) -> tuple[Any, ...]:
    """What the model knows of an event; the store gives the rest."""
    return (
        event.aggregate_id, event.sequence_number, event.event_type, event.event_id,
        exactly(event.event_data), event.occurred_at,
    )  # fmt: skip


class StoreAgainstList(RuleBasedStateMachine):
    """`log` is the model: (aggregate id, event as it was given), in order."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path: Path | None = None
        self.log: list[tuple[str, Event]] = []
        self.aggregates: dict[str, Tally] = {}

    @initialize(on_disk=st.booleans())
    def open(self, on_disk: bool) -> None:
        self.path = Path(self.folder.name) / "s.duckdb" if on_disk else None
        self.store = EventStore(self.path, clock=LessonClock(T0))

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # -- the model -----------------------------------------------------------------------------

    def stream(self, name: str) -> list[Event]:
        return [event for own, event in self.log if own == name]

    def as_it_should_be(self, upto: int | None = None) -> list[tuple[Any, ...]]:
        numbers: dict[str, int] = {}
        lines = []
        for name, event in self.log[:upto]:
            numbers[name] = numbers.get(name, 0) + 1
            lines.append(
                (name, numbers[name], event.event_type, event.event_id, exactly(event.event_data),
                 event.occurred_at)
            )  # fmt: skip
        return lines

    # -- writing -------------------------------------------------------------------------------

    @rule(target=batches, name=NAMES, drafts=DRAFTS, how=st.sampled_from(["any", "exact"]))
    def append(self, name, drafts, how):
        batch, version = drawn(drafts), len(self.stream(name))
        done = self.store.append(
            name, batch, expected_version=ANY if how == "any" else version, aggregate_type="TALLY"
        )
        self.log += [(name, event) for event in batch]
        assert (done.version, done.position) == (version + len(batch), len(self.log))
        assert not done.duplicate
        assert [e.event_data for e in done.events] == [e.event_data for e in batch]
        return (name, batch, done)

    @rule(name=NAMES, drafts=DRAFTS, off=st.sampled_from([-3, -1, 1, 2, 50]))
    def append_at_a_wrong_version(self, name, drafts, off):
        stream = self.stream(name)
        expected = len(stream) + off
        if expected < 0:
            return
        with pytest.raises(ConcurrencyError) as caught:
            self.store.append(
                name, drawn(drafts), expected_version=expected, aggregate_type="TALLY"
            )
        error = caught.value
        assert (error.aggregate_id, error.expected, error.actual) == (name, expected, len(stream))
        assert error.between == tuple(e.event_type for e in stream[expected:])

    @rule(batch=batches, expected=st.sampled_from([0, 1, 7, ANY]), new_objects=st.booleans())
    def append_again(self, batch, expected, new_objects):
        name, events, first = batch
        if new_objects:
            events = [
                new_event(e.event_type, e.event_data, event_id=str(e.event_id),
                          occurred_at=e.occurred_at.isoformat()) for e in events
            ]  # fmt: skip
        again = self.store.append(name, events, expected_version=expected)
        assert again.duplicate
        assert (again.version, again.position) == (first.version, first.position)
        assert again.events == first.events

    @rule(batch=batches, drafts=DRAFTS, expected=st.sampled_from([0, ANY]),
          shape=st.sampled_from(["after", "before", "reversed", "changed"]))  # fmt: skip
    def append_partly_again(self, batch, drafts, expected, shape):
        name, events, _ = batch
        mixed = {
            "after": [*events, *drawn(drafts)],
            "before": [*drawn(drafts), *events],
            "reversed": events[::-1] if len(events) > 1 else [*events, *drawn(drafts)],
            "changed": [new_event("Other", events[0].event_data, event_id=events[0].event_id),
                        *events[1:]],
        }[shape]  # fmt: skip
        with pytest.raises(DuplicateEventError):
            self.store.append(name, mixed, expected_version=expected)

    # -- aggregates and snapshots --------------------------------------------------------------

    @rule(name=NAMES, ns=st.lists(st.integers(-3, 3), max_size=5), snapped=st.booleans())
    def load_change_and_save(self, name, ns, snapped):
        kind = Snapped if snapped else Tally
        known = bool(self.stream(name))
        tally = self.store.load(kind, name) if known else self.store.new(kind, name)
        for n in ns:
            tally.add(n) if n % 2 else tally.note(n)
        pending = tally.pending
        done = self.store.save(tally)
        self.log += [(name, event) for event in pending]
        assert done.version == tally.version == len(self.stream(name))
        assert public(tally) == expected_tally(self.stream(name))

    @rule(name=NAMES, at=st.none() | st.integers(0, 12) | TIMES)
    def load(self, name, at):
        stream = self.stream(name)
        if isinstance(at, datetime):
            inside = [e for e in stream if e.occurred_at <= at]
        else:
            inside = stream[:at]
        missing = not inside if at != 0 else not stream
        if missing or (isinstance(at, int) and at > len(stream)):
            for kind in (Tally, Snapped):
                with pytest.raises(AggregateNotFoundError):
                    self.store.load(kind, name, at=at)
            return
        for kind in (Tally, Snapped):
            loaded = self.store.load(kind, name, at=at)
            assert public(loaded) == expected_tally(inside)

    @rule(name=st.none() | NAMES)
    def delete_snapshots(self, name):
        before = len(self.store.snapshots(name))
        assert self.store.delete_snapshots(name) == before
        assert len(self.store.snapshots(name)) == 0

    @precondition(lambda self: self.log)
    @rule(name=NAMES)
    def take_a_snapshot(self, name):
        if self.stream(name):
            assert Snapped.take_snapshot(self.store, name) == len(self.stream(name))

    # -- reading -------------------------------------------------------------------------------

    @rule(name=NAMES, after=st.integers(0, 6), upto=st.none() | st.integers(0, 9),
          hour=st.none() | HOURS)  # fmt: skip
    def read_a_window(self, name, after, upto, hour):
        until = None if hour is None else T0 + timedelta(hours=hour)
        expected = [
            n for n, e in enumerate(self.stream(name), start=1)
            if n > after and (upto is None or n <= upto)
            and (until is None or e.occurred_at <= until)
        ]  # fmt: skip
        got = self.store.events(name, after=after, upto=upto, until=until)
        assert [e.sequence_number for e in got] == expected

    @rule(after=st.integers(0, 30), limit=st.none() | st.integers(0, 10))
    def read_on(self, after, limit):
        got = list(self.store.read_all(after=after, limit=limit))
        positions = range(after + 1, len(self.log) + 1)
        assert [e.position for e in got] == list(positions if limit is None else positions[:limit])

    @rule(data=st.data())
    def look_back_to_a_position(self, data):
        position = data.draw(st.integers(0, len(self.log)))
        past = self.store.as_of(position)
        assert [said(e) for e in past.read_all()] == self.as_it_should_be(position)
        assert past.position == position
        assert past.sql("select count(*), max(position) from events").fetchone() == (
            position, position or None,
        )  # fmt: skip
        for name in {n for n, _ in self.log[:position]}:
            own = [e for n, e in self.log[:position] if n == name]
            assert past.version(name) == len(own)
            assert public(past.load(Snapped, name)) == expected_tally(own)

    @rule(hour=st.integers(-1, 5))
    def look_back_to_a_time(self, hour):
        when = T0 + timedelta(hours=hour)
        past = self.store.as_of(when)
        lines = [line for line in self.as_it_should_be() if line[5] <= when]
        assert [said(e) for e in past.read_all()] == lines
        count = past.sql("select count(*) from events").fetchone()
        assert count == (len(lines),)
        for name in {line[0] for line in lines}:
            own = [e for e in self.stream(name) if e.occurred_at <= when]
            assert public(past.load(Snapped, name)) == expected_tally(own)

    # -- life ----------------------------------------------------------------------------------

    @precondition(lambda self: self.path is not None)
    @rule(seed=st.integers(1, 2**30))
    def reopen(self, seed):
        self.store.close()
        self.store = EventStore(self.path, clock=LessonClock(T0, seed=seed))

    @precondition(lambda self: self.path is not None)
    @rule()
    def open_a_second_time(self):
        with EventStore(self.path) as other:
            assert other.position == len(self.log)

    @rule(target=batches, batch=consumes(batches))
    def forget(self, batch):
        return multiple()

    # -- always --------------------------------------------------------------------------------

    @invariant()
    def both_agree(self):
        if not hasattr(self, "store"):
            return
        assert self.store.position == len(self.log)
        assert [said(e) for e in self.store.read_all()] == self.as_it_should_be()
        assert [e.position for e in self.store.read_all()] == list(range(1, len(self.log) + 1))
        for name in ("a", "b", "it's"):
            assert self.store.version(name) == len(self.stream(name))
        counts = self.store.sql(
            "select aggregate_id, count(*), max(sequence_number) from events group by 1 order by 1"
        ).fetchall()
        names = sorted({name for name, _ in self.log})
        assert counts == [(n, len(self.stream(n)), len(self.stream(n))) for n in names]


StoreAgainstList.TestCase.settings = settings(max_examples=30, stateful_step_count=25)
TestStoreAgainstList = StoreAgainstList.TestCase
