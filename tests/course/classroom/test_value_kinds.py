"""Every kind of value goes over as it is; whatever else is written is refused as malformed."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import ANY, AppendCondition, ConcurrencyError, EventStore, shop
from esnb.course.classroom.codec import DEEPEST, Codec, Malformed
from esnb.course.classroom.value_kinds import VALUES
from esnb.shop.commands import ShipOrder

CODEC = Codec(VALUES)
TAGS = sorted({row.tag for row in VALUES})


def over(value: Any) -> Any:
    """A value there: through the text that goes over the pipe."""
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value))))


class Point(NamedTuple):
    x: int
    y: Any = None


BERLIN = ZoneInfo("Europe/Berlin")
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, places=3)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from([..., ANY, complex(1, -2), pd.NA, pd.NaT, UTC, timezone(timedelta(hours=-3))])
)
KEYS = st.integers() | st.text() | st.dates() | st.fractions() | st.tuples(st.integers(), st.text())
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.lists(inner, max_size=4).map(deque)
        | st.builds(Point, st.integers(), inner)
    ),
    max_leaves=12,
)


def kind_of(value: Any) -> Any:
    """The type of a value, and of what is in it; a NamedTuple is told by its names."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return (type(value).__name__, value._fields, *map(kind_of, value))
    if isinstance(value, list | tuple | deque):
        return (type(value), *map(kind_of, value))
    if isinstance(value, dict):
        return (dict, *(kind_of(item) for item in value.values()))
    return type(value)


@given(NESTED)
def test_a_value_goes_over_as_it_is(value: Any) -> None:
    came = over(value)
    assert kind_of(came) == kind_of(value)
    assert repr(came) == repr(value) or came == value


ONE_EACH: list[Any] = [
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    pd.Timestamp("2026-03-02 09:00:00.123456789"),
    pd.Timestamp("2026-03-02 09:00", tz="Europe/Berlin"), pd.Timedelta(7, "ns"), BERLIN,
    np.int64(-5), np.float64(1.5), np.float32(0.1), np.bool_(True), np.str_("word"),
    np.datetime64("2026-03-02T09:00:00.000000001"), np.timedelta64(5, "ns"), np.uint64(2**64 - 1),
    range(3, 30, 9), deque([1, 2], maxlen=4), shop.Order, ConcurrencyError, EventStore, Path("a/b"),
    AppendCondition("OrderPlaced", after=3), ShipOrder("order-1"), time(9, 30, tzinfo=UTC),
    Fraction(10**400, 3), Decimal("1E-400"), float("inf"), 10**5000, NotImplemented,
]  # fmt: skip


@pytest.mark.parametrize("value", ONE_EACH, ids=lambda v: type(v).__name__)
def test_one_of_each_further_kind(value: Any) -> None:
    came = over(value)
    assert type(came) is type(value)
    assert came == value or came is value
    assert getattr(came, "tzinfo", None) == getattr(value, "tzinfo", None)


def test_what_cannot_be_compared_goes_over_too() -> None:
    assert over(float("nan")) != over(float("nan"))
    assert np.isnat(over(np.datetime64("NaT")))
    assert over(Decimal("NaN")).is_nan()
    generator = over(n * n for n in range(3))
    assert next(generator) == 0
    assert list(generator) == [1, 4]
    pairs = {"a": 1, "b": 2}
    assert over(pairs.keys()) == {"a", "b"}
    assert list(over(pairs.values())) == [1, 2]
    assert over(pairs.items()) == pairs.items()


def test_a_subclass_comes_over_as_the_plain_kind() -> None:
    class Whole(int):
        pass

    for value, plain in (
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (Whole(7), 7),
        (bytearray(b"x"), b"x"),
    ):
        came = over(value)
        assert came == plain
        assert type(came) is type(plain)


def test_a_named_tuple_is_equal_to_a_tuple_and_has_its_names() -> None:
    came = over(Point(1, Fraction(1, 2)))
    assert came == (1, Fraction(1, 2))
    assert (came.x, came.y, type(came).__name__) == (1, Fraction(1, 2), "Point")
    assert type(over(namedtuple("P", "a")(1))) is type(over(namedtuple("P", "a")(2)))


