"""TimeTravel in Python: the tape against the fold, what-if, the code line, what stands on paper.

What the browser's core says is compared with the fold at every position, through node.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
import traitlets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from esnb import Aggregate, Event, EventStore, History, LessonClock, new_event, state_of
from esnb.clock import utc
from esnb.course import figures
from esnb.course.widgets import deltas, experiments, payload
from esnb.course.widgets.timetravel import TimeTravel
from esnb.errors import AggregateNotFoundError, ImpureApplyError, InvalidEventError
from esnb.model.state import diff_states
from esnb.shop import Order, first_orders
from tests.node import needs_node, node
from tests.support import JSON, KEYS, Snapped, Tally, fill


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Any]]:
    """Ask the core in node: `ask("states", payload=...)`."""
    with node("answer.mjs") as question:
        yield question


class Anything(Aggregate):
    """Sets and removes whatever an event says, in place too: every shape of change."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.log: list[Any] = []
        self.last: Any = None

    def apply(self, event: Event) -> None:
        data = json.loads(json.dumps(event.data))
        match event.type:
            case "Put":
                self.held[data["key"]] = data["value"]
            case "Removed":
                self.held.pop(data["key"], None)
            case "Pushed":
                self.log.append(data["value"])
            case "Popped" if self.log:
                self.log.pop(0)
            case "Set":
                self.last = data["value"]


MOVES = st.one_of(
    st.builds(lambda k, v: ("Put", {"key": k, "value": v}), KEYS, JSON),
    st.builds(lambda k: ("Removed", {"key": k}), KEYS),
    st.builds(lambda v: ("Pushed", {"value": v}), JSON),
    st.just(("Popped", {})),
    st.builds(lambda v: ("Set", {"value": v}), JSON),
)


def history(moves: list[tuple[str, dict[str, Any]]]) -> History[Anything]:
    return History.of([new_event(kind, data) for kind, data in moves], Anything)


def texts(state: dict[str, Any]) -> dict[str, str]:
    """A state, leaf by leaf, by the code of `History.diff`: not by the one under test."""
    return {path: repr(value) for path, value in diff_states({}, state).added.items()}


def tape_of(past: History[Any], every: int = 3) -> dict[str, Any]:
    """A tape with full states so close together that they matter in a short history."""
    before, deltas.EVERY = deltas.EVERY, every
    try:
        return {"n": len(past), **deltas.fold(past), "data": [
            json.dumps(e.event_data) for e in past.events
        ]}  # fmt: skip
    finally:
        deltas.EVERY = before


SOME = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@needs_node
@SOME
@given(moves=st.lists(MOVES, max_size=12), seed=st.randoms(use_true_random=False))
def test_the_core_equals_the_fold_everywhere(
    ask: Callable[..., Any], moves: list[Any], seed: Any
) -> None:
    past = history(moves)
    payload = tape_of(past)
    n = len(past)
    order = [*range(n + 1), *range(n, -1, -1), *(seed.randrange(n + 1) for _ in range(12))]
    want = [texts(past.state(i)) for i in range(n + 1)]
    assert ask("states", payload=payload, order=order) == [want[i] for i in order]
    pairs = [(seed.randrange(n + 1), seed.randrange(n + 1)) for _ in range(6)]
    for (a, b), found in zip(pairs, ask("diffs", payload=payload, pairs=pairs), strict=True):
        gone = {p for p in want[a] if want[b].get(p) != want[a][p]}
        new = {p for p in want[b] if want[a].get(p) != want[b][p]}
        told = {c["path"] for c in found}
        assert told <= gone | new
        # An empty shell that gets its first entry is no change to a reader, and is left out.
        assert all((want[a].get(p) or want[b].get(p)) in ("{}", "[]") for p in (gone | new) - told)
        for change in found:
            assert (change["before"], change["after"]) == (
                want[a].get(change["path"]), want[b].get(change["path"]),
            )  # fmt: skip


