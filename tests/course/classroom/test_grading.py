"""nbgrader there and back; and a submission cannot raise its own grade, whatever it patches."""

from __future__ import annotations

import ast
import copy
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import psutil
import pytest

from esnb import ANY, AppendCondition, ConcurrencyError, EventStore, LessonClock, new_event, shop
from esnb.course.classroom import ClassroomError, nbgrading, teaching
from esnb.course.classroom.nbgrading import hidden_call, judged
from esnb.course.classroom.sandbox import Apart, Elsewhere, Gone, StandIn
from esnb.course.exercises import exercises
from esnb.course.exercises.engine.time_limit import lesson_time
from esnb.course.exercises.engine.verdicts import attempt
from tests.course.exercises.answers.tables import right as right_answers
from tests.course.exercises.answers.tables import wrong as wrong_answers

ROOT = Path(__file__).resolve().parents[3]
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
NAME = "03_conflicts"
SAMPLE = 2  # wrong answers of each exercise


def cells_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def tag(cell: dict[str, Any]) -> str:
    return next(iter(cell["metadata"].get("tags", [])), "")


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


# --- a whole course ---------------------------------------------------------------------------

KEPT = ("03-1", "03-2")  # two exercises are enough, and cost less
BLIND = """
def buy(store, buyer):
    events = store.events(LAMP)
    version = len(events)
    while left(events) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=version)
            return "bought"
        except ConcurrencyError as error:
            version = error.actual
    return "sold out"
"""
RIGHT_BUY = """
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            return "bought"
        except ConcurrencyError:
            continue
    return "sold out"
"""
PATCHES = """
import builtins, sys
import esnb.course.exercises, esnb.course.classroom.nbgrading
from esnb.course.exercises.engine import feedback, trial

def yes(*arguments, **keywords):
    return feedback.Feedback("03-2", "right", "", points=1.0, worth=99)

check = grade = yes
builtins.check = builtins.grade = yes
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("esnb."):
        for name in ("check", "_checked", "judged"):
            if hasattr(module, name):
                setattr(module, name, yes)
trial.Trial.fail = trial.Trial.require = lambda *a, **k: None
for exercise in esnb.course.exercises.exercises().values():
    object.__setattr__(exercise, "checker", lambda answer, trial: None)
esnb.course.classroom.nbgrading._write = lambda cell, points, message: None
"""


def answers(cells: list[dict[str, Any]], **given: str) -> None:
    for cell in cells:
        kind, _, exercise = tag(cell).partition("-")
        if kind == "answer" and exercise.replace("-", "_") in {k[1:] for k in given}:
            cell["source"] = given["_" + exercise.replace("-", "_")]


def before(cells: list[dict[str, Any]], wanted: str, text: str) -> None:
    """Put a code cell of the learner's own before the one with this tag."""
    place = next(n for n, cell in enumerate(cells) if tag(cell) == wanted)
    own = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells.insert(place, {**own, "id": f"own-{place}", "source": text})


