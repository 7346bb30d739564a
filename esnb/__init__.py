"""esnb: event sourcing to learn from and to work with, on DuckDB, in notebooks."""

from esnb.aggregates import Aggregate, Origin, replay, state_of
from esnb.clock import LessonClock, SystemClock
from esnb.commands import Command, Decider, Handled, handle
from esnb.conditions import AppendCondition
from esnb.delivery import Batch, Consumer, Transport, scorecard, smallest
from esnb.errors import (
    AggregateNotFoundError,
    AppendConditionError,
    AppendOnlyError,
    BadRowsError,
    ConcurrencyError,
    DuplicateEventError,
    EsnbError,
    ImpureApplyError,
    InvalidCommandError,
    InvalidEventError,
    LagTimeoutError,
    NaiveTimeError,
    NotAStoreError,
    ProjectionError,
    QueryError,
    ReadOnlyError,
    RejectedError,
    ReplayError,
    SnapshotError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
    UpcastError,
)
from esnb.events import Event, new_event
from esnb.projections import Lag, Projection, handles, reacts_to
from esnb.projector import Projector
from esnb.search import SearchProjection, SearchProjector
from esnb.store import ANY, Appended, EventStore
from esnb.testing import given
from esnb.timetravel import Diff, Found, History, WhatIf, diff_states
from esnb.upcasting import Upcasters
from esnb.watching import Difference, LagAlert, compare

__all__ = [
    "ANY",
    "Aggregate",
    "AggregateNotFoundError",
    "AppendCondition",
    "AppendConditionError",
    "AppendOnlyError",
    "Appended",
    "BadRowsError",
    "Batch",
    "Command",
    "ConcurrencyError",
    "Consumer",
    "Decider",
    "Diff",
    "Difference",
    "DuplicateEventError",
    "EsnbError",
    "Event",
    "EventStore",
    "Found",
    "Handled",
    "History",
    "ImpureApplyError",
    "InvalidCommandError",
    "InvalidEventError",
    "Lag",
    "LagAlert",
    "LagTimeoutError",
    "LessonClock",
    "NaiveTimeError",
    "NotAStoreError",
    "Origin",
    "Projection",
    "ProjectionError",
    "Projector",
    "QueryError",
    "ReadOnlyError",
    "RejectedError",
    "ReplayError",
    "SearchProjection",
    "SearchProjector",
    "SnapshotError",
    "StaleProjectionError",
    "StoreClosedError",
    "StoreCorruptError",
    "StoreFullError",
    "StoreLockedError",
    "SystemClock",
    "Transport",
    "UpcastError",
    "Upcasters",
    "WhatIf",
    "compare",
    "diff_states",
    "given",
    "handle",
    "handles",
    "new_event",
    "reacts_to",
    "replay",
    "scorecard",
    "smallest",
    "state_of",
]
