"""Chapters in the real JupyterLab: they open, run from the top to the end, and show no error."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser


class RaceView(View):
    """Race, as chapter 03 shows it."""

    root_class = "esnb-race"


class LagView(View):
    """Lag, as chapter 09 shows it."""

    root_class = "esnb-lag"


def run(lab: Lab, name: str) -> None:
    lab.open(f"{name}.ipynb")
    lab.run_all(timeout=240)
    assert lab.errors() == []
    assert len(lab.outputs()) >= 5


@pytest.mark.parametrize(
    "name",
    [
        "00_start_here",
        "01_facts_not_rows",
        "06_time_travel",
        "10_analytics",
        "11_changing_events",
        "11b_forgetting_and_proof",
        "12_neighbours",
        "13_scale",
        "14_case_file",
    ],
)
def test_a_chapter_runs_in_jupyterlab(lab: Lab, name: str) -> None:
    run(lab, name)


def test_a_new_reader_of_chapter_03_schedules_two_writers(lab: Lab) -> None:
    run(lab, "03_conflicts")
    race = RaceView(lab.page)
    race.button("Ada: read").click()
    race.frame()
    race.keys("b", "a", "b", "a")
    race.pick("it is stored, and no more is sold than there was")
    race.press("commit")
    expect(race.panel).to_contain_text("✓ match")
    race.press("continue")
    race.keys("b")
    race.pick("it is refused: a conflict")
    race.keys("p")
    expect(race.panel).to_contain_text("stored in between")
    race.check_nothing_sticks_out()
    race.check_axe()
    race.check_contrast(4.5)


def test_a_new_reader_of_chapter_09_predicts_what_bob_sees(lab: Lab) -> None:
    run(lab, "09_consistency")
    lag = LagView(lab.page)
    lag.root.get_by_role("slider").focus()
    lag.keys("PageDown", "PageDown")  # it halts where Bob pays
    expect(lag.root.locator(".w-count")).to_have_text("19 / 45 s")
    lag.pick("PAID")
    lag.press("commit")
    expect(lag.panel).to_contain_text("≠ different")
    lag.press("go on")
    lag.press("pause projection")
    lag.root.get_by_role("slider").focus()
    lag.keys("ArrowRight", "ArrowRight", "ArrowRight")
    expect(lag.root.locator(".lg-state")).to_have_text("■ stalled")
    lag.check_nothing_sticks_out()
    lag.check_axe()
    lag.check_contrast(4.5)
