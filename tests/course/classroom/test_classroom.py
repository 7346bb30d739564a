"""The class log: off by default, says what it keeps, survives two notebooks, and can be deleted."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import colors

from esnb import EventStore, LessonClock, Projector, new_event, shop
from esnb.course import classroom, exercises, figures, guesses
from esnb.course.classroom import ClassroomError, Dashboard, Progress, merge, simulated_class
from esnb.course.classroom import log as log_module
from esnb.course.exercises import Attempt, listeners
from esnb.course.predict import predict
from esnb.interchange import read_jsonl, write_jsonl
from tests.support import ROOT

mpl.use("agg")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    classroom.leave()
    assert listeners == []


def tried(exercise: str, outcome: str, mistake: str | None = None, minute: float = 0) -> None:
    """What `check` tells its listeners."""
    at = NOON + timedelta(minutes=minute)
    for listener in list(listeners):
        listener(Attempt(exercise, "attempt", outcome, mistake, at))


def hinted(exercise: str, step: int, minute: float = 0) -> None:
    for listener in list(listeners):
        listener(Attempt(exercise, "hint", None, None, NOON + timedelta(minutes=minute), step))


def story(folder: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    with classroom.open_store(folder) as store:
        return [(event.type, event.data) for event in store.read_all()]


# --- the learner ------------------------------------------------------------------------------


def test_off_by_default() -> None:
    assert listeners == []
    tried("03-2", "right")
    exercises.check("03-2", 1)
    assert list(Path().iterdir()) == []
    assert "Nothing is stored about you" in repr(classroom.what_is_stored())
    with pytest.raises(ClassroomError, match="Join first"):
        classroom.open_store()


def test_attempt_hint_and_success_are_events() -> None:
    classroom.join("course 101")
    tried("03-2", "not yet", minute=1)
    tried("03-2", "not quite", "blind-retry", minute=2)
    hinted("03-2", 1, minute=3)
    tried("03-2", "right", minute=4)
    assert story() == [
        ("LearnerJoined", {"course": "course 101"}),
        ("ExerciseAttempted", {"exercise": "03-2", "outcome": "not yet"}),
        ("ExerciseAttempted",
         {"exercise": "03-2", "outcome": "not quite", "mistake": "blind-retry"}),
        ("HintTaken", {"exercise": "03-2", "step": 1}),
        ("ExerciseAttempted", {"exercise": "03-2", "outcome": "right"}),
        ("ExerciseSolved", {"exercise": "03-2"}),
    ]  # fmt: skip
    with classroom.open_store() as store:
        [(kind, learner, events)] = store.sql(
            "select aggregate_type, aggregate_id, count(*) from events group by all"
        ).fetchall()
        assert (kind, events) == ("LEARNER", 6)
        assert store.events(learner)[3].occurred_at == NOON + timedelta(minutes=3)


def test_a_real_check_and_a_real_hint_arrive() -> None:
    name = next(iter(exercises.exercises()))
    classroom.join("course 101")
    exercises.check(name, ...)
    exercises.hint(name)
    kinds = [(kind, data["exercise"]) for kind, data in story()[1:]]
    assert kinds == [("ExerciseAttempted", name), ("HintTaken", name)]


def test_a_guess_that_met_its_fact_is_an_event_and_can_be_merged() -> None:
    guesses.forget()
    classroom.join("course 101")
    notes = {1890: "The poster alone."}
    for n, guess in enumerate((2690, 1890, "a secret of mine")):
        predict(f"01-{n}", "What is the total?", unit="cents").say(guess).reveal(2690, notes)
    assert story()[1:] == [
        ("PredictionMade", {"prediction": "01-0", "outcome": "right"}),
        ("PredictionMade", {"prediction": "01-1", "outcome": "not quite", "mistake": "1890"}),
        ("PredictionMade", {"prediction": "01-2", "outcome": "not quite"}),
    ]
    handed = classroom.hand_in()
    merged = merge(handed.path.parent)
    assert list(merged.problems["reason"]) == []
    assert merged.store.position == 4
    merged.store.close()
    classroom.leave()
    predict("01-4", "What is the total?").say(1).reveal(2)
    assert len(story("my-learning")) == 4
    guesses.forget()


def test_it_keeps_nothing_else_than_it_says(tmp_path: Path) -> None:
    said = repr(classroom.join("course 101"))
    tried("03-2", "not quite", "blind-retry")
    hinted("03-2", 2)
    tried("03-2", "right")
    allowed = {"course", "exercise", "outcome", "mistake", "step"}
    with classroom.open_store() as store:
        for event in store.read_all():
            assert set(event.data) <= allowed
            assert event.metadata == {}
    content = b"".join(path.read_bytes() for path in (tmp_path / "my-learning").iterdir())
    for secret in (getpass.getuser(), socket.gethostname(), str(tmp_path), "blind_sell"):
        if len(secret) > 4:
            assert secret.encode() not in content, secret
    for word in ("the exercise", "how it went", "the time", "never", "your code", "your name"):
        assert word in said
    assert "nothing" in said


def test_the_name_is_random_unless_a_nickname_is_wanted() -> None:
    classroom.join("course 101", folder="a")
    classroom.join("course 101", folder="b")
    classroom.join("course 101", "Curie", folder="c")
    names = {f: classroom.what_is_stored(f).events["learner"].iloc[0] for f in "abc"}
    assert len(set(names.values())) == 3
    assert story("a") == [("LearnerJoined", {"course": "course 101"})]
    assert story("c") == [("LearnerJoined", {"course": "course 101", "nickname": "Curie"})]
    assert "nickname Curie" in repr(classroom.what_is_stored("c"))


def test_the_next_notebook_continues_as_the_same_learner() -> None:
    classroom.join("course 101")
    tried("01-1", "right")
    classroom.leave()
    classroom.join("course 101")
    tried("02-1", "right")
    with classroom.open_store() as store:
        assert store.sql("select count(distinct aggregate_id) from events").fetchone() == (1,)
    assert [kind for kind, _ in story()].count("LearnerJoined") == 1


def test_joining_twice_counts_once() -> None:
    classroom.join("course 101")
    classroom.join("course 101")
    tried("01-1", "not quite", "other")
    assert [kind for kind, _ in story()] == ["LearnerJoined", "ExerciseAttempted"]


def test_what_is_stored_shows_every_event() -> None:
    classroom.join("course 101")
    tried("03-2", "right")
    stored = classroom.what_is_stored()
    assert stored.events["event"].tolist() == [
        "LearnerJoined", "ExerciseAttempted", "ExerciseSolved",
    ]  # fmt: skip
    assert "3 events of learner-" in repr(stored)
    assert "1 ExerciseAttempted" in repr(stored)


def test_leaving_stops_and_keeps() -> None:
    classroom.join("course 101")
    said = classroom.leave()
    tried("03-2", "right")
    assert "my-learning/learning.duckdb" in said
    assert len(story()) == 1


def test_delete_removes_the_log_and_nothing_else() -> None:
    classroom.join("course 101")
    tried("03-2", "right")
    handed = classroom.hand_in()
    mine = Path("my-learning/notes.txt")
    mine.write_text("mine")
    said = classroom.leave(delete=True)
    assert list(Path("my-learning").iterdir()) == [mine]
    assert handed.path.name in said
    assert "learning.duckdb" in said
    mine.unlink()
    classroom.join("course 101")
    classroom.leave(delete=True)
    assert not Path("my-learning").exists()


def test_delete_works_without_having_joined() -> None:
    classroom.join("course 101")
    classroom.leave()
    classroom.leave(delete=True)
    assert not Path("my-learning").exists()
    assert "nothing" in classroom.leave(delete=True)


def test_a_log_deleted_elsewhere_is_not_begun_anew(capsys: pytest.CaptureFixture[str]) -> None:
    classroom.join("course 101")
    for path in Path("my-learning").iterdir():
        path.unlink()
    tried("03-2", "right")
    assert "was deleted" in capsys.readouterr().out
    assert list(Path("my-learning").iterdir()) == []
    assert listeners == []


@pytest.mark.parametrize("course", ["", "  ", "x" * 61, "two\nlines", None, 7])
def test_odd_names_are_refused(course: Any) -> None:
    with pytest.raises(ClassroomError, match="course is a short text"):
        classroom.join(course)
    assert listeners == []


def test_a_folder_that_cannot_be_made_is_said() -> None:
    Path("taken").write_text("a file")
    with pytest.raises(ClassroomError, match="cannot be made"):
        classroom.join("course 101", folder="taken/log")


def test_a_file_that_is_no_store_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my-learning").mkdir()
    file = Path("my-learning/learning.duckdb")
    file.write_text("precious")
    with pytest.raises(ClassroomError, match="have not joined"):
        classroom.join("course 101")
    assert file.read_text() == "precious"
    assert "Go on without it" in capsys.readouterr().out


def test_a_lesson_clock_repeats() -> None:
    stories = []
    for folder in ("a", "b"):
        classroom.join("course 101", folder=folder, clock=LessonClock())
        tried("03-2", "right")
        stories.append(classroom.what_is_stored(folder).events)
    pd.testing.assert_frame_equal(*stories)


# --- two notebooks at once --------------------------------------------------------------------

HOLDER = """
import sys
from esnb import EventStore
store = EventStore("my-learning/learning.duckdb")
print("open", flush=True)
sys.stdin.readline()
"""

OTHER_NOTEBOOK = """
import sys
from datetime import UTC, datetime
from esnb.course import classroom
from esnb.course.exercises import Attempt, listeners
from esnb.course.predict import predict
from tests.support import ROOT
print(classroom.join("course 101"), flush=True)
for n in range(8):
    for listener in list(listeners):
        at = datetime(2026, 3, 2, 12, n, tzinfo=UTC)
        listener(Attempt(sys.argv[1], "attempt", "not quite", f"m{n}", at))
