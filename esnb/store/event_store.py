"""The event store: append to a stream, save an aggregate, keep snapshots.

`connection.py` owns the database below, `reader.py` has the reading half, and `bulk_load.py` loads
whole tables.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, Protocol, Self

import orjson
import pandas as pd

from esnb.clock import Clock, LessonClock, SystemClock, utc
from esnb.errors import (
    AppendConditionError,
    ConcurrencyError,
    DuplicateEventError,
    InvalidEventError,
)
from esnb.events import Event, check_event, check_name, dump_json
from esnb.store import bulk_load, snapshots
from esnb.store.arguments import NO_LIMIT
from esnb.store.backup import restore_backup, write_backup
from esnb.store.conditions import AppendCondition, Conditions, conditions_of
from esnb.store.engine_errors import VersionTakenError
from esnb.store.event_rows import (
    COLUMNS,
    EventRow,
    columns_of,
    event_from_row,
    naive_utc,
    row_of_event,
)
from esnb.store.expected_version import ANY, ExpectedVersion, check_expected
from esnb.store.frame_table import Roles, split_rows
from esnb.store.hash_chain import Proof, Verified, verify
from esnb.store.horizon import whole_stream
from esnb.store.open_logs import open_log
from esnb.store.reader import Loadable, Loaded, Reader, check_loadable
from esnb.store.snapshots import Snapshot
from esnb.upcasters import Upcasters


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: the stream's new `version`, the log's `position` (the token with which a
    reader waits for its own write), the `events` as stored, whether it was a `duplicate`, and the
    `proof` of the log up to there (None for a duplicate). `rejected` has the rows of a table that
    `append_frame(..., on_bad="report")` left out, with a column `reason`."""

    version: int
    position: int
    events: tuple[Event, ...] = ()
    duplicate: bool = False
    proof: Proof | None = None
    rejected: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        again = ", stored before" if self.duplicate else ""
        return f"<Appended: version {self.version}, position {self.position}{again}>"


_position = columns_of("position")
_event_id = columns_of("event_id")


class Savable(Protocol):
    """What `save` asks of an object; `Aggregate` gives it."""

    def save_to(self, store: EventStore, condition: Conditions = None) -> Appended:
        """Append what was recorded."""
        ...


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


