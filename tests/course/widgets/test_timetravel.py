"""TimeTravel in Python: the tape against the fold, what-if, the code line, what stands on paper.

What the browser's core says is compared with the fold at every position, through node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from esnb import Event, EventStore, History, new_event, state_of
from esnb.course.widgets import payload
from esnb.course.widgets.timetravel import TimeTravel
from esnb.errors import AggregateNotFoundError, ImpureApplyError, InvalidEventError
from esnb.shop import Order
from tests.course.widgets.tapes import SOME
from tests.node import needs_node
from tests.support import JSON, KEYS, Tally, fill

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