def right(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 7, 9", _03_2=RIGHT_BUY)


def wrong(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 8, 10", _03_2=BLIND)


def half(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 7, 9", _03_2=BLIND)


def crashing(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 7, 9", _03_2="def buy(store, buyer):\n    1 / 0")
    before(cells, "answer-03-2", "raise ValueError('in a cell of its own')")


def does_not_parse(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 7, 9", _03_2="def buy(store, buyer:")


def endless(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="while True:\n    try:\n        while True: pass\n    except: pass",
            _03_2=RIGHT_BUY)  # fmt: skip


def endless_answer(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="expected, afterwards = 7, 9",
            _03_2="def buy(store, buyer):\n    while True: store.version(LAMP)")  # fmt: skip


def dies(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="import os\nos._exit(0)", _03_2=RIGHT_BUY)


def empty(cells: list[dict[str, Any]]) -> None:
    return None


def patches(cells: list[dict[str, Any]]) -> None:
    wrong(cells)
    before(cells, "answer-03-1", PATCHES)


def prints(cells: list[dict[str, Any]]) -> None:
    answers(cells, _03_1="print(1)\n1", _03_2="print(1.0)\nbuy = lambda *a: print(1) or 1")
    for cell in cells:
        if tag(cell).startswith("check"):
            cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "1"},
                                "metadata": {}, "execution_count": 1}]  # fmt: skip


def deletes(cells: list[dict[str, Any]]) -> None:
    wrong(cells)
    cells[:] = [cell for cell in cells if not tag(cell).startswith("check")]


def edits(cells: list[dict[str, Any]]) -> None:
    wrong(cells)
    for cell in cells:
        if tag(cell).startswith("check"):
            cell["source"] = "grade('03-1', (7, 9), seed='mine')"
            cell["metadata"]["nbgrader"] |= {"points": 100, "locked": False}


def copies(cells: list[dict[str, Any]]) -> None:
    """The grade cell of an easy exercise, once more, under the name of the hard one."""
    half(cells)
    easy = next(cell for cell in cells if tag(cell) == "check-03-1")
    twin = copy.deepcopy(easy) | {"id": "twin"}
    twin["metadata"]["nbgrader"]["grade_id"] = "check-03-2"
    cells.append(twin)


def adds(cells: list[dict[str, Any]]) -> None:
    """A grade cell of the learner's own, with points of their own."""
    wrong(cells)
    easy = next(cell for cell in cells if tag(cell) == "check-03-1")
    twin = copy.deepcopy(easy) | {"id": "twin", "source": "grade('03-1', (7, 9), seed='x')"}
    twin["metadata"]["nbgrader"] |= {"grade_id": "check-03-9", "points": 50}
    cells.append(twin)


def unmarks(cells: list[dict[str, Any]]) -> None:
    """The locked cell turned into one that somebody has to grade by hand."""
    wrong(cells)
    for cell in cells:
        if tag(cell).startswith("check"):
            cell["metadata"]["nbgrader"] |= {"grade": False, "solution": True, "locked": False}


def edits_set_up(cells: list[dict[str, Any]]) -> None:
    """The locked set-up cell redefines what the answers build on."""
    wrong(cells)
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    first["source"] = source(first) + "\ndef left(events):\n    return 0\n"


def rubbish(cells: list[dict[str, Any]]) -> None:
    """A file that nbgrader cannot read: the others are graded all the same."""
    cells[:] = [{"cell_type": "no such", "source": 7}]


def rewrites(cells: list[dict[str, Any]]) -> None:
    """It is right, and changes the gradebook's folder all the same."""
    right(cells)
    before(cells, "check-03-1", "from pathlib import Path\n(Path(COURSE) / 'source' / 'x').touch()")


#: What each submission scores: of 2 points, or None where nbgrader refuses the file.
SCORES: dict[Any, float | None] = {
    right: 2, wrong: 0, half: 1, crashing: 1, does_not_parse: 1, endless: 1, endless_answer: 1,
    dies: 1, empty: 0, patches: 0, prints: 0, deletes: 0, edits: 0, copies: 1, adds: 0,
    unmarks: 0, edits_set_up: 0, rubbish: None, rewrites: None,
}  # fmt: skip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A course folder with an assignment of two exercises, handed out."""
    base = tmp_path_factory.mktemp("course")
    solutions = base / "solutions"
    solutions.mkdir()
    notebook = json.loads((ROOT / "notebooks/solutions" / f"{NAME}.ipynb").read_text())
    notebook["cells"] = [
        cell for cell in notebook["cells"]
        if not tag(cell) or tag(cell).partition("-")[2] in KEPT
    ]  # fmt: skip
    (solutions / f"{NAME}.ipynb").write_text(json.dumps(notebook))
    patch = pytest.MonkeyPatch()
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        patch.setenv(f"JUPYTER_{name}", str(base / name))
    teaching.release("03", solutions, base / "class")
    yield base
    patch.undo()


@pytest.fixture(scope="module")
def grades(course: Path) -> dict[str, dict[str, str]]:
    """Every submission graded at once, and the rows of the CSV."""
    released = json.loads((course / "class/release" / NAME / f"{NAME}.ipynb").read_text())
    for submission in SCORES:
        notebook = copy.deepcopy(released)
        submission(notebook["cells"])
        path = course / "class/submitted" / submission.__name__ / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook).replace("COURSE", repr(str(course / "class"))))
    patch = pytest.MonkeyPatch()
    config = course / "class/nbgrader_config.py"
    limit = "import esnb.course.classroom.sandbox as apart\napart.LIMIT = 6.0\n"
    config.write_text(config.read_text() + limit)
    with pytest.raises(ClassroomError, match=r"(?s)autograde failed.*The others are graded"):
        teaching.grade("03", course / "solutions", course / "class")
    patch.undo()
    with (course / "class/grades.csv").open() as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("submission", SCORES, ids=lambda s: s.__name__)
def test_what_a_submission_scores(submission: Any, grades: dict[str, dict[str, str]]) -> None:
    row = grades[submission.__name__]
    assert float(row["max_score"]) == 2
    assert float(row["score"]) == (SCORES[submission] or 0)


def test_the_learner_reads_what_was_wrong(grades: Any, course: Path) -> None:
    said = {}
    for name in ("right", "half", "endless_answer", "crashing", "empty", "dies"):
        cells = cells_of(course / "class/autograded" / name / NAME / f"{NAME}.ipynb")
        said[name] = [
            "".join(cell["outputs"][0]["text"]) for cell in cells if tag(cell).startswith("check")
        ]
    assert "03-2: right." in said["right"][1]
    assert "corrected the number and kept the decision" in said["half"][1]
    assert "did not come to an end" in said["endless_answer"][1]
    assert "ZeroDivisionError" in said["crashing"][1]
    assert "not yet" in said["empty"][1]
    assert "not yet" in said["dies"][0]


def test_nothing_hidden_is_handed_out(course: Path) -> None:
    made = cells_of(course / "class/source" / NAME / f"{NAME}.ipynb")
    handed_out = "".join(
        path.read_text() for path in (course / "class/release").rglob("*") if path.is_file()
    )
    hidden = [
        line for cell in made if "BEGIN HIDDEN" in source(cell)
        for line in source(cell).partition("### BEGIN HIDDEN")[2].splitlines()[1:]
    ]  # fmt: skip
    assert len(hidden) == 3 * len(KEPT)
    for cell in made:
        if call := hidden_call(source(cell)):
            assert call[2] not in handed_out, "the seed"
    for line in [*hidden, "HIDDEN", "SOLUTION"]:
        assert json.dumps(line)[1:-1] not in handed_out
    for cell in cells_of(course / "solutions" / f"{NAME}.ipynb"):
        if tag(cell).startswith("reasoning"):
            assert source(cell)[:60] not in handed_out
        if tag(cell).startswith("answer"):
            stub = exercises()[tag(cell).removeprefix("answer-")].stub
            for line in set(source(cell).splitlines()) - set(stub.splitlines()):
                assert len(line) < 8 or json.dumps(line)[1:-1] not in handed_out, line


def test_what_is_handed_out_has_stubs_and_locked_checks(course: Path) -> None:
    cells = cells_of(course / "class/release" / NAME / f"{NAME}.ipynb")
    by_tag = {tag(cell): cell for cell in cells if tag(cell)}
    for exercise in KEPT:
        assert source(by_tag[f"answer-{exercise}"]) == exercises()[exercise].stub
        check = by_tag[f"check-{exercise}"]
        assert source(check).startswith("check(")
        assert check["metadata"]["nbgrader"]["locked"]
        assert check["metadata"]["nbgrader"]["points"] == 1
        assert check["metadata"]["editable"] is False
    assert "Exercises 03" in source(cells[0])


def test_a_source_that_is_there_is_the_teachers(course: Path) -> None:
    path = course / "class/source" / NAME / f"{NAME}.ipynb"
    before_ = path.read_bytes()
    teaching.release("03", course / "solutions", course / "class")
    assert path.read_bytes() == before_


def test_mistakes_of_a_teacher_are_said(course: Path, tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match=r"no exercises '99'\. There are: 03"):
        teaching.release("99", course / "solutions", tmp_path)
    with pytest.raises(ClassroomError, match="was not handed out from here"):
        teaching.grade("03", course / "solutions", tmp_path)


def test_the_command_needs_to_know_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert teaching.main(["release", "nothing"]) == 1
    assert "There are no exercises 'nothing'" in capsys.readouterr().err


# --- every solution of the bank, apart --------------------------------------------------------


class Desk:
    """A notebook's set-up cells in a child, and answers tried in it one after the other."""

    def __init__(self, path: Path) -> None:
        cells = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
        self.set_up = "\n".join(
            source(c) for c in cells if tag(c).partition("-")[0] in ("", "hint")
        )
        self.solutions = {tag(c)[7:]: source(c) for c in cells if tag(c).startswith("answer-")}
        self.checks = {tag(c)[6:]: source(c) for c in cells if tag(c).startswith("check-")}
        self.child: Apart | None = None

    def grade(
        self, exercise: str, answer: str, rounds: int, limit: float = 12.0
    ) -> tuple[float, str]:
        if self.child is None or not self.child.alive():
            self.close()
            self.child = Apart(limit=12.0)
            assert self.child.run(self.set_up)[1] == ""
        self.child.limit = limit
        try:
            self.child.run(answer)
            value = self.child.answer(teaching._answer_in(self.checks[exercise]))
        except (Exception, Gone) as error:  # no answer, no points: as in `_Submission`
            return 0.0, f"{type(error).__name__}: {error}"
        return judged(exercises()[exercise], value, self.child, "a hidden seed", rounds)

    def close(self) -> None:
        if self.child:
            self.child.close()


def tried_wrong(exercise: str) -> list[tuple[str, str]]:
    """Some wrong answers, always the same; all of them with ESNB_ALL_MUTANTS=1.

    In the learner's own process all are checked, in each run (test_bank.py).
    """
    found = sorted(wrong_answers(exercise).items())
    if os.environ.get("ESNB_ALL_MUTANTS"):
        return found
    return random.Random(exercise).sample(found, min(SAMPLE, len(found)))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_bank_is_graded_apart_as_it_is_checked(path: Path) -> None:
    """Right answers of all kinds are right with hidden cases too; stubs and wrong ones are not."""
    desk = Desk(path)
    odd = []
    try:
        for exercise, solution in desk.solutions.items():
            if exercise in teaching.BY_EYE:
                continue
            for answer in [solution, *right_answers(exercise)]:
                share, message = desk.grade(exercise, answer, rounds=1)
                odd += [f"{exercise}: {message}\n{answer}"] * (share != 1)
            for name, answer in [("not yet", exercises()[exercise].stub), *tried_wrong(exercise)]:
                # One that never ends is stopped sooner: until then it only keeps a core busy.
                limit = 2.0 if name.startswith("endless") else 12.0
                share, message = desk.grade(exercise, answer, rounds=0, limit=limit)
                odd += [f"{exercise}, {name}: {message}\n{answer}"] * (share == 1)
    finally:
        desk.close()
    assert odd == []


# --- the two processes ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def child() -> Iterator[Apart]:
    with Apart() as running:
        running.run("from esnb import *\nimport pandas as pd")
        yield running


EVENT = new_event(
    "OrderPlaced", {"a": [1, {"b": None}]}, event_id=UUID(int=7), occurred_at="2026-03-02T09:00:00Z"
)
VALUES = [
    None, True, 0, -5, 2**70, 1.5, float("inf"), "x\ny\u2028é", b"\x00\xff", ..., ANY,
    [1, [2, []]], (1, (2,)), {1, 2}, frozenset({"a"}), {"a": {1: (2,)}, (1, 2): []},
    datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2), date(2026, 3, 2),
    timedelta(days=-1, microseconds=3), UUID(int=5), Decimal("1.50"), EVENT, [EVENT, (EVENT,)],
    shop.Order, ConcurrencyError, EventStore, Path("a/b"), AppendCondition("OrderPlaced", after=3),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_there_and_back_is_the_same(value: Any, child: Apart) -> None:
    there = child.answer("lambda value: (type(value).__name__, value)")
    kind, back = there(value)
    assert kind == type(value).__name__
    assert type(back) is type(value)
    assert back == value


def test_a_class_over_there_is_a_class_here(child: Apart) -> None:
    child.run("""
class Tally:
    unit = "pieces"
    def __init__(self, start=0): self.total = start
    def apply(self, event): self.total += event.data["n"]
""")
    kind = child.answer("Tally")
    assert isinstance(kind, type)
    assert (kind.__name__, kind.unit) == ("Tally", "pieces")
    tally = kind(start=5)
    tally.apply(new_event("Counted", n=2))
    assert tally.total == 7
    assert child.answer("lambda it: it is Tally")(kind)
    assert child.answer("lambda it: isinstance(it, Tally)")(tally)


def test_nan_and_tables_there_and_back(child: Apart) -> None:
    same = child.answer("lambda value: value")
    assert same(float("nan")) != same(float("nan"))
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5]}, index=[3, 4])
    pd.testing.assert_frame_equal(same(table), table)
    pd.testing.assert_series_equal(same(table["c"]), table["c"])


