"""Tables become events: as if appended row by row, or not at all."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    BadRowsError,
    ConcurrencyError,
    DuplicateEventError,
    EsnbError,
    EventStore,
    InvalidEventError,
    LessonClock,
    new_event,
)
from tests.support import FLOATS, INT64, JSON, OBJECTS, TEXT, Tally, exactly, facts, fill, seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOW = {"aggregate_id": "id", "event_type": "type", "occurred_at": "time", "aggregate_type": "T"}


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


def table(count: int = 4, **columns: object) -> pd.DataFrame:
    """Rows in order of time, over two aggregates."""
    return pd.DataFrame({
        "id": [f"a{n % 2}" for n in range(count)],
        "type": ["Added"] * count,
        "time": [T0 + timedelta(hours=n) for n in range(count)],
        **columns,
    })  # fmt: skip


# -- the same as appending one by one ----------------------------------------------------------

NAMES = TEXT.filter(lambda t: t.strip() and "\x00" not in t)
ROWS = st.lists(
    st.fixed_dictionaries({
        "id": st.sampled_from(["a", "b", "it's", "日本"]) | NAMES,
        "type": st.sampled_from(["Added", "Noted"]) | NAMES,
        "time": st.integers(0, 4),
        "whole": INT64,
        "number": FLOATS,
        "yes": st.booleans(),
        "text": TEXT,
        "maybe": st.none() | TEXT,
        "any": JSON,
        "it's \"odd\".[0]": st.integers(0, 9),
    }),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=25)
@given(rows=ROWS)
@example(rows=[{"id": "a", "type": "X", "time": 0, "whole": -(2**63), "number": -0.0, "yes": True,
                "text": "\x00", "maybe": None, "any": [5e-324, 1e300, 0.1 + 0.2, 1e22, 123456789.0],
                "it's \"odd\".[0]": 1}])  # fmt: skip
def test_a_frame_is_stored_as_if_its_rows_were_appended_one_by_one(rows):
    frame = pd.DataFrame(rows)
    frame["time"] = [T0 + timedelta(minutes=r["time"]) for r in rows]
    frame["any"] = pd.Series([r["any"] for r in rows], dtype=object)
    with EventStore(clock=LessonClock()) as bulk, EventStore(clock=LessonClock()) as single:
        done = bulk.append_frame(frame, **HOW)
        last = list(bulk.read_all())[-1]
        assert (done.version, done.position) == (last.sequence_number, len(rows))
        ordered = sorted(rows, key=lambda r: r["time"])  # stable: ties keep their order
        for row in ordered:
            data = {k: v for k, v in row.items() if k not in ("id", "type", "time")}
            if isinstance(data["any"], float) and math.isnan(data["any"]):
                data["any"] = None
            event = new_event(row["type"], data, occurred_at=T0 + timedelta(minutes=row["time"]))
            single.append(row["id"], [event], expected_version=ANY, aggregate_type="T")
        for one, other in zip(bulk.read_all(), single.read_all(), strict=True):
            # All but the id and the time of recording.
            a, b = list(seen(one)), list(seen(other))
            del a[10], a[1], b[10], b[1]
            assert a == b
        for name in {r["id"] for r in rows}:
            assert bulk.version(name) == single.version(name) == len(bulk.events(name))
            assert bulk.append(name, facts(1), expected_version=bulk.version(name)).events
        positions = [e.position for e in bulk.read_all()]
        assert positions == list(range(1, len(positions) + 1))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.array([1, None, 3], dtype="Int64"), [1, None, 3]),
        (pd.array([1, None, 3], dtype="UInt64"), [1, None, 3]),
        (pd.array([1, 2, 3], dtype="uint8"), [1, 2, 3]),
        (pd.array([True, None, False], dtype="boolean"), [True, None, False]),
        (pd.array([1.5, None, 2.0], dtype="Float64"), [1.5, None, 2.0]),
        (np.array([1.5, np.nan, 2.0]), [1.5, None, 2.0]),
        (np.array([0.5, 1.5, 2.5], dtype="float32"), [0.5, 1.5, 2.5]),
        (np.array([True, False, True]), [True, False, True]),
        (pd.array(["a", None, "c"], dtype="string"), ["a", None, "c"]),
        (pd.Series(["a", None, "c"]), ["a", None, "c"]),
        (pd.Series(["a", None, "c"], dtype=object), ["a", None, "c"]),
        (pd.Series([None, np.nan, pd.NA], dtype=object), [None, None, None]),
        (pd.Categorical(["x", "y", None]), ["x", "y", None]),
        (pd.Categorical([3, 4, 3]), [3, 4, 3]),
        (pd.Series([[1], {"a": None}, ()], dtype=object), [[1], {"a": None}, []]),
        (pd.Series([1, "a", None], dtype=object), [1, "a", None]),
        (pd.to_datetime(["2026-01-01T00:00:00Z", None, "2026-06-01T12:00:00.5Z"], format="ISO8601"),
         ["2026-01-01T00:00:00.000000Z", None, "2026-06-01T12:00:00.500000Z"]),
        (pd.to_datetime(["2026-06-01T12:00:00Z"] * 3).tz_convert("America/New_York"),
         ["2026-06-01T12:00:00.000000Z"] * 3),
    ],
    ids=lambda v: str(getattr(v, "dtype", "")),
)  # fmt: skip
def test_every_kind_of_column_becomes_json(store, values, expected):
    store.append_frame(table(3, x=values), **HOW)
    assert [exactly(e.data["x"]) for e in store.read_all()] == [exactly(v) for v in expected]


def test_rows_are_ordered_by_time_and_numbered_per_aggregate(store):
    frame = pd.DataFrame({
        "id": ["b", "a", "b", "a", "a"],
        "type": list("VWXYZ"),
        "time": [T0 + timedelta(hours=h) for h in (3, 2, 1, 2, 0)],
    })  # fmt: skip
    store.append_frame(frame, **HOW)
    got = [(e.event_type, e.aggregate_id, e.sequence_number) for e in store.read_all()]
    assert got == [("Z", "a", 1), ("X", "b", 1), ("W", "a", 2), ("Y", "a", 3), ("V", "b", 2)]


def test_which_columns_become_data(store):
    frame = table(2, kind=["T", "T"], x=[1, 2], y=[3, 4], info=[{"by": "ada"}, {}])
    store.append_frame(frame, **{**HOW, "aggregate_type": "kind"}, metadata="info", data=["y"])
    assert [e.data for e in store.read_all()] == [{"y": 3}, {"y": 4}]
    assert [e.metadata for e in store.read_all()] == [{"by": "ada"}, {}]
    assert {e.aggregate_type for e in store.read_all()} == {"T"}
    with EventStore() as other:
        other.append_frame(frame, **HOW, data=[], event_version=3)
        assert [(e.data, e.event_version) for e in other.read_all()] == [({}, 3), ({}, 3)]
    with EventStore() as other:
        other.append_frame(frame, **{**HOW, "aggregate_type": "kind"}, metadata="info")
        assert [e.data for e in other.read_all()] == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


@settings(max_examples=25)
@given(values=st.lists(OBJECTS, min_size=1, max_size=5), as_text=st.booleans())
def test_ready_data_as_dicts_or_as_json_text(values, as_text):
    column = [json.dumps(v) for v in values] if as_text else values
    frame = table(len(values), payload=pd.Series(column, dtype=object))
    with EventStore() as store:
        store.append_frame(frame, **HOW, data="payload", metadata="payload")
        for event, value in zip(store.read_all(), values, strict=True):
            assert exactly(event.data) == exactly(value)
            assert exactly(event.metadata) == exactly(value)


def test_times_with_zones_and_without(store):
    new_york = ZoneInfo("America/New_York")
    naive = [datetime(2026, 7, 1, 12), datetime(2026, 12, 1, 12)]
    expected = [t.replace(tzinfo=new_york).astimezone(UTC) for t in naive]
    columns = [
        (pd.Series(naive), "America/New_York"),
        (pd.Series([t.isoformat() for t in naive]), "America/New_York"),
        (pd.Series(naive, dtype=object), "America/New_York"),
        (pd.Series(naive).dt.tz_localize("America/New_York"), None),
        (pd.Series([t.replace(tzinfo=new_york).isoformat() for t in naive]), None),
        (pd.Series([t.replace(tzinfo=new_york) for t in naive], dtype=object), None),
        (pd.Series(expected, dtype=object), "America/New_York"),  # aware: the zone is not needed
    ]
    for number, (column, zone) in enumerate(columns):
        frame = table(2).assign(time=column, id=f"s{number}")
        store.append_frame(frame, **HOW, timezone=zone)
        assert [e.occurred_at for e in store.events(f"s{number}")] == expected


@pytest.mark.parametrize(
    ("when", "reason"),
    [("2026-11-01T01:30:00", "ambiguous"), ("2026-03-08T02:30:00", "does not exist")],
)
def test_hours_that_exist_twice_or_never_are_named(store, when, reason):
    frame = table(3).assign(time=["2026-10-01T01:30:00", when, "2026-10-03T01:30:00"])
    with pytest.raises(BadRowsError, match=reason) as caught:
        store.append_frame(frame, **HOW, timezone="America/New_York")
    assert [(row, column) for row, column, _, _ in caught.value.problems] == [(1, "time")]
    assert store.position == 0


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "1600-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59.999999Z"])  # fmt: skip
def test_far_times(store, when):
    store.append_frame(table(1).assign(time=[when]), **HOW)
    assert [e.occurred_at for e in store.read_all()] == [datetime.fromisoformat(when)]


# -- bad rows ----------------------------------------------------------------------------------

NOW = T0.isoformat()
BAD_CELLS = [
    ("id", None), ("id", ""), ("id", "  "), ("id", 5), ("id", 1.5), ("id", ["a"]), ("id", np.nan),
    ("id", "a\x00b"), ("id", "\ud800"),
    ("type", None), ("type", ""), ("type", 5), ("type", {"a": 1}), ("type", "\ud800"),
    ("type", "a\x00b"), ("kind", None), ("kind", ""), ("kind", 7),
    ("time", None), ("time", "soon"), ("time", ""), ("time", 5), ("time", "2026-01-01T00:00:00"),
    ("time", datetime(2026, 1, 1)), ("time", date(2026, 1, 1)), ("time", pd.NaT), ("time", []),
    ("time", "0001-01-01T00:00:00+14:00"),
    ("x", float("inf")), ("x", 2**63), ("x", {1, 2}), ("x", Decimal("1")), ("x", b"x"),
    ("x", datetime(2026, 1, 1)), ("x", {"a": float("nan")}), ("x", [object()]), ("x", "\ud800"),
    ("x", {1: 2}), ("x", np.int64(1)), ("x", UUID(int=7)),
    ("payload", None), ("payload", "{"), ("payload", "[1]"), ("payload", "5"), ("payload", "null"),
    ("payload", ""), ("payload", "NaN"), ("payload", '{"a": NaN}'), ("payload", [1]),
    ("payload", 5),
    ("payload", {"a": float("nan")}), ("payload", {1: 2}), ("payload", np.nan),
    ("payload", '{"a": 123456789012345678901234567890}'), ("payload", '{"a": 1e999}'),
    ("payload", '{"a": "\\ud800"}'), ("payload", '{"a": 18446744073709551615}'),
    ("payload", "\ud800"), ("payload", '{"a": ' * 2000 + "1" + "}" * 2000),
    ("meta", None), ("meta", "{"), ("meta", [1]), ("meta", '{"a": "\\ud800"}'),
    ("eid", None), ("eid", "no uuid"), ("eid", 5), ("eid", ""), ("eid", "a" * 32),
]  # fmt: skip


@pytest.mark.parametrize(("column", "bad"), BAD_CELLS, ids=lambda v: ascii(v)[:20])
def test_a_bad_cell_is_named_and_nothing_is_loaded(store, column, bad):
    fill(store, "a0", 1)
    good = {"id": "new", "type": "X", "kind": "T", "time": NOW, "x": 1, "payload": {"a": 1},
            "meta": {}, "eid": None}  # fmt: skip
    rows = [{**good, "eid": str(uuid4())} for _ in range(5)]
    rows[3][column] = bad
    frame = pd.DataFrame({name: pd.Series([r[name] for r in rows], dtype=object) for name in good})
    how = {**HOW, "aggregate_type": "kind", "metadata": "meta", "event_id": "eid"}
    how["data"] = ["x"] if column == "x" else "payload"
    with pytest.raises(BadRowsError) as caught:
        store.append_frame(frame, **how)
    assert caught.value.problems
    named = {(row, name) for row, name, _, _ in caught.value.problems}
    assert named == {(3, column)}
    assert f"row 3, column '{column}'" in str(caught.value)
    assert (store.position, store.version("a0"), store.version("new")) == (1, 1, 0)
    frame.loc[3] = frame.loc[2]
    frame.at[3, "eid"] = str(uuid4())
    assert store.append_frame(frame, **how).position == 6


def test_bad_columns_of_one_type_are_named(store):
    for values in (
        pd.array([1.0, 2.0]), np.array([1 + 1j, 2j]), pd.to_timedelta([1, 2]),
        pd.to_datetime(["2026-01-01", "2026-01-02"]), np.array([1.0, np.inf]),
        pd.array([2**63, 1], dtype="UInt64"), np.array([2**64 - 1, 1], dtype="uint64"),
    ):  # fmt: skip
        frame = table(2, x=values)
        if str(frame["x"].dtype).lower() == "float64" and np.isfinite(frame["x"]).all():
            frame["id"], frame["x"] = frame["x"], 1
        with pytest.raises(BadRowsError, match="row"):
            store.append_frame(frame, **HOW)
    assert store.position == 0


def test_all_bad_values_are_counted_and_the_first_are_shown(store):
    frame = table(30).assign(id=[None] * 20 + ["a"] * 10, type=["X"] * 25 + [""] * 5)
    with pytest.raises(BadRowsError, match=r"25 value.s.") as caught:
        store.append_frame(frame, **HOW)
    assert caught.value.problems[0][:2] == (0, "id")
    assert len(caught.value.problems) < 20


def test_rows_are_counted_by_place_and_not_by_label(store):
    frame = table(4).assign(id=["a", "b", None, "d"])
    frame.index = [100, 100, 7, 7]
    with pytest.raises(BadRowsError, match="row 2, column 'id'"):
        store.append_frame(frame, **HOW)
    frame["id"] = list("abcd")
    store.append_frame(frame, **HOW)
    assert [e.aggregate_id for e in store.read_all()] == list("abcd")


@pytest.mark.parametrize(
    "change",
    [
        {"frame": None}, {"frame": []}, {"frame": "text"}, {"frame": pd.DataFrame()},
        {"frame": table(0)}, {"frame": table(2)["id"]},
        {"frame": pd.concat([table(2), table(2)["id"]], axis=1)},
        {"aggregate_id": "nowhere"}, {"aggregate_id": None}, {"aggregate_id": 5},
        {"aggregate_id": ["id"]}, {"event_type": "nowhere"}, {"event_type": None},
        {"occurred_at": "nowhere"}, {"occurred_at": None}, {"occurred_at": ["time"]},
        {"aggregate_type": ""}, {"aggregate_type": None}, {"aggregate_type": 5},
        {"aggregate_type": ["T"]}, {"aggregate_type": "a\x00b"}, {"aggregate_type": "\ud800"},
        {"data": "nowhere"}, {"data": ["nowhere"]}, {"data": 5}, {"data": [["id"]]},
        {"metadata": "nowhere"}, {"metadata": 5}, {"event_id": "nowhere"}, {"event_id": ["id"]},
        {"event_version": 0}, {"event_version": "x"}, {"event_version": None},
        {"event_version": True}, {"event_version": 2**31}, {"event_version": 1.5},
        {"timezone": "Not/AZone"}, {"timezone": 5}, {"timezone": ""},
        {"expected_version": 3}, {"expected_version": -1}, {"expected_version": None},
        {"expected_version": "ANY"}, {"expected_version": True}, {"expected_version": False},
    ],
    ids=lambda c: ascii(c)[:40],
)  # fmt: skip
def test_every_bad_argument_gets_an_error_of_this_package(store, change):
    fill(store, "s", 1)
    naive = table(2)
    naive["time"] = naive["time"].dt.tz_localize(None)
    frame = naive if "timezone" in change else table(2)
    arguments = {"frame": frame, **HOW, **change}
    with pytest.raises(EsnbError):
        store.append_frame(**arguments)
    assert store.position == 1
    assert store.append("s", facts(1), expected_version=1).position == 2


def test_one_aggregate_has_one_type(store):
    frame = table(4).assign(kind=["T", "T", "U", "T"])
    with pytest.raises(InvalidEventError, match=r"'a0' has several aggregate types"):
        store.append_frame(frame, **{**HOW, "aggregate_type": "kind"})
    fill(store, "a0", 1)
    with pytest.raises(InvalidEventError, match="stored as 'TALLY', not 'T'"):
        store.append_frame(table(4), **HOW, expected_version=ANY)
    assert store.position == 1


def test_two_keys_that_become_the_same_text_are_refused(store):
    frame = table(2)
    frame[1], frame["1"] = [1, 2], [3, 4]
    with pytest.raises(InvalidEventError):
        store.append_frame(frame, **HOW)
    assert store.position == 0


# -- again, and onto what is there -------------------------------------------------------------


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("expected", [0, ANY])
def test_loading_the_same_table_again_changes_nothing(tmp_path, ids, expected):
    frame = table(6, x=range(6), eid=[str(uuid4()) for _ in range(6)])
    how = {**HOW, "event_id": "eid"} if ids else HOW
    with EventStore(tmp_path / "s.duckdb") as store:
        first = store.append_frame(frame, **how)
        before = [seen(e) for e in store.read_all()]
    with EventStore(tmp_path / "s.duckdb") as store:
        for again in (frame, frame.copy(), frame.sample(frac=1, random_state=1)):
            done = store.append_frame(again, **how, expected_version=expected)
            assert done.duplicate
            assert done.position == first.position == 6
        fill_up = store.append("a0", facts(2), expected_version=3)
        assert fill_up.position == 8
        assert store.append_frame(frame, **how, expected_version=expected).duplicate
        assert [seen(e) for e in store.read_all()][:6] == before
        assert store.position == 8


@pytest.mark.parametrize("change", ["data", "type", "time", "metadata", "version"])
def test_the_same_ids_with_other_content_are_an_error(store, change):
    frame = table(4, x=range(4), eid=[str(uuid4()) for _ in range(4)], m=[{"by": "ada"}] * 4)
    how = {**HOW, "event_id": "eid", "metadata": "m"}
    store.append_frame(frame, **how)
    other = frame.copy()
    if change == "data":
        other.loc[2, "x"] = 99
    elif change == "type":
        other.loc[2, "type"] = "Other"
    elif change == "time":
        other.loc[2, "time"] += timedelta(microseconds=1)
    elif change == "metadata":
        other["m"] = [{"by": "ada"}] * 3 + [{"by": "eve"}]
    else:
        how["event_version"] = 2
    with pytest.raises(DuplicateEventError):
        store.append_frame(other, **how, expected_version=ANY)
    assert store.position == 4


def test_derived_ids_depend_on_all_of_the_content(store):
    frame = table(2, x=[1, 2], m=[{"by": "ada"}, {}])
    store.append_frame(frame, **HOW, metadata="m")
    other = frame.assign(m=[{"by": "eve"}, {}])
    # The same facts with other metadata are not what is stored: this must not pass for a repeat.
    with pytest.raises((DuplicateEventError, ConcurrencyError)):
        store.append_frame(other, **HOW, metadata="m")


def test_a_part_that_is_stored_already_is_told(store):
    frame = table(6, x=range(6), eid=[str(uuid4()) for _ in range(6)])
    how = {**HOW, "event_id": "eid"}
    store.append_frame(frame[:4], **how)
    for expected in (0, ANY):
        with pytest.raises(DuplicateEventError, match="4 of the 6 rows"):
            store.append_frame(frame, **how, expected_version=expected)
    assert store.position == 4
    assert store.append_frame(frame[4:], **how, expected_version=ANY).position == 6
    assert [e.data["x"] for e in store.read_all()] == list(range(6))


def test_any_appends_to_streams_that_exist(store):
    store.append("a0", facts(3), expected_version=0, aggregate_type="T")
    with pytest.raises(ConcurrencyError) as caught:
        store.append_frame(table(4), **HOW)
    assert (caught.value.aggregate_id, caught.value.expected, caught.value.actual) == ("a0", 0, 3)
    assert store.position == 3
    done = store.append_frame(table(4), **HOW, expected_version=ANY)
    assert done.position == 7
    assert [e.sequence_number for e in store.events("a0")] == [1, 2, 3, 4, 5]
    assert [e.sequence_number for e in store.events("a1")] == [1, 2]
    assert store.version("a0") == 5
    assert store.append("a0", facts(1), expected_version=5).position == 8


def test_the_same_id_twice_in_one_table(store):
    same = str(uuid4())
    with pytest.raises(BadRowsError, match="is in an earlier row too"):
        store.append_frame(table(2, eid=[same, same.upper()]), **HOW, event_id="eid")
    assert store.position == 0


def test_rows_that_are_equal_are_two_facts(store):
    frame = pd.concat([table(1, x=[1])] * 3)
    assert store.append_frame(frame, **HOW).position == 3
    assert len({e.event_id for e in store.read_all()}) == 3
    assert store.append_frame(frame, **HOW).duplicate


def test_from_frame_makes_a_store(tmp_path):
    frame = table(4, x=range(4))
    with EventStore.from_frame(frame, tmp_path / "s.duckdb", clock=LessonClock(T0), **HOW) as store:
        assert store.position == 4
        assert {e.recorded_at for e in store.read_all()} == {T0}
    with EventStore.from_frame(frame, **HOW) as memory:
        assert memory.load(type("T", (Tally,), {"aggregate_type": "T"}), "a0").count == 2
        back = memory.df(expand=True)
        assert back["x"].tolist() == frame["x"].tolist()


def test_the_frame_is_left_as_it_was(store):
    frame = table(4, x=range(4))[::-1]
    before = frame.copy(deep=True)
    store.append_frame(frame, **HOW)
    pd.testing.assert_frame_equal(frame, before)


def test_an_interrupted_load_leaves_nothing(tmp_path, monkeypatch):
    from tqdm.auto import tqdm

    from esnb.store import bulk_load

    with EventStore(tmp_path / "s.duckdb") as store:
        fill(store, "s", 2)

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(bulk_load, "_CHUNK", 2)
            patch.setattr(tqdm, "update", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.append_frame(table(6), **HOW)
        assert (store.position, store.version("a0")) == (2, 0)
        assert store.append_frame(table(6), **HOW).position == 8
    with EventStore(tmp_path / "s.duckdb") as store:
        assert [e.position for e in store.read_all()] == list(range(1, 9))


def test_several_parts_are_one_load(store, monkeypatch):
    from esnb.store import bulk_load

    monkeypatch.setattr(bulk_load, "_CHUNK", 7)
    store.append_frame(table(50, x=range(50)), **HOW)
    assert [e.position for e in store.read_all()] == list(range(1, 51))
    assert [e.data["x"] for e in store.read_all()] == list(range(50))
    assert [e.sequence_number for e in store.events("a0")] == list(range(1, 26))


def test_progress_can_be_shown(store, capsys):
    store.append_frame(table(4), **HOW, progress=True)
    assert "4" in capsys.readouterr().err
    store.append_frame(table(4).assign(id="other"), **HOW)
    assert capsys.readouterr().err == ""
