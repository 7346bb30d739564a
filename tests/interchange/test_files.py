"""Logs as files. What comes back is compared event by event, by the store's own reading; what is
written is read with other libraries; what is read was written by hand."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import duckdb
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esnb import ANY, EventStore, LessonClock, StoreClosedError, interchange, new_event
from esnb.interchange import (
    COLUMNS,
    InterchangeError,
    mining,
    read_csv,
    read_jsonl,
    restore,
    write_csv,
    write_jsonl,
)
from esnb.shop import first_orders, sample
from esnb.upcasters import Upcasters
from tests.support import OBJECTS, TEXT, exactly, seen

FORMATS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "jsonl": (interchange.write_jsonl, interchange.read_jsonl, "log.jsonl"),
    "jsonl.gz": (interchange.write_jsonl, interchange.read_jsonl, "log.jsonl.gz"),
    "csv": (interchange.write_csv, interchange.read_csv, "log.csv"),
    "parquet": (interchange.write_parquet, interchange.read_parquet, "log.parquet"),
    "cloudevents": (interchange.write_cloudevents, interchange.read_cloudevents, "log.ce"),
    "batch": (
        lambda store, path: interchange.write_cloudevents(store, path, batch=True),
        interchange.read_cloudevents,
        "log.json",
    ),
}

# No attribute of a CloudEvent may hold a control character: there is a test of its own for these.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: bool(text.strip())
)
WITH_CONTROLS = TEXT.filter(lambda text: bool(text.strip()) and "\0" not in text)
TIMES = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    datetime(2026, 3, 1), datetime(2026, 3, 2), timezones=st.just(UTC)
)


@st.composite
def logs(draw: Any, names: Any = NAMES) -> EventStore:
    """A store with interleaved streams, times in any order, and a clock that sometimes stands."""
    clock = LessonClock(step=0)
    store = EventStore(clock=clock)
    streams = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    kinds = {stream: draw(names) for stream in streams}
    for stream in draw(st.lists(st.sampled_from(streams), max_size=7)):
        event = new_event(
            draw(names), draw(OBJECTS), event_version=draw(st.integers(1, 2**31 - 1)),
            occurred_at=draw(TIMES), metadata=draw(OBJECTS),
            event_id=draw(st.uuids()),
        )  # fmt: skip
        clock.advance(microseconds=draw(st.sampled_from([0, 1, 10**9])))
        store.append(stream, [event], expected_version=ANY, aggregate_type=kinds[stream])
    return store


def all_of(store: Any) -> list[Any]:
    return [seen(event) for event in store.read_all()]


def bank() -> EventStore:
    """Two accounts, interleaved; the second event occurred before the first."""
    clock = LessonClock("2026-03-02T09:00:00Z", step=0.000001)
    store = EventStore(clock=clock)
    for stream, version, name, at in (
        ("a", 1, "Opened", "2026-03-01T10:00:00.000001Z"),
        ("b", 3, "Opened", "2026-03-01T09:00:00Z"),
        ("a", 2, "Closed", "2026-02-01T10:00:00.999999Z"),
    ):
        event = new_event(
            name, {"who": "Zoë, \"z\"\n\r'", "n": [1, {"x": None}]}, event_version=version,
            occurred_at=at, metadata={"why": "ß"}, event_id=UUID(int=version),
        )  # fmt: skip
        store.append(stream, [event], expected_version=ANY, aggregate_type="ACCOUNT")
    return store


# -- there and back --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12)
@given(store=logs())
def test_a_log_comes_back_as_it_was(name: str, store: EventStore) -> None:
    write, read, file = FORMATS[name]
    with store, TemporaryDirectory() as folder:
        path = Path(folder) / file
        wanted = all_of(store)
        assert write(store, path) == interchange.Written(len(wanted), ())
        frame = read(path)
        assert frame.attrs["lost"] == ()
        with restore(frame) as copy:
            assert all_of(copy) == wanted
            # It goes on as a log does: versions and positions are where they were.
            stream = wanted[0][3] if wanted else "new"
            done = copy.append(
                stream, [new_event("X")], expected_version=store.version(stream),
                aggregate_type=wanted[0][2] if wanted else "T",
            )  # fmt: skip
            assert done.position == len(wanted) + 1


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
@settings(max_examples=10)
@given(store=logs(WITH_CONTROLS))
def test_control_characters_in_names_come_back(name: str, store: EventStore) -> None:
    write, read, file = FORMATS[name]
    with store, TemporaryDirectory() as folder:
        write(store, Path(folder) / file)
        with restore(read(Path(folder) / file)) as copy:
            assert all_of(copy) == all_of(store)


@pytest.mark.parametrize("name", FORMATS)
def test_the_order_of_the_log_is_that_of_positions_and_not_of_time(name: str, tmp_path: Path):
    write, read, file = FORMATS[name]
    with bank() as store:
        write(store, tmp_path / file)
        frame = read(tmp_path / file)
        assert list(frame["aggregate_id"]) == ["a", "b", "a"]
        assert list(frame["occurred_at"]) == [e.occurred_at for e in store.read_all()]
        # A file that was sorted by somebody is put in order again.
        with restore(frame.iloc[[2, 0, 1]]) as copy:
            assert all_of(copy) == all_of(store)


@pytest.mark.parametrize("name", FORMATS)
def test_the_sample_of_the_shop(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    with sample() as store:
        write(store, tmp_path / file)
        with restore(read(tmp_path / file), tmp_path / "copy.duckdb") as copy:
            assert all_of(copy) == all_of(store)
        with EventStore(tmp_path / "copy.duckdb") as again:
            assert again.position == store.position


def test_the_committed_sample_is_json_lines_too() -> None:
    folder = Path(__file__).parents[2] / "data" / "shop"
    with restore(interchange.read_jsonl(folder / "events.jsonl.gz")) as copy, sample() as store:
        assert all_of(copy) == all_of(store)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_log(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    with EventStore() as store:
        assert write(store, tmp_path / file).events == 0
    frame = read(tmp_path / file)
    assert len(frame) == 0
    with restore(frame) as copy:
        assert copy.position == 0


@pytest.mark.parametrize("name", FORMATS)
def test_the_past_can_be_written_and_read(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    with bank() as store:
        assert write(store.as_of(2), tmp_path / file).events == 2
        assert list(read(tmp_path / file)["position"]) == [1, 2]
        # By time, the first two of the three are not there yet: this is no whole stream.
        assert write(store.as_of("2026-02-15T00:00:00Z"), tmp_path / file).events == 1
        frame = read(tmp_path / file)
        assert list(frame["sequence_number"]) == [2]
        with pytest.raises(InterchangeError, match="row 0: sequence number 2 of 'a' follows 0"):
            restore(frame)


@pytest.mark.parametrize("name", FORMATS)
def test_events_are_written_as_they_were_recorded(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    upcasters = Upcasters()
    with bank() as plain, EventStore(tmp_path / "s.duckdb", upcasters=upcasters) as store:
        store.append("a", list(plain.events("a")), expected_version=0, aggregate_type="ACCOUNT")

        @upcasters.register("Opened", 1)
        def _(data: dict[str, Any]) -> dict[str, Any]:
            return data | {"new": True}

        assert store.events("a")[0].data["new"]
        write(store, tmp_path / file)
        frame = read(tmp_path / file)
        assert list(frame["event_version"]) == [1, 2]
        assert "new" not in json.loads(frame["event_data"][0])


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_a_format_could_stumble_over(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    names = [
        ' a,"b"',
        "a\u2028b",
        "\ufeffx",
        "=1+1",
        "'",
        "a\\",
        "NaN",
        "null",
        "1e3",
        "[x",
        "é",
        "ä/b?c",
    ]
    if name not in ("cloudevents", "batch"):
        names += ["a\rb", "a\nb", "a\r\nb", "a\x85b", "\tc", "\x7f"]
    with EventStore() as store:
        for each in names:
            event = new_event(each, {each: each}, metadata={each: "\x7f\x85\r\n"})
            store.append(each, [event], expected_version=0, aggregate_type=each)
        write(store, tmp_path / file)
        with restore(read(tmp_path / file)) as copy:
            assert all_of(copy) == all_of(store)


@pytest.mark.parametrize("name", FORMATS)
def test_json_that_was_stored_with_line_breaks(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    text = '{"a":\r\n "x\\ny",\n"b": 1}'
    frame = pd.DataFrame([LINE | {"event_data": text, "metadata": text}] * 2)
    names = {k: v for k, v in COLUMNS.items() if k != "event_id"}
    with EventStore.from_frame(frame, **names) as store:
        assert "\n" in store.df()["event_data"][0]
        write(store, tmp_path / file)
        with restore(read(tmp_path / file)) as copy:
            assert all_of(copy) == all_of(store)


def test_append_frame_takes_every_frame(tmp_path: Path) -> None:
    with bank() as store, EventStore() as other:
        interchange.write_csv(store, tmp_path / "log.csv")
        other.append("z", [new_event("X")], expected_version=0, aggregate_type="T")
        other.append_frame(interchange.read_csv(tmp_path / "log.csv"), **COLUMNS)
        assert [e.event_id for e in other.events("b")] == [e.event_id for e in store.events("b")]
        assert other.position == 4


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
    monkeypatch.setattr("esnb.interchange.files._CHUNK", 2)
    with bank() as store:
        assert write(store, tmp_path / file).events == 3
        assert list(read(tmp_path / file)["position"]) == [1, 2, 3]


def test_a_packed_file_is_the_same_every_time(tmp_path: Path) -> None:
    with bank() as store:
        for name in ("one.jsonl.gz", "two.jsonl.gz"):
            interchange.write_jsonl(store, tmp_path / name)
    packed = (tmp_path / "one.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "two.jsonl.gz").read_bytes()
    assert packed[3:8] == bytes(5), "neither a name nor a time stands in the header"


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


# -- what is read, written by hand -------------------------------------------------------------

LINE: dict[str, Any] = {
    "aggregate_type": "T", "aggregate_id": "a", "event_type": "X", "event_data": {"n": 1},
    "occurred_at": "2026-03-02T10:00:00+01:00",
}  # fmt: skip


def jsonl(*items: Any) -> bytes:
    return b"\n".join(i if isinstance(i, bytes) else json.dumps(i).encode() for i in items)


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
    (b"{", "is no JSON"),
    (b"[" * 100_000, "is no JSON|must|is no"),
    (b"\xff", "is no JSON"),
    (b'{"a": NaN}', "NaN is no JSON"),
    (json.dumps(LINE).encode()[:-1] + b', "event_type": "Y"}', "'event_type' stands twice"),
    (LINE | {"event_data": None}, "event_data is missing"),
    (LINE | {"event_data": [1]}, "event_data must be a JSON object"),
    (LINE | {"event_data": "null"}, "event_data must be a JSON object"),
    (LINE | {"event_data": {"n": 2**64}}, "beyond 64 bits"),
    (LINE | {"event_data": {"n": "\ud800"}}, "half a character"),
    (LINE | {"aggregate_id": " "}, "aggregate_id must be a non-empty text"),
    (LINE | {"aggregate_id": 7}, "aggregate_id must be a non-empty text, found 7"),
    (LINE | {"event_type": ""}, "event_type is missing"),
    (LINE | {"event_version": 0}, "event_version counts from 1, found 0"),
    (LINE | {"event_version": True}, "event_version counts from 1"),
    (LINE | {"event_version": 2**31}, "event_version counts from 1"),
    (LINE | {"event_id": "7"}, "'7' is not a UUID"),
    (LINE | {"occurred_at": "2026-03-02T10:00:00"}, "has no zone"),
    (LINE | {"occurred_at": "yesterday"}, "is not a time"),
    (LINE | {"occurred_at": 7}, "not a time"),
    (LINE | {"metadata": []}, "metadata must be a JSON object"),
    (LINE | {"colour": "red"}, "'colour' is no column of a log"),
    (LINE | {"position": 1}, "position stands in some lines only"),
    (7, "is no JSON object: 7"),
    ("text", "is no JSON object: 'text'"),
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
        (CSV + 'T,a,X,"{}', "is no CSV"),
        ("a,a\n1,2\n", "two columns have the same name"),
        (CSV.replace("event_type", "type") + GOOD, "line 2: 'type' is no column"),
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
    with pytest.raises(InterchangeError, match="is no Parquet file"):
        interchange.read_parquet(path)


CLOUD: dict[str, Any] = {
    "specversion": "1.0", "id": "77", "source": "https://example.com/orders/", "type": "com.x.paid",
    "subject": "order-1", "time": "2026-03-02T10:00:00.5Z", "data": {"n": 1}, "traceparent": "00-a",
}  # fmt: skip


def test_cloudevents_of_others(tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_bytes(jsonl(CLOUD | {"sequence": "0"}, CLOUD | {"id": "78"}))
    frame = interchange.read_cloudevents(path)
    assert list(frame["aggregate_type"]) == ["orders"] * 2
    assert frame["event_id"].is_unique
    note = json.loads(frame["metadata"][0])["cloudevents"]
    assert note == {
        "id": "77", "source": CLOUD["source"], "traceparent": "00-a", "sequence": "0",
    }  # fmt: skip
    path.write_bytes(jsonl([CLOUD | {"sequence": "0"}, CLOUD | {"id": "78"}]))
    assert interchange.read_cloudevents(path).equals(frame)
    path.write_bytes(jsonl({key: value for key, value in CLOUD.items() if key != "data"}))
    assert list(interchange.read_cloudevents(path)["event_data"]) == ["{}"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "no CloudEvent of version 1.0"),
        ({"subject": None}, "subject is missing"),
        ({"id": 7}, "id is missing"),
        ({"data": "text"}, "data is no JSON object"),
        ({"time": "2026-03-02"}, "no zone"),
        ({"data": None, "data_base64": "AA=="}, "data is no JSON object"),
        ({"source": "/esnb/T", "sequence": "x"}, "sequence_number counts from 1"),
        ({"source": "/esnb/T", "sequence": "2"}, "sequence_number stands in some lines only"),
        ({"metadata": "{"}, "line 2"),
    ],
)
def test_bad_cloudevents(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_bytes(jsonl(CLOUD, CLOUD | {"sequence": "2"} | change))
    with pytest.raises(InterchangeError, match=reason) as error:
        interchange.read_cloudevents(path)
    assert [number for number, _ in error.value.problems] == [2]


# -- restore ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("sequence_number", 7, "row 2: sequence number 7 of 'a' follows 1"),
        ("aggregate_type", "OTHER", "row 2: 'a' is 'ACCOUNT' before, and 'OTHER' here"),
        ("recorded_at", pd.Timestamp("2000-01-01", tz="UTC"), "row 2: recorded_at .* backwards"),
        ("event_id", str(UUID(int=1)), "row 2: event_id .* stands twice in 'a'"),
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


# -- process mining ---------------------------------------------------------------------------

XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
 <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
 <global scope="event"><string key="concept:name" value="__INVALID__"/></global>
 <string key="origin" value="by hand"/>
 <trace>
  <string key="concept:name" value="case 1"/><int key="budget" value="7"/>
  <event>
   <string key="concept:name" value="sub&amp;mit"/>
   <date key="time:timestamp" value="2020-01-02T10:00:00.123+01:00"/>
   <float key="cost" value="1.5"/><boolean key="ok" value="true"/>
   <string key="org:resource" value="Zoë"><int key="nested" value="1"/></string>
  </event>
  <event><string key="concept:name" value="pay"/>
   <date key="time:timestamp" value="2020-01-03T10:00:00Z"/></event>
 </trace>
 <trace>
  <string key="concept:name" value="case 2"/>
  <event><string key="concept:name" value="submit"/>
   <date key="time:timestamp" value="2020-01-02T12:00:00Z"/></event>
 </trace>
</log>
"""


