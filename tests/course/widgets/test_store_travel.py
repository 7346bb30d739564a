"""The whole store as of a time: against the store's own as_of, aggregate by aggregate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel, states_as_of
from esnb.course.widgets.deltas import written
from esnb.course.widgets.states_as_of import Places
from esnb.course.widgets.store_travel import StoreTravel, micros, time_of
from esnb.errors import InvalidEventError
from esnb.model.default_fold import LatestValues
from esnb.shop import Account, Order, first_orders
from tests.support import Tally

START = datetime(2026, 3, 2, tzinfo=UTC)
STREAMS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 8), st.sampled_from(["Added", "Ended"])),
    min_size=1,
    max_size=20,
)


def made(events: list[tuple[str, int, str]]) -> EventStore:
    store = EventStore(clock=LessonClock())
    for name, second, kind in events:
        event = new_event(kind, n=second, occurred_at=START + timedelta(seconds=second))
        store.append(name, [event], expected_version=store.version(name), aggregate_type="TALLY")
    return store


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=STREAMS, at=st.integers(-1, 9), since=st.integers(-1, 9))
def test_it_is_the_store_as_of_that_time(
    events: list[tuple[str, int, str]], at: int, since: int
) -> None:
    now, then = (START + timedelta(seconds=s) for s in (at, since))
    with made(events) as store:
        ended = {kind for _, _, kind in events} & {"Ended"}
        found = Places(store, {"TALLY": Tally}, closed=ended)
        seen = found.look(micros(now), micros(then), most=99)
        past, earlier = store.as_of(now), store.as_of(then)
        names = {name for name, _, _ in events}
        there = {name for name in names if past.events(name)}
        assert {row["id"] for row in seen["rows"]} == there
        assert (seen["aggregates"], seen["found"]) == (len(there), len(there))
        assert seen["events"] == sum(len(past.events(name)) for name in names)

        def shut(reader: Any, name: str) -> bool:
            own = reader.events(name)
            return bool(own) and own[-1].event_type in ended

        signs = {"+": 0, "~": 0, "-": 0, "": 0}
        for row in seen["rows"]:
            own, old = past.events(row["id"]), earlier.events(row["id"])
            last = own[-1]
            assert (row["version"], row["event_type"]) == (last.sequence_number, last.event_type)
            assert time_of(row["us"]) == last.occurred_at
            sign = "~" if len(own) != len(old) else ""
            if old and shut(past, row["id"]) and not shut(earlier, row["id"]):
                sign = "-"
            sign = sign if old else "+"
            assert row["sign"] == sign
            signs[sign] += 1
            cells = dict(zip(found.columns, row["cells"], strict=True))
            for name, (before, after) in cells.items():
                assert after == written(getattr(past.load(Tally, row["id"]), name))
                if old:
                    assert before == written(getattr(earlier.load(Tally, row["id"]), name))
        told = (seen["new"], seen["changed"], seen["closed"] or 0)
        assert told == (signs["+"], signs["~"], signs["-"])
        marked = [bool(row["sign"]) for row in seen["rows"]]
        assert marked == sorted(marked, reverse=True)


def test_the_first_rows_are_the_first_of_all() -> None:
    chance = np.random.default_rng(7)
    for _ in range(30):
        marked, when = chance.random(500) < 0.02, chance.integers(0, 60, 500)
        everything = states_as_of._newest(marked, when, 500)
        few = states_as_of._newest(marked, when, 12)
        assert [(marked[k], when[k]) for k in few] == [
            (marked[k], when[k]) for k in everything[:12]
        ]


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as shop:
        first_orders(shop)
        yield shop


def opened(store: EventStore, **options: Any) -> StoreTravel:
    return TimeTravel.store(store, **{"fold": [Order, Account], **options})


def test_the_shop_at_three(store: EventStore) -> None:
    shop = opened(store, as_of="2026-03-02T15:00:00Z", since="2026-03-02T09:05:00Z",
                  closed=["OrderCancelled", "OrderDelivered"])  # fmt: skip
    assert shop.summary == {"new": 1, "changed": 1, "closed": 1, "aggregates": 3, "events": 6}
    assert repr(shop) == (
        "<store as of 2026-03-02 15:00:00 UTC: 3 aggregates, 6 events; "
        "since 2026-03-02 09:05:00 UTC: 1 new, 1 changed, 1 closed>"
    )
    rows = shop.rows.set_index("aggregate_id")
    assert rows.loc["order-1042", ["change", "status", "version"]].tolist() == ["~", "'PAID'", 2]
    assert rows.loc["order-1043", "change"] == "-"
    assert shop.past.version("order-1042") == 2
    shop.at = "2026-03-02T09:00:00Z"
    assert shop.summary["aggregates"] == 1
    shop.since = None
    assert shop.since < shop.at
    assert shop.summary["new"] == 1
    assert eval(shop.table._still().rsplit("<code>", 1)[1].split("</code>")[0].replace(
        "&quot;", '"'), {"store": store}).version("order-1042") == 1  # fmt: skip


def test_a_row_opens_its_own_time_travel(store: EventStore) -> None:
    shop = opened(store, as_of="2026-03-02T15:00:00Z")
    below = shop.open_row("order-1042")
    assert isinstance(below, TimeTravel)
    assert (below.at, below.state["status"]) == (2, "PAID")
    assert shop.children == (shop.table, below)
    assert shop.opened is below
    bundle = shop._repr_mimebundle_()
    assert bundle["text/html"].count("<img") == 2
    with pytest.raises(InvalidEventError, match="no aggregate 'order-9'"):
        shop.open_row("order-9")
    bare = TimeTravel.store(store)
    assert bare.open_row("order-1042").history.kind is LatestValues


def test_the_kernel_answers_the_browser(store: EventStore) -> None:
    shop = opened(store)
    sent: list[Any] = []
    shop.table.send = sent.append  # type: ignore[method-assign]
    asked = {"us": micros("2026-03-02T15:00:00Z"), "since": 0, "kind": None, "text": " 104 ",
             "changed": False, "first": 0}  # fmt: skip
    for what in (
        {"ask": "look", "id": 1}, {"ask": "open", "id": 2, "aggregate": "order-1043"},
        {"ask": "open", "id": 3, "aggregate": "nobody"}, {"ask": "else"},
    ):  # fmt: skip
        shop.table._on_message(shop.table, {**what, **asked}, [])
    look, done, wrong = sent
    names = {row["id"] for row in json.loads(json.dumps(look))["result"]["rows"]}
    assert names == {"order-1042", "order-1043"}
    assert done["result"] is None
    assert shop.opened.name == "order-1043"
    assert "There is no aggregate 'nobody'" in wrong["error"]


def test_kinds_changes_and_pages(store: EventStore) -> None:
    found = opened(store).places
    last = int(found.times[-1])
    account = found.kinds.index("ACCOUNT")
    ids = [row["id"] for row in found.look(last, 0, kind=account)["rows"]]
    assert ids == ["account-ada"]
    three = [found.look(last, 0, first=first, most=1)["rows"][0]["id"] for first in range(3)]
    assert sorted(three) == ["account-ada", "order-1042", "order-1043"]
    assert found.look(last, last, changed=True)["rows"] == []
    assert found.look(int(found.times[0]) - 1, 0)["aggregates"] == 0


def test_what_cannot_be(store: EventStore) -> None:
    with pytest.raises(InvalidEventError, match="the log has no Closed"):
        opened(store, closed=["Closed"])
    with pytest.raises(InvalidEventError, match="has no aggregate_type"):
        TimeTravel.store(store, fold=dict.fromkeys)  # type: ignore[arg-type]
    with EventStore() as empty, pytest.raises(InvalidEventError, match="empty"):
        TimeTravel.store(empty)


class Failing(Order):
    """Fails at the payment."""

    def apply(self, event: Any) -> None:
        if event.event_type == "PaymentReceived":
            raise KeyError("no")
        super().apply(event)


Failing.aggregate_type = "ORDER"


def test_one_aggregate_that_fails_leaves_the_others(store: EventStore) -> None:
    rows = TimeTravel.store(store, fold=Failing).rows.set_index("aggregate_id")
    assert rows.loc["order-1042", "status"] == "✕ ReplayError"
    assert rows.loc["order-1043", "status"] == "'CANCELLED'"


def test_what_stands_beside_it_is_text(store: EventStore, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    store.append(evil, [new_event(evil, n=1)], expected_version=0, aggregate_type="TALLY")
    shop = opened(store)
    bundle = shop._repr_mimebundle_()
    assert "<img src=x" not in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    page = shop.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("</script>") == page.count("<script")
    assert "<img src=x" not in page