NUMBERS = {"a": [1, 2], "b": ["x", None], "c": [1.5, float("nan")]}
TABLES: list[Any] = [
    pd.DataFrame(NUMBERS, index=[3, 4]),
    pd.DataFrame({"t": pd.to_datetime(["2026-03-02T09:00Z", None]),
                  "n": pd.array([1, None], "Int64")}),
    pd.DataFrame([[1, "x"]], columns=["same", "same"]),
    pd.DataFrame({"k": ["x", "y", "x"]}).groupby("k").agg(n=("k", "size")),
    pd.DataFrame({("a", 1): [1], ("a", 2): [2]}, index=pd.MultiIndex.from_tuples([("x", 1)])),
    pd.DataFrame({"word": pd.Categorical(["b", "a"]), "d": pd.to_timedelta([1, 2], unit="ns")}),
    pd.DataFrame(), pd.DataFrame({"a": []}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_tables_and_their_columns(number: int) -> None:
    table = TABLES[number]
    pd.testing.assert_frame_equal(over(table), table)
    pd.testing.assert_index_equal(over(table.columns), table.columns)
    for place in range(table.shape[1]):
        pd.testing.assert_series_equal(over(table.iloc[:, place]), table.iloc[:, place])


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3), np.array([]), np.array(["a", "bcd"]), np.array([[True], [False]]),
     np.array(["2026-03-02", "NaT"], "datetime64[ns]"), np.array([1, None, "x"], object)],
)  # fmt: skip
def test_arrays(array: Any) -> None:
    came = over(array)
    assert came.dtype == array.dtype
    np.testing.assert_array_equal(came, array)


# --- what is refused ----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["<U3", "|O", "int64", "datetime64[ns]", "esnb.events:Event", "0x10"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*TAGS, "what"]), inner, max_size=2)
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.one_of(*(JSON.map(lambda x, tag=tag: {tag: x}) for tag in TAGS)) | JSON)
def test_any_json_is_a_value_or_malformed(node: Any) -> None:
    try:
        value = CODEC.decode(node)
    except Malformed:
        return
    assert type(value).__module__.partition(".")[0] not in ("os", "subprocess", "builtins.eval")


@pytest.mark.parametrize(
    "node",
    [
        [], {}, {"what": 1}, {"l": 1}, {"l": {"l": []}}, {"s": [{"l": []}]}, {"d": [[1], []]},
        {"d": [[{"d": [[], []]}], [1]]}, {"i": "x"}, {"dec": "1E+999999999"}, {"dec": "x"},
        {"frac": ["0x1", "0x0"]}, {"np": ["<V8", [], [1]]}, {"array": ["<U9", [10**12], ["x"]]},
        {"array": ["|O", [2], [1]]}, {"named": ["P", ["def"], [1]]}, {"named": ["P", ["a"], []]},
        {"range": [0, 5, 0]}, {"zone": "../../etc/passwd"}, {"dt": ["no time", None]},
        {"l": [1], "t": [1]}, {"b": "???"}, {"uuid": 7},
        {"ours": ["esnb.store.event_store:EventStore", {"d": [[], []]}]},
        {"ours": ["esnb.store.conditions:AppendCondition", {"l": []}]}, {"delta": [1.5, "ns"]},
        {"s": [{"i": hex(n * (2**61 - 1))} for n in range(2_000)]},
        {"d": [[{"i": hex(n * (2**61 - 1))} for n in range(2_000)], [0] * 2_000]},
    ],
    ids=lambda node: str(node)[:40],
)  # fmt: skip
def test_what_no_row_writes_is_malformed(node: Any) -> None:
    with pytest.raises(Malformed):
        CODEC.decode(node)


@pytest.mark.parametrize(
    "name",
    [
        "os:system", "builtins:eval", "builtins:int", "esnb.course.exercises.engine.trial:Trial",
        "esnb.course.classroom.log:_Session", "esnb.course.classroom.sandbox:Apart",
        "esnb.course:exercises", "esnb.store.connection:re", "esnb.store.event_store:Path",
        "esnb.events:Event.settle", "esnb.interchange:restore", "esnb.shop.__main__:main",
        "", ":", 7,
    ],
)  # fmt: skip
def test_no_class_but_the_listed_ones_can_be_named(name: Any) -> None:
    with pytest.raises(Malformed):
        CODEC.decode({"class": name})
    with pytest.raises(Malformed):
        CODEC.decode({"ours": [name, {"d": [[], []]}]})


def test_depth_is_limited_on_both_sides() -> None:
    deep: Any = []
    node: Any = {"l": []}
    for _ in range(DEEPEST + 5):
        deep, node = [deep], {"l": [node]}
    with pytest.raises(ValueError, match="nested too deeply"):
        CODEC.encode(deep)
    with pytest.raises(Malformed, match="nested too deeply"):
        CODEC.decode(node)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested too deeply"):
        CODEC.encode(loop)
    assert over([UUID(int=5), date(2026, 3, 2)]) == [UUID(int=5), date(2026, 3, 2)]
