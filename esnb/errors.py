"""Every public error of esnb.

An error here says what happened, where, what was expected, what was found, what happened in
between where that matters, and what to do next. All of them derive from `EsnbError`, so one
`except EsnbError` catches a foreseeable mistake and lets a bug through.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class EsnbError(Exception):
    """The base of every error that esnb raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied as it is, and not made again from its message: a pool of processes sends it so.
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[EsnbError], args: tuple[Any, ...], fields: dict[str, Any]) -> EsnbError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InvalidEventError(EsnbError, ValueError):
    """An event or an argument of an append cannot be stored as it is."""


class NaiveTimeError(InvalidEventError):
    """A time without a zone. It is refused, because guessing the zone would falsify the log."""


class ConcurrencyError(EsnbError):
    """Somebody else wrote to the stream first, so the append was refused and nothing was stored.

    `aggregate_id`, `expected` and `actual` (sequence numbers; 0 means an empty stream) and
    `between`, the types of the events written after `expected`, say what to decide again.
    """

    def __init__(
        self, aggregate_id: str, expected: int, actual: int, between: Sequence[str] = ()
    ) -> None:
        self.aggregate_id = aggregate_id
        self.expected = expected
        self.actual = actual
        self.between = tuple(between)
        if expected > actual:
            story = f"The stream has only {actual} event(s), so version {expected} never existed."
            todo = "Load the aggregate and append at the version it has."
        else:
            shown = ", ".join(self.between[:8]) + (", ..." if len(self.between) > 8 else "")
            story = f"Written in between: {shown or 'events'}."
            todo = "Nothing was stored. Load the aggregate again, decide again, then append."
        super().__init__(
            f"{aggregate_id!r}: expected version {expected}, found version {actual}. {story} {todo}"
        )


class AppendConditionError(ConcurrencyError):
    """An event came that the writer's condition says must not have come; nothing was stored.

    `condition` is the one that failed, and `matched` the events that it matched, the first ones.
    `between` holds their types; `expected` and `actual` are the version of the stream itself.
    """

    def __init__(
        self, aggregate_id: str, version: int, condition: object, matched: Sequence[Any]
    ) -> None:
        self.aggregate_id = aggregate_id
        self.expected = self.actual = version
        self.condition = condition
        self.matched = tuple(matched)
        self.between = tuple(event.event_type for event in self.matched)
        after = getattr(condition, "after", 0)
        first = self.matched[0]
        more = f", and {len(matched) - 1} more" if len(matched) > 1 else ""
        Exception.__init__(
            self,
            f"{aggregate_id!r}: expected no {condition} after position {after}, found "
            f"{first.event_type} in {first.aggregate_id!r} at position {first.position}{more}. "
            f"Nothing was stored. Look again at what matches, decide again, then append.",
        )


class InvalidCommandError(EsnbError, ValueError):
    """A command is malformed: it can be refused without looking at any state."""


class DuplicateEventError(EsnbError):
    """An event id is stored in this stream already, with other content or in another order."""


class AppendOnlyError(EsnbError):
    """Somebody tried to change or remove a stored event, and the database refused."""


class ReadOnlyError(EsnbError):
    """A write reached something that only reads: `sql()`, or a view of the past."""


class QueryError(EsnbError):
    """A query that the engine could not run."""


class AggregateNotFoundError(EsnbError, LookupError):
    """There is no such aggregate, or there was none yet at that time."""


class RejectedError(EsnbError):
    """A business rule says no. The text is the reason, and nothing was recorded."""


class ReplayError(EsnbError):
    """`apply` failed on one event; the message names the event, and `__cause__` is the failure."""


class ImpureApplyError(EsnbError):
    """`apply` gave two states for the same events, or changed something that is not its own."""


class SnapshotError(EsnbError):
    """A state cannot be written as a snapshot and come back unchanged."""


class StoreLockedError(EsnbError):
    """Another process has the store's file open. `pid` is its process id where known."""

    def __init__(self, path: Path | str, pid: int | None) -> None:
        self.path = str(path)
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{Path(path).name!r} is open in {owner}, and a DuckDB file has one process at a time. "
            f"Close it there (store.close(), or shut that notebook's kernel down), then open it "
            f"again here. To look at the data meanwhile, let the owner export it."
        )


class StoreClosedError(EsnbError):
    """The store was closed, so it can neither read nor write."""


class StoreUnavailableError(EsnbError, ConnectionError):
    """The server of a shared store cannot be reached, or did not answer in time.

    Whether an append was stored is then unknown. Repeat it with the same events: if it was stored
    after all, the repeat changes nothing and returns the first result.
    """


class StoreFullError(EsnbError):
    """The disk is full. What was acknowledged is stored; this append is not."""


class StoreCorruptError(EsnbError):
    """The store's file, or its log, is damaged or incomplete."""


class NotAStoreError(EsnbError):
    """The file is not an esnb store, or was written by a newer esnb. It was not touched."""


class BadRowsError(EsnbError, ValueError):
    """Rows of a table cannot become events. `problems` lists (row, column, value, reason)."""

    def __init__(self, problems: Sequence[tuple[int, str, object, str]], total: int) -> None:
        self.problems = tuple(problems)
        lines = [
            f"  row {row}, column {column!r}: "
            + (reason if reason == "is missing" else f"{value!r} {reason}")
            for row, column, value, reason in self.problems
        ]
        more = f"\n  ... and {total - len(lines)} more" if total > len(lines) else ""
        super().__init__(
            f"{total} value(s) cannot become events, so nothing was loaded:\n"
            + "\n".join(lines)
            + more
            + "\nRows are counted from 0, as in df.iloc. Fix or drop them, then load again."
        )


class UpcastError(EsnbError):
    """An upcaster failed, or two of them claim the same event type and version.

    `reason` is the part of the message that is the same for all events that fail in this way.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)


class ProjectionError(EsnbError):
    """A projection cannot process one event (`event`); it stopped there, its position untouched."""

    def __init__(self, message: str, event: object) -> None:
        self.event = event
        super().__init__(message)


class StaleProjectionError(EsnbError):
    """A read model was built by another version of its projection; it has to be rebuilt."""


class RebuildError(EsnbError):
    """A rebuild with worker processes cannot be done so, or it lost a worker; nothing changed."""


class LagTimeoutError(EsnbError, TimeoutError):
    """A projection did not reach the wanted position in time."""
