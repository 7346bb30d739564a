"""Event sourcing to learn from and to work with, on DuckDB, in notebooks.

The names below are the core, in the order in which a reader meets them. Everything else is imported
from its folder: `esnb.shop`, `esnb.course.widgets`, `esnb.interchange`, `esnb.privacy`, ...
"""

from esnb.clock import LessonClock
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
    RebuildError,
    RejectedError,
    ReplayError,
    SnapshotError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
    StoreUnavailableError,
    UpcastError,
)
from esnb.events import Event, new_event
from esnb.model.aggregate import Aggregate, replay
from esnb.model.commands import Command, Decider, handle
from esnb.model.history import History
from esnb.model.state import diff_states, state_of
from esnb.model.testing import given
from esnb.readmodels.monitoring import LagAlert
from esnb.readmodels.projection import Projection, handles, reacts_to
from esnb.readmodels.projector import Projector
from esnb.store.conditions import AppendCondition
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY
from esnb.upcasters import Upcasters

__all__ = [
    # the store
    "EventStore",
    "new_event",
    "Event",
    "LessonClock",
    "ANY",
    # the write side
    "Aggregate",
    "replay",
    "state_of",
    "History",
    "diff_states",
    "Command",
    "handle",
    "Decider",
    "given",
    "AppendCondition",
    # the read side
    "Projection",
    "handles",
    "Projector",
    "LagAlert",
    "reacts_to",
    # years later
    "Upcasters",
    # what goes wrong
    "EsnbError",
    "InvalidEventError",
    "NaiveTimeError",
    "AppendOnlyError",
    "ReadOnlyError",
    "QueryError",
    "ConcurrencyError",
    "DuplicateEventError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StoreClosedError",
    "NotAStoreError",
    "StoreCorruptError",
    "StoreFullError",
    "AggregateNotFoundError",
    "ReplayError",
    "ImpureApplyError",
    "SnapshotError",
    "RejectedError",
    "InvalidCommandError",
    "AppendConditionError",
    "ProjectionError",
    "StaleProjectionError",
    "LagTimeoutError",
    "RebuildError",
    "UpcastError",
    "BadRowsError",
]
