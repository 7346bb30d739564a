"""What the README says is so: its own-log example runs, its minutes are those of the chapters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tools import visits

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEACHING = (ROOT / "notebooks" / "teaching.md").read_text(encoding="utf-8")
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def minutes(path: Path) -> tuple[int, int | None]:
    """The minutes in the head of a chapter: alone, and in class where it says so."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = re.search(
        r"\*\*Minutes\.\*\* (?:About )?(\d+)(?:, in class (\d+))?", "".join(cells[0]["source"])
    )
    assert found, f"{path.name}: no minutes in its head"
    return int(found[1]), int(found[2]) if found[2] else None


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_minutes_are_those_of_the_chapter(path: Path) -> None:
    alone, in_class = minutes(path)
    row = re.search(rf"\(notebooks/{path.name}\).*\| (\d+) \|$", README, re.M)
    assert row, f"{path.name} is not in the README's table with its minutes"
    assert int(row[1]) == alone
    planned = re.findall(rf"\({path.name}\)(?: |, | \()(\d+)", TEACHING)
    if planned and in_class:
        assert int(planned[0]) == in_class


def test_the_hours_are_their_sum() -> None:
    hours = re.search(r"about (\d+) hours, alone", README)
    assert hours
    assert int(hours[1]) == round(sum(minutes(path)[0] for path in CHAPTERS) / 60)


def test_the_own_log_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = re.search(r"## Your own log.*?```python\n(.*?)```", README, re.S)
    assert code
    # Its lines are run one by one, as in a notebook, and each value is looked at.
    names: dict[str, Any] = {}
    exec(code[1], names)  # our own text
    store = names["store"]
    rows = visits.lines()[1:]
    lost = [row for row in rows if row.startswith(";")]
    assert store.position == len(rows) - len(lost) > 200
    assert len(store.rejected) == len(lost) > 0
    assert set(store.rejected["reason"]) == {"patient: is missing"}
    assert store.overview().events == store.position
    past = store.as_of("2026-02-01T12:00:00Z").sql("select count(*) from events").fetchall()[0][0]
    assert 0 < past < store.position
    assert names["Process"](store).variants()["cases"].sum() == len(
        {row.split(";")[0] for row in rows} - {""}
    )


def test_the_export_of_the_clinic_is_the_one_that_its_script_writes() -> None:
    assert visits.FILE.read_text(encoding="utf-8") == "\n".join(visits.lines()) + "\n"