def test_what_is_changed_over_there_is_changed_here(child: Apart) -> None:
    change = child.answer("lambda xs, d: (xs.append(3), d.update(b=2))")
    numbers, data = [1, 2], {"a": 1}
    change(numbers, data)
    assert (numbers, data) == ([1, 2, 3], {"a": 1, "b": 2})
    event = new_event("X", a=1)
    child.run("def deface(events):\n    events[0].data['a'] = 99")
    child.answer("deface")([event])
    assert event.data == {"a": 99}


def test_a_store_stays_here_and_is_used_from_there(child: Apart) -> None:
    store = EventStore(clock=LessonClock())
    child.run("""
def work(store):
    fact = new_event("X", a=1)
    first = store.append("s", [fact], expected_version=0, aggregate_type="S")
    again = store.append("s", [fact], expected_version=0)
    try:
        store.append("s", [new_event("Y")], expected_version=7)
    except ConcurrencyError as error:
        return first.version, again.duplicate, error.actual, [e.type for e in store.events("s")]
""")
    assert child.answer("work")(store) == (1, True, 1, ["X"])
    assert store.position == 1


def test_a_power_cut_of_the_judge_ends_the_call_over_there(child: Apart) -> None:
    class PowerCut(BaseException):
        pass

    asked = []

    def save() -> None:
        asked.append(len(asked))
        raise PowerCut

    child.run("""
def stubborn(save):
    for _ in range(3):
        try:
            save()
        except Exception:
            pass
""")
    with pytest.raises(PowerCut):
        child.answer("stubborn")(save)
    assert asked == [0]
    assert child.answer("1 + 1") == 2


