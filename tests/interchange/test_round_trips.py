"""Each format there and back: what comes back is compared event by event, as the store reads it."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

from esnb import EventStore, LessonClock, interchange, new_event
from esnb.interchange import (
    COLUMNS,
    InterchangeError,
    read_csv,
    read_jsonl,
    restore,
    write_csv,
    write_jsonl,
)
from esnb.shop import first_orders, sample
from esnb.upcasters import Upcasters
from tests.interchange.formats import (
    FORMATS,
    LINE,
    WITH_CONTROLS,
    all_of,
    bank,
    logs,
)

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
        # By time, the first two of the three are not there yet: this is not a whole stream.
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
