"""How far somebody is: kept in the notebook, from the class log while there is one, never else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from esnb import LessonClock
from esnb.course import classroom
from esnb.course.exercises import check, exercises, memories, progress
from esnb.course.exercises import progress as show
from esnb.course.exercises.progress import Progress, keep, remembered

BANK = tuple(exercises().values())


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import sys

    monkeypatch.setattr(sys.modules["esnb.course.exercises.progress"], "_here", {})
    yield
    memories.clear()


def test_nothing_is_tried_yet() -> None:
    found = progress()
    assert found.right == 0
    assert found.next == BANK[0]
    assert f"0 of {len(BANK)} exercises are right." in repr(found)
    assert "01_facts_not_rows" in repr(found)


def test_a_check_moves_it_and_right_stays_right() -> None:
    check("03-1", (7, 9))
    check("03-1", (8, 9))
    check("03-3", ("AAABBB", "ABABBA"))
    found = show()
    assert found.outcomes == {"03-1": "right", "03-3": "not quite"}
    assert "●·◐··" in repr(found)
    assert found.next is not None
    assert found.next.id == "03-3"  # where somebody is stuck comes before what follows
    page = found._repr_html_()
    assert "03_conflicts.ipynb#03-1-The-number-to-state" in page
    assert "1 of 5" in page


def test_one_case_alone_is_no_progress() -> None:
    check("01-3", lambda facts: facts, only="the five facts of Monday")
    assert remembered() == {}


def test_after_the_last_one_comes_the_first_that_is_open() -> None:
    for exercise in BANK[1:]:
        keep(exercise.id, "right")
    assert progress().next == BANK[0]
    keep(BANK[0].id, "right")
    assert progress().next is None
    assert "All exercises are right." in repr(progress())


def test_without_the_class_log_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    check("03-1", (7, 9))
    assert [*tmp_path.iterdir()] == []


def test_the_class_log_remembers_over_notebooks_and_is_off_again(tmp_path: Path) -> None:
    classroom.join("a course", folder=tmp_path, clock=LessonClock())
    try:
        check("03-1", (7, 9))
        check("03-3", ("AAABBB", "ABABBA"))
        remembered()
        import sys

        sys.modules["esnb.course.exercises.progress"]._here.clear()  # as in a new kernel
        assert progress().outcomes == {"03-1": "right", "03-3": "not quite"}
    finally:
        classroom.leave(delete=True, folder=tmp_path)
    assert progress().outcomes == {}


def test_a_memory_that_fails_does_no_harm() -> None:
    def broken() -> dict[str, str]:
        raise OSError("the log is away")

    memories.append(broken)
    memories.append(lambda: {"03-1": "not quite", "03-2": "a word of another version"})
    assert remembered() == {"03-1": "not quite"}
    assert isinstance(progress(), Progress)