def test_time_passes_over_there_as_it_does_for_the_judge(child: Apart) -> None:
    child.run(
        "import time\n"
        "def wait(look):\n"
        "    start = time.monotonic()\n"
        "    look()\n"
        "    return time.monotonic() - start"
    )
    wait, nap = child.answer("wait"), time.sleep
    with lesson_time():  # a slow judge does not use up the time of an answer
        assert wait(lambda: nap(0.02)) < 0.001
    assert wait(lambda: nap(0.02)) >= 0.02


def test_errors_keep_their_class_and_text(child: Apart) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        child.answer("lambda: 1 / 0")()
    child.run("def refuse():\n    raise ConcurrencyError('s', 1, 2)")
    with pytest.raises(ConcurrencyError, match="expected version 1") as caught:
        child.answer("refuse")()
    assert caught.value.actual == 2
    child.run("class Odd(Exception): pass\ndef odd():\n    raise Odd('strange')")
    with pytest.raises(Elsewhere, match="Odd: strange"):
        child.answer("odd")()


FORGERIES = [
    "lambda: type('E', (Exception,), {})()",
    "lambda: __import__('os')",
    "lambda: (x := [], x.append(x))[0]",
    "lambda: type('NotQuite', (Exception,), {})()",
]


@pytest.mark.parametrize("expression", FORGERIES)
def test_what_comes_back_is_a_value_or_an_error(expression: str, child: Apart) -> None:
    came = attempt(child.answer(expression))
    if came.error:
        assert type(came.error).__module__ in ("builtins", "esnb.course.classroom.peer")
    else:
        assert isinstance(came.value, StandIn | Exception)