@pytest.mark.parametrize("name", ["log.xes", "log.xes.gz"])
def test_xes(name: str, tmp_path: Path) -> None:
    raw = XES.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    frame = interchange.read_xes(tmp_path / name, "CLAIM")
    with restore(frame) as store:
        events = list(store.read_all())
    assert [(e.aggregate_id, e.sequence_number, e.event_type) for e in events] == [
        ("case 1", 1, "sub&mit"), ("case 2", 1, "submit"), ("case 1", 2, "pay"),
    ]  # fmt: skip
    first = events[0]
    assert first.aggregate_type == "CLAIM"
    assert exactly(first.data) == exactly({"cost": 1.5, "ok": True, "org:resource": "Zoë"})
    assert first.metadata == {"case": {"budget": 7}}
    assert events[2].metadata == {}
    assert first.occurred_at == datetime(2020, 1, 2, 9, 0, 0, 123000, tzinfo=UTC)
    assert frame.attrs["lost"] == (
        "attributes of attributes, and in lists", "what belongs to the whole log",
    )  # fmt: skip
    with EventStore() as other:
        assert other.append_frame(frame, **COLUMNS).position == 3


BOMB = (
    '<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<log ", BOMB + "<log ", "line 2: a document type declaration is refused"),
        ("<log ", '<!DOCTYPE log SYSTEM "http://127.0.0.1:9/x.dtd"><log ', "is refused"),
        ("by hand", "&undefined;", "is no XML"),
        ("</log>", "", "is no XML"),
        ("Zoë", "\x01", "is no XML"),
        ("case 2", "case 1", "line 17: the trace 'case 1' stands twice"),
        ('value="pay"', 'value=""', "line 14: event_type is missing"),
        ('value="1.5"', 'value="much"', "line 11: 'cost' is no float: 'much'"),
        ('value="1.5"', 'value="NaN"', "line 8: .*NaN|line 8: .*nan"),
        ('value="true"', 'value="maybe"', "line 11: 'ok' is no boolean"),
        ("2020-01-03T10:00:00Z", "2020-01-03T10:00:00", "line 14: .* no zone"),
        ('key="ok"', 'key="cost"', "line 8: the key 'cost' stands twice"),
        ('"case 2"/>', '"case 2"/><string key="concept:name" value="x"/>', "line 17: the key"),
    ],
)
def test_bad_xes(old: str, new: str, reason: str, tmp_path: Path) -> None:
    assert old in XES
    (tmp_path / "log.xes").write_text(XES.replace(old, new, 1), "utf-8")
    with pytest.raises(InterchangeError, match=reason):
        interchange.read_xes(tmp_path / "log.xes")