class EventStore(Reader):
    """An append-only log of events, one stream for each aggregate, kept in DuckDB.

    `EventStore()` keeps it in memory, `EventStore("shop.duckdb")` in a file. One object may be used
    from many threads. While the store is open, three files belong together: "shop.duckdb",
    "shop.duckdb.wal" (what was appended since the last checkpoint) and "shop.duckdb.head" (the last
    position, and the lock); once it is closed, "shop.duckdb" is the whole store. Copy an open one
    with `backup()`. Keep the file on a local disk: on network file systems locks may not reach
    other machines.

    A second process gets `StoreLockedError`; a damaged file, or one that may lack events,
    `StoreCorruptError`; a file that is not a store `NotAStoreError`. `accept_missing=True` opens a
    store although events are missing, and goes on after the last one that is there. With a `vault`
    (a `KeyVault` of `esnb.privacy.vault`) personal fields are sealed before they are stored.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Clock | None = None,
        upcasters: Upcasters | None = None,
        vault: Vault | None = None,
        accept_missing: bool = False,
    ) -> None:
        if clock is not None and not (hasattr(clock, "now") and hasattr(clock, "new_id")):
            raise InvalidEventError(
                f"clock has now() and new_id(), such as LessonClock(); found {clock!r:.60}."
            )
        if upcasters is not None and not isinstance(upcasters, Upcasters):
            raise InvalidEventError(f"upcasters is an Upcasters(), found {upcasters!r:.60}.")
        if vault is not None and not hasattr(vault, "seal"):
            raise InvalidEventError(f"vault is a KeyVault, found {vault!r:.60}.")
        log = open_log(path, accept_missing)
        # An empty registry is kept as well: its owner may register steps later.
        steps = Upcasters() if upcasters is None else upcasters
        self.vault = vault
        #: Rows that `from_frame(..., on_bad="report")` left out; None otherwise.
        self.rejected: pd.DataFrame | None = None
        super().__init__(log, clock or SystemClock(), vault.steps(steps) if vault else steps)
        if isinstance(self.clock, LessonClock) and log.position:
            self.clock.continue_after(log.position)
        self._finalizer = weakref.finalize(self, log.release)
        if vault is not None:
            vault.forget_again(self)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Clock | None = None,
        aggregate_id: str,
        event_type: str,
        occurred_at: str,
        aggregate_type: str,
        data: str | Sequence[str] | None = None,
        event_version: int | str = 1,
        metadata: str | None = None,
        event_id: str | None = None,
        timezone: str | None = None,
        ambiguous: Any = "raise",
        nonexistent: Any = "raise",
        order: Literal["time"] | None = "time",
        expected_version: ExpectedVersion = 0,
        on_bad: Literal["raise", "report"] = "raise",
        progress: bool | None = None,
    ) -> Self:
        """A store with the events of a table, in memory or in a file at `path`.

        The other keywords are those of `append_frame`, where they are explained; so are the errors.
        With on_bad="report" the rows left out are in `store.rejected`. A store that cannot be
        filled is closed again.
        """
        store = cls(path, clock=clock)
        try:
            store.rejected = store.append_frame(
                frame,
                aggregate_id=aggregate_id,
                event_type=event_type,
                occurred_at=occurred_at,
                aggregate_type=aggregate_type,
                data=data,
                event_version=event_version,
                metadata=metadata,
                event_id=event_id,
                timezone=timezone,
                ambiguous=ambiguous,
                nonexistent=nonexistent,
                order=order,
                expected_version=expected_version,
                on_bad=on_bad,
                progress=progress,
            ).rejected
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def restore(
        cls,
        backup: str | os.PathLike[str],
        path: str | os.PathLike[str],
        *,
        proof: Proof | str | None = None,
        clock: Clock | None = None,
        upcasters: Upcasters | None = None,
        vault: Vault | None = None,
    ) -> Self:
        """Copy a backup to `path`, verify the copy, and open it as a store.

        Every event is compared with the proof in the backup, and with `proof` where one was kept
        elsewhere. Nothing is overwritten, and the backup stays as it is. Raises
        `StoreCorruptError` for a backup that is damaged, or was not whole; `NotAStoreError` for a
        file that is not one, or a path that is taken.
        """
        restore_backup(backup, path, None if proof is None else Proof.of(proof))
        return cls(path, clock=clock, upcasters=upcasters, vault=vault)

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
        new stream, or `ANY`. If it is not, `ConcurrencyError` says what was written in between. The
        `aggregate_type` (such as "ORDER") is needed with the first event of a stream. Appending
        events that are stored in this stream already, the same in the same order, changes nothing
        and returns the first result; the same id with other content is a `DuplicateEventError`.
        A `condition` (or several) guards a rule that spans streams: an event that matches it, after
        the position at which it was checked, is an `AppendConditionError`.
        """
        check_name("aggregate_id", aggregate_id)
        batch = _batch(events)
        check_expected(expected_version)
        conditions = conditions_of(condition)
        if aggregate_type is not None:
            check_name("aggregate_type", aggregate_type)
        log = self._log
        with log.writing():
            while True:
                actual, known_type = log.head(aggregate_id)
                if actual and any(event.event_id for event in batch):
                    earlier = self._stored_already(aggregate_id, batch)
                    if earlier is not None:
                        return earlier
                if expected_version is not ANY and expected_version != actual:
                    raise self._conflict(aggregate_id, expected_version, actual)  # type: ignore[arg-type]
                for each in conditions:
                    # Nobody else writes meanwhile: what holds here holds when the events are in.
                    matched = self._matching(each, log.position, limit=100)
                    if matched:
                        raise AppendConditionError(aggregate_id, actual, each, matched)
                kind = _agree(aggregate_id, aggregate_type, known_type)
                stored = self._place(aggregate_id, kind, actual, batch)
                try:
                    sealed = stored if self.vault is None else map(self.vault.seal, stored)
                    log.insert([row_of_event(event) for event in sealed])
                except VersionTakenError:
                    # Another connection wrote past this object, and the primary key noticed. What
                    # it wrote counts: look again, as if it had been there from the beginning.
                    if log.head(aggregate_id)[0] == actual:
                        raise
                    continue
                return Appended(actual + len(stored), log.position, tuple(stored), proof=log.proof)

    def _place(self, aggregate_id: str, kind: str, version: int, batch: list[Event]) -> list[Event]:
        # The log's own time never runs backwards, even where the machine's clock does.
        now = max(utc(self.clock.now()), self._log.last_recorded)
        for event in batch:
            if event.event_id is None or event.occurred_at is None:
                event.settle(event.event_id or self.clock.new_id(), now)
        position = self._log.position
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

    def matching(self, condition: AppendCondition) -> tuple[list[Event], AppendCondition]:
        """The events that match, and the condition that nothing of the kind comes after them.

        Decide on the events, then pass the condition to `append`: the same question guards the
        answer. Both stand at one position, so that no event can slip in between.
        """
        conditions_of(condition)
        position = self.position
        return self._matching(condition, position), replace(condition, after=position)

    def _matching(
        self, condition: AppendCondition, upto: int, limit: int = NO_LIMIT
    ) -> list[Event]:
        if condition.after > upto:
            raise InvalidEventError(
                f"AppendCondition(after={condition.after}) lies ahead: the log ends at position "
                f"{upto}. Take the position from this store, before you read and decide."
            )
        if condition.aggregate_id is not None:
            rows = whole_stream(self._log, condition.aggregate_id)
        else:
            # Old data meets a condition in today's shape, and SQL sees only what is stored.
            every = bool(self.upcasters)
            if every and condition.event_types:  # other types may become these
                types = (*condition.event_types, *self.upcasters.sources())
                where, values = replace(condition, event_types=types).sql(data=False)
            else:
                where, values = condition.sql(data=not every)
            rows = self._log.rows(
                f"select {COLUMNS} from events where {where} and position <= ? "
                "order by position limit ?",
                [*values, upto, NO_LIMIT if every else limit],
            )
        events = self._events(row for row in rows if condition.after < _position(row) <= upto)
        return list(islice(filter(condition.matches, events), limit))

    def _conflict(self, aggregate_id: str, expected: int, actual: int) -> ConcurrencyError:
        rows = map(EventRow._make, whole_stream(self._log, aggregate_id))
        between = [row.event_type for row in rows if row.sequence_number > expected]
        return ConcurrencyError(aggregate_id, expected, actual, between)

    def _stored_already(self, aggregate_id: str, batch: list[Event]) -> Appended | None:
        """The first result, when these very events are in the stream; None when none of them is."""
        ids = {event.event_id for event in batch if event.event_id is not None}
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
            f"{first.event_type}, sequence number {first.sequence_number}, {how}. An id names one "
            f"fact forever. To repeat an append, repeat it whole and unchanged; for another fact, "
            f"make a new event."
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

    def save(self, aggregate: Savable, *, condition: Conditions = None) -> Appended:
        """Append what an aggregate recorded, at the version it was loaded; then perhaps a snapshot.

        `condition` is that of `append`. On a `ConcurrencyError` nothing is stored, and the
        aggregate keeps what it recorded.
        """
        if not hasattr(aggregate, "save_to"):
            raise InvalidEventError(
                f"save() takes an Aggregate, found {type(aggregate).__name__}. "
                f"Events are stored with append()."
            )
        return aggregate.save_to(self, condition)

    def new(self, kind: Loadable[Loaded], aggregate_id: str) -> Loaded:
        """An empty aggregate with this id, to be filled by its commands and saved."""
        check_name("aggregate_id", aggregate_id)
        check_loadable(kind)
        return kind.new_in(self, aggregate_id)

    def append_frame(
        self,
        frame: pd.DataFrame,
        *,
        aggregate_id: str,
        event_type: str,
        occurred_at: str,
        aggregate_type: str,
        data: str | Sequence[str] | None = None,
        event_version: int | str = 1,
        metadata: str | None = None,
        event_id: str | None = None,
        timezone: str | None = None,
        ambiguous: Any = "raise",
        nonexistent: Any = "raise",
        order: Literal["time"] | None = "time",
        expected_version: ExpectedVersion = 0,
        on_bad: Literal["raise", "report"] = "raise",
        skip_stored: bool = False,
        progress: bool | None = None,
    ) -> Appended:
        """Load the rows of a DataFrame as events, all or none.

        - `aggregate_id`, `event_type`, `occurred_at`: the columns with the id of the aggregate, the
          type of the event, and the time at which it happened.
        - `aggregate_type`: a column, or itself the type of all, such as "ORDER".
        - `data`: None (each other column becomes a key of event_data), a list of columns, or one
          column that holds ready dicts or JSON text. Missing values become null.
        - `event_version`: the version of all rows, or a column of versions.
        - `metadata`: a column of dicts or JSON text.
        - `event_id`: a column of UUIDs. Without it, ids are derived from the content, so that
          loading the same table again changes nothing.
        - `timezone`: the IANA name of the zone in which times without a zone were read off, such as
          "Europe/Berlin". Times without a zone are refused unless it is given.
        - `order`: "time" puts the rows in order of `occurred_at` (ties keep their order), None
          keeps the order of the table. Each aggregate's events are numbered in that order.
        - `ambiguous`, `nonexistent`: what to do with local times that a change of the clock makes
          unclear, as in `Series.dt.tz_localize`: ambiguous True (summer time), False, "infer" or
          one of them per row; nonexistent "shift_forward", "shift_backward" or a timedelta.
        - `expected_version`: 0 (the aggregates must be new) or `ANY`.
        - `on_bad`: "raise" refuses the table for one bad row; "report" leaves bad rows out and
          returns them as `.rejected`, a DataFrame with a column `reason`.
        - `skip_stored`: append only the rows that the log does not have yet, such as those of
          tomorrow's export. Rows are recognised by `event_id`, else by aggregate, type, time and
          data: of equal rows as many count as stored as the log has. The aggregates may exist.
        - `progress`: True shows a bar, False none; None shows it from 200,000 rows on.

        Raises `BadRowsError` with row, column and value, `InvalidEventError` for arguments that do
        not fit, `ConcurrencyError` for an aggregate that exists, `DuplicateEventError` when a part
        of the rows is stored already. In each case nothing is loaded.
        """
        must_be_new = type(expected_version) is not bool and expected_version == 0
        if not must_be_new and expected_version is not ANY:
            raise InvalidEventError(
                f"expected_version of a table is 0 (all aggregates are new) or ANY, "
                f"found {expected_version!r}."
            )
        if on_bad not in ("raise", "report"):
            raise InvalidEventError(f"on_bad is 'raise' or 'report', found {on_bad!r:.60}.")
        roles = Roles(
            aggregate_id,
            event_type,
            occurred_at,
            aggregate_type,
            data,
            event_version,
            metadata,
            event_id,
            timezone,
            ambiguous,
            nonexistent,
            order,
        )
        roles.check(frame)
        self._refuse_personal(frame, event_type)
        rejected = None
        if on_bad == "report":
            good, roles_of_good, rejected = split_rows(frame, roles)
            if len(good):  # else the error below names the rows
                frame, roles = good, roles_of_good
        version, position, duplicate = bulk_load.append_frame(
            self._log,
            self.clock,
            frame,
            roles,
            must_be_new=must_be_new and not skip_stored,
            skip_stored=skip_stored,
            progress=progress,
        )
        proof = None if duplicate else self.proof
        return Appended(version, position, (), duplicate, proof, rejected)

    def _refuse_personal(self, frame: pd.DataFrame, event_type: str) -> None:
        if self.vault is None:
            return
        personal = set(frame[event_type].unique()) & self.vault.personal.keys()
        if personal:
            raise InvalidEventError(
                f"{sorted(personal)[0]} has personal fields, and a table is stored as it is, "
                f"with ids made from its content. Store such events with append()."
            )

    @property
    def proof(self) -> Proof:
        """The proof of the log as it stands: position and hash. `str()` gives a text to keep.

        Kept where no writer of this file can reach it, it shows later whether the log up to there
        is still the same: `store.verify(proof)`.
        """
        self._log.check_usable()
        return self._log.proof

    def verify(self, proof: Proof | str | None = None, *, progress: bool | None = None) -> Verified:
        """Check every event against the chain, and the log against a proof kept elsewhere.

        Finds changed, removed, inserted and moved events, with their positions; with a proof also
        a log that was cut, or written anew with a chain to match. Without one, whoever can write
        the file can deceive it: the chain is in the same file. Snapshots and read models are caches
        and not checked. `progress` shows a bar; None shows it from 200,000 events on.
        """
        known = None if proof is None else Proof.of(proof)
        with self._log.translated():
            return verify(self._log.cursor(), known, progress)

    def backup(self, path: str | os.PathLike[str], progress: bool | None = None) -> Proof:
        """Write the log, as it stands at this moment, to one new file; returns its proof.

        Writers go on meanwhile. The file appears under its name only when it is whole, verified
        against the chain, and on the disk. It is a store file: `EventStore(path)` opens it,
        `EventStore.restore(path, elsewhere)` verifies and copies it. An existing file is never
        overwritten. Snapshots (caches) and the keys of a vault are not in it. `progress` shows a
        bar; None shows it from 200,000 events on.

        Copying the files of an open store is not a backup: they are "shop.duckdb",
        "shop.duckdb.wal" and "shop.duckdb.head", they change one after the other, and belong
        together. Once the store is closed, "shop.duckdb" alone is the whole store.
        """
        return write_backup(self._log, path, progress)

    def add_snapshot(
        self,
        aggregate_id: str,
        aggregate_type: str,
        sequence_number: int,
        state: Mapping[str, Any],
        state_version: int,
    ) -> None:
        """Keep a state as a shortcut for later loads. `Aggregate` calls this.

        The upcasting steps of this store are noted with it: those that the state was made with.
        """
        text = dump_json(state, f"snapshot of {aggregate_id!r}: state")
        kinds = self._log.rows(
            "select distinct event_type, event_version from events where aggregate_id = ?",
            (aggregate_id,),
        )
        steps = self.upcasters.signature(sorted(kinds))
        snapshot = Snapshot(
            aggregate_id, aggregate_type, sequence_number, state_version, text, steps
        )
        now = naive_utc(utc(self.clock.now()))
        snapshots.add(self._log, self.clock.new_id(), snapshot, now)

    def delete_snapshots(self, aggregate_id: str | None = None) -> int:
        """Delete the snapshots of one aggregate or of all; returns how many. No answer changes."""
        if aggregate_id is not None:
            check_name("aggregate_id", aggregate_id)
        return snapshots.delete(self._log, aggregate_id)

    def close(self) -> None:
        """Close the store; a file can then be opened by another process. Closing twice is fine."""
        self._is_closed = True
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        log = self._database
        return (
            f"<EventStore {log.name}, {'closed' if self._is_closed else f'{log.position} events'}>"
        )