BREAK_OUTS = [
    "store._log", "store.append.__globals__", "store.append.__self__",
    "store.append.__func__",
    "store._peer.ask('get', ref=1, name='x')",
    "store._peer.ask('special', ref=store._ref, name='__class__', args=[])",
    "store._peer.ask('get', ref=store._ref, name='_log')",
    "store._peer.ask('run', source='1')", "store._peer.ask('answer', source='1')",
    "store._peer.decode({'class': 'esnb.course.exercises.engine.trial:Trial'})",
]  # fmt: skip


@pytest.mark.parametrize("expression", BREAK_OUTS)
def test_the_child_reaches_only_what_it_was_given(expression: str, child: Apart) -> None:
    store = EventStore(clock=LessonClock())
    child.run(f"def reach(store):\n    return type({expression}).__name__")
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError, Elsewhere)) as caught:
        child.answer("reach")(store)
    if caught.type is Elsewhere:
        assert str(caught.value).startswith("Malformed: ")


def test_an_endless_call_is_stopped_and_takes_its_children_along() -> None:
    with Apart(limit=1.0) as child:
        child.run("""
import subprocess, sys
sleeper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
def endless():
    while True:
        try:
            while True: pass
        except BaseException: pass
""")
        sleeper = psutil.Process(child.answer("sleeper.pid"))
        assert sleeper.is_running()
        with pytest.raises(Gone, match="No end after 1 s") as caught:
            child.answer("endless")()
        assert caught.value.endless
        assert not child.alive()
    psutil.wait_procs([sleeper], timeout=60)
    assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


