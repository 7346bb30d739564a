"""Lag: the simulated day against oracles of its own, and the page's code against the real thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from esnb.clock import utc
from esnb.course.widgets import Lag, lag, lag_day, lag_projectors, lag_run
from esnb.errors import InvalidEventError
from esnb.shop import Order
from tests.node import node

STATIC = Path(lag.__file__).parent / "static"
CRASH = [(20, "crash"), (24, "restart"), (24, "project", 12)]


@pytest.fixture(scope="module")
def the_day() -> lag_day.Day:
    return lag_day.day(7)


@pytest.fixture
def simulated(the_day: lag_day.Day) -> Iterator[Callable[..., lag_run.Simulation]]:
    """Run the day: `simulated(26, script, handler)`; closed at the end."""
    made = []

    def run(upto: int, script: Any = (), handler: str = "transaction", **rates: int) -> Any:
        made.append(lag_run.Simulation(the_day, script, handler, **rates).run(upto))
        return made[-1]

    yield run
    for one in made:
        one.close()


def folded_by_hand(events: Any, repeat: tuple[int, int] = (0, 0)) -> dict[str, list[Any]]:
    """Status, total and paid by order: an oracle that shares nothing with the package. Events of
    `repeat` (from exclusive, to inclusive) count twice."""
    rows: dict[str, list[Any]] = {}
    for event in events:
        times = 2 if repeat[0] < event.position <= repeat[1] else 1
        row = rows.setdefault(event.aggregate_id, ["", 0, 0])
        match event.event_type:
            case "OrderPlaced":
                row[0] = "PENDING"
                for line in event.event_data["items"]:
                    row[1] += times * line["quantity"] * line["price"]
            case "ItemAdded":
                row[1] += times * event.event_data["quantity"] * event.event_data["price"]
            case "PaymentReceived":
                row[0] = "PAID"
                row[2] += times * event.event_data["amount"]
            case "OrderShipped":
                row[0] = "SHIPPED"
            case "OrderCancelled":
                row[0] = "CANCELLED"
    return rows


def listed(rows: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: list(row) for name, row in rows.items()}


# -- numbers -----------------------------------------------------------------------------------


def test_lag_in_events_and_in_seconds(simulated: Callable[..., lag_run.Simulation]) -> None:
    run = simulated(lag_day.SECONDS, [(30, "pause"), (34, "resume"), *CRASH], "idempotent")
    recorded = {e.position: e.recorded_at for e in run.store.read_all()}
    begin = utc(lag_day.START)
    checkpoint = 0
    for tick in run.ticks:
        now = begin + timedelta(seconds=tick.second)
        head = sum(at <= now for at in recorded.values())
        waiting = [at for p, at in recorded.items() if tick.checkpoint < p <= head]
        assert (tick.head, tick.events) == (head, len(waiting))
        oldest = (now - min(waiting)) / timedelta(milliseconds=1) if waiting else 0
        assert tick.milliseconds == pytest.approx(oldest, abs=0.5)
        still = tick.second in (*range(21, 25), *range(31, 35))
        rate = 6 if tick.second <= 24 else 12
        assert tick.checkpoint == (checkpoint if still else min(head, checkpoint + rate))
        checkpoint = tick.checkpoint


def test_a_rush_doubles_the_writes_and_rates_count(
    simulated: Callable[..., lag_run.Simulation],
) -> None:
    run = simulated(30, [(5, "write", 6), (9, "write", 2), (3, "project", 2)])
    written = [b.head - a.head for a, b in zip(run.ticks, run.ticks[1:], strict=False)]
    for second, count in enumerate(written):
        rate = 4 if second < 5 else 6 if second < 9 else 2
        assert abs(count - rate * (2 if 12 <= second < 24 else 1)) <= 1
    moved = [b.checkpoint - a.checkpoint for a, b in zip(run.ticks, run.ticks[1:], strict=False)]
    assert moved[3:] == [2] * 27


def test_the_story_of_the_day() -> None:
    trace = Lag().trace
    assert list(trace["state"].iloc[[10, 18, 32, 44]]) == [
        "caught up", "slow", "catching up", "caught up",
    ]  # fmt: skip
    assert list(trace["trend"].iloc[[10, 18, 32]]) == ["steady", "growing", "shrinking"]
    # After the rush the lag shrinks in events, and in seconds it still grows.
    assert trace["events"][28] < trace["events"][24] - 4
    assert trace["seconds"][28] > trace["seconds"][24] + 1


@pytest.mark.parametrize(
    ("behind", "places", "trend", "state"),
    [
        ([0, 0, 0], [3, 6, 9], "steady", "caught up"),
        ([0, 2, 4, 6, 9], [0, 1, 2, 3, 4], "growing", "slow"),
        ([5, 5, 6, 5, 5], [0, 1, 2, 3, 4], "steady", "slow"),
        ([9, 8, 6, 5, 3], [0, 1, 2, 3, 4], "shrinking", "catching up"),
        ([5, 6, 7, 8], [4, 4, 4, 4], "growing", "stalled"),
        ([5, 5, 5, 5], [4, 4, 4, 4], "steady", "stalled"),
        ([0, 0, 5], [4, 4, 4], "growing", "slow"),
        ([2, 3], [4, 4], "steady", "slow"),
    ],
)
def test_stalled_slow_and_caught_up(
    behind: list[int], places: list[int], trend: str, state: str
) -> None:
    assert lag_run.trend_of(behind) == trend
    assert lag_run.state_of_lag(behind, places) == state


def test_a_crash_and_a_pause_are_stalled_and_a_slow_one_is_not(
    simulated: Callable[..., lag_run.Simulation],
) -> None:
    for script in ([(14, "pause")], [(14, "crash")]):
        assert {t.state for t in simulated(22, script).ticks[16:]} == {"stalled"}
    assert {t.state for t in simulated(22, projects=2).ticks[16:]} == {"slow"}


# -- what the reader sees ----------------------------------------------------------------------


def test_recorded_rows_are_the_fold_of_the_order(the_day: lag_day.Day) -> None:
    assert the_day.rows == the_day.truth
    assert len(the_day.events) == lag_day.EVENTS
    for position in (1, 61, 62, 102, 200, lag_day.EVENTS):
        oracle = folded_by_hand(the_day.events[:position])
        name = the_day.events[position - 1].aggregate_id
        assert list(the_day.rows[position]) == oracle[name]
    bob = [(e.position, e.event_type) for e in the_day.events if e.aggregate_id == lag_day.BOB]
    assert bob == [(lag_day.BOB_PLACES, "OrderPlaced"), (lag_day.BOB_PAYS, "PaymentReceived")]


@pytest.mark.parametrize("handler", list(lag_projectors.KINDS))
def test_reader_and_truth(simulated: Callable[..., lag_run.Simulation], handler: str) -> None:
    run = simulated(20, handler=handler)
    events = list(run.store.read_all())
    assert listed(run.reader()) == folded_by_hand(events[: run.projector.position])
    assert listed(run.truth()) == folded_by_hand(events)
    assert run.reader()[lag_day.BOB][0] == "PENDING"
    assert run.truth()[lag_day.BOB][0] == "PAID"


def test_a_handler_that_adds_doubles_after_a_crash(
    simulated: Callable[..., lag_run.Simulation],
) -> None:
    run = simulated(20, CRASH, "adds")
    before = run.projector.position
    run.run(21)
    assert run.projector.position == before
    events = list(run.store.read_all())
    assert listed(run.reader()) == folded_by_hand(events[: before + 6])
    run.run(lag_day.SECONDS)
    events = list(run.store.read_all())
    assert run.ticks[-1].events == 0
    doubled = folded_by_hand(events, repeat=(before, before + 6))
    assert listed(run.reader()) == doubled != folded_by_hand(events)
    assert run.reader()[lag_day.BOB][2] == 2 * run.truth()[lag_day.BOB][2] > 0


@pytest.mark.parametrize("handler", ["idempotent", "transaction"])
def test_no_duplicates_otherwise(
    simulated: Callable[..., lag_run.Simulation], handler: str
) -> None:
    run = simulated(20, CRASH, handler)
    before = run.projector.position
    run.run(21)
    events = list(run.store.read_all())
    # In one transaction the crash took the batch with it; else the read model is ahead.
    there = before if handler == "transaction" else before + 6
    assert run.projector.position == before
    assert listed(run.reader()) == folded_by_hand(events[:there])
    run.run(lag_day.SECONDS)
    assert run.reader() == run.truth()


def test_a_rebuild_serves_the_old_one_and_mends_it(
    simulated: Callable[..., lag_run.Simulation],
) -> None:
    run = simulated(30, [*CRASH, (30, "rebuild")], "adds")
    seen = []
    while run.ticks[-1].second == 30 or run.beside is not None:
        run.step()
        seen.append((run.ticks[-1].rebuild, run.reader() == run.truth()))
    places, same = zip(*seen, strict=True)
    assert places[:-1] == tuple(36 * n for n in range(1, len(places)))
    assert places[-1] is None
    assert len(places) > 4
    assert same == (False,) * (len(places) - 1) + (True,)
    assert run.ticks[-1].events == 0


def test_read_policies(simulated: Callable[..., lag_run.Simulation]) -> None:
    def sees(script: Any = (), upto: int = 19) -> tuple[str, ...]:
        run = simulated(upto, script)
        return tuple(run.sees(policy) for policy in ("stream", "as is", "wait"))

    assert sees() == ("PAID", "PENDING", "PAID, after a wait")
    assert sees(upto=25) == ("PAID", "PAID", "PAID")
    assert sees([(10, "pause")]) == ("PAID", "no such order", "a timeout")
    # What is done later does not help him now.
    assert sees([(18, "pause"), (20, "resume")]) == ("PAID", "PENDING", "a timeout")


def test_one_of_each_sign_is_shown() -> None:
    names = [f"order-{n}" for n in range(20, 32)]
    truth = dict.fromkeys(names[:6], ("SHIPPED", 5, 5))
    truth |= dict.fromkeys(names[6:], ("PAID", 5, 5))
    reader = dict.fromkeys(names[:6], ("PAID", 5, 5))
    reader |= {names[7]: ("PENDING", 5, 0), names[8]: ("PAID", 5, 5), "order-17": ("PAID", 1, 1)}
    truth["order-17"] = reader["order-17"]
    shown = [(row[0], row[3]) for row in lag.compared(reader, truth)]
    assert shown == [
        ("order-17", ""), ("order-20", "-"), ("order-21", "-"), ("order-26", "+"),
        ("order-27", "~"), ("paid in all orders", "~"),
    ]  # fmt: skip


def test_signs() -> None:
    paid, open_, gone = ("PAID", 5, 5), ("PENDING", 5, 0), ("SHIPPED", 5, 5)
    reader = {"order-17": open_, "order-2": paid, "order-3": gone, "order-5": paid}
    truth = {"order-2": gone, "order-3": gone, "order-17": paid, "order-4": open_, "order-5": paid}
    assert lag.compared(reader, truth) == [
        ("order-17", "PENDING 0.00 of 0.05", "PAID 0.05 of 0.05", "~"),
        ("order-2", "PAID 0.05 of 0.05", "", "-"),
        ("order-4", "", "PENDING 0.00 of 0.05", "+"),
        ("order-5", "PAID 0.05 of 0.05", "PAID 0.05 of 0.05", ""),
        ("paid in all orders", "0.15", "0.20", "~"),
    ]


# -- the widget in Python ----------------------------------------------------------------------


def test_python_reads_what_is_shown() -> None:
    made = Lag(at=19, handler="adds", script=CRASH)
    assert (made.lag.events, made.state) == (14, "slow")
    assert made.lag.seconds == made.trace["seconds"][19] > 1
    assert made.reader.loc["order-17", "status"] == "PENDING"
    assert made.truth.loc["order-17", "status"] == "PAID"
    assert made.compare.loc["order-17", "change"] == "~"
    before = made.trace
    made.at, made.script = 45, []
    assert made.reader.equals(made.truth)
    assert not before.equals(made.trace)
    with made.simulate(19).store as store:
        order: Any = store.load(Order, "order-17")
        assert order.status == "PAID"
    assert list(made.answers.columns) == list(Lag._columns)
    made._answers = [{"second": 19, "answer": "PAID", "match": False}]
    assert isinstance(made.answers, pd.DataFrame)
    assert list(made.answers["answer"]) == ["PAID"]
    assert "wait_for" in Lag(policy="wait").code


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    one, two = Lag(at=9), Lag(at=9)
    assert one._data != lag.payload(lag_day.day(8), 4, 6)
    assert repr(one) == repr(two)
    first, second = one._repr_mimebundle_(), two._repr_mimebundle_()
    assert first["text/html"] == second["text/html"]
    assert repr(one) == (
        "<projection lag: second 9 of 45, 0 events, 0.0 s behind, caught up, handler transaction>"
    )
    html = first["text/html"]
    assert "data:image/png;base64," in html
    assert "<table" in html
    assert not re.search(r"<script|<style|https?:", html)
    assert first["application/vnd.jupyter.widget-view+json"]["model_id"] == one.model_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"script": [(50, "crash")]}, {"script": [(5, "explode")]}, {"script": [(5, "write", 5)]},
        {"script": [(5, "write")]}, {"script": [(5, "crash", 1)]}, {"script": [5]},
        {"handler": "magic"}, {"policy": "hope"}, {"writes": 5}, {"projects": 0}, {"at": 46},
        {"guide": "half"},
    ],
)  # fmt: skip
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError, match=r"step of the script|is one of"):
        Lag(**wrong)


def test_the_page_is_whole_and_asks_no_network(tmp_path: Path) -> None:
    made = Lag(at=9)
    page = made.to_html(tmp_path / "lag.html", theme="dark").read_text(encoding="utf-8")
    assert "{{" not in page.replace("${{", "")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert 'data-theme="dark"' in page
    assert "<iframe" in made.static()._repr_html_()
    with pytest.raises(InvalidEventError, match="theme is one of"):
        made.to_html(tmp_path / "lag.html", theme="blue")  # type: ignore[arg-type]


# -- the page's code against the real store and projector ----------------------------------------


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Any]]:
    """The page's code in node."""
    with node("answer.mjs") as question:
        yield lambda **values: question("day", **values)


