"""Chapters can be played with: every cell runs again, and every section runs alone.

`play.py` does it, a process for each chapter. What cannot hold is in `CHAPTERS` with its reason,
and leaves the table when it holds after all.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support import ROOT

#: For each chapter, ("again" or "alone", the cell's first line or the section's heading) -> why it
#: does not hold. A chapter that is not here is not played with yet.
CHAPTERS: dict[str, dict[tuple[str, str], str]] = {
    "00_start_here": {},
    "01_facts_not_rows": {},
    "02_the_event_store": {
        ("alone", "Does it keep its word?"): "it tests the store that the section above builds",
    },
    "02b_a_stores_promises": {},
    "03_conflicts": {},
    "04_replay": {},
    "05_snapshots": {},
    "06_time_travel": {},
    "07_commands": {},
    "08_projections": {},
    "09_consistency": {
        ("alone", "How does a duplicate count once?"): "it reads the delivery of the section above",
    },
    "10_analytics": {},
    "10b_your_own_log": {},
    "11_changing_events": {},
    "11b_forgetting_and_proof": {
        ("alone", "Who computes it for you?"): "it compares with the chain made by hand above",
    },
    "12_neighbours": {},
    "13_scale": {
        ("alone", "What does esnb add?"): "play.py forgets __main__, which worker processes need",
    },
    "14_case_file": {},
}


def played(chapter: str) -> dict[str, dict[str, str]]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.notebooks.play", chapter],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, dict[str, str]] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_can_be_played_with(chapter: str) -> None:
    found = played(chapter)
    assert found["all"] == {}
    excused = CHAPTERS[chapter]
    wrong = {(how, name): what for how in ("again", "alone") for name, what in found[how].items()}
    assert {key: what for key, what in wrong.items() if key not in excused} == {}
    assert [key for key in excused if key not in wrong] == [], "it holds now: take it out"
