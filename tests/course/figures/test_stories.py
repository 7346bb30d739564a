"""The two story pictures: the lanes of two writers, and a state machine."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib import colors

from esnb import new_event
from esnb.course import figures
from esnb.course.figures import VERMILION, mark
from esnb.errors import InvalidEventError
from esnb.shop.order import ALLOWED

mpl.use("agg")

CONFLICT = [("A", "read"), ("B", "read"), ("A", "decide"), ("B", "decide"), ("A", "append")]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def texts(ax) -> list[str]:
    return [t.get_text() for t in ax.texts if t.get_text()]


def crosses(ax) -> int:
    return sum(
        line.get_marker() == "x" and colors.to_hex(line.get_color()) == VERMILION
        for line in ax.lines
    )


def test_lanes_show_what_the_refused_writer_expected_and_found():
    ax = figures.lanes([*CONFLICT, ("B", "conflict")], {"A": "ada", "B": "ben"})
    assert crosses(ax) == 1
    shown = texts(ax)
    assert shown.count("expects 1") == 2
    assert "found 2" in shown
    assert {"ada", "ben", "stream"} <= set(shown)


def test_lanes_of_a_write_without_a_version_have_no_refusal():
    ax = figures.lanes([*CONFLICT[:4], ("A", "write"), ("B", "write")])
    assert crosses(ax) == 0
    shown = texts(ax)
    assert shown.count("any version") == 2
    assert "3" in shown  # the log has grown by two


def test_lanes_after_a_write_know_the_new_version():
    steps = [("B", "read"), ("B", "decide"), ("B", "append"), ("A", "read"), ("A", "refuse")]
    shown = texts(figures.lanes(steps))
    assert "knows 1" in shown
    assert "knows 2" in shown


def machine():
    places = {"": (0.7, 0), "PENDING": (3, 0), "PAID": (6.2, 0), "CANCELLED": (4.6, -1.4)}
    moves = [
        ("", "OrderPlaced", "PENDING"),
        ("PENDING", "PaymentReceived", "PAID"),
        ("PENDING", "ItemAdded", "PENDING"),
        ("PENDING", "ItemRemoved", "PENDING"),
        ("PAID", "OrderCancelled", "CANCELLED"),
        ("CANCELLED", "RefundIssued", "CANCELLED"),
    ]
    return figures.machine(places, moves, begin=""), moves


def test_machine_names_every_state_and_marks_every_move():
    ax, moves = machine()
    shown = texts(ax)
    assert {"PENDING", "PAID", "CANCELLED"} <= set(shown)
    assert sorted(t for t in shown if len(t) == 2) == sorted(
        mark(kind).code for _, kind, _ in moves
    )
    assert {kind for _, kind, _ in moves} <= set(ALLOWED)
    assert crosses(ax) == 0


def test_both_are_the_same_bytes_each_time():
    assert figures.png(machine()[0]) == figures.png(machine()[0])
    assert figures.png(figures.lanes(CONFLICT)) == figures.png(figures.lanes(CONFLICT))


def test_lanes_are_of_two_writers_and_say_so():
    with pytest.raises(InvalidEventError, match="two writers, found 3: A, B, C"):
        figures.lanes([("A", "read"), ("B", "read"), ("C", "read")])


def test_lanes_show_a_step_that_they_do_not_know():
    assert "done" in texts(figures.lanes([("A", "read"), ("A", "done")]))


def test_a_story_has_a_box_for_each_state_it_was_given():
    ax = figures.story(["OrderPlaced", "PaymentReceived"], {1: {"paid": 0}, 2: "PAID"}, "order-1")
    assert {"paid  0", "PAID", "order-1", "OP", "PR"} <= set(texts(ax))


def test_the_same_events_in_two_orders_end_in_their_own_states():
    placed, paid = new_event("OrderPlaced", n=1), new_event("PaymentReceived", n=2)
    rows = {"one way": [placed, paid], "the other": [paid, placed]}
    ax = figures.compared(rows, lambda event: event.data["n"], lambda events: events[-1].type)
    shown = texts(ax)
    assert {"one way", "the other", "PaymentReceived", "OrderPlaced"} <= set(shown)
    assert shown.count("1") == shown.count("2") == 2


def test_a_whole_log_has_a_line_for_each_stream():
    log = pd.DataFrame({
        "position": [1, 2, 3], "aggregate_id": ["a", "b", "a"], "sequence_number": [1, 1, 2],
        "event_type": ["OrderPlaced", "OrderPlaced", "PaymentReceived"],
    })  # fmt: skip
    shown = texts(figures.whole_log(log))
    assert {"a", "b"} <= set(shown)
    assert shown.count("1") == 2
    assert shown.count("2") == 1
