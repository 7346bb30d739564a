"""Race in Python: every schedule against a simulation of its own, the code lines run for real.

The simulation below knows nothing of the store: three numbers and a rule.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from esnb import ANY, EventStore, LessonClock, new_event
from esnb.course.widgets import Race, race_outcomes, race_retries
from esnb.course.widgets.race_runs import STREAM, left, schedules
from esnb.errors import ConcurrencyError, InvalidEventError

# -- the oracle --------------------------------------------------------------------------------


def every_order(writers: str, steps: int = 3) -> list[str]:
    return sorted({"".join(mix) for mix in itertools.permutations(writers * steps)})


def simulate(schedule: str, guard: str, pieces: int = 1) -> tuple[list[str], int, int]:
    """The steps, the version at the end and how many were sold. `guard` is "none" or "version"."""
    version, sold = 1, 0
    seen: dict[str, tuple[int, int]] = {}
    turn: Counter[str] = Counter()
    steps = []
    for who in schedule:
        turn[who] += 1
        if turn[who] == 1:
            seen[who] = (version, pieces - sold)
            steps.append("read")
        elif turn[who] == 2:
            steps.append("decide")
        elif seen[who][1] < 1:
            steps.append("refuse")
        elif guard == "version" and seen[who][0] != version:
            steps.append("conflict")
        else:
            version, sold = version + 1, sold + 1
            steps.append("append" if guard == "version" else "write")
    return steps, version, sold


def ends(steps: list[str], sold: int, pieces: int) -> str:
    return "oversold" if sold > pieces else "conflict" if "conflict" in steps else "clean"


# -- the runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2])
def test_all_20_schedules_against_the_simulation(pieces: int) -> None:
    race = Race(pieces=pieces)
    assert sorted(race.schedules["schedule"]) == every_order("AB")
    for key, guard in (("on", "version"), ("off", "none")):
        nodes = race._runs[key]
        for schedule in every_order("AB"):
            steps, version, sold = simulate(schedule, guard, pieces)
            path = [nodes[schedule[: n + 1]] for n in range(6)]
            assert [node["step"] for node in path] == steps
            assert (path[-1]["version"], path[-1]["sold"]) == (version, sold)
            row = race.schedules.set_index("schedule").loc[schedule]
            found = row["with guard" if key == "on" else "without guard"]
            assert found == ends(steps, sold, pieces)


def test_the_numbers_of_the_lesson() -> None:
    table = Race().schedules
    assert table["with guard"].value_counts().to_dict() == {"conflict": 18, "clean": 2}
    assert table["without guard"].value_counts().to_dict() == {"oversold": 18, "clean": 2}
    clean = table[table["with guard"] == "clean"]["schedule"]
    assert list(clean) == ["AAABBB", "BBBAAA"]
    same = (table["with guard"] == "conflict") == (table["without guard"] == "oversold")
    assert same.all()


def test_schedules_are_all_the_orders_there_are() -> None:
    assert schedules(2, 3) == every_order("AB")
    assert schedules(2, 2) == every_order("AB", 2)
    assert len(schedules(3, 3)) == 1680
    assert len(set(schedules(3, 3))) == 1680


def test_the_tree_has_every_choice_and_nothing_else() -> None:
    runs = Race()._runs
    for key, nodes in runs.items():
        reached = {""}
        for path, node in nodes.items():
            reached |= {path + move for move, _ in [*node["next"], *node["trouble"]]}
        assert reached == set(nodes)
        assert all("next" in node for node in nodes.values())
        plain = {path: node for path, node in nodes.items() if not set(path) & set("!=")}
        # C(8, 4) - 1 beginnings of 20 orders; with the guard, each conflict goes on in three ways.
        conflicts = sum(node["step"] == "conflict" for node in plain.values())
        assert conflicts == (18 if key == "on" else 0)
        assert len(plain) == 69 + conflicts * (3 + 1 + 1)
        for path, node in nodes.items():
            moves = {move for move, _ in node["trouble"]}
            assert moves <= {"A!", "B!", "A=", "B="}
            if not (set(path) & set("!=")):
                decided = {move[0] for move in moves if move[1] == "!"}
                assert decided == {m[0] for m, name in node["next"] if name.startswith("append")}
            else:
                assert moves == set()


def test_a_crash_leaves_nothing_and_the_same_event_is_stored_once() -> None:
    crashed = Race(schedule="ABABA!B")
    assert list(crashed.trace["step"])[-2:] == ["crash", "append"]
    with crashed.store as store:
        assert [event.data.get("buyer") for event in store.events(STREAM)] == [None, "ben"]
    for guard in (True, False):
        twice = Race(schedule="AAAA=BBB", guard=guard)
        again = twice.trace.iloc[3]
        assert (again["step"], again["actual"], again["version"], again["sold"]) == (
            "again", 2, 2, 1,
        )  # fmt: skip
        assert twice._nodes()["AAAA="]["duplicate"] is True
        assert "event 2 already" in twice._still()
        with twice.store as store:
            assert store.version(STREAM) == 2
    with pytest.raises(InvalidEventError, match=r"A! \(crash before the append\)"):
        Race(schedule="AAA=")
    with pytest.raises(InvalidEventError, match="A= is not possible"):
        Race(schedule="AAABA=")


def test_a_retry_decides_again_and_raising_the_number_does_not() -> None:
    race = Race(schedule="ABABABBBB")
    assert list(race.trace["step"])[-4:] == ["conflict", "read", "decide", "refuse"]
    assert list(race.trace["sold"])[-1] == 1
    two = Race(pieces=2, schedule="ABABABBBB")
    assert list(two.trace["step"])[-4:] == ["conflict", "read", "decide", "append"]
    assert two.trace.iloc[-1]["sold"] == 2
    blind = Race(schedule="ABABABB+")
    assert list(blind.trace.iloc[-1][["step", "expected", "sold"]]) == ["raise", 2, 2]
    gone = Race(schedule="ABABABB-")
    assert list(gone.trace.iloc[-1][["step", "sold"]]) == ["give up", 1]


def test_the_conflict_holds_what_the_error_says() -> None:
    node = Race()._runs["on"]["AABABB"]
    store = EventStore(clock=LessonClock())
    store.append(
        STREAM, [new_event("StockReceived", pieces=1)], expected_version=0, aggregate_type="STOCK"
    )
    store.append(STREAM, [new_event("PieceSold", buyer="ada")], expected_version=1)
    with pytest.raises(ConcurrencyError) as caught:
        store.append(STREAM, [new_event("PieceSold", buyer="ben")], expected_version=1)
    assert (node["expected"], node["actual"]) == (caught.value.expected, caught.value.actual)
    assert node["between"] == ("2 PieceSold, buyer ada",)
    assert caught.value.between == ("PieceSold",)


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_lines_of_code_do_what_the_widget_shows(guard: bool, pieces: int) -> None:
    race = Race(pieces=pieces, guard=guard)
    nodes = race._nodes()
    leaves = [path for path, node in nodes.items() if not node["next"]]
    assert sum(not set(leaf) & set("!=") for leaf in leaves) == (2 + 18 * 3 if guard else 20)
    for leaf in leaves[::5]:
        with EventStore(clock=LessonClock()) as store:
            names: dict[str, dict[str, Any]] = {
                who: {"store": store, "new_event": new_event, "ANY": ANY, "left": left}
                for who in "AB"
            }
            exec(nodes[""]["code"], names["A"])
            for node in race._path(leaf):
                mine = names[node["move"][0]]
                expected = {"conflict": ConcurrencyError, "crash": SystemExit}.get(node["step"])
                if expected:
                    with pytest.raises(expected):
                        exec(node["code"], mine)
                else:
                    exec(node["code"], mine)
                assert store.version(STREAM) == node["version"]
                if node["step"] == "read":
                    assert len(mine["events"]) == node["knows"]
                if node["step"] == "decide":
                    assert mine["wanted"] == (node["left"] > 0)
            sold = sum(event.type == "PieceSold" for event in store.events(STREAM))
            assert sold == nodes[leaf]["sold"]


# -- the widget in Python ----------------------------------------------------------------------


def test_the_shown_schedule_is_run_on_a_real_store_of_its_own() -> None:
    race = Race(schedule="ABABAB")
    with race.store as store:
        assert [event.type for event in store.events(STREAM)] == ["StockReceived", "PieceSold"]
        store.append(STREAM, [new_event("PieceSold", buyer="eve")], expected_version=2)
    with race.store as again:
        assert again.version(STREAM) == 2
    assert list(race.trace["step"]) == ["read", "read", "decide", "decide", "append", "conflict"]
    assert race.trace["expected"].isna().tolist() == [True] * 4 + [False] * 2
    race.schedule = race.schedule[:-2]
    with race.store as shorter:
        assert shorter.version(STREAM) == 1
    assert race.code == "wanted = left(events) > 0"
    assert Race().code.endswith('pieces=1)], expected_version=0, aggregate_type="STOCK")')
    assert list(Race().trace.columns) == list(race.trace.columns)


def test_the_guard_runs_the_same_schedule_again() -> None:
    race = Race(schedule="ABABABBB")
    race.guard = False
    assert race.schedule == "ABABAB"
    assert race.trace.iloc[-1]["sold"] == 2
    assert race.code.endswith("expected_version=ANY)")
    race.guard = True
    assert race.trace.iloc[-1]["step"] == "conflict"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"schedule": "ABC"}, "move 3: C is not possible there. Possible: A (decide), B (decide)"),
        ({"schedule": "AAAA"}, "move 4"),
        ({"schedule": "AAABBBA"}, "both are done"),
        ({"schedule": "A, B"}, "A+ raises the number only"),
        ({"schedule": "AB-"}, "B- is not possible"),
        ({"schedule": "ABABABB-", "guard": False}, "move 7"),
        ({"pieces": 0}, "1 to 9"),
        ({"pieces": True}, "1 to 9"),
        ({"names": ("ada", "ada")}, "two different"),
        ({"names": "ab"}, "two different"),
    ],
)
def test_what_cannot_be_run_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        Race(**wrong)
    assert says in str(caught.value)


def test_a_refused_schedule_changes_nothing() -> None:
    race = Race(schedule="AB")
    with pytest.raises(InvalidEventError):
        race.schedule = "BBBB"
    assert race.schedule == "AB"


def test_answers_are_a_table() -> None:
    race = Race()
    columns = ["schedule", "guard", "writer", "question", "answer", "actual", "match", "why"]
    assert list(race.answers.columns) == columns
    race._answers = [
        dict(zip(columns, ["AAA", "no check", "ada", "?", "a", "a", True, ""], strict=True))
    ]
    assert race.answers.loc[0, "match"]


def test_names_are_data() -> None:
    names = ('<b>eve</b>"', "o'ben </script><script>")
    race = Race(names=names, schedule="ABABAB")
    assert race.trace["who"].iloc[0] == names[0]
    assert "<b>eve" not in race._still()
    page = race._page("light")
    assert "</script><script>" not in page
    with race.store as store:
        assert store.events(STREAM)[-1].data == {"buyer": names[0]}


# -- on paper ----------------------------------------------------------------------------------


def test_beside_the_view_stand_a_text_a_picture_and_a_table() -> None:
    race = Race(schedule="ABABAB")
    bundle = race._repr_mimebundle_()
    text = "<race: ada and ben for 1 lamp, guard: expected version, schedule ABABAB, 1 sold>"
    assert bundle["text/plain"] == repr(race) == text
    page = bundle["text/html"]
    assert page == Race(schedule="ABABAB")._repr_mimebundle_()["text/html"]
    image = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert image
    assert base64.b64decode(image[1]).startswith(b"\x89PNG")
    assert page.count("<tr>") == 1 + 6 + 1 + 20
    assert "expected 1, found 2" in page
    assert "sold ≤ received: 1 ≤ 1 holds" in page
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == race.model_id
    assert "2 ≤ 1 is broken" in Race(schedule="ABABAB", guard=False)._still()
    assert "For example, schedule ABABAB" in Race()._still()


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    path = Race().to_html(tmp_path / "race.html")
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"']+", text) == []
    assert re.findall(r"^\s*import ", text, re.M) == []
    payload = re.search(r'id="payload">(.*?)</script>', text, re.S)
    assert payload
    assert json.loads(payload[1])["pieces"] == 1
    with pytest.raises(InvalidEventError):
        Race().to_html(tmp_path / "race.html", theme="blue")  # type: ignore[arg-type]


# -- three writers -----------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2])
def test_three_writers_against_the_simulation(pieces: int) -> None:
    table = race_outcomes(3, pieces=pieces)
    assert list(table.index) == ["no check", "expected version", "unique key", "append condition"]
    assert (table.sum(axis=1) == 1680).all()
    counts = {}
    for guard in ("none", "version"):
        ended = Counter()
        for schedule in schedules(3):
            steps, _, sold = simulate(schedule, guard, pieces)
            ended[ends(steps, sold, pieces)] += 1
        counts[guard] = [ended["clean"], ended["conflict"], ended["oversold"]]
    assert list(table.loc["no check"]) == counts["none"]
    for guard in ("expected version", "unique key", "append condition"):
        assert list(table.loc[guard]) == counts["version"], guard


def test_a_rule_over_several_streams_needs_more_than_a_version() -> None:
    table = race_outcomes(3, rule="voucher")
    assert table["broken"].to_dict() == {
        "no check": 1620, "expected version": 1620, "unique key": 0, "append condition": 0,
    }  # fmt: skip
    assert table["clean"].unique().tolist() == [60]


@pytest.mark.parametrize("rule", ["stock", "voucher"])
def test_what_is_alike_ends_alike(rule: Any) -> None:
    pd.testing.assert_frame_equal(
        race_outcomes(2, rule=rule), race_outcomes(2, rule=rule, every=True)
    )


def test_outcomes_refuse_what_they_cannot_run() -> None:
    for wrong in ({"writers": 4}, {"writers": 1}, {"rule": "seats"}, {"pieces": 0}):
        with pytest.raises(InvalidEventError):
            race_outcomes(**wrong)  # type: ignore[arg-type]


def test_conflicts_grow_with_the_square_of_the_writers() -> None:
    table = race_retries([1, 2, 3, 5, 8])
    for n, row in table.iterrows():
        assert (row["appends"], row["conflicts"]) == (n * (n + 1) / 2, n * (n - 1) / 2)  # type: ignore[operator]
        assert row["apart"] == 0
    for wrong in (0, 51, "two"):
        with pytest.raises(InvalidEventError, match="1 to 50 writers"):
            race_retries([wrong])  # type: ignore[list-item]