classroom.hand_in(sys.argv[1] + ".jsonl")
"""


def other_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(ROOT)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip


def test_a_log_held_by_another_process_waits_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "PATIENCE", 0.1)
    classroom.join("course 101")
    holder = other_process(HOLDER)
    assert holder.stdout
    assert holder.stdout.readline() == "open\n"
    tried("03-2", "not quite", "blind-retry")
    tried("03-2", "right")
    said = capsys.readouterr().out
    assert said.count("is open in another notebook") == 1
    assert f"process {holder.pid}" in said
    assert "your exercises work as before" in said.replace("\n", " ")
    holder.communicate("\n", timeout=60)
    tried("03-3", "right")
    assert [kind for kind, _ in story()] == [
        "LearnerJoined", "ExerciseAttempted", "ExerciseAttempted", "ExerciseSolved",
        "ExerciseAttempted", "ExerciseSolved",
    ]  # fmt: skip


def test_joining_while_the_log_is_held_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "PATIENCE", 0.1)
    classroom.join("course 101")
    classroom.leave()
    holder = other_process(HOLDER)
    assert holder.stdout
    holder.stdout.readline()
    assert "known once the log is free" in repr(classroom.join("course 101"))
    tried("01-1", "right")
    holder.communicate("\n", timeout=60)
    tried("01-2", "right")
    assert [data["exercise"] for kind, data in story() if kind == "ExerciseSolved"] == [
        "01-1", "01-2",
    ]  # fmt: skip


def test_two_notebooks_share_one_log() -> None:
    notebooks = [other_process(OTHER_NOTEBOOK, name) for name in ("01-1", "02-1")]
    for notebook in notebooks:
        said, _ = notebook.communicate(timeout=120)
        assert notebook.returncode == 0, said
    told = Counter(data.get("exercise") for _, data in story())
    assert told == {None: 1, "01-1": 8, "02-1": 8}
    assert classroom.what_is_stored().events["learner"].nunique() == 1


# --- hand in, merge ---------------------------------------------------------------------------


def handed_in(name: str, *, folder: str = "class") -> Path:
    """The hand-in of a learner who was wrong once, and then right."""
    classroom.join("course 101", folder=name)
    tried("03-2", "not quite", "blind-retry", minute=1)
    tried("03-2", "right", minute=2)
    Path(folder).mkdir(exist_ok=True)
    path = classroom.hand_in(Path(folder) / f"{name}.jsonl").path
    classroom.leave()
    return path


def test_a_hand_in_is_json_lines_with_every_event() -> None:
    path = handed_in("ada")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event_type"] for line in lines] == [kind for kind, _ in story("ada")]
    assert len(read_jsonl(path)) == 4


def test_hand_in_says_where_and_that_nothing_was_sent() -> None:
    classroom.join("course 101")
    handed = classroom.hand_in()
    assert handed.path.parent == Path("my-learning")
    assert "Nothing was sent" in repr(handed)
    assert merge("my-learning").hand_ins == 1


def test_hand_ins_become_one_log_in_order_of_time() -> None:
    handed_in("ada")
    handed_in("ben")
    merged = merge("class")
    assert (merged.hand_ins, merged.learners, merged.store.position) == (2, 2, 8)
    assert merged.problems.empty
    times = [event.recorded_at for event in merged.store.read_all()]
    assert times == sorted(times)


def test_the_same_hand_in_twice_changes_nothing() -> None:
    path = handed_in("ada")
    once = [event.event_id for event in merge("class").store.read_all()]
    path.with_name("ada (1).jsonl").write_bytes(path.read_bytes())
    Path("class/again").mkdir()
    with gzip.open("class/again/ada.jsonl.gz", "wb") as packed:
        packed.write(path.read_bytes())
    merged = merge("class")
    assert [event.event_id for event in merged.store.read_all()] == once
    assert merged.hand_ins == 3
    assert merged.problems.empty


@pytest.mark.parametrize("names", [("a.jsonl", "b.jsonl"), ("b.jsonl", "a.jsonl")])
def test_a_later_hand_in_adds_what_is_new(names: tuple[str, str]) -> None:
    Path("class").mkdir()
    classroom.join("course 101")
    tried("03-2", "not quite", "blind-retry")
    classroom.hand_in(Path("class") / names[0])
    tried("03-2", "right")
    classroom.hand_in(Path("class") / names[1])
    assert [event.type for event in merge("class").store.read_all()] == [k for k, _ in story()]


def changed(number: int, **fields: Any) -> Any:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[number - 1] |= fields

    return change


NOT_OURS = [
    (changed(2, event_type="Bribed"), 2, "'Bribed' is not an event of a class log"),
    (changed(2, event_data={"exercise": "03-2"}), 2, "expected ['exercise', 'outcome']"),
    (changed(2, event_data={"exercise": "03-2", "outcome": "splendid"}), 2, "outcome is one of"),
    (changed(2, event_data={"exercise": 3, "outcome": "right"}), 2, "exercise is a text"),
    (changed(2, event_data={"exercise": "x" * 99, "outcome": "right"}), 2, "exercise is a text"),
    (changed(2, event_data={"exercise": "1", "outcome": "right", "who": "A"}), 2, "has the data"),
    (changed(2, aggregate_id="learner-0123456789"), 2, "is another learner's"),
    (changed(2, aggregate_type="ORDER"), 2, "is about 'ORDER'"),
    (changed(2, recorded_at="2020-01-01T00:00:00Z"), 2, "was recorded before the event above"),
    (changed(2, occurred_at="yesterday"), 2, "is not a time"),
    (changed(2, grade=6), 2, "'grade' is not a column"),
    (lambda lines: lines.pop(1), 2, "has sequence number 3, expected 2"),
    (lambda xs: [x.update(aggregate_id="Ada Lovelace") for x in xs], 1, "is not a random name"),
    (lambda lines: [x.pop("recorded_at") for x in lines], None, "was not written by hand_in()"),
    (lambda lines: lines.clear(), None, "has no events"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "row", "reason"), NOT_OURS, ids=[x[2] for x in NOT_OURS])
def test_a_malformed_hand_in_is_named_and_the_others_count(
    change: Any, row: int | None, reason: str
) -> None:
    handed_in("ada")
    path = handed_in("ben")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    merged = merge("class")
    assert (merged.hand_ins, merged.learners, merged.store.position) == (1, 1, 4)
    first = merged.problems.iloc[0]
    assert first["file"] == "ben.jsonl"
    assert (None if pd.isna(first["row"]) else first["row"]) == row
    assert reason in first["reason"]
    assert "1 file(s) left out" in repr(merged)


@pytest.mark.parametrize("content", [b"\x00\xff\xfe", b"{not json}\n", b"", b"[1, 2]\n"])
def test_rubbish_is_named(content: bytes) -> None:
    handed_in("ada")
    Path("class/rubbish.jsonl").write_bytes(content)
    merged = merge("class")
    assert merged.hand_ins == 1
    assert merged.problems["file"].unique().tolist() == ["rubbish.jsonl"]
    assert merged.problems["reason"].str.len().min() > 5


def test_another_log_is_named() -> None:
    handed_in("ada")
    with EventStore(clock=LessonClock()) as store:
        shop.simulate(store, orders=3)
        write_jsonl(store, "class/shop.jsonl")
    problems = merge("class").problems
    assert problems["file"].unique().tolist() == ["shop.jsonl"]
    assert problems["reason"].str.contains("not about a learner").any()


def test_a_hand_in_at_odds_with_an_earlier_one_is_named() -> None:
    path = handed_in("ada")
    lines = (
        path.read_text().replace('"not quite"', '"not yet"').replace(',"mistake":"blind-retry"', "")
    )
    path.with_name("later.jsonl").write_text(lines)
    merged = merge("class")
    assert merged.problems.to_dict("records") == [
        {"file": "later.jsonl", "row": 2,
         "reason": "differs from another hand-in of this learner: which one is theirs?"},
    ]  # fmt: skip


def test_merging_no_folder_and_an_empty_one() -> None:
    with pytest.raises(ClassroomError, match="is not a folder"):
        merge("nowhere")
    Path("empty").mkdir()
    merged = merge("empty")
    assert (merged.hand_ins, merged.learners, merged.store.position) == (0, 0, 0)
    assert Dashboard(merged.store).exercises().empty
    assert Dashboard(merged.store).stuck().empty


# --- the dashboard ----------------------------------------------------------------------------


def folded(store: EventStore) -> dict[tuple[str, str], dict[str, Any]]:
    """The read model again, by another way: one event at a time."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event in store.read_all():
        if event.type not in ("ExerciseAttempted", "HintTaken"):
            continue
        row = rows.setdefault(
            (str(event.aggregate_id), event.data["exercise"]),
            {"tries": 0, "hints": 0, "solved": False, "mistakes": Counter()},
        )
        if event.type == "HintTaken":
            row["hints"] += 1
        elif event.data["outcome"] != "not yet" and not row["solved"]:
            row["tries"] += 1
        if event.data.get("outcome") == "right":
            row["solved"] = True
        if "mistake" in event.data:
            row["mistakes"][event.data["mistake"]] += 1
    return rows


