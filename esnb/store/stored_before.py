"""A retry is recognised by its event ids: what is stored already is not stored twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from esnb.store.event_rows import EventRow

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_MOST = 1_000_000  # ids in memory, at some 100 bytes each


class StreamIds:
    """The event ids of the streams to which events with ids were appended.

    They are read when first needed, and kept up to date by each append: so the cost of an append
    does not grow with its stream. A unique index on ids would cost every append (random ids touch
    cold pages of it), and the engine has none for "this stream and this id".
    """

    def __init__(self) -> None:
        self._streams: dict[str, tuple[int, set[str]]] = {}
        self._count = 0

    def of(self, query: Query, aggregate_id: str, version: int) -> set[str]:
        """The ids of a stream at its latest version; `query` reads them when they are not known."""
        known, ids = self._streams.get(aggregate_id, (0, set[str]()))
        if known != version:
            # One long text: 5,000 ids as objects would take ten times as long.
            text = "select string_agg(event_id::varchar, ',') from events where aggregate_id = ?"
            ids = set((query(text, (aggregate_id,))[0][0] or "").split(","))
            if self._count + len(ids) > _MOST:
                self.clear()
            self._keep(aggregate_id, version, ids)
        return ids

    def add(self, rows: Iterable[EventRow]) -> None:
        """Take note of events that were stored."""
        if not self._streams:
            return
        for row in rows:
            known, ids = self._streams.get(row.aggregate_id, (0, set[str]()))
            if known and known == row.sequence_number - 1:
                ids.add(str(row.event_id))
                self._count += 1
                self._streams[row.aggregate_id] = (row.sequence_number, ids)

    def clear(self) -> None:
        """Forget them; they are read again."""
        self._streams.clear()
        self._count = 0

    def _keep(self, aggregate_id: str, version: int, ids: set[str]) -> None:
        self._count += len(ids) - len(self._streams.get(aggregate_id, (0, ()))[1])
        self._streams[aggregate_id] = (version, ids)