def _text(data: Mapping[str, Any]) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def _batch(events: Sequence[Event] | Iterable[Event]) -> list[Event]:
    if isinstance(events, Event | str | Mapping) or not isinstance(events, Iterable):
        raise InvalidEventError(
            f"append() takes a list of events, found {type(events).__name__}. "
            f"Write [new_event(...)], also for one."
        )
    batch = list(events)
    if not batch:
        raise InvalidEventError("append() got no events. Nothing happened, so nothing is stored.")
    for event in batch:
        if not isinstance(event, Event):
            raise InvalidEventError(
                f"append() takes events, found {type(event).__name__} {event!r:.60}. "
                f"Make one with new_event('OrderPlaced', ...)."
            )
        check_event(event)
    ids = [event.event_id for event in batch if event.event_id is not None]
    if len(set(ids)) < len(ids) or len({id(event) for event in batch}) < len(batch):
        raise DuplicateEventError(
            "The same event appears twice in one append. Make a new event for each fact."
        )
    return batch


def _agree(aggregate_id: str, given: str | None, known: str | None) -> str:
    if known is None and given is None:
        raise InvalidEventError(
            f"{aggregate_id!r} is new, so the store must be told what it is: "
            f"append(..., aggregate_type='ORDER')."
        )
    if known is not None and given is not None and known != given:
        raise InvalidEventError(
            f"{aggregate_id!r} is stored as {known!r}, not {given!r}. An aggregate keeps its type."
        )
    return known or given or ""