def random_class(seed: int) -> EventStore:
    """Events in any order, also after a success, which no simulation would give."""
    chance = random.Random(seed)
    store = EventStore(clock=LessonClock(step=30))
    for _ in range(120):
        exercise = chance.choice(["01-1", "01-2", "02-1"])
        outcome = chance.choice(["not yet", "not quite", "not quite", "right"])
        data = {"exercise": exercise, "outcome": outcome}
        data |= {"mistake": chance.choice("abc")} if outcome == "not quite" else {}
        hint = {"exercise": exercise, "step": chance.randint(1, 4)}
        event = chance.choice([new_event("HintTaken", hint), new_event("ExerciseAttempted", data)])
        learner = f"learner-{chance.randint(0, 4)}"
        version = store.version(learner)
        store.append(learner, [event], expected_version=version, aggregate_type="LEARNER")
    return store


@pytest.mark.parametrize(("seed", "step"), [(0, 1), (1, 7), (2, 7), (3, None), (4, None)])
def test_the_read_model_says_what_the_events_say(seed: int, step: int | None) -> None:
    store = random_class(seed)
    projector = Projector(store, Progress)
    while projector.catch_up(limit=step):
        pass
    found = {
        (learner, exercise): (tries, hints, solved_at is not None)
        for learner, exercise, tries, hints, _, _, solved_at in projector.sql(
            "from progress"
        ).fetchall()
    }
    wanted = folded(store)
    assert found == {k: (r["tries"], r["hints"], r["solved"]) for k, r in wanted.items()}
    mistakes = {
        (learner, exercise, mistake): times
        for exercise, mistake, learner, times in projector.sql("from mistakes").fetchall()
    }
    assert mistakes == {(*k, m): n for k, r in wanted.items() for m, n in r["mistakes"].items()}


