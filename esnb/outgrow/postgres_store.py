"""The shared store: many processes append to one log in PostgreSQL.

    store = EventStore.connect("postgresql://ada@localhost/shop")

The same methods, names, errors and promises as the store in a file, run by the same contract tests.
`postgres_log.py` says how positions stay without gaps while processes race, `postgres_roles.py` how
writers and readers get no more rights than they need. What reads in SQL, as a table, or through a
projection works on a local copy: `store.replica("local.duckdb")`.

Tested with PostgreSQL 15. Engines that speak its protocol were not tested. Closest is Citus, with
the tables distributed by aggregate_id (the turn and the chain stay on one node); YugabyteDB has
the row lock, NOTIFY only in late versions; CockroachDB has neither NOTIFY nor triggers of this
kind. Behind a pooler, use session pooling: settings and prepared statements belong to a session.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pandas as pd

from esnb.clock import Clock
from esnb.errors import InvalidEventError
from esnb.events import Event, check_name
from esnb.outgrow.postgres_connections import Address, Pool
from esnb.outgrow.postgres_copy import verify_there
from esnb.outgrow.postgres_errors import ConnectionLostError
from esnb.outgrow.postgres_log import PostgresLog
from esnb.outgrow.postgres_replica import Replica
from esnb.outgrow.postgres_schema import check_schema_name, prepare
from esnb.store.appended import Appended, StreamAppend
from esnb.store.appender import Vault
from esnb.store.conditions import AppendCondition
from esnb.store.event_rows import COLUMNS, event_from_row
from esnb.store.event_store import EventStore, check_parts
from esnb.store.hash_chain import Proof, Verified
from esnb.upcasters import Upcasters

_PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds before a lost connection is tried again
_BY_TYPE = f"""
select {COLUMNS} from events
where position > ? and position <= ? and aggregate_type = ?
  and (?::text[] is null or aggregate_id = any(?::text[]))
order by position limit 10000
"""
_SNAPSHOTS = ("snapshot_id", "aggregate_type", "aggregate_id", "sequence_number", "state_version",
              "state_json", "created_at")  # fmt: skip
_Answer = TypeVar("_Answer")


class PostgresStore(EventStore):
    """An append-only log of events in PostgreSQL, for many processes; see `EventStore`.

    `schema` is where its tables are, made by the first who connects, if that role may. Of the times
    (seconds), `lock_timeout` limits the wait for the turn to append, `statement_timeout` a
    statement, and `idle_timeout` a writer that stopped in the middle of an append. Whoever waits in
    vain gets `StoreUnavailableError`.

    A connection that breaks is opened again. If it broke while an append was being committed, the
    store looks whether the events are there, by their ids, and appends them if they are not: the
    result is the first one in either case. (`duplicate` is True when it was stored before.)
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "esnb",
        clock: Clock | None = None,
        upcasters: Upcasters | None = None,
        vault: Vault | None = None,
        lock_timeout: float = 30.0,
        statement_timeout: float = 60.0,
        idle_timeout: float = 30.0,
    ) -> None:
        check_parts(clock, upcasters, vault)
        check_schema_name(schema)
        for seconds in (lock_timeout, statement_timeout, idle_timeout):
            if not isinstance(seconds, int | float) or not 0.001 <= seconds <= 1e6:
                raise InvalidEventError(f"A timeout is a number of seconds, found {seconds!r:.60}.")
        address = Address(url, schema, lock_timeout, statement_timeout, idle_timeout)
        log = PostgresLog(Pool(address))
        with log.translated(), log.pool.connection() as connection:
            prepare(connection, schema, log.name)
        self._server = log
        self._given = (upcasters, vault)
        self._begin(log, clock, upcasters, vault)

    def _append(
        self, streams: list[StreamAppend], conditions: list[AppendCondition]
    ) -> list[Appended]:
        # The events have got their ids at the first attempt, and whoever has the turn sees what
        # became of it: a transaction that was cut off has ended, one way or the other.
        return self._persistently(lambda: super(PostgresStore, self)._append(streams, conditions))

    def _persistently(self, ask: Callable[[], _Answer]) -> _Answer:
        for pause in _PAUSES:
            try:
                return ask()
            except ConnectionLostError:
                time.sleep(pause)
        return ask()

    def stored(self, aggregate_type: str, ids: Sequence[str] | None = None) -> Iterator[Event]:
        """The events of a type of aggregate as they were written, by position: of all, or of
        those named."""
        names = None if ids is None else list(ids)
        after, upto = 0, self.position
        while rows := self._log.rows(_BY_TYPE, (after, upto, aggregate_type, names, names)):
            after = rows[-1][0]
            yield from map(event_from_row, rows)

    def snapshots(self, aggregate_id: str | None = None) -> pd.DataFrame:
        """The stored snapshots, of one aggregate or of all, as a DataFrame."""
        if aggregate_id is not None:
            check_name("aggregate_id", aggregate_id)
        rows = self._log.rows(
            f"select {', '.join(_SNAPSHOTS)} from snapshots where ?::text is null "
            "or aggregate_id = ? order by aggregate_id, sequence_number",
            (aggregate_id, aggregate_id),
        )
        frame = pd.DataFrame(rows, columns=pd.Index(_SNAPSHOTS))
        return frame.assign(snapshot_id=frame["snapshot_id"].map(str))

    def wait(self, after: int, timeout: float = 10.0, poll: float = 1.0) -> int:
        """Wait until there are events after a position; returns the position of the last one.

        Appends of any process wake it; should a wake-up be lost, it looks every `poll` seconds.
        Without new events it returns after `timeout` seconds.
        """
        self._log.check_usable()
        return self._server.wait(after, timeout, poll)

    def replica(self, path: str | os.PathLike[str] | None = None) -> Replica:
        """A local copy of this log, in a file or in memory, caught up with it.

        A file that holds an earlier copy goes on from where it stands. The steps and the vault of
        this store are those of the copy.
        """
        self._log.check_usable()
        copy = Replica(self._server, path, *self._given)
        try:
            copy.catch_up()
        except BaseException:
            copy.close()
            raise
        return copy

    def verify(self, proof: Proof | str | None = None, *, progress: bool | None = None) -> Verified:
        """Check every event against the chain, and the log against a proof kept elsewhere.

        As `EventStore.verify`, of the log as it stands at one moment. It is copied to a temporary
        file here and checked there, so that the server has no part in the verdict.
        """
        known = None if proof is None else Proof.of(proof)
        log = self._log
        with log.translated(), self._server.pool.connection() as connection:
            return verify_there(connection, known, progress)

    def backup(self, path: str | os.PathLike[str], progress: bool | None = None) -> Proof:
        """Write the log as it stands to a new file, a store as `EventStore.backup` makes it."""
        with self.replica() as copy:
            return copy.backup(path, progress)

    def append_frame(self, *_: Any, **__: Any) -> Any:
        """Tables are loaded into embedded stores only: `InvalidEventError`."""
        raise InvalidEventError(
            "A table is loaded into a store of this process: EventStore.from_frame(frame, ...). "
            "Its events go to the shared store with append() or append_all()."
        )
