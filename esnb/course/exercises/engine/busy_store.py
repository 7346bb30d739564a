"""A store with others in it: before any step of the learner's, somebody else may be faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from esnb.store.event_store import EventStore

Rival = Callable[[EventStore], Any]
WRITES = ("append", "save")


class BusyStore:
    """Passes everything on to a store, and notes what was asked.

    `calls` has the names, `asked` the arguments too, `refused` the errors of the writes.

    A rival is a function of the real store. Before each append of the learner's the next of
    `rivals` has its turn. `before` maps the number of a call, counted from 1 over reads and writes,
    to the rival that moves right before it: so a rival can come between two looks. `lines` says for
    each append how the line holds: "lost" (it is stored, and a `ConnectionError` is raised in place
    of the answer), "dead" (the error comes before anything is stored); later appends are fine.
    """

    def __init__(
        self,
        store: EventStore,
        rivals: Iterable[Rival] = (),
        lines: Iterable[str] = (),
        before: Mapping[int, Rival] | None = None,
    ) -> None:
        self._store = store
        self._rivals = list(rivals)
        self._lines = list(lines)
        self._before = dict(before or {})
        self.calls: list[str] = []
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.refused: list[Exception] = []
        self.written: list[str] = []
        self.moved: list[int] = []

    @property
    def reads(self) -> int:
        """How many of the calls were looks at the store."""
        return sum(name not in WRITES for name in self.calls)

    def _turn(self, name: str) -> None:
        self.calls.append(name)
        number = len(self.calls)
        if number in self._before:
            self.moved.append(number)
            self._before.pop(number)(self._store)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        thing = getattr(self._store, name)
        if not callable(thing):
            self._turn(name)
            return getattr(self._store, name)

        def noted(*arguments: Any, **keywords: Any) -> Any:
            self._turn(name)
            self.asked.append((name, arguments, keywords))
            if name not in WRITES:
                answer = thing(*arguments, **keywords)
                # Read at once: who comes afterwards is not in it.
                return iter([*answer]) if isinstance(answer, Iterator) else answer
            return self._written(thing, *arguments, **keywords)

        return noted

    def _written(self, thing: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        line = self._lines.pop(0) if self._lines else "fine"
        if line == "dead":
            raise ConnectionError("No connection to the store.")
        self.written.append(line)
        if self._rivals:
            self._rivals.pop(0)(self._store)
        try:
            answer = thing(*arguments, **keywords)
        except Exception as error:
            self.refused.append(error)
            raise
        if line == "lost":
            raise ConnectionError("No answer from the store.")
        return answer
