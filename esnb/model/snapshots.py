"""Snapshots as aggregates use them: which one a load may start from, and what may become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, Self, TypeVar

from esnb.errors import InvalidEventError, SnapshotError
from esnb.event_json import load_json
from esnb.events import new_event
from esnb.model.state import state_of
from esnb.store.snapshots import Snapshot
from esnb.upcasters import Upcasters


class HasSnapshots(Protocol):
    """What a snapshot needs of an `Aggregate`."""

    aggregate_type: ClassVar[str]
    snapshot_every: ClassVar[int | None]
    state_version: ClassVar[int]

    def to_state(self) -> dict[str, Any]:
        """See `Aggregate.to_state`."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """See `Aggregate.from_state`."""
        ...

    @classmethod
    def upcast_state(cls, state: dict[str, Any], version: int) -> dict[str, Any] | None:
        """See `Aggregate.upcast_state`."""
        ...


A = TypeVar("A", bound=HasSnapshots)


def start_from(
    kind: type[A], snapshots: Iterable[Snapshot], upcasters: Upcasters
) -> tuple[A | None, int, str]:
    """The state of the newest snapshot that may be trusted, its number, and a note for `Origin`.

    None and 0: replay from the first event. The note says why the newest one was not used, or that
    it was upcast.
    """

    def newest_first(snapshot: Snapshot) -> tuple[int, bool]:
        return snapshot.sequence_number, snapshot.state_version == kind.state_version

    refused: tuple[int, str] | None = None
    for snapshot in sorted(snapshots, key=newest_first, reverse=True):
        if snapshot.aggregate_type != kind.aggregate_type:
            continue
        number = snapshot.sequence_number
        state, said = _state(kind, snapshot, upcasters)
        if state is None:
            refused = refused or (number, f"snapshot at {number} not used: {said}")
        elif refused and refused[0] > number:
            return state, number, refused[1]
        else:
            return state, number, said
    return None, 0, refused[1] if refused else ""


def _state(kind: type[A], snapshot: Snapshot, upcasters: Upcasters) -> tuple[A | None, str]:
    """The state of a snapshot and what to say of it; or None and why it is not to be used."""
    misfit = snapshot.misfit(upcasters)
    if misfit:
        return None, misfit
    version = snapshot.state_version
    if version == kind.state_version:
        try:
            return kind.from_state(load_json(snapshot.state_json)), ""
        except Exception as error:  # whatever it is: the log has the answer too
            return None, f"from_state failed with {type(error).__name__}: {error}"
    found = f"state_version {version}"
    reason = f"it has {found}, the code has {kind.state_version}"
    if version > kind.state_version:
        return None, reason
    try:
        state = kind.upcast_state(load_json(snapshot.state_json), version)
        if state is None:
            return None, reason
        return kind.from_state(state), f"the snapshot was upcast from {found}"
    except Exception as error:
        return None, f"{reason}, and its upcast failed with {type(error).__name__}: {error}"


def check_snapshot(aggregate: HasSnapshots) -> None:
    """Refuse a state that would not come back from a snapshot as it was, with `SnapshotError`."""
    kind = type(aggregate)
    state = aggregate.to_state()
    try:
        _check_exact(state, kind.__name__)
        back = kind.from_state(new_event("Snapshot", state).data)
    except InvalidEventError as error:
        raise SnapshotError(
            f"The state of this {kind.__name__} cannot be a snapshot: {error} Use JSON types in "
            f"the state, or write to_state() and from_state(). Nothing was stored."
        ) from None
    if state_of(back) != state_of(aggregate):
        raise SnapshotError(
            f"{kind.__name__}.from_state(to_state()) gives another state. Nothing was stored."
        )


def check_settings(kind: type[HasSnapshots]) -> None:
    """Refuse values of `snapshot_every` and `state_version` that mean nothing."""
    every: Any = kind.snapshot_every
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise SnapshotError(
            f"{kind.__name__}.snapshot_every is the number of events between two snapshots, 1 or "
            f"more, or None for no snapshots. Found {every!r}."
        )
    version: Any = kind.state_version
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SnapshotError(
            f"{kind.__name__}.state_version is a whole number that counts from 1. "
            f"Found {version!r}."
        )


def _check_exact(value: Any, path: str) -> None:
    if isinstance(value, tuple | set):
        raise InvalidEventError(
            f"{path} is a {type(value).__name__} and would come back as a list."
        )
    if isinstance(value, dict):
        for key, item in value.items():
            _check_exact(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_exact(item, f"{path}[{index}]")
