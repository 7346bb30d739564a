"""The event store: append to a stream, save an aggregate, keep snapshots.

`connection.py` owns the database below, `reader.py` has the reading half, and `bulk_load.py` loads
whole tables.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import pandas as pd

from esnb.clock import Clock, LessonClock, SystemClock, utc
from esnb.errors import InvalidEventError
from esnb.event_json import dump_json
from esnb.events import check_name
from esnb.store import bulk_load, snapshots
from esnb.store.appended import Appended
from esnb.store.appender import Appender, Vault
from esnb.store.backup import restore_backup, write_backup
from esnb.store.conditions import Conditions
from esnb.store.connection import Log
from esnb.store.connectors import connector
from esnb.store.event_rows import naive_utc
from esnb.store.expected_version import ANY, ExpectedVersion
from esnb.store.frame_table import Roles, split_rows
from esnb.store.hash_chain import Proof, Verified, verify
from esnb.store.open_logs import open_log
from esnb.store.reader import Loadable, Loaded, check_loadable
from esnb.store.snapshots import Snapshot
from esnb.upcasters import Upcasters


class Savable(Protocol):
    """What `save` asks of an object; `Aggregate` gives it."""

    def save_to(self, store: EventStore, condition: Conditions = None) -> Appended:
        """Append what was recorded."""
        ...


def check_parts(clock: object, upcasters: object, vault: object) -> None:
    """Refuse what cannot be part of a store, with `InvalidEventError`; None is fine."""
    if clock is not None and not (hasattr(clock, "now") and hasattr(clock, "new_id")):
        raise InvalidEventError(
            f"clock has now() and new_id(), such as LessonClock(); found {clock!r:.60}."
        )
    if upcasters is not None and not isinstance(upcasters, Upcasters):
        raise InvalidEventError(f"upcasters is an Upcasters(), found {upcasters!r:.60}.")
    if vault is not None and not hasattr(vault, "seal"):
        raise InvalidEventError(f"vault is a KeyVault, found {vault!r:.60}.")


class EventStore(Appender):
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
        check_parts(clock, upcasters, vault)
        self._begin(open_log(path, accept_missing), clock, upcasters, vault)

    def _begin(
        self, log: Log, clock: Clock | None, upcasters: Upcasters | None, vault: Vault | None
    ) -> None:
        # An empty registry is kept as well: its owner may register steps later.
        steps = Upcasters() if upcasters is None else upcasters
        #: Rows that `from_frame(..., on_bad="report")` left out; None otherwise.
        self.rejected: pd.DataFrame | None = None
        steps = vault.steps(steps) if vault else steps
        super().__init__(log, clock or SystemClock(), steps, vault)
        if isinstance(self.clock, LessonClock) and log.position:
            self.clock.continue_after(log.position)
        self._finalizer = weakref.finalize(self, log.release)
        if vault is not None:
            vault.forget_again(self)

    @staticmethod
    def connect(
        url: str,
        *,
        clock: Clock | None = None,
        upcasters: Upcasters | None = None,
        vault: Vault | None = None,
        **settings: Any,
    ) -> EventStore:
        """The store on a server, which many processes share: "postgresql://ada@localhost/shop".

        It keeps the promises of the store in a file, with the same methods and errors; its class,
        `esnb.outgrow.postgres_store.PostgresStore`, says what differs and which `settings` it has.
        Raises `InvalidEventError` for another address, and `StoreUnavailableError` where no server
        answers.
        """
        store: EventStore = connector(url)(
            url, clock=clock, upcasters=upcasters, vault=vault, **settings
        )
        return store

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
        _, position, duplicate = bulk_load.append_frame(
            self._log,
            self.clock,
            frame,
            roles,
            must_be_new=must_be_new and not skip_stored,
            skip_stored=skip_stored,
            progress=progress,
        )
        last = self._log.rows("select sequence_number from events where position = ?", [position])
        proof = None if duplicate else self.proof
        return Appended(last[0][0], position, (), duplicate, proof, rejected)

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
