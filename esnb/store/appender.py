"""The writing half of the store: appends to one stream or several, each all or none.

Appends of several threads that arrive together become one transaction (see `group_commit.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import orjson

from esnb.clock import Clock, utc
from esnb.errors import (
    AppendConditionError,
    ConcurrencyError,
    DuplicateEventError,
    InvalidEventError,
)
from esnb.event_json import Json
from esnb.events import Event
from esnb.store.appended import Appended, StreamAppend
from esnb.store.conditions import AppendCondition, Conditions, conditions_of
from esnb.store.connection import Log
from esnb.store.draft import Draft
from esnb.store.engine_errors import VersionTakenError
from esnb.store.event_rows import EventRow, columns_of, event_from_row, row_of_event
from esnb.store.expected_version import ANY, ExpectedVersion
from esnb.store.group_commit import Turn
from esnb.store.horizon import whole_stream
from esnb.store.matching import MatchingReader
from esnb.store.reader import Reader
from esnb.upcasters import Upcasters

_event_id = columns_of("event_id")


class Vault(Protocol):
    """What seals personal fields before they are stored and opens them on reading: `KeyVault`."""

    personal: dict[str, dict[str, list[str]]]

    def seal(self, event: Event) -> Event:
        """The event as it is stored."""
        ...

    def same(self, new: Event, stored: Event) -> bool:
        """Whether a stored event has the data of a new one."""
        ...

    def steps(self, upcasters: Upcasters) -> Upcasters:
        """The steps of every read path, opening first."""
        ...

    def forget_again(self, log: Reader) -> list[str]:
        """Destroy the keys of all whom the log says to be forgotten."""
        ...


class Appender(MatchingReader):
    """A log that can be appended to."""

    def __init__(self, log: Log, clock: Clock, upcasters: Upcasters, vault: Vault | None) -> None:
        super().__init__(log, clock, upcasters)
        self.vault = vault

    def append(
        self,
        aggregate_id: str,
        events: Sequence[Event] | Iterable[Event],
        *,
        expected_version: ExpectedVersion,
        aggregate_type: str | None = None,
        condition: Conditions = None,
    ) -> Appended:
        """Add events to one stream, all or none, durable when this returns.

        `expected_version` is the sequence number that the writer believes to be the latest: 0 for a
        new stream, or `ANY`. If it is not, `ConcurrencyError` names the events written in between.
        The `aggregate_type` (such as "ORDER") is needed with the first event of a stream. Appending
        events that are stored in this stream already, the same in the same order, changes nothing
        and returns the first result; the same id with other content is a `DuplicateEventError`.
        (Ids are compared within the stream: the store does not notice one that is used in two.)
        A `condition` (or several) guards a rule that spans streams: an event that matches it, after
        the position at which it was checked, is an `AppendConditionError`.
        """
        stream = StreamAppend.checked(aggregate_id, events, expected_version, aggregate_type)
        return self._append([stream], conditions_of(condition))[0]

    def append_all(
        self,
        events: Mapping[str, Sequence[Event]],
        *,
        expected_version: Mapping[str, ExpectedVersion],
        aggregate_type: str | Mapping[str, str] | None = None,
        condition: Conditions = None,
    ) -> dict[str, Appended]:
        """Add events to several streams, all or none, at positions without a gap between them.

            store.append_all(
                {"account-1": [taken], "account-2": [given]},
                expected_version={"account-1": 7, "account-2": ANY},
            )

        `expected_version` has one for each stream; `aggregate_type` is one for all, or one for each
        new stream; `condition` is that of `append`. So are the errors, and the retry: all of it
        again, unchanged, changes nothing. Returns what `append` would have for each stream.

        Think twice: a rule that needs two streams at once often says that their boundary is wrong.
        One stream, a process in steps (take, give, or give back), or an `AppendCondition` keeps
        writers of different aggregates out of each other's way, and this does not.
        """
        if not isinstance(events, Mapping) or not events:
            raise InvalidEventError(
                f"append_all() takes a mapping of aggregate ids to lists of events, found "
                f"{events!r:.60}."
            )
        if not isinstance(expected_version, Mapping) or expected_version.keys() != events.keys():
            raise InvalidEventError(
                f"expected_version has one version for each stream, {sorted(events)}; found "
                f"{expected_version!r:.80}."
            )
        types = (
            aggregate_type
            if isinstance(aggregate_type, Mapping)
            else dict.fromkeys(events, aggregate_type)
        )
        streams = [
            StreamAppend.checked(name, batch, expected_version[name], types.get(name))
            for name, batch in events.items()
        ]
        given = [event for stream in streams for event in stream.batch]
        ids = [name for stream in streams for name in stream.ids]
        if len({id(event) for event in given}) < len(given) or len(set(ids)) < len(ids):
            raise DuplicateEventError(
                "The same event is in two streams of one append. Make a new event for each fact."
            )
        results = self._append(streams, conditions_of(condition))
        return dict(zip(events, results, strict=True))

    def _append(
        self, streams: list[StreamAppend], conditions: list[AppendCondition]
    ) -> list[Appended]:
        log = self._log
        log.check_usable()
        request = _Request(self, log, streams, conditions)
        log.queue.take_turn(request, _store_group)
        return request.result()

    def decide(
        self, draft: Draft, streams: list[StreamAppend], conditions: list[AppendCondition]
    ) -> list[Appended]:
        """Put what is to be stored into a draft, or raise the error that says why not."""
        # 1. A retry gets the first result, whatever its expected version.
        if earlier := self._stored_earlier(draft, streams):
            return earlier
        # 2. The streams are what their writer believes.
        for stream in streams:
            actual = draft.head(stream.aggregate_id)[0]
            if stream.expected_version is not ANY and stream.expected_version != actual:
                raise self._conflict(stream, actual)
        # 3. The conditions hold. Nobody else writes meanwhile, so they do when the events are in.
        for each in conditions:
            if matched := self._matching(each, self._log.position, limit=100):
                name = streams[0].aggregate_id
                raise AppendConditionError(name, draft.head(name)[0], each, matched)
        # 4. Every event gets its id, time, version and position, and becomes a row.
        # The log's own time never runs backwards, even where the machine's clock does.
        now = max(utc(self.clock.now()), draft.last_recorded)
        position = draft.position
        placed, rows = [], list[EventRow]()
        for stream in streams:
            head = draft.head(stream.aggregate_id)
            events = self._placed(stream, head, position, now)
            position += len(events)
            sealed = events if self.vault is None else map(self.vault.seal, events)
            rows += map(row_of_event, sealed)
            placed.append(events)
        proof = draft.add(rows, now)
        return [
            Appended(
                events[-1].sequence_number or 0,
                events[-1].position or 0,
                tuple(events),
                proof=proof,
            )
            for events in placed
        ]

    def _stored_earlier(self, draft: Draft, streams: list[StreamAppend]) -> list[Appended]:
        found = list[Appended]()
        for stream in streams:
            version = draft.head(stream.aggregate_id)[0]
            if version and (ids := stream.ids):
                known = self._log.ids.of(self._log.rows, stream.aggregate_id, version)
                if not known.isdisjoint(ids):
                    earlier = self._stored_already(stream.aggregate_id, stream.batch)
                    found += [] if earlier is None else [earlier]
        if found and len(found) < len(streams):
            raise DuplicateEventError(
                f"The events of {len(found)} of the {len(streams)} streams are stored already, the "
                f"others are not. To repeat an append, repeat it whole and unchanged."
            )
        return found

    def _placed(
        self, stream: StreamAppend, head: tuple[int, str | None], position: int, now: datetime
    ) -> list[Event]:
        """The events of a stream as they are stored: with their ids, times, and numbers."""
        (version, known_type), batch = head, stream.batch
        kind, aggregate_id = stream.agreed_type(known_type), stream.aggregate_id
        for event in batch:
            if event.event_id is None or event.occurred_at is None:
                event.settle(event.event_id or self.clock.new_id(), now)
        # Spelled out: dataclasses.replace takes three times as long, for each event.
        return [
            Event(
                event.event_type,
                event.event_data,
                event.event_version,
                event.metadata,
                event.occurred_at,
                event.event_id,
                kind,
                aggregate_id,
                version + n,
                position + n,
                now,
            )
            for n, event in enumerate(batch, start=1)
        ]

    def _conflict(self, stream: StreamAppend, actual: int) -> ConcurrencyError:
        name, expected = stream.aggregate_id, stream.expected_version
        assert isinstance(expected, int), "ANY never conflicts"
        rows = map(EventRow._make, whole_stream(self._log, name))
        between = [row.event_type for row in rows if row.sequence_number > expected]
        return ConcurrencyError(name, expected, actual, between)

    def _stored_already(self, aggregate_id: str, batch: list[Event]) -> Appended | None:
        """The first result, when these very events are in the stream; None when none of them is."""
        given = [event.event_id for event in batch if event.event_id is not None]
        ids = {*given, *(event_id.bytes for event_id in given)}  # rows of a file hold 16 bytes
        rows = whole_stream(self._log, aggregate_id)
        rows = [row for row in rows if _event_id(row) in ids]
        found = list(map(event_from_row, rows))
        if not found:
            return None
        first, last = found[0], found[-1]
        together = last.sequence_number == (first.sequence_number or 0) + len(batch) - 1
        if len(found) == len(batch) and together and all(map(self._same, batch, found)):
            return Appended(
                last.sequence_number or 0,
                last.position or 0,
                tuple(self._events(rows)),
                True,
            )
        if len(found) < len(batch):
            how = f"but {len(batch) - len(found)} of the events beside it in this append are not"
        elif not together or [e.event_id for e in batch] != [e.event_id for e in found]:
            how = "in another order"
        else:
            how = "with other content"
        raise DuplicateEventError(
            f"{aggregate_id!r}: event id {first.event_id} is stored already, as "
            f"{first.event_type}, sequence number {first.sequence_number}, {how}. An id names "
            f"one fact forever. To repeat an append, repeat it whole and unchanged; for another "
            f"fact, make a new event."
        )

    def _same(self, new: Event, stored: Event) -> bool:
        return (
            new.event_id == stored.event_id
            and new.event_type == stored.event_type
            and new.event_version == stored.event_version
            and (new.occurred_at is None or new.occurred_at == stored.occurred_at)
            and _text(new.metadata) == _text(stored.metadata)
            and (
                _text(new.event_data) == _text(stored.event_data)
                if self.vault is None
                else self.vault.same(new, stored)
            )
        )


class _Request(Turn):
    """One append on its way into the log."""

    def __init__(
        self,
        store: Appender,
        log: Log,
        streams: list[StreamAppend],
        conditions: list[AppendCondition],
    ) -> None:
        super().__init__()
        self.store = store
        self.log = log
        self.streams = streams
        self.conditions = conditions
        self.results: list[Appended] = []
        self.error: Exception | None = None

    def result(self) -> list[Appended]:
        """What came of it."""
        if self.error is not None:
            raise self.error
        return self.results

    def can_join(self, draft: Draft) -> bool:
        """Whether it can be decided as if the draft were stored: if not, it has to wait for that.

        Conditions, the search for ids, and the story of a conflict ask the database.
        """
        return not self.conditions and all(
            stream.aggregate_id not in draft.heads
            or (
                stream.expected_version in (ANY, draft.head(stream.aggregate_id)[0])
                and not stream.ids
            )
            for stream in self.streams
        )

    def decide(self, draft: Draft) -> bool:
        """Put it into the draft; False when it was refused."""
        try:
            self.results = self.store.decide(draft, self.streams, self.conditions)
        except Exception as error:
            self.error, self.is_done = error, True
            return False
        return True

    def store_alone(self, log: Log) -> None:
        """One transaction for it."""
        names = [stream.aggregate_id for stream in self.streams]
        while True:
            draft, before = Draft(log), [log.head(name) for name in names]
            if not self.decide(draft):
                return
            try:
                draft.store()
            except VersionTakenError as error:
                # Another connection wrote past this object, and the primary key noticed. What it
                # wrote counts: look again, as if it had been there from the beginning.
                if [log.head(name) for name in names] != before:
                    continue
                self.error = error
            except Exception as error:
                self.error = error
            self.is_done = True
            return


def _store_group(group: Sequence[Turn]) -> None:
    """Store the appends that wait, in their order; as one transaction where that is possible."""
    requests = [turn for turn in group if isinstance(turn, _Request)]
    log = requests[0].log  # of all: several stores may share it
    with log.writing():
        draft, joined = Draft(log), list[_Request]()
        for request in requests:
            if joined and not request.can_join(draft):
                _store_together(log, draft, joined)
                draft, joined = Draft(log), []
            if len(requests) == 1 or request.conditions:
                request.store_alone(log)
                draft = Draft(log)
            elif request.decide(draft):
                joined.append(request)
        _store_together(log, draft, joined)


def _store_together(log: Log, draft: Draft, joined: list[_Request]) -> None:
    try:
        draft.store()
    except Exception:
        for request in joined:  # nothing is stored: each by itself, to learn whose error it was
            request.store_alone(log)
        return
    for request in joined:
        request.is_done = True


def _text(data: Json) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