def test_the_table_of_exercises(tmp_path: Path) -> None:
    simulated_class(tmp_path / "class")
    store = merge(tmp_path / "class").store
    table = Dashboard(store).exercises().set_index("exercise")
    rows = folded(store)
    for exercise, row in table.iterrows():
        own = [r for (_, name), r in rows.items() if name == exercise]
        assert row["solved"] == sum(r["solved"] for r in own)
        assert row["tried"] == sum(r["tries"] > 0 for r in own)
        solved = pd.Series([r["tries"] for r in own if r["solved"]])
        assert row["tries until right"] == solved.median()
        assert row["hints"] == pytest.approx(sum(r["hints"] for r in own) / len(own), abs=0.051)
        learners = Counter(m for r in own for m in r["mistakes"])
        common, count = row["common mistake"].rstrip(")").split(" (")
        assert learners[common] == int(count) == max(learners.values())
    assert table["solved"].iloc[0] > table["solved"].iloc[-1]


def at_minutes(learner: str, store: EventStore, *events: tuple[float, str, str]) -> None:
    """Append attempts (minute, exercise, outcome) of one learner."""
    done = [
        new_event("ExerciseAttempted", {"exercise": exercise, "outcome": outcome},
                  occurred_at=NOON + timedelta(minutes=minute))
        for minute, exercise, outcome in events
    ]  # fmt: skip
    store.append(learner, done, expected_version=0, aggregate_type="LEARNER")


