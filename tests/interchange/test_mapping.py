"""Restoring a log from a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from esnb import EventStore, interchange, new_event
from esnb.interchange import (
    InterchangeError,
    restore,
)
from tests.interchange.formats import (
    all_of,
    bank,
)

# -- restore ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("sequence_number", 7, "row 2: sequence number 7 of 'a' follows 1"),
        ("aggregate_type", "OTHER", "row 2: 'a' is 'ACCOUNT' before, and 'OTHER' here"),
        ("recorded_at", pd.Timestamp("2000-01-01", tz="UTC"), "row 2: recorded_at .* backwards"),
        ("event_id", str(UUID(int=1)), "row 2: event_id .* comes twice in 'a'"),
        ("position", 1, "same position"),
        ("event_data", "[]", "row 2: event_data must be a JSON object"),
    ],
)
def test_what_is_no_log_is_not_restored(column: str, value: Any, reason: str, tmp_path: Path):
    with bank() as store:
        interchange.write_jsonl(store, tmp_path / "log.jsonl")
    frame = interchange.read_jsonl(tmp_path / "log.jsonl")
    frame.loc[2, column] = value
    with pytest.raises(InterchangeError, match=reason):
        restore(frame, tmp_path / "s.duckdb")
    assert not (tmp_path / "s.duckdb").exists()


def test_a_store_with_events_is_left_alone(tmp_path: Path) -> None:
    with bank() as store, EventStore(tmp_path / "s.duckdb") as other:
        interchange.write_jsonl(store, tmp_path / "log.jsonl")
        other.append("z", [new_event("X")], expected_version=0, aggregate_type="T")
    frame = interchange.read_jsonl(tmp_path / "log.jsonl")
    with pytest.raises(InterchangeError, match="The store has 1 events"):
        restore(frame, tmp_path / "s.duckdb")
    with EventStore(tmp_path / "s.duckdb") as other:
        assert other.position == 1


def test_an_id_may_stand_in_two_streams(tmp_path: Path) -> None:
    with EventStore() as store:
        for name in "ab":
            event = new_event("X", event_id=UUID(int=5))
            store.append(name, [event], expected_version=0, aggregate_type="T")
        interchange.write_jsonl(store, tmp_path / "log.jsonl")
        with restore(interchange.read_jsonl(tmp_path / "log.jsonl")) as copy:
            assert all_of(copy) == all_of(store)