def test_xes_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "log.xes").write_text("<html><trace/></html>")
    with pytest.raises(InterchangeError, match="is no XES, it begins with <html>"):
        interchange.read_xes(tmp_path / "log.xes")


def test_xes_is_read_as_a_stream(tmp_path: Path) -> None:
    head, rest = XES.split(" <trace>", 1)
    trace = " <trace>" + rest.split(" <trace>")[0]
    many = "".join(trace.replace("case 1", f"case {n}") for n in range(2000))
    path = tmp_path / "log.xes"
    path.write_text(head + many + "</log>", "utf-8")
    with path.open("rb") as file:
        bad = mining.Bad("log.xes")
        assert next(iter(mining._Xes("CASE", bad).rows(file)))[1]["aggregate_id"] == "case 0"
        assert file.tell() < path.stat().st_size / 2
    assert len(interchange.read_xes(path)) == 4000


OCEL: dict[str, Any] = {
    "objectTypes": [{"name": "order", "attributes": []}, {"name": "item", "attributes": []}],
    "eventTypes": [{"name": "place", "attributes": [{"name": "n", "type": "integer"}]}],
    "objects": [
        {"id": "o1", "type": "order", "attributes": [{"name": "x", "time": "", "value": 1}]},
        {"id": "i1", "type": "item"},
    ],
    "events": [
        {"id": "e2", "type": "pack", "time": "2026-03-02T11:00:00Z",
         "relationships": [{"objectId": "i1", "qualifier": "what"}]},
        {"id": "e3", "type": "ship", "time": "2026-03-02T12:00:00Z",
         "relationships": [{"objectId": "o1", "qualifier": ""}]},
        {"id": "e1", "type": "place", "time": "2026-03-02T10:00:00.25Z",
         "attributes": [{"name": "n", "value": 3}],
         "relationships": [{"objectId": "i1", "qualifier": "what"},
                           {"objectId": "o1", "qualifier": "order"}]},
    ],
}  # fmt: skip


