"""JSON Lines, CSV and Parquet that were written by hand."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esnb import EventStore, LessonClock, interchange, new_event
from esnb.interchange import (
    InterchangeError,
    restore,
)
from tests.interchange.formats import (
    FORMATS,
    LINE,
    bank,
    jsonl,
)


def test_the_least_that_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    other = LINE | {"aggregate_id": "b", "event_version": None, "metadata": None}
    path.write_bytes(b"\xef\xbb\xbf" + jsonl(LINE, b"", other, LINE))
    frame = interchange.read_jsonl(path)
    assert list(frame["sequence_number"]) == [1, 1, 2]
    assert list(frame["position"]) == [1, 2, 3]
    assert frame["occurred_at"][0] == pd.Timestamp("2026-03-02T09:00:00Z")
    assert frame["event_id"].is_unique
    assert list(frame["event_id"]) == list(interchange.read_jsonl(path)["event_id"])
    assert "recorded_at" not in frame
    with restore(frame, clock=LessonClock("2027-01-01T00:00:00Z")) as store:
        assert {e.recorded_at for e in store.read_all()} == {datetime(2027, 1, 1, tzinfo=UTC)}


BAD_LINES = [
    (b"{", "is not JSON"),
    (b"[" * 100_000, "is nested more than 250 deep"),
    (b"\xff", "is not JSON"),
    (b'{"a": NaN}', "NaN is not JSON"),
    (json.dumps(LINE).encode()[:-1] + b', "event_type": "Y"}', "the key 'event_type' comes twice"),
    (LINE | {"event_data": None}, "event_data is missing"),
    (LINE | {"event_data": [1]}, "event_data must be a JSON object"),
    (LINE | {"event_data": "null"}, "event_data must be a JSON object"),
    (LINE | {"event_data": {"n": 2**64}}, "beyond 64 bits"),
    (LINE | {"event_data": {"n": "\ud800"}}, "half a character"),
    (LINE | {"aggregate_id": " "}, "aggregate_id must be a non-empty text"),
    (LINE | {"aggregate_id": 7}, "aggregate_id must be a non-empty text .*found 7"),
    (LINE | {"event_type": ""}, "event_type is missing"),
    (LINE | {"event_version": 0}, "event_version counts from 1, found 0"),
    (LINE | {"event_version": True}, "event_version counts from 1"),
    (LINE | {"event_version": 2**31}, "event_version counts from 1"),
    (LINE | {"event_id": "7"}, "'7' is not a UUID"),
    (LINE | {"occurred_at": "2026-03-02T10:00:00"}, "has no zone"),
    (LINE | {"occurred_at": "yesterday"}, "is not a time"),
    (LINE | {"occurred_at": 7}, "not a time"),
    (LINE | {"metadata": []}, "metadata must be a JSON object"),
    (LINE | {"colour": "red"}, "'colour' is not a column of a log"),
    (LINE | {"position": 1}, "position is in some lines only"),
    (7, "is not a JSON object: 7"),
    ("text", "is not a JSON object: 'text'"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[r[:24] for _, r in BAD_LINES])
def test_a_bad_line_is_named_and_nothing_is_loaded(line: Any, reason: str, tmp_path: Path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(LINE, b"", line, LINE))
    with pytest.raises(InterchangeError, match=reason) as error:
        interchange.read_jsonl(path)
    assert [number for number, _ in error.value.problems] == [3]
    assert "log.jsonl: 1 line(s)" in str(error.value)


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(LINE, *[b"{"] * 20))
    with pytest.raises(InterchangeError, match=r"20 line\(s\)") as error:
        interchange.read_jsonl(path)
    assert "and 12 more" in str(error.value)


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_are_not_there_or_damaged(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    with pytest.raises(InterchangeError, match="cannot be read"):
        read(tmp_path / file)
    with bank() as store:
        write(store, tmp_path / file)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) * 2 // 3 - 5])
    with pytest.raises(InterchangeError):
        read(tmp_path / file)


CSV = "aggregate_type,aggregate_id,event_type,event_data,occurred_at\n"
GOOD = 'T,a,X,"{""n"":\n""two lines""}",2026-03-02T10:00:00Z\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CSV + GOOD + "T,a,X\n", "line 4: has 3 cells, the header 5"),
        (CSV + GOOD + GOOD.replace("10:00:00Z", "10:00:00"), "line 4: .* no zone"),
        (CSV + GOOD + GOOD.replace("a,X", ",X"), "line 4: aggregate_id is missing"),
        (CSV + GOOD.replace("{", "["), "line 2: "),
        (CSV + 'T,a,X,"{}', "is not CSV"),
        ("a,a\n1,2\n", "two columns have the same name"),
        (CSV.replace("event_type", "type") + GOOD, "line 2: 'type' is not a column"),
    ],
)
def test_bad_csv(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text, "utf-8", newline="")
    with pytest.raises(InterchangeError, match=reason):
        interchange.read_csv(tmp_path / "log.csv")


def test_a_cell_longer_than_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    with EventStore() as store:
        data = {"long": "x" * (limit + 1)}
        store.append("a", [new_event("X", data)], expected_version=0, aggregate_type="T")
        interchange.write_csv(store, tmp_path / "log.csv")
        assert json.loads(interchange.read_csv(tmp_path / "log.csv")["event_data"][0]) == data
    assert csv.field_size_limit() == limit


def test_foreign_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame = pd.DataFrame([LINE | {"event_data": '{"n": 1}'}])
    with duckdb.connect() as engine:
        engine.from_df(frame).write_parquet(str(path))
    assert len(interchange.read_parquet(path)) == 1
    frame["occurred_at"] = pd.to_datetime(["2026-03-02T10:00:00"])
    with duckdb.connect() as engine:
        engine.from_df(frame).write_parquet(str(path))
    with pytest.raises(InterchangeError, match=r"row 0: .* no zone"):
        interchange.read_parquet(path)
    path.write_text("PAR1, not")
    with pytest.raises(InterchangeError, match="is not a Parquet file"):
        interchange.read_parquet(path)


@settings(max_examples=60)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(b"[1, 2]")
@example(b"[[]")
@example(b'"text"')
def test_rubbish_is_refused_or_empty_and_never_crashes(raw: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(raw)
        for read in (
            interchange.read_jsonl, interchange.read_csv, interchange.read_cloudevents,
            interchange.read_xes, lambda p: interchange.read_ocel(p, "order"),
        ):  # fmt: skip
            with suppress(InterchangeError):
                assert len(read(path)) == 0


@pytest.mark.parametrize("blank", ["", "\n", "\n\n\r\n", "  \n\n", '""\n'])
def test_csv_with_blank_lines(blank: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(blank + CSV + blank + GOOD + blank, "utf-8", newline="")
    assert list(interchange.read_csv(tmp_path / "log.csv")["aggregate_id"]) == ["a"]


@pytest.mark.parametrize(
    ("time", "reason"),
    [("'infinity'::timestamptz", "'infinity' is not"), ("'51969-01-01'::timestamp", "not a time"),
     ("'-infinity'::timestamptz", "'-infinity'"), ("'0044-03-15 (BC)'::timestamptz", "not a time"),
     ("date '2026-01-01'", "no zone"), ("null::timestamptz", "occurred_at is missing")],
)  # fmt: skip
def test_times_of_parquet_that_python_does_not_hold(time: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    with duckdb.connect() as engine:
        engine.execute(
            "copy (select 'T' as aggregate_type, 'a' as aggregate_id, 'X' as event_type, "
            f"'{{}}' as event_data, uuid() as event_id, {time} as occurred_at) to '{path}'"
        )
    with pytest.raises(InterchangeError, match=f"row 0: .*{reason}"):
        interchange.read_parquet(path)