def test_one_that_never_stops_asking_is_stopped() -> None:
    store = EventStore(clock=LessonClock())
    with Apart(limit=1.0) as child:
        child.run("def pester(store):\n    while True: store.position")
        with pytest.raises(Gone, match="No end after 1 s"):
            child.answer("pester")(store)


@pytest.mark.parametrize(
    "cell",
    [
        "import os; os._exit(3)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import gc\nfor x in gc.get_objects():\n"
        "    if type(x).__name__ == 'Child': x._send('not json'); x._send('[]')",
        "import gc\nfor x in gc.get_objects():\n"
        "    if type(x).__name__ == 'Child': x._send('{\"value\": 1}' * 3_000_000)",
    ],
)
def test_a_broken_pipe_is_an_end_and_no_crash(cell: str) -> None:
    with Apart() as child, pytest.raises((Gone, ValueError)):
        any(child.run(text) and False for text in (cell, "1", "2"))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the address space")
def test_too_much_memory_is_an_error_of_the_cell() -> None:
    with Apart() as child:
        _, error = child.run("much = bytearray(7 * 2**30)")
        assert error == "MemoryError: this needs more than the 6 GB that there are"
        assert child.answer("1 + 1") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="a kernel means of Linux")
def test_the_child_ends_with_a_killed_judge(tmp_path: Path) -> None:
    code = (
        "from esnb.course.classroom.sandbox import Apart\n"
        "child = Apart()\n"
        "child.run('import os, threading')\n"
        "child.run('def work():\\n    while True: pass\\nthreading.Thread(target=work).start()')\n"
        "print(child.answer('os.getpid()'), flush=True)\n"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed judge does not tidy up
    ) as judge:
        assert judge.stdout
        child = psutil.Process(int(judge.stdout.readline()))
        judge.send_signal(signal.SIGKILL)
    gone, _ = psutil.wait_procs([child], timeout=60)
    assert gone == [child]