SECOND = st.integers(0, lag_day.SECONDS - 1)
DOING = (
    st.tuples(SECOND, st.sampled_from(["pause", "resume", "crash", "restart", "rebuild"]))
    | st.tuples(SECOND, st.just("write"), st.sampled_from(lag_day.WRITES))
    | st.tuples(SECOND, st.just("project"), st.sampled_from(lag_day.PROJECTS))
)
# A crash and what follows, close together: where partial repeats are.
TROUBLE = st.tuples(st.integers(5, 38), st.integers(1, 3), st.sampled_from(lag_day.PROJECTS)).map(
    lambda t: [(t[0], "crash"), (t[0] + t[1], "project", t[2]), (t[0] + t[1], "restart")]
)


# A run takes a second: a failing script is shown as it was found, not made smaller.
@settings(
    max_examples=4, deadline=None, phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    script=st.lists(DOING, max_size=8), trouble=st.lists(TROUBLE, max_size=2),
    handler=st.sampled_from(list(lag_projectors.KINDS)),
)  # fmt: skip
def test_the_page_shows_what_the_real_projector_does(
    ask: Callable[..., Any], the_day: lag_day.Day, script: Any, trouble: Any, handler: str
) -> None:
    script = lag_run.checked([*script, *(step for some in trouble for step in some)])
    last = {step[0] for step in script} | {0}
    moments = sorted({20, lag_day.SECONDS, *(min(max(last) + n, lag_day.SECONDS) for n in (1, 2))})
    found = ask(
        day=lag.payload(the_day, 4, 6), script=script, handler=handler, upto=lag_day.SECONDS,
        moments=moments,
    )  # fmt: skip
    run = lag_run.Simulation(the_day, script, handler)
    try:
        for place, moment in enumerate(moments):
            run.run(moment)
            assert found["reader"][place] == listed(run.reader()), moment
            assert found["truth"][place] == listed(run.truth())
            compared = lag.compared(run.reader(), run.truth())
            assert found["compared"][place] == [list(row) for row in compared]
        assert found["ticks"] == [list(tick) for tick in run.run(lag_day.SECONDS).ticks]
    finally:
        run.close()
    for place, moment in [(moments.index(20), 20)]:
        run = lag_run.Simulation(the_day, script, handler).run(moment)
        paid = run.ticks[-1].head >= lag_day.BOB_PAYS
        seen = [run.sees(policy) if paid else None for policy in ("as is", "stream", "wait")]
        run.close()
        assert found["sees"][place] == seen
