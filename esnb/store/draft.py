"""What one transaction is going to store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esnb.store.connection import Log
from esnb.store.event_rows import EventRow
from esnb.store.hash_chain import Proof, chained, digest_of, marks_of


class Draft:
    """Rows and entries of the chain that are decided and not stored: the log as it will be."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.proof = log.proof
        self.position = log.position  # not that of the proof: a row from outside has no entry
        self.last_recorded = log.last_recorded
        self.heads: dict[str, tuple[int, str]] = {}
        self._rows: list[EventRow] = []
        self._entries: list[tuple[int, bytes, bytes]] = []

    def head(self, aggregate_id: str) -> tuple[int, str | None]:
        """Latest sequence number and type of an aggregate; (0, None) when there is none."""
        return self.heads.get(aggregate_id) or self._log.head(aggregate_id)

    def add(self, rows: Sequence[EventRow], recorded_at: datetime) -> Proof:
        """Add the rows of one append; returns the proof after them."""
        digests = list(map(digest_of, rows))
        last = rows[-1]
        self.proof = Proof(last.position, chained(self.proof.hash, digests))
        self._entries.append((last.position, self.proof.hash, marks_of(digests)))
        self._rows += rows
        self.position = last.position
        for row in rows:
            self.heads[row.aggregate_id] = (row.sequence_number, row.aggregate_type)
        self.last_recorded = recorded_at
        return self.proof

    def store(self) -> None:
        """Store it; durable when this returns."""
        if self._rows:
            self._log.insert(self._rows, self._entries, self.heads)