def test_ocel(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonocel"
    path.write_text(json.dumps(OCEL))
    frame = interchange.read_ocel(path, "order")
    with restore(frame) as store:
        events = list(store.read_all())
    assert [(e.aggregate_id, e.event_type, e.data) for e in events] == [
        ("o1", "place", {"n": 3}), ("o1", "ship", {}),
    ]  # fmt: skip
    assert events[0].metadata["ocel"] == {
        "id": "e1", "relationships": OCEL["events"][2]["relationships"],
    }  # fmt: skip
    assert frame.attrs["lost"][-1] == "1 events without an object of type 'order'"
    assert list(interchange.read_ocel(path, "item")["event_type"]) == ["place", "pack"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": "2026-03-02"}, "row 1: .* no zone"),
        ({"type": None}, "row 1: event_type is missing"),
        ({"relationships": [{"objectId": "gone"}]}, "row 1: object 'gone' is not among"),
        ({"relationships": [{}]}, "row 1: is no event of OCEL 2.0"),
        ({"attributes": [{"name": "n", "value": 1}] * 2}, "row 1: the key 'n' stands twice"),
        ({"attributes": 7}, "row 1: is no event of OCEL 2.0"),
    ],
)
def test_bad_ocel(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    events = [OCEL["events"][0], OCEL["events"][1] | change]
    path.write_text(json.dumps(OCEL | {"events": events}))
    with pytest.raises(InterchangeError, match=reason):
        interchange.read_ocel(path, "order")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"objects": 1, "events": []}', "7"])
