"""What is written is read with other libraries."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings

from esnb import EventStore, StoreClosedError, interchange, new_event
from esnb.interchange import (
    InterchangeError,
    restore,
)
from tests.interchange.formats import (
    FORMATS,
    all_of,
    bank,
    logs,
)
from tests.support import exactly

# -- what is written, seen by others ----------------------------------------------------------


def test_json_lines_as_the_standard_library_reads_them(tmp_path: Path) -> None:
    with bank() as store:
        interchange.write_jsonl(store, tmp_path / "log.jsonl")
        lines = (tmp_path / "log.jsonl").read_text("utf-8").split("\n")
        assert lines.pop() == ""
        for line, event in zip(map(json.loads, lines), store.read_all(), strict=True):
            assert set(line) == set(event.__dataclass_fields__)
            assert line["event_id"] == str(event.event_id)
            assert exactly(line["event_data"]) == exactly(event.event_data)
            assert exactly(line["metadata"]) == exactly(event.metadata)
            assert line["position"] == event.position
            assert line["occurred_at"] == f"{event.occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}"
            assert line["recorded_at"] == f"{event.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_csv_as_pandas_reads_it(tmp_path: Path) -> None:
    with bank() as store:
        interchange.write_csv(store, tmp_path / "log.csv")
        frame = pd.read_csv(tmp_path / "log.csv", lineterminator="\n")
        for row, event in zip(frame.to_dict("records"), store.read_all(), strict=True):
            assert json.loads(row["event_data"]) == event.event_data
            assert datetime.fromisoformat(row["occurred_at"]) == event.occurred_at


def test_parquet_as_another_engine_reads_it(tmp_path: Path) -> None:
    with bank() as store:
        interchange.write_parquet(store, tmp_path / "log.parquet")
        with duckdb.connect() as engine:
            table = engine.sql(f"select * from '{tmp_path / 'log.parquet'}'")
            types = dict(zip(table.columns, map(str, table.types), strict=True))
            assert types["occurred_at"] == types["recorded_at"] == "TIMESTAMP WITH TIME ZONE"
            engine.execute("set timezone = 'America/New_York'")
            rows = table.select("epoch_us(occurred_at), event_data").fetchall()
        for (at, data), event in zip(rows, store.read_all(), strict=True):
            since = event.occurred_at - datetime(1970, 1, 1, tzinfo=UTC)
            assert at == since // timedelta(microseconds=1)
            assert json.loads(data) == event.event_data


@pytest.mark.parametrize("name", ["cloudevents", "batch"])
@settings(max_examples=8)
@given(store=logs())
def test_cloudevents_keep_the_rules_of_the_specification(name: str, store: EventStore) -> None:
    write, _, file = FORMATS[name]
    with store, TemporaryDirectory() as folder:
        write(store, Path(folder) / file)
        text = (Path(folder) / file).read_text("utf-8")
        items = (
            json.loads(text)
            if name == "batch"
            else [json.loads(line) for line in text.split("\n") if line]
        )
        for item, event in zip(items, store.read_all(), strict=True):
            assert item["specversion"] == "1.0"
            assert (item["id"], item["type"]) == (str(event.event_id), event.event_type)
            assert item["subject"] == event.aggregate_id
            assert datetime.fromisoformat(item["time"]) == event.occurred_at
            assert exactly(item["data"]) == exactly(event.event_data)
            assert re.fullmatch(r"/esnb/[\w.~%-]+", item["source"], re.ASCII)
            for key, value in item.items():
                assert key == "data" or re.fullmatch("[a-z0-9]{1,20}", key)
                if key not in ("data", "eventversion"):
                    assert isinstance(value, str)
                    assert value
                    assert not re.search("[\0-\x1f\x7f-\x9f]", value)
            assert -(2**31) <= item["eventversion"] < 2**31


def test_a_control_character_in_a_name_is_no_cloudevent(tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_text("what was there before")
    with EventStore() as store:
        store.append("good", [new_event("X")], expected_version=0, aggregate_type="T")
        store.append("ba\nd", [new_event("X")], expected_version=0, aggregate_type="T")
        with pytest.raises(InterchangeError, match=r"position 2: aggregate_id 'ba\\nd'"):
            interchange.write_cloudevents(store, path)
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    write, _, file = FORMATS[name]
    with bank() as store, pytest.raises(InterchangeError, match="cannot be written"):
        write(store, tmp_path / "no such folder" / file)
    with pytest.raises(StoreClosedError):
        write(store, tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def test_control_characters_in_data_and_metadata_are_escaped_in_a_cloudevent(tmp_path: Path):
    nasty = {"\x7f": "\x01\x85\u2028\x9f"}
    with EventStore() as store:
        event = new_event("X", nasty, metadata=nasty)
        store.append("a", [event], expected_version=0, aggregate_type="T")
        interchange.write_cloudevents(store, tmp_path / "log.ce")
    item = json.loads((tmp_path / "log.ce").read_bytes())
    assert item["metadata"].isascii()
    assert item["metadata"].isprintable()
    assert json.loads(item["metadata"]) == item["data"] == nasty


@pytest.mark.parametrize("name", FORMATS)
def test_a_log_is_read_a_part_at_a_time(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    write, read, file = FORMATS[name]
    monkeypatch.setattr("esnb.interchange.writing._CHUNK", 2)
    with bank() as store:
        assert write(store, tmp_path / file).events == 3
        assert list(read(tmp_path / file)["position"]) == [1, 2, 3]


def test_a_packed_file_is_the_same_every_time(tmp_path: Path) -> None:
    with bank() as store:
        for name in ("one.jsonl.gz", "two.jsonl.gz"):
            interchange.write_jsonl(store, tmp_path / name)
    packed = (tmp_path / "one.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "two.jsonl.gz").read_bytes()
    assert packed[3:8] == bytes(5), "neither a name nor a time is in the header"


def test_names_of_files_are_names_and_no_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "year=2026" / "it's [a]*?"
    folder.mkdir(parents=True)
    with bank() as store:
        interchange.write_parquet(store, folder / "log[1].parquet")
        with restore(interchange.read_parquet(folder / "log[1].parquet")) as copy:
            assert all_of(copy) == all_of(store)
        # As a pattern, the name would mean the other file.
        interchange.write_parquet(store, tmp_path / "log[1].parquet")
        interchange.write_parquet(store.as_of(1), tmp_path / "log1.parquet")
        assert len(interchange.read_parquet(tmp_path / "log[1].parquet")) == store.position