def test_who_is_stuck_now() -> None:
    store = EventStore(clock=LessonClock())
    wrong = "not quite"
    at_minutes(
        "stuck", store, (0, "1", "right"), (20, "2", wrong), (25, "2", wrong), (30, "2", wrong)
    )
    at_minutes(
        "solved", store, (20, "2", wrong), (25, "2", wrong), (26, "2", wrong), (27, "2", "right")
    )
    at_minutes(
        "went on", store, (20, "2", wrong), (21, "2", wrong), (22, "2", wrong), (29, "3", wrong)
    )
    at_minutes("gone home", store, (0, "2", wrong), (1, "2", wrong), (2, "2", wrong))
    at_minutes("only began", store, (28, "2", wrong), (29, "2", "not yet"), (30, "2", wrong))
    board = Dashboard(store)
    rows = board.stuck()[["learner", "exercise", "tries", "since"]].values.tolist()
    assert rows == [["stuck", "2", 3, 10]]
    assert board.stuck(tries=2)["learner"].tolist() == ["stuck", "only began"]
    assert "gone home" in board.stuck(minutes=30)["learner"].tolist()
    assert board.exercises().set_index("exercise")["stuck"].to_dict() == {"1": 0, "2": 1, "3": 0}


def test_the_dashboard_catches_up() -> None:
    store = EventStore(clock=LessonClock())
    board = Dashboard(store)
    at_minutes("learner-1", store, (0, "1", "right"))
    assert board.exercises().empty
    assert board.catch_up() == 1
    assert board.funnel().values.tolist() == [["1", 1, 1, 1]]