def test_what_is_no_ocel(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(InterchangeError, match="is no OCEL"):
        interchange.read_ocel(tmp_path / "log.json", "order")


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


# -- the proof of a log, on its way through a file -------------------------------------------------


def odd_log() -> EventStore:
    """A log whose JSON was not written by this package: spaces, escapes, numbers of any form."""
    texts = [
        '{"n": 1}', '{ "n":1 , "m":[ 1,  2 ] }', '{"n":1.0e3,"t":"\\u00e9"}', '{"n":-0.0}',
        '{"t":"é / \\/ \\u001F"}', "{}", '{"event_data":{"n": 1}}', '{"data":{"n": 1},"n":1e2}',
    ]  # fmt: skip
    table = pd.DataFrame({"id": "a", "what": "Added", "at": "2026-03-02T09:00Z", "data": texts})
    store = EventStore(clock=LessonClock())
    ours = [new_event("Added", n=1.5, t="é\u2028")]
    store.append("b", ours, expected_version=0, aggregate_type="T")
    store.append_frame(
        table.assign(who='{"actor":"ada"}'), aggregate_id="id",
        event_type="what", occurred_at="at", aggregate_type="T", data="data", metadata="who",
    )  # fmt: skip
    return store


@pytest.mark.parametrize("name", FORMATS)
def test_a_restored_log_has_the_proofs_of_the_original(name, tmp_path):
    write, read, file = FORMATS[name]
    store = odd_log()
    first = store.append("c", [new_event("Added")], expected_version=0, aggregate_type="T").proof
    store.append("c", [new_event("Added")], expected_version=1)
    said = write(store, tmp_path / file)
    assert said.proof == store.proof
    if said.lost:  # a batch is one text: it says that it cannot keep the letters
        assert "the proof will not fit" in said.lost[0]
        return
    with restore(read(tmp_path / file), proof=store.proof) as again:
        assert again.proof == store.proof
        assert again.verify(str(first)).ok
        assert again.verify(store.proof).ok
        assert (
            again.sql("from events order by position").fetchall()
            == store.sql("from events order by position").fetchall()
        )


def test_what_a_line_cannot_keep_is_said(tmp_path):
    table = pd.DataFrame({"id": ["a"], "what": "Added", "at": "2026-03-02T09:00Z"})
    store = EventStore(clock=LessonClock())
    store.append_frame(
        table.assign(data='{"n":\n1}'), aggregate_id="id", event_type="what", occurred_at="at",
        aggregate_type="T", data="data",
    )  # fmt: skip
    assert "the proof will not fit" in write_jsonl(store, tmp_path / "a.jsonl").lost[0]
    assert write_csv(store, tmp_path / "a.csv").lost == ()
    assert restore(read_csv(tmp_path / "a.csv"), proof=store.proof).position == 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_proof_of_a_part_is_that_of_the_log_made_of_it(name, tmp_path):
    write, read, file = FORMATS[name]
    store = EventStore(clock=LessonClock())
    first_orders(store)
    early = store.as_of("2026-03-02T15:00:00Z")
    said = write(early, tmp_path / file)
    with restore(read(tmp_path / file), proof=said.proof) as part:
        assert part.proof == said.proof != store.proof
    said = write(store.as_of(5), tmp_path / file)
    assert store.verify(said.proof).ok


@pytest.mark.parametrize(
    ("old", "new"),
    [("2690", "2691"), ("order-1043", "order-1044"), ("09:06:05", "09:06:06"), ("card", "cash")],
)
def test_a_changed_line_of_an_export_is_found(old, new, tmp_path):
    store = EventStore(clock=LessonClock())
    first_orders(store)
    said = write_jsonl(store, tmp_path / "log.jsonl")
    text = (tmp_path / "log.jsonl").read_text()
    assert old in text
    (tmp_path / "log.jsonl").write_text(text.replace(old, new))
    frame = read_jsonl(tmp_path / "log.jsonl")
    with pytest.raises(InterchangeError, match="not the log of the proof"):
        restore(frame, tmp_path / "copy.duckdb", proof=said.proof)
    with EventStore(tmp_path / "copy.duckdb") as empty:
        assert empty.position == 0
    with restore(frame) as copy:  # without the proof it is a log like any other
        assert copy.verify().ok
        assert not copy.verify(said.proof).ok


def test_a_cut_export_is_found(tmp_path):
    store = EventStore(clock=LessonClock())
    first_orders(store)
    said = write_jsonl(store, tmp_path / "log.jsonl")
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(InterchangeError, match="the end is missing"):
        restore(read_jsonl(tmp_path / "log.jsonl"), proof=said.proof)
