"""The events of a long stream, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from esnb.events import Event
from esnb.store.event_rows import COLUMNS, event_from_row
from esnb.store.reader import Reader

_CHUNK = 10_000

_RANGE = f"""
select {COLUMNS} from events where position >= ? and position <= ? and aggregate_id = ?
order by sequence_number
"""


def length(store: Reader, aggregate_id: str) -> int:
    """How many events an aggregate has, without reading them."""
    count = store.sql("select count(*) from events where aggregate_id = ?", [aggregate_id])
    return int(count.fetchall()[0][0])


class Steps(Sequence[Any]):
    """The stored events of one aggregate, each as the events that it is today, read when they are
    asked for; only their places are held. `stored=True`: each as it was written."""

    def __init__(self, store: Reader, aggregate_id: str) -> None:
        self._store, self._id = store, aggregate_id
        places = store.sql(
            "select position from events where aggregate_id = ? order by sequence_number",
            [aggregate_id],
        ).df()
        self._places = places["position"].to_numpy(dtype=np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            first, last, step = key.indices(len(self))
            return self._read(first, last)[::step] if last > first else []
        number = range(len(self))[key]
        return self._read(number, number + 1)[0]

    def __iter__(self) -> Iterator[Any]:
        for first in range(0, len(self), _CHUNK):
            yield from self._read(first, min(first + _CHUNK, len(self)))

    def _read(self, first: int, last: int) -> list[Any]:
        rows = self.rows(first, last)
        if not self._store.upcasters:
            return [[event_from_row(row)] for row in rows]
        return [list(self._store._events([row])) for row in rows]

    def rows(self, first: int, last: int) -> list[tuple[Any, ...]]:
        """The rows of the log of some of them."""
        # Between two positions: a condition on the aggregate alone would read the whole stream.
        ends = (int(self._places[first]), int(self._places[last - 1]), self._id)
        return self._store.sql(_RANGE, ends).fetchall()


class Stored(Sequence[Event]):
    """The same events, each as it was written."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, key: Any) -> Any:
        number = range(len(self))[key]
        return event_from_row(self._steps.rows(number, number + 1)[0])