def test_the_simulated_class_repeats() -> None:
    first, again = (simulated_class(Path(name), learners=9) for name in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    other = simulated_class("c", learners=1, seed=8)
    assert other[0].read_bytes() != first[0].read_bytes()


def test_some_of_the_simulated_class_are_stuck_and_the_figures_repeat() -> None:
    simulated_class("class")
    board = Dashboard(merge("class").store)
    assert len(board.stuck()) >= 3
    for draw in (board.draw_funnel, board.draw_tries):
        images = []
        for _ in range(2):
            ax = draw()
            ax.figure.savefig("figure.png", metadata={"Software": None})
            images.append(Path("figure.png").read_bytes())
        assert images[0] == images[1]
        texts = {text.get_text() for text in ax.texts}
        assert {"01-1", "03-2"} <= texts
        used = {colors.to_hex(patch.get_facecolor()) for patch in ax.patches}
        used |= {colors.to_hex(line.get_markeredgecolor()) for line in ax.lines}
        assert figures.VERMILION not in used


def test_names_of_a_hand_in_are_shown_as_text() -> None:
    store = EventStore(clock=LessonClock())
    at_minutes("learner-1", store, (0, "<script>$x$", "not quite"))
    board = Dashboard(store)
    assert "<script>" not in board.exercises().to_html()
    assert "<script>$x$" in {text.get_text() for text in board.draw_funnel().texts}