@given(st.lists(MOVES, max_size=12))
@settings(max_examples=60)
def test_changes_and_full_states_are_the_fold(moves: list[Any]) -> None:
    past = history(moves)
    payload = tape_of(past, every=4)
    paths, names = payload["paths"], payload["texts"]
    want = [texts(past.state(i)) for i in range(len(past) + 1)]
    for block, pairs in enumerate(payload["full"]):
        pair = zip(pairs[::2], pairs[1::2], strict=True)
        assert {paths[p]: names[t] for p, t in pair} == want[block * payload["every"]]
    now = dict(want[0])
    for number, row in enumerate(payload["changes"], start=1):
        for p, before, after in zip(row[::3], row[1::3], row[2::3], strict=True):
            assert now.pop(paths[p], None) == (names[before] if before >= 0 else None)
            if after >= 0:
                now[paths[p]] = names[after]
        assert now == want[number]


def test_full_states_get_rarer_when_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltas, "MOST_PAIRS", 200)
    past = history([("Pushed", {"value": n}) for n in range(300)])
    payload = tape_of(past, every=1)
    assert payload["every"] > 8
    assert sum(map(len, payload["full"])) < 3_000
    for block, pairs in enumerate(payload["full"]):
        assert len(pairs) // 2 == len(texts(past.state(block * payload["every"])))


def test_an_apply_that_changes_in_place_and_values_that_are_no_json() -> None:
    class Inner:
        n = 0

    class Odd:
        def __init__(self) -> None:
            self.seen: set[str] = set()
            self.when: Any = None
            self.inner = Inner()

        def apply(self, event: Event) -> None:
            self.seen.add(event.type)
            self.when = event.occurred_at
            self.inner.n += 1

    events = [new_event(name, occurred_at="2026-03-02T09:00:00Z") for name in ("B", "A")]
    payload = deltas.fold(History.of(events, Odd))
    assert "{'A', 'B'}" in payload["texts"]
    assert "set()" in payload["texts"]
    assert "Inner(n=2)" in payload["texts"]
    assert not any("0x" in text for text in payload["texts"])
    assert deltas.fold(History.of(events, Odd)) == payload


# -- commands, times, snapshots ----------------------------------------------------------------


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        first_orders(made)
        yield made


@needs_node
def test_a_command_is_one_append(ask: Callable[..., Any]) -> None:
    with EventStore(clock=LessonClock()) as store:
        order = store.new(Order, "order-1")
        order.place("ada", [{"sku": "A", "quantity": 1, "price": 500}])
        order.add_item("B", 2, 100)
        store.save(order)
        order.pay()
        store.save(order)
        numbers = payload.commands_of(store.events("order-1"))
    assert numbers == [0, 0, 1]
    assert ask("commands", command=numbers) == [[0, 2, 3], [0, 2, 3]]


def test_commands_by_id_and_in_a_bulk_load() -> None:
    event = new_event("A", occurred_at="2026-03-02T09:00:00Z", metadata={"command_id": "x"})
    other = new_event("A", occurred_at="2026-03-02T11:00:00Z", metadata={"command_id": "x"})
    assert payload.commands_of([event, other]) == [0, 0]
    times = ["2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z"]
    assert payload.commands_of([new_event("A", occurred_at=time) for time in times]) == [0, 0, 1]


@needs_node
@SOME
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=8),
    st.lists(st.integers(-1, 7), min_size=1, max_size=6),
)
def test_as_of_is_inclusive_also_with_equal_times(
    ask: Callable[..., Any], seconds: list[int], questions: list[int]
) -> None:
    start = utc("2026-03-02T09:00:00Z")
    events = [new_event("Added", occurred_at=start + timedelta(seconds=s)) for s in seconds]
    past = History.of(events, Tally)
    wanted = [start + timedelta(seconds=q) for q in questions]
    times = [payload.micros(e.occurred_at) for e in events]
    found = ask("numberAt", times=times, at=[payload.micros(t) for t in wanted])
    assert found == [past.number_at(t) for t in wanted]
    texts = [t.isoformat() for t in wanted]
    assert ask("parseTime", texts=texts) == [payload.micros(t) for t in wanted]


