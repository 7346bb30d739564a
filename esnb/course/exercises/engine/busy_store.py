"""A store with somebody else in it: right before an append, another writer is faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from esnb.store.event_store import EventStore


class BusyStore:
    """Passes everything on to a store, and notes what was asked in `calls`.

    Before each append of the learner's the next of `rivals`, a function of the real store, has its
    turn: a writer that slips in between. `lines` says for each append how the line holds: "lost"
    (it is stored, and a `ConnectionError` is raised in place of the answer), "dead" (the error
    comes before anything is stored); later appends are fine.
    """

    def __init__(
        self,
        store: EventStore,
        rivals: Iterable[Callable[[EventStore], Any]] = (),
        lines: Iterable[str] = (),
    ) -> None:
        self._store = store
        self._rivals = list(rivals)
        self._lines = list(lines)
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        thing = getattr(self._store, name)
        if not callable(thing):
            return thing

        def noted(*arguments: Any, **keywords: Any) -> Any:
            self.calls.append(name)
            if name not in ("append", "save"):
                return thing(*arguments, **keywords)
            line = self._lines.pop(0) if self._lines else "fine"
            if line == "dead":
                raise ConnectionError("No connection to the store.")
            if self._rivals:
                self._rivals.pop(0)(self._store)
            answer = thing(*arguments, **keywords)
            if line == "lost":
                raise ConnectionError("No answer from the store.")
            return answer

        return noted
