"""Each kind of bad value in a table is named by row and column, with what to do; nothing is loaded.

The good ones are compared with what `new_event` and `append` make of the same values."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import ANY, BadRowsError, EsnbError, EventStore, InvalidEventError, new_event
from esnb.clock import EARLIEST, LATEST
from esnb.event_json import MAX_DEPTH
from esnb.events import MAX_NAME
from tests.support import KEYS, OBJECTS, SCALARS, exactly

ROLES: dict[str, Any] = {
    "aggregate_id": "id", "event_type": "type", "occurred_at": "at", "aggregate_type": "T",
}  # fmt: skip
AT = "2026-03-02T09:00:00Z"
NEW_YORK = "America/New_York"


def table(rows: int = 3, **columns: Any) -> pd.DataFrame:
    """Good rows, and columns that are not."""
    good = {"id": [f"a{n}" for n in range(rows)], "type": ["X"] * rows, "at": [AT] * rows}
    return pd.DataFrame(good | columns)


def series(*values: Any, dtype: Any = object) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=dtype)


def times(*texts: str, unit: str = "us") -> pd.Series[Any]:
    return pd.Series(np.array(texts, dtype=f"datetime64[{unit}]"))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


MILLISECONDS = pd.Series(pd.to_datetime([1577836800, 1577836800000, 1], unit="s")).dt.tz_localize(
    "UTC"
)
DEEP = '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1)

BAD_VALUES = [
    ("at", MILLISECONDS, 1, "outside the years 1 to 9999.*milliseconds"),
    ("at", MILLISECONDS.astype(object), 1, "outside the years 1 to 9999"),
    ("at", times("2026-01-01", "2026-01-01", "10000-01-01").dt.tz_localize("UTC"), 2, "outside"),
    ("at", times("2026-01-01", "-0001-01-01", "2026-01-01").dt.tz_localize("UTC"), 1, "outside"),
    ("at", series(AT, "9999-12-31T23:59:59-05:00", AT), 1, "outside the years 1 to 9999"),
    ("at", series(AT, "0001-01-01T00:00:00+05:00", AT, dtype=str), 1, "outside the years"),
    ("at", series(AT, AT, "infinity"), 2, "is not a time"),
    ("at", series(pd.Timestamp(AT), pd.NaT, pd.Timestamp(AT)), 1, "is missing"),
    ("at", series(AT, np.datetime64("NaT"), AT), 1, "is missing"),
    ("at", series(AT, date(2026, 3, 2), AT), 1, "is a date and not a time"),
    ("at", series(AT, 1577836800, AT), 1, "is a number and not a time.*to_datetime"),
    ("at", series(1, 2, 3, dtype="int64"), 0, "is a number and not a time"),
    ("at", series(AT, np.datetime64("2026-03-02T09:00:00"), AT), 1, "has no zone"),
    ("at", series(AT, "\ud800", AT), 1, "is not a time"),
    ("id", series("a", uuid.UUID(int=1), "b"), 1, "is a UUID, not text.*astype"),
    ("id", series("a", date(2026, 1, 1), "b"), 1, "is a date, not text"),
    ("id", series("a", 5, "b"), 1, "is a int, not text"),
    ("id", series("a", "b", None), 2, "is missing"),
    ("id", series("a", " ", "b"), 1, "is empty"),
    ("id", series("a", "b\0", "b"), 1, "NUL"),
    ("id", series("a", "\ud800", "b"), 1, "half a character"),
    ("id", series("a", "\ud800", "b", dtype=str), 1, "half a character"),
    ("id", series("a", "\ud800", "b", dtype="category"), 1, "half a character"),
    ("id", series("a", "x" * (MAX_NAME + 1), "b"), 1, "more than 10,000 bytes"),
    ("type", series("a", "b", "\udfff", dtype=str), 2, "half a character"),
    ("type", series(1.0, 2.0, np.nan, dtype=float), 2, "is missing"),
    ("n", series("a", "\ud800", "b", dtype=str), 1, "half a character"),
    ("n", series("a", "b", {"k": ["\ud800"]}), 2, r"n\.k\[0\] holds half a character|half a"),
    ("n", series("a", {"\ud800": 1}, "b"), 1, "half a character"),
    ("n", series("a", "\ud800", "b", dtype="category"), 1, "half a character"),
    ("n", series(1, Decimal("1.5"), 2), 1, "Decimal.*whole cents"),
    ("n", series(1, np.int64(3), 2), 1, r"value\.item\(\)"),
    ("n", series(1, 2**63, 2), 1, "beyond 64 bits"),
    ("n", series(1, 2**63, 2, dtype="uint64"), 1, "beyond 64 bits"),
    ("n", series(1.0, np.inf, 2.0, dtype=float), 1, "infinite"),
    ("n", series(1.0, -np.inf, 2.0, dtype="float32"), 1, "infinite"),
    ("n", series("a", {1, 2}, "b"), 1, r"sorted\(value\)"),
    ("n", series(1, date(2026, 1, 1), 2), 1, r"isoformat\(\)"),
    ("n", series(1, uuid.UUID(int=1), 2), 1, r"str\(value\)"),
    ("n", times("2026-01-01", "2026-01-01", "NaT"), 0, "time without a zone"),
    ("n", series("a", nested(MAX_DEPTH), "b"), 1, "deep"),
    ("d", series("{}", '{"amount":1,"amount":200}', "{}"), 1, "the key 'amount' comes twice"),
    ("d", series("{}", '{"a":{"b":1,"b":1}}', "{}", dtype=str), 1, "the key 'b' comes twice"),
    ("d", series("{}", '{"a":1,"\\u0061":2}', "{}", dtype=str), 1, "the key 'a' comes twice"),
    ("d", series("{}", '{"a":[1,{"":1, "" :2}]}', "{}", dtype=str), 1, "the key '' comes twice"),
    ("d", series("{}", DEEP, "{}", dtype=str), 1, "more than 250 deep"),
    ("d", series("{}", '{"a":' + "[" * 900 + "]" * 900 + "}", "{}"), 1, "more than 250 deep"),
    ("d", series("{}", "[" * 100_000, "{}"), 1, "more than 250 deep"),
    ("d", series("{}", '{"a":"\\ud800"}', "{}", dtype=str), 1, "half a character"),
    ("d", series("{}", '{"\\ud800":1}', "{}", dtype=str), 1, "half a character"),
    ("d", series("{}", '{"a":"\ud800"}', "{}", dtype=str), 1, "half a character"),
    ("d", series("{}", '{"a":NaN}', "{}", dtype=str), 1, "NaN is not JSON"),
    ("d", series("{}", '{"a":-Infinity}', "{}"), 1, "-Infinity is not JSON"),
    ("d", series("{}", '{"a":1e400}', "{}", dtype=str), 1, "JSON has no such number"),
    ("d", series("{}", '{"a":9223372036854775808}', "{}", dtype=str), 1, "beyond 64 bits"),
    ("d", series("{}", '{"a":' + "9" * 5000 + "}", "{}", dtype=str), 1, "beyond 64 bits"),
    ("d", series("{}", "[1]", "{}", dtype=str), 1, "is not a JSON object"),
    ("d", series("{}", "null", "{}", dtype=str), 1, "is not a JSON object"),
    ("d", series("{}", "{'a':1}", "{}", dtype=str), 1, "is not JSON"),
    ("d", series("{}", "", "{}", dtype=str), 1, "is not JSON"),
    ("d", series("{}", None, "{}"), 1, "is missing"),
    ("d", series({}, [1], {}), 1, "must be a mapping"),
    ("d", series({}, {"a": {1: 2}}, {}), 1, "keys are text"),
    ("m", series("{}", '{"a":1,"a":2}', "{}", dtype=str), 1, "the key 'a' comes twice"),
    ("m", series({}, {"a": float("nan")}, {}), 1, "no such number"),
    ("v", series(1, 0, 2), 1, "not a version"),
    ("v", series(1.0, 1.5, 2.0, dtype=float), 1, "not a version"),
    ("u", series(str(uuid.UUID(int=1)), "x", str(uuid.UUID(int=2))), 1, "is not a UUID"),
    ("u", series(*[uuid.UUID(int=n) for n in (1, 2, 1)]), 0, "is in an earlier row too|"),
]  # fmt: skip


EXTRA: dict[str, dict[str, Any]] = {
    "d": {"data": "d"}, "m": {"metadata": "m"}, "v": {"event_version": "v"}, "u": {"event_id": "u"},
}  # fmt: skip


@pytest.mark.parametrize(("column", "values", "row", "reason"), BAD_VALUES)
def test_a_bad_value_is_named(column: str, values: Any, row: int, reason: str) -> None:
    frame = table(**{column: values})
    with EventStore() as store:
        with pytest.raises(BadRowsError, match=reason) as caught:
            store.append_frame(frame, **ROLES, **EXTRA.get(column, {}))
        rows = [(r, c) for r, c, *_ in caught.value.problems]
        assert (row, column) in rows or (column, row) == ("u", 0)
        assert str(caught.value)
        assert store.position == 0


@pytest.mark.parametrize(
    ("times_of", "zone", "row", "reason"),
    [
        (series("2026-11-01T01:30:00", AT[:-1]), NEW_YORK, 0, "ambiguous.*came twice.*ambiguous="),
        (series("2026-03-08T02:30:00", AT[:-1]), NEW_YORK, 0, "does not exist.*set forward"),
        (times("2026-01-01", "9999-12-31T23:00:00"), "America/New_York", 1, "outside the years"),
        (times("0001-01-01T00:00:00", "2026-01-01"), "Asia/Tokyo", 0, "outside the years"),
        (times("12000-01-01", "2026-01-01", unit="s"), "UTC", 0, "outside the years"),
        (series("2026-01-01T00:00:00", AT), "UTC", 0, "has no zone, and row 1 has one"),
    ],
)  # fmt: skip
def test_a_bad_local_time_is_named(times_of: Any, zone: str, row: int, reason: str) -> None:
    with EventStore() as store:
        with pytest.raises(BadRowsError, match=reason) as caught:
            store.append_frame(table(2, at=times_of), **ROLES, timezone=zone)
        assert [(r, c) for r, c, *_ in caught.value.problems] == [(row, "at")]


@pytest.mark.parametrize(
    ("frame", "roles", "reason"),
    [
        (pd.concat([table(), table()[["at"]]], axis=1), {}, "have the name 'at'"),
        (table(**{"\ud800": [1, 2, 3]}), {}, "half a character.*in its name"),
        (table().assign(**{"1": 1}).assign(n=1).rename(columns={"n": 1}), {}, "same key '1'"),
        (table(), {"timezone": "Mars"}, "not an IANA zone"),
        (table(), {"timezone": "../etc/passwd"}, "not an IANA zone"),
        (table(), {"order": "backwards"}, "order is"),
        (table(), {"expected_version": 1}, "0 .* or ANY"),
        (table(), {"expected_version": "ANY"}, "0 .* or ANY"),
        (table(), {"expected_version": False}, "0 .* or ANY"),
        (table(), {"aggregate_type": " "}, "a column or a text"),
        (table(), {"event_version": 0}, "counts from 1"),
        (table(0), {}, "no rows"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(frame: Any, roles: dict[str, Any], reason: str) -> None:
    with EventStore() as store, pytest.raises(InvalidEventError, match=reason):
        store.append_frame(frame, **(ROLES | roles))


def test_numbers_of_numpy_and_any_are_versions() -> None:
    class Pretender:
        def __repr__(self) -> str:
            return "ANY"

    with EventStore() as store:
        zero: Any = np.int64(0)
        pretender: Any = Pretender()
        store.append_frame(table(1), **ROLES, expected_version=zero)
        store.append("a0", [new_event("Y")], expected_version=np.int64(1))  # type: ignore[arg-type]
        assert store.append_frame(table(1, at=["2026-03-03T00:00:00Z"]), **ROLES,
                                  expected_version=ANY).position == 3  # fmt: skip
        with pytest.raises(InvalidEventError, match="or ANY"):
            store.append_frame(table(1), **ROLES, expected_version=pretender)


def test_both_ends_of_time_are_in_range() -> None:
    edges = [EARLIEST, LATEST, LATEST - timedelta(microseconds=1)]
    for column in (
        pd.Series(edges, dtype=object),
        pd.Series([t.isoformat() for t in edges]),
        times(*[t.replace(tzinfo=None).isoformat() for t in edges]).dt.tz_localize("UTC"),
    ):
        with EventStore() as store:
            store.append_frame(table(at=column), **ROLES, order=None)
            assert [event.occurred_at for event in store.read_all()] == edges
    local = times("0001-01-01T20:00:00", "9999-12-31T04:00:00", "2026-07-01T12:00:00")
    with EventStore() as store:
        store.append_frame(table(at=local), **ROLES, order=None, timezone="Asia/Tokyo")
        tokyo = timezone(timedelta(hours=9))
        assert [e.occurred_at for e in store.read_all()][1:] == [
            datetime(9999, 12, 31, 4, tzinfo=tokyo), datetime(2026, 7, 1, 12, tzinfo=tokyo),
        ]  # fmt: skip


def test_sparse_and_categorical_columns_are_columns() -> None:
    frame = table(
        n=pd.arrays.SparseArray([0, 0, 7]),
        x=pd.arrays.SparseArray([np.nan, 1.5, np.nan]),
        c=pd.Categorical(["r", None, "g"]),
        k=pd.Categorical([1, 2, 1]),
    )
    frame["id"] = frame["id"].astype("category")
    frame["at"] = frame["at"].astype("category")
    with EventStore() as store:
        store.append_frame(frame, **ROLES)
        assert [event.event_data for event in store.read_all()] == [
            {"n": 0, "x": None, "c": "r", "k": 1},
            {"n": 0, "x": 1.5, "c": None, "k": 2},
            {"n": 7, "x": None, "c": "g", "k": 1},
        ]


def test_missing_values_of_every_kind_become_null() -> None:
    nothing = [None, pd.NA, pd.NaT, float("nan"), np.datetime64("NaT"), np.timedelta64("NaT")]
    frame = table(len(nothing), n=pd.Series(nothing, dtype=object))
    with EventStore() as store:
        store.append_frame(frame, **ROLES)
        assert [event.event_data for event in store.read_all()] == [{"n": None}] * len(nothing)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(SCALARS, OBJECTS), min_size=1, max_size=5), key=KEYS)
def test_a_table_stores_what_append_stores(rows: list[tuple[Any, Any]], key: str) -> None:
    """Two ways in, one result: as columns, as JSON text, as dicts, and one by one."""
    values = [value for value, _ in rows]
    data = [objects for _, objects in rows]
    as_column = pd.concat(
        [table(len(rows)), pd.Series(values, dtype=object, name=f"k{key}")], axis=1
    )
    with EventStore() as one, EventStore() as columns, EventStore() as dicts, EventStore() as texts:
        columns.append_frame(as_column, **ROLES)
        assert [exactly(e.event_data) for e in columns.read_all()] == [
            exactly({f"k{key}": value}) for value in values
        ]
        for n, item in enumerate(data):
            event = new_event("X", item, occurred_at=AT)
            one.append(f"a{n}", [event], expected_version=0, aggregate_type="T")
        dicts.append_frame(table(len(rows), d=pd.Series(data, dtype=object)), **ROLES, data="d")
        written = [
            row[0] for row in one.sql("select event_data from events order by position").fetchall()
        ]
        texts.append_frame(table(len(rows), d=written), **ROLES, data="d")
        wanted = [exactly(event.event_data) for event in one.read_all()]
        assert [exactly(event.event_data) for event in dicts.read_all()] == wanted
        assert [exactly(event.event_data) for event in texts.read_all()] == wanted


TOKENS = st.sampled_from([
    "{", "}", "[", "]", ",", ":", '"a"', '"b"', '"\\u0061"', '"\\ud800"', '""', "1", "-0", "1e400",
    "1e-9", "9223372036854775807", "9223372036854775808", "0.1", "NaN", "Infinity", "null", "true",
    " ", "\t", '"a":1,', '{"a":1}', '"a":', '"x\\n"',
])  # fmt: skip


@settings(max_examples=300)
@given(st.lists(TOKENS, max_size=12).map("".join).map(lambda inner: "{" + inner + "}"))
def test_a_text_passes_just_when_each_reader_agrees_on_it(text: str) -> None:
    """The oracle reads the text by hand: key by key, with the parser of the standard library."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        if len(set(names)) < len(names):
            raise ValueError
        return dict(items)

    def fits(value: Any) -> bool:
        if isinstance(value, dict):
            return all(fits(k) and fits(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(fits, value))
        if isinstance(value, str):
            return not any("\ud800" <= c <= "\udfff" for c in value)
        if isinstance(value, float):
            return value == value and abs(value) != float("inf")
        return isinstance(value, bool) or value is None or -(2**63) <= value < 2**63

    try:
        good = fits(json.loads(text, object_pairs_hook=pairs))
    except ValueError:
        good = False
    frame = table(1, d=[text])
    with EventStore() as store:
        if not good:
            with pytest.raises(BadRowsError):
                store.append_frame(frame, **ROLES, data="d")
            return
        store.append_frame(frame, **ROLES, data="d")
        event = next(store.read_all())
        assert exactly(event.event_data) == exactly(json.loads(text))
        assert store.sql("select event_data::varchar from events").fetchall() == [(text,)]


def test_a_refused_table_leaves_a_file_that_can_be_filled(tmp_path: Any) -> None:
    with pytest.raises(EsnbError):
        EventStore.from_frame(table(at=MILLISECONDS), tmp_path / "s.duckdb", **ROLES)
    with EventStore.from_frame(table(), tmp_path / "s.duckdb", **ROLES) as store:
        assert store.position == 3
        assert next(store.read_all()).occurred_at == datetime(2026, 3, 2, 9, tzinfo=UTC)