@needs_node
@SOME
@given(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)))  # what a double holds exactly
def test_times_are_written_to_the_microsecond(ask: Callable[..., Any], time: Any) -> None:
    us = payload.micros(utc(time.isoformat() + "Z"))
    text = ask("moment", times=[us])[0]
    assert ask("parseTime", texts=[text]) == [us]
    assert text.startswith(time.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0"))


@needs_node
def test_how_we_got_here_equals_an_instrumented_load(ask: Callable[..., Any]) -> None:
    applied = 0

    class Counted(Snapped):
        def apply(self, event: Event) -> None:
            nonlocal applied
            applied += 1
            super().apply(event)

    Counted.aggregate_type = "TALLY"
    with EventStore(clock=LessonClock()) as store:
        tally = store.new(Counted, "t")
        for n in range(11):
            tally.add(n)
            store.save(tally)
        snapshots, unused = payload.snapshots_of(store, Counted, "t")
        assert snapshots == [3, 6, 9]
        assert unused == []
        for use in (True, False):
            told = ask("origin", snapshots=snapshots, n=11, use=use)
            for number in range(1, 12):
                applied = 0
                if use:
                    loaded = store.load(Counted, "t", at=number)
                    assert told[number]["snapshot"] == loaded.origin.snapshot
                else:
                    History.of(store.events("t", upto=number), Counted, check=False)
                assert told[number]["applied"] == applied

        Counted.state_version = 2
        assert payload.snapshots_of(store, Counted, "t")[0] == []
        reason = "its state_version is 1, the code's 2"
        assert payload.snapshots_of(store, Counted, "t")[1] == [[n, reason] for n in (3, 6, 9)]


def test_no_snapshots_where_a_load_uses_none(store: EventStore) -> None:
    assert payload.snapshots_of(store, Order, "order-1042") == ([], [])
    fill(store, "t", 4)
    Snapped.take_snapshot(store, "t")
    assert payload.snapshots_of(store, Tally, "t") == ([], [])
    assert payload.snapshots_of(store, Snapped, "t") == ([4], [])
    assert payload.snapshots_of(store.as_of(store.position), Snapped, "t") == ([], [])


NAMES = st.lists(
    st.one_of(st.sampled_from([*figures.MARKS, "Opened", "Operated", "Oped"]), st.text(max_size=4)),
    max_size=10, unique=True,
)  # fmt: skip


@given(NAMES)
def test_event_types_differ_without_colour(names: list[str]) -> None:
    drawn = payload.drawings(names)
    assert [one["name"] for one in drawn] == names
    assert len({one["code"] for one in drawn}) == len(names)
    own = [one for one in drawn if one["name"] not in figures.MARKS]
    assert len({one["points"] for one in own}) == len(own)
    for name in set(names) & set(figures.MARKS):
        one = next(one for one in drawn if one["name"] == name)
        assert (one["code"], one["hue"]) == (figures.mark(name).code, figures.mark(name).hue)


# -- what if -----------------------------------------------------------------------------------


def test_what_if_says_where_the_state_machine_refuses(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    found = tt.what_if(mute=[2])
    first = found.refused[0][0]
    assert (first.sequence_number, first.event_type) == (3, "OrderShipped")
    assert found.state.status == "PENDING"
    told = tt._data["what_if"]["2"]["stop"]
    assert told["number"] == found.number == 1
    assert told["fact_at"] == 3
    rows = {path: (fact, other) for path, fact, other in told["rows"]}
    assert rows["status"] == ("'SHIPPED'", "'PENDING'")
    assert rows["paid"] == ("2690", "0")
    assert store.version("order-1042") == 4
    assert tt._muted == [2]


def test_nothing_muted_is_the_fact(store: EventStore) -> None:
    past = History(store, Order, "order-1042")
    for policy in experiments.POLICIES:
        told = experiments.what_if(past, [], policy)
        assert told["rows"] == []
        assert told["refused"] == []
        assert told["number"] == 4


def test_every_single_mute_is_ready(store: EventStore) -> None:
    past = History(store, Order, "order-1042")
    ready = experiments.single_mutes(past)
    assert ready is not None
    assert set(ready) == {"1", "2", "3", "4"}
    for number, policies in ready.items():
        for policy in experiments.POLICIES:
            assert policies[policy] == experiments.what_if(past, [int(number)], policy)
    fill(store, "t", experiments.SINGLE_MUTES_UP_TO + 1)
    assert experiments.single_mutes(History(store, Tally, "t")) is None


def test_the_kernel_answers_what_was_not_ready(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    sent: list[Any] = []
    tt.send = sent.append  # type: ignore[method-assign]
    tt._on_message(tt, {"ask": "what-if", "id": 7, "muted": [2, 3], "policy": "skip"}, [])
    tt._on_message(tt, {"ask": "what-if", "id": 8, "muted": [99], "policy": "skip"}, [])
    tt._on_message(tt, {"ask": "something"}, [])
    assert [reply["id"] for reply in sent] == [7, 8]
    assert sent[0]["result"] == experiments.what_if(tt.history, [2, 3], "skip")
    assert "There is no event 99" in sent[1]["error"]


# -- the widget --------------------------------------------------------------------------------


def test_what_python_says_is_what_is_shown(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    assert tt.at == 4
    assert tt.state == state_of(store.load(Order, "order-1042"))
    tt.at = 2
    assert tt.state == state_of(store.load(Order, "order-1042", at=2))
    assert tt.event is not None
    assert tt.event.event_type == "PaymentReceived"
    assert list(tt.events["sequence_number"]) == [1, 2]
    assert tt.diff() == tt.history.diff(1, 2)
    tt.pins = [1, 4]
    assert tt.pins == (1, 4)
    assert tt.diff() == tt.history.diff(1, 4)
    tt.at = "2026-03-02T15:00:00Z"
    assert tt.at == 2
    tt.at = 0
    assert tt.event is None
    assert tt.events.empty


@pytest.mark.parametrize("bad", [5, -1, True, 1.5, None, "soon"])
def test_a_position_that_is_none(store: EventStore, bad: Any) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    with pytest.raises(InvalidEventError if not isinstance(bad, str) else ValueError):
        tt.at = bad
    assert tt.at == 4


class Money:
    """Another reading of the same events, in place of an aggregate: what came in."""

    def __init__(self) -> None:
        self.received = 0

    def apply(self, event: Event) -> None:
        if event.type == "PaymentReceived":
            self.received += event.data["amount"]


def test_any_fold_under_one_playhead(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=[Order, Money], at=2)
    assert tt.state["status"] == "PAID"
    tt._fold = 1
    assert tt.state == {"received": 2690}
    assert tt.code == 'History(store, Money, "order-1042").at(2)'
    assert tt._data["others"] == [
        payload.face(store, History(store, Money, "order-1042"), "order-1042")
    ]
    assert repr(tt) == "<time travel: order-1042 as Money, at event 2 of 4>"
    with pytest.raises(InvalidEventError, match="at least one class"):
        TimeTravel(store, "order-1042", fold=[])


def test_two_widgets_share_a_position_by_a_link(store: EventStore) -> None:
    one = TimeTravel(store, "order-1042", fold=Order)
    two = TimeTravel(store, "order-1042", fold=Money)
    traitlets.link((one, "at"), (two, "at"))
    one.at = 1
    assert (two.at, two.state) == (1, {"received": 0})
    two.at = 3
    assert (one.at, one.state["status"]) == (3, "SHIPPED")


def test_bad_arguments(store: EventStore) -> None:
    with pytest.raises(AggregateNotFoundError):
        TimeTravel(store, "order-9", fold=Order)
    with pytest.raises(InvalidEventError, match="There is no event 9"):
        TimeTravel(store, "order-1042", fold=Order, stops={9: "late"})
    with pytest.raises(InvalidEventError, match="guide is one of"):
        TimeTravel(store, "order-1042", fold=Order, guide="some")  # type: ignore[arg-type]
    tt = TimeTravel(store, "order-1042", fold=Order)
    with pytest.raises(InvalidEventError, match="pins is a pair"):
        tt.pins = 3
    with pytest.raises(InvalidEventError, match="policy is one of"):
        tt.what_if([1], policy="perhaps")  # type: ignore[arg-type]


def test_an_impure_apply_is_reported(store: EventStore) -> None:
    shared: list[int] = []

    class Impure(Order):
        def apply(self, event: Event) -> None:
            shared.append(1)
            self.paid = len(shared)

    Impure.aggregate_type = "ORDER"
    with pytest.raises(ImpureApplyError, match="paid"):
        TimeTravel(store, "order-1042", fold=Impure)


@needs_node
def test_the_code_line_works_when_pasted(ask: Callable[..., Any], store: EventStore) -> None:
    class Plain:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def apply(self, event: Event) -> None:
            self.seen = [*self.seen, event.type]

    odd = 'o"r\\d é\n{'
    store.append(odd, [new_event("Added")], expected_version=0, aggregate_type="TALLY")
    for name, fold in (("order-1042", Order), ("order-1042", Plain), (odd, Tally)):
        tt = TimeTravel(store, name, fold=fold)
        n = len(tt.history)
        names = {"store": store, "History": History, fold.__name__: fold}
        lines = ask("code", payload=tt._data, views=[{"at": i} for i in range(n + 1)])
        for number, line in enumerate(lines):
            tt.at = number
            assert line == tt.code
            assert state_of(eval(line, dict(names))) == tt.state
        views = [{"at": n, "compare": [0, n]}, {"at": n, "muted": [n], "policy": "skip"}]
        diff, without = ask("code", payload=tt._data, views=views)
        assert f'({n}, policy="skip")' in without
        assert eval(diff, dict(names)) == tt.history.diff(0, n)
        assert state_of(eval(without, dict(names)).state) == state_of(
            tt.history.without(n, policy="skip").state
        )


@needs_node
@SOME
@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_event_data_is_indented_and_stays_the_same_json(
    ask: Callable[..., Any], data: dict[str, Any]
) -> None:
    raw = payload.as_json(data)
    assert json.loads(ask("pretty", texts=[raw])[0]) == json.loads(raw)


@needs_node
def test_each_question_has_its_truth_among_the_answers(
    ask: Callable[..., Any], store: EventStore
) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    asked = ask("questions", payload=tt._data)
    assert len(asked) == 4
    for questions in asked:
        for question in questions:
            assert question["truth"] in question["options"]
            assert len(question["options"]) == len(set(question["options"])) >= 2
    assert asked[1][0]["truth"] == "status, paid"
    assert (asked[1][1]["path"], asked[1][1]["truth"]) == ("status", "'PAID'")


@needs_node
def test_the_question_which_event_has_one_right_answer(
    ask: Callable[..., Any], store: EventStore
) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    asked = ask("which", payload=tt._data, turns=8)
    assert {question["number"] for question in asked} == {1, 2, 3, 4}
    for question in asked:
        event = tt.history.events[question["number"] - 1]
        assert question["truth"] == f"{question['number']} {event.event_type}"
        assert question["options"].count(question["truth"]) == 1
        assert len(question["options"]) == 4


@needs_node
def test_an_order_is_judged_as_the_state_machine_does(
    ask: Callable[..., Any], store: EventStore
) -> None:
    past = History(store, Order, "order-1042")
    tree = experiments.order_tree(past)
    orders = [list(order) for order in itertools.permutations(range(1, 5))]
    for order, told in zip(orders, ask("legal", tree=tree, orders=orders), strict=True):
        state, want = Order(), None
        for place, number in enumerate(order):
            event = past.events[number - 1]
            reason = state.refuses(event)
            if reason is not None:
                want = {"index": place, "reason": reason}
                break
            state.apply(event)
        assert told == want
    assert ask("legal", tree=tree, orders=[[1, 2, 3, 4]]) == [None]


def test_no_task_of_order_where_there_are_no_rules(store: EventStore) -> None:
    fill(store, "t", 5)
    # 120 orders, all of them legal.
    assert experiments.order_tree(History(store, Tally, "t")) is None
    fill(store, "t", experiments.ORDER_UP_TO + 1)
    assert experiments.order_tree(History(store, Tally, "t")) is None


@needs_node
def test_bisection_in_the_browser_is_the_one_of_the_history(
    ask: Callable[..., Any], store: EventStore
) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    found = ask("bisect", payload=tt._data, path="paid", test=">", value="0")
    mine = tt.history.first(lambda order: order.paid > 0)
    assert mine is not None
    assert found["found"] == found["scan"] == mine.number == 2
    assert [tuple(p) for p in found["probes"]] == list(mine.probes)


def test_answers_are_a_table(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    assert list(tt.answers.columns)[:3] == ["number", "event_type", "question"]
    assert len(tt.answers) == 0
    tt._answers = [
        {"number": 2, "event_type": "PaymentReceived", "question": "What will paid be?",
         "answer": "0", "actual": "2690", "match": False, "why": "I forgot", "more": 1}
    ]  # fmt: skip
    assert tt.answers.loc[0, "why"] == "I forgot"
    assert not tt.answers.loc[0, "match"]


# -- on paper ----------------------------------------------------------------------------------


def test_what_stands_beside_the_widget(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order, stops={2: "paid <b>now</b>"})
    tt.at = 2
    again = TimeTravel(store, "order-1042", fold=Order, stops={2: "paid <b>now</b>"}, at=2)
    bundle, other = tt._repr_mimebundle_(), again._repr_mimebundle_()
    assert bundle["text/plain"] == ("<time travel: order-1042 as Order, at event 2 of 4, 1 stop>")
    view = bundle.pop("application/vnd.jupyter.widget-view+json")
    assert view["model_id"] == tt.model_id
    del other["application/vnd.jupyter.widget-view+json"]
    assert bundle == other
    page = bundle["text/html"]
    assert "data:image/png;base64," in page
    assert "paid &lt;b&gt;now&lt;/b&gt;" in page
    assert "<table" in page
    assert "PAID" in page
    assert "<script" not in page


def test_a_stored_notebook_needs_no_widget_state() -> None:
    source = (
        "from esnb import EventStore, LessonClock\n"
        "from esnb.shop import Order, first_orders\n"
        "from esnb.course.widgets import TimeTravel\n"
        "store = EventStore(clock=LessonClock()); first_orders(store)\n"
        "TimeTravel(store, 'order-1042', fold=Order, stops={2: 'paid'})"
    )

    def run() -> dict[str, Any]:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        NotebookClient(book, kernel_name="python3", store_widget_state=False).execute()
        assert "widgets" not in book.metadata
        data = dict(book.cells[0].outputs[0].data)
        assert "application/vnd.jupyter.widget-view+json" in data
        return {kind: data[kind] for kind in ("text/plain", "text/html")}

    assert run() == run()


def test_the_page_is_whole_and_offline(store: EventStore, tmp_path: Path) -> None:
    evil = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    account = new_event("CreditAdded", {"amount": 1, "reason": evil})
    store.append("account-x", [account], expected_version=0, aggregate_type="TALLY")
    tt = TimeTravel(store, "account-x", fold=Tally, stops={1: evil})
    page = tt.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("</script>") == page.count("<script")
    assert "<script>document.title" not in page
    assert "onerror=alert" not in re.sub(r"&lt;img[^<]*", "", page.replace("\\u003cimg", "&lt;img"))
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert not re.search(r"@import|url\((?!data:)|\bimport\(|^import ", page, flags=re.MULTILINE)
    frame = tt.static()._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in frame
    assert frame.count("<") == 2
    with pytest.raises(InvalidEventError, match="theme is one of"):
        tt.to_html(tmp_path / "page.html", theme="pink")  # type: ignore[arg-type]


def test_the_module_is_one_and_imports_nothing() -> None:
    assert not re.search(r"^\s*import\b|https?://(?!www\.w3\.org)", TimeTravel._esm, re.MULTILINE)
    assert len(re.findall(r"^export ", TimeTravel._esm, re.MULTILINE)) == 1
    assert "innerHTML" not in TimeTravel._esm
    assert "</script" not in TimeTravel._esm


def test_a_hundred_events_are_drawn_as_counts(store: EventStore) -> None:
    fill(store, "t", 100)
    tt = TimeTravel(store, "t", fold=Tally)
    assert len(tt._still()) < 80_000
    assert tt._data["what_if"] is None


def test_the_simple_one(store: EventStore) -> None:
    assert repr(TimeTravel.simple(store, "order-1042", fold=Order)).startswith("<time slider")
