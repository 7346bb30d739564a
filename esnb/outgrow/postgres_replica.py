"""A local copy of a shared store: an embedded store that catches up with the log on the server.

    copy = store.replica("local.duckdb")
    projector = Projector(copy, OrderSummary)
    for _ in copy.follow():            # woken by each append, on whatever machine
        projector.catch_up()

SQL, DataFrames, widgets, projections and time travel work on it as on any store in a file. It is
read only: events are appended to the shared store.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from esnb.errors import ReadOnlyError, StoreCorruptError
from esnb.outgrow.postgres_copy import copy_events, next_part
from esnb.outgrow.postgres_log import PostgresLog
from esnb.store.event_store import EventStore
from esnb.store.hash_chain import Proof

if TYPE_CHECKING:
    from esnb.store.appender import Vault
    from esnb.upcasters import Upcasters


class Replica(EventStore):
    """The log of a shared store in a local file, or in memory, up to where it has caught up.

    It is what `PostgresStore.replica` gives. Each part of the log that arrives is compared with the
    hash chain on the server before it is kept, so the proofs of both are equal, and
    `copy.verify(store.proof)` holds once it has caught up.
    """

    def __init__(
        self,
        server: PostgresLog,
        path: str | os.PathLike[str] | None,
        upcasters: Upcasters | None,
        vault: Vault | None,
    ) -> None:
        super().__init__(path, upcasters=upcasters, vault=vault)
        self._server = server

    def catch_up(self) -> int:
        """Copy what was appended on the server since; returns the position reached.

        Whole appends are copied, in order, in parts; after a break it goes on where it stopped.
        Raises `StoreCorruptError` when the log there does not continue the one here, or does not
        fit its own chain: the part in question is not kept.
        """
        log = self._log
        with log.writing(), self._server.translated(), self._server.pool.connection() as there:
            self._check_beginning(there)
            while part := next_part(there, log.position):
                with log.transaction(of_events=True) as cursor:
                    rows = copy_events(there, cursor, log.position, part.position)
                    proof = log.chain(cursor, log.proof, rows) if rows else log.proof
                    if proof != part:
                        raise self._differs(part)
                    last = cursor.execute(
                        "select recorded_at from events where position = ?", [proof.position]
                    ).fetchall()
                log.stored(proof, last[0][0])
                log.forget_heads()
                log.ids.clear()
            return log.position

    def _check_beginning(self, there: Any) -> None:
        mine = self.proof
        if mine.position == 0 == self.position:
            return
        rows = there.execute(
            "select position, hash from chain where position = $1", [self.position]
        ).fetchall()
        if not rows or Proof(*rows[0]) != mine:
            raise StoreCorruptError(
                f"The local copy {self._database.name!r}, up to position {self.position}, is not "
                f"the beginning of the log of {self._server.name!r}: it was copied from another "
                f"one, somebody appended to the file, or one of the two was changed. Ask both: "
                f"verify(). For a new copy, choose another file."
            )

    def _differs(self, part: Proof) -> StoreCorruptError:
        return StoreCorruptError(
            f"The events of {self._server.name!r} after position {self.position} do not give the "
            f"hash that its chain has at position {part.position}, so they were not copied. "
            f"store.verify() names the events."
        )

    def follow(self, *, timeout: float | None = None, poll: float = 1.0) -> Iterator[int]:
        """Catch up again and again; gives the position after each time that something came.

        Writers wake it. A wake-up that is lost costs no event: it looks by itself every `poll`
        seconds. It ends when nothing came for `timeout` seconds (None: never).
        """
        after, until = -1, _end(timeout)
        while True:
            position = self.catch_up()
            if position > after:
                yield position
                after, until = position, _end(timeout)
            elif time.monotonic() >= until:
                return
            self._server.wait(position, min(until - time.monotonic(), 60.0), poll)

    def _refuse(self, *_: object, **__: object) -> Any:
        raise ReadOnlyError(
            "This is a local copy of a shared store: it can be read, not changed. Append to the "
            "shared store, then copy.catch_up()."
        )

    append = append_all = append_frame = save = new = _refuse


def _end(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout
