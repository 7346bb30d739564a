"""Delivery that misbehaves by a seed, what survives it, and the watch over a read model."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Event,
    EventStore,
    InvalidEventError,
    LagAlert,
    LessonClock,
    Projection,
    Projector,
    handles,
    new_event,
    shop,
)
from esnb.readmodels.monitoring import compare
from esnb.shop.projections import Inventory, OrderSummary
from esnb.transports import Batch, Consumer, Transport, scorecard, smallest
from esnb.transports.unreliable_delivery import CONSUMERS, FAULTS, KnowsIdsTogether, OrderedInbox
from tests.support import CrashError, dying

CHANCES = st.fixed_dictionaries(
    {name: st.sampled_from([0.0, 0.2, 0.6]) for name in ("duplicate", "reorder", "delay", "crash")}
)


def totals(table: dict[str, Any], event: Event) -> None:
    """A table that shows doubles (the sum) and a wrong order (the last one)."""
    row = table.setdefault(event.aggregate_id or "", {"paid": 0, "last": ""})
    row["paid"] += event.data.get("amount", 0)
    row["last"] = event.type


@pytest.fixture
def store():
    with EventStore(clock=LessonClock()) as store:
        shop.first_orders(store)
        yield store


# -- the transport ---------------------------------------------------------------------------------


EVENTS = [replace(new_event("Added", n=n), position=n) for n in range(1, 9)]


@given(chances=CHANCES, seed=st.integers(0, 10**6), size=st.integers(1, 5))
def test_at_least_once_and_the_same_seed_gives_the_same_delivery(chances, seed, size):
    transport = Transport(EVENTS, **chances, seed=seed, size=size)
    batches = list(transport)
    assert batches == list(transport) == list(Transport(EVENTS, **chances, seed=seed, size=size))
    acknowledged = [e for batch in batches if not batch.crash for e in batch.events]
    assert {e.position for e in acknowledged} == set(range(1, 9))
    assert all(0 < len(batch.events) <= size for batch in batches)
    for batch, following in itertools.pairwise(batches):
        if batch.crash:  # what was not acknowledged is sent again
            assert following.events == batch.events
    assert not batches[-1].crash
    if not chances["duplicate"]:
        assert len(acknowledged) == 8


def positions(transport: Transport) -> list[int]:
    return [e.position for batch in transport for e in batch.events]  # type: ignore[misc]


def test_each_knob_turns_one_fault(store):
    seeds = range(30)
    assert all(positions(Transport(store, seed=s)) == list(range(1, 9)) for s in seeds)
    for knob, doubled, moved in (("duplicate", True, False), ("reorder", False, True),
                                 ("delay", False, True)):  # fmt: skip
        seen = [positions(Transport(store, **{knob: 0.3}, seed=s)) for s in seeds]
        firsts = [list(dict.fromkeys(arrived)) for arrived in seen]
        assert any(len(arrived) > 8 for arrived in seen) is doubled
        assert any(first != sorted(first) for first in firsts) is moved
    crashes = Counter(b.crash for s in seeds for b in Transport(store, crash=0.3, seed=s))
    assert crashes["before position"] > 5
    assert crashes["before acknowledgement"] > 5


def test_turning_one_knob_does_not_deal_the_others_anew(store):
    for seed in range(10):
        plain = positions(Transport(store, delay=0.4, seed=seed))
        doubled = positions(Transport(store, delay=0.4, duplicate=0.3, seed=seed))
        assert list(dict.fromkeys(doubled)) == plain


def test_the_transport_tells_what_it_does_and_refuses_what_is_no_chance(store):
    frame = Transport(store, crash=0.5, seed=3).df()
    assert frame.columns.tolist() == ["positions", "crash"]
    assert len(frame) > 3
    events = list(store.read_all(limit=2))
    assert str(Batch(tuple(events), "before position")) == (
        "OrderPlaced(1) OrderPlaced(2) [crash before position]"
    )
    for wrong in ({"duplicate": 1.0}, {"delay": -0.1}, {"crash": 2}, {"size": 0}):
        with pytest.raises(InvalidEventError):
            Transport(store, **wrong)
    assert list(Transport([], crash=0.5)) == []


# -- who survives what -----------------------------------------------------------------------------


def test_the_scorecard_tells_the_four_ways_apart(store):
    card = scorecard(store, totals)
    survives = card.pivot(index="consumer", columns="fault", values="result") == "survives"
    wanted = {
        "naive": {"none"},
        "ids, saved after": {"none", "duplicate"},
        "ids, one transaction": {"none", "duplicate", "crash"},
        "ordered inbox": set(FAULTS),
    }
    assert {name: set(row.index[row]) for name, row in survives.iterrows()} == wanted
    assert card.loc[card["result"] == "survives", "smallest"].eq("").all()
    assert card.equals(scorecard(store, totals))


def test_the_smallest_failing_delivery_is_small_fails_and_is_a_legal_one(store):
    log = list(store.read_all())
    for make in list(CONSUMERS.values())[:3]:
        for seed in range(6):
            batches = list(Transport(log, **FAULTS["all"], seed=seed))
            if outcome(make, batches) == fold(log):
                continue
            small, few = smallest(log, batches, make, totals)
            assert outcome(make, few) != fold(small)
            assert [e.position for e in small] == list(range(1, len(small) + 1))
            assert {e.event_id for e in small} <= {e.event_id for e in log}
            acknowledged = {e.position for b in few if not b.crash for e in b.events}
            assert acknowledged == {e.position for e in small}
            assert sum(len(batch.events) for batch in few) <= 3


def outcome(make: Any, batches: list[Batch]) -> dict[str, Any]:
    consumer = make(totals)
    for batch in batches:
        consumer.write(batch.events)
        if batch.crash != "before position":
            consumer.save()
        if batch.crash:
            consumer.restart()
    return consumer.table


def fold(log: list[Event]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for event in log:
        totals(table, event)
    return table


def test_the_wanted_table_does_not_count_what_was_delivered_twice(store):
    """A check that folds what arrived would pass: both sides count a duplicate twice."""

    class Fold(Consumer):
        def write(self, events: Any) -> None:
            self.heard = [*getattr(self, "heard", []), *events]
            self.table = fold(self.heard)

    card = scorecard(store, totals, {"fold": Fold}, {"duplicate": FAULTS["duplicate"]})
    assert card["result"].tolist() == ["fails"]
    row = card.iloc[0]
    assert row["table"] != row["wanted"]


def test_a_reader_s_own_consumer_and_faults(store):
    class Broken(OrderedInbox):
        """Forgets the inbox when it crashes."""

        def restart(self) -> None:
            super().restart()
            self.inbox = {}

    made = {"mine": Broken, "one transaction": KnowsIdsTogether}
    card = scorecard(store, totals, made, {"late": {"delay": 0.5, "crash": 0.5}, "none": {}})
    assert card["result"].tolist() == ["fails", "survives", "fails", "survives"]
    assert "crash before" in card["smallest"][0]


@settings(max_examples=12)
@given(chances=CHANCES, seed=st.integers(0, 10**6))
def test_a_projector_in_a_file_survives_what_the_ordered_inbox_survives(
    tmp_path_factory, chances, seed
):
    """The same deliveries, with the crash inside the projector's own transaction."""
    path = tmp_path_factory.mktemp("read") / "read.duckdb"
    with EventStore(clock=LessonClock()) as store:
        shop.first_orders(store)
        projector = Projector(store, OrderSummary, path)
        for batch in Transport(store, **chances, seed=seed):
            with pytest.MonkeyPatch.context() as patch:
                if batch.crash == "before position":
                    # The read model of this batch is written, in a transaction that dies now.
                    patch.setattr("esnb.readmodels.projector.transaction", dying)
                try:
                    projector.deliver(batch.events)
                except CrashError:
                    assert batch.crash == "before position"
            if batch.crash:
                projector.close()
                projector = Projector(store, OrderSummary, path)
                assert not projector.notice
        assert projector.position == 8
        assert projector.verify()
        assert projector.sql("select sum(paid) from orders_summary").fetchall() == [(2690,)]
        projector.close()


# -- two definitions of one read model -------------------------------------------------------------


class Paid(Projection):
    """Money by order, with SQL."""

    tables: ClassVar = {"paid": "order_id varchar primary key, paid bigint, n bigint"}
    sql: ClassVar = """
        insert into paid
        select aggregate_id, sum(coalesce((event_data->>'$.amount')::bigint, 0)), count(*)
        from new_events where aggregate_type = 'ORDER' group by all
        on conflict do update set paid = paid.paid + excluded.paid, n = paid.n + excluded.n
    """


class PaidByHand(Projection):
    """The same with a handler, but for a refund that it takes for a payment from 50.00 on."""

    tables: ClassVar = {"money": "order_id varchar primary key, paid bigint"}
    wrong_from: ClassVar[int] = 10**9

    @handles("OrderPlaced", "PaymentReceived", "RefundIssued")
    def add(self, read: Any, event: Event) -> None:
        amount = event.data.get("amount", 0)
        if event.position >= self.wrong_from:
            amount *= 2
        read.execute(
            "insert into money values (?, ?) on conflict do update set paid = money.paid + "
            "excluded.paid", [event.aggregate_id, amount],
        )  # fmt: skip


@pytest.fixture(scope="module")
def big():
    with EventStore(clock=LessonClock()) as store:
        shop.simulate(store, orders=40, seed=2)
        yield store


@pytest.mark.parametrize("wrong_from", [1, 40, 75])
def test_compare_finds_the_first_event_at_which_two_definitions_part(big, wrong_from):
    kind = type("Wrong", (PaidByHand,), {"wrong_from": wrong_from})
    found = compare(big, Paid, kind)
    assert found is not None
    wanted = next(e for e in big.read_all(wrong_from - 1) if e.data.get("amount", 0) and
                  e.aggregate_type == "ORDER")  # fmt: skip
    assert found.event == wanted
    assert found.probes <= 9
    assert found.rows["definition"].tolist() == ["Paid", "Wrong"]
    assert found.rows["order_id"].tolist() == [wanted.aggregate_id] * 2
    one, two = found.rows["paid"]
    assert two - one == wanted.data["amount"]
    assert f"up to position {wanted.position - 1} and part at {wanted.position}" in str(found)


def test_compare_says_none_for_equals_and_refuses_what_cannot_be_compared(big):
    assert compare(big, Paid, PaidByHand) is None
    assert compare(big.as_of(30), Paid, PaidByHand, columns=["paid"]) is None
    for other, columns in ((Inventory, None), (PaidByHand, ["n"]), (PaidByHand, ["nowhere"])):
        with pytest.raises(InvalidEventError, match="columns that both have"):
            compare(big, Paid, other, columns)
    assert compare(big, Inventory, Inventory) is None


def test_compare_shows_a_row_that_only_one_side_has(big):
    class Fewer(Paid):
        sql: ClassVar = Paid.sql.replace("'ORDER'", "'ORDER' and event_type <> 'OrderPlaced'")

    found = compare(big, Paid, Fewer)
    assert found is not None
    assert found.event.position == next(
        e.position for e in big.read_all() if e.aggregate_type == "ORDER"
    )
    assert found.rows["definition"].tolist() == ["Paid"]


# -- the alert -------------------------------------------------------------------------------------


@pytest.fixture
def watched():
    clock = LessonClock(step=0)
    with EventStore(clock=clock) as store:
        projector = Projector(store, Paid)
        told: list[str] = []
        yield store, projector, clock, told


def pay(store: EventStore) -> None:
    event = new_event("PaymentReceived", amount=100)
    store.append("order-1", [event], expected_version=ANY, aggregate_type="ORDER")


def test_the_alert_comes_over_the_threshold_once_and_goes_with_the_lag(watched):
    store, projector, clock, told = watched
    alert = LagAlert(projector, notify=told.append)
    assert alert.threshold == 5.0
    pay(store)
    clock.advance(seconds=5)
    assert not alert.check()  # at the threshold, not over it
    clock.advance(seconds=1)
    assert alert.check()
    assert alert.check()
    assert told == [
        "Paid is 1 event, 6.0 s behind (threshold 5 s). It stands at position 0 and does not move."
    ]
    projector.catch_up()
    assert not alert.check()
    assert told[1:] == ["Paid is back: 0 events, 0.0 s behind."]
    pay(store)
    clock.advance(seconds=6)
    assert alert.check()
    assert len(told) == 3


def test_patience_counts_only_time_over_the_threshold_without_a_break(watched):
    store, projector, clock, told = watched
    alert = LagAlert(projector, threshold=5.0, patience=10.0, notify=told.append)
    for _ in range(3):
        pay(store)
        clock.advance(seconds=9)
        assert not alert.check()
        clock.advance(seconds=9)
        assert not alert.check()
        projector.catch_up()
        assert not alert.check()  # and the clock of patience starts anew
    assert told == []
    pay(store)
    clock.advance(seconds=6)
    assert not alert.check()
    clock.advance(seconds=10)
    assert alert.check()


def test_a_slow_projector_is_told_from_a_dead_one(watched):
    store, projector, clock, told = watched
    alert = LagAlert(projector, notify=told.append)
    for _ in range(5):
        pay(store)
    projector.catch_up(limit=1)
    clock.advance(seconds=7)
    assert alert.check()
    assert "at position 1 and moves, too slowly" in told[0]


def test_a_stalled_or_forgotten_projector_cannot_look_as_if_it_had_no_lag(watched):
    """Nobody catches up, nobody asks it, and it reports nothing: the log still shows the lag."""
    store, projector, clock, _ = watched
    alert = LagAlert(projector)
    assert not alert.check()
    lags = []
    for _ in range(6):
        pay(store)
        clock.advance(seconds=3)
        alert.check()
        lags.append((alert.lag.events, alert.lag.seconds))
    assert lags == [(n, 3.0 * n) for n in range(1, 7)]
    assert alert.raised
    # A projector that works, beside it, does not hide it.
    other = Projector(store, Paid)
    other.catch_up()
    assert not LagAlert(other).check()
    assert alert.check()


def test_random_lives_raise_the_alert_exactly_when_the_oldest_event_waits_too_long(watched):
    store, projector, clock, _ = watched
    alert, rng, waiting, now = LagAlert(projector), random.Random(4), [], 0.0
    for _ in range(120):
        step = rng.choice(["pay", "wait", "wait", "work", "check"])
        if step == "pay":
            pay(store)
            waiting.append(now)
        elif step == "wait":
            seconds = rng.randrange(1, 5)
            clock.advance(seconds=seconds)
            now += seconds
        elif step == "work":
            waiting = waiting[projector.catch_up(limit=rng.randrange(1, 3)) :]
        else:
            assert alert.check() == bool(waiting and now - waiting[0] > 5)
            assert alert.lag.events == len(waiting)