def test_the_teachers_variables_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADING_TOKEN", "secret")
    with Apart() as child:
        child.run("import os")
        assert child.answer("os.environ.get('GRADING_TOKEN')") is None


FORGED_ANSWERS = {
    "a value that is equal to everything": (
        "03-1",
        "class Same:\n    __eq__ = lambda *a: True\n    __hash__ = None\nanswer = (Same(), Same())",
    ),
    "patched before": ("03-2", PATCHES + BLIND + "\nanswer = buy"),
    "patched Python itself": (
        "03-2",
        "import builtins\nbuiltins.len = lambda thing: 1\nanswer = lambda *a: 'bought'",
    ),
    "patched in the call": (
        "03-2",
        "def answer(store, buyer):\n" + "".join(f"    {x}\n" for x in PATCHES.splitlines() if x),
    ),
    "raises the verdict": (
        "03-2",
        "from esnb.course.exercises.engine.trial import NotQuite\n"
        "def answer(store, buyer):\n    raise NotQuite('other', (), 1.0, '')",
    ),
    "raises the end": ("03-2", "def answer(store, buyer):\n    raise SystemExit(0)"),
    "writes into the pipe": (
        "03-2",
        "import gc\ndef answer(store, buyer):\n    for x in gc.get_objects():\n"
        "        if type(x).__name__ == 'Child':\n"
        '            for _ in range(50): x._send(\'{"value": "bought", "given": {"l": []}}\')\n',
    ),
    "swaps the store's own method": (
        "03-2",
        "def answer(store, buyer):\n    store.append = lambda *a, **k: None\n    return 'bought'",
    ),
}


@pytest.mark.parametrize("name", FORGED_ANSWERS)
def test_a_forged_answer_scores_nothing(name: str) -> None:
    exercise, cell = FORGED_ANSWERS[name]
    share = 0.0
    with Apart(limit=15.0) as child, suppress(Gone):  # some of them end their own process
        child.run(source(cells_of(ROOT / f"notebooks/solutions/{NAME}.ipynb")[1]))
        child.run(cell)
        share, _ = judged(exercises()[exercise], child.answer("answer"), child, "seed")
    assert share == 0
    assert sys.modules["esnb.course.exercises"].check.__module__ == "esnb.course.exercises"


def test_every_file_that_the_grading_rests_on_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source/03").mkdir(parents=True)
    for name in ("gradebook.db", "nbgrader_config.py", "source/03/03.ipynb"):
        seen = nbgrading.fingerprints()
        (tmp_path / name).write_text("x")
        assert nbgrading.fingerprints() != seen, name
    names = {name for name, _ in nbgrading.fingerprints()}
    assert {"chapter03.py", "trial.py", "sandbox.py", "event_store.py"} <= names


def test_the_hidden_call_is_read_and_not_run() -> None:
    text = teaching.HIDDEN.format(check="check('03-2', buy)", exercise="03-2", answer="f(x, [1])",
                                  seed="s")  # fmt: skip
    assert hidden_call(text) == ("03-2", "f(x, [1])", "s")
    assert hidden_call("check('03-2', buy)") is None
    assert hidden_call("def (") is None
    ast.parse(text)
