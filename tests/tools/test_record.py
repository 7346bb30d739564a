"""The recording in the README: its story can still be told, and what is stored is that story."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from esnb import EventStore, LessonClock
from tests.lab import ROOT
from tools.record import CAPTION, HEIGHT, IMAGES, LONG, SHORT, WIDTH, Travel, story, tell


@pytest.mark.browser
def test_the_story_is_told_and_every_picture_of_it_can_be_read(
    open_page: Callable[..., Page],
) -> None:
    with EventStore(clock=LessonClock()) as store:
        page = open_page(tell(store), size=(WIDTH, HEIGHT), motion="reduce")
    travel = Travel(page)
    said, stays = [], []
    for milliseconds in story(travel):
        stays.append(milliseconds)
        said.append(page.locator("#caption span").inner_text())
        if len(stays) % 3 == 0:
            travel.check_contrast(4.5)
        if said[-1].startswith("Compare"):
            expect(travel.root).to_contain_text("From A (4) to B (8)")
        if said[-1].startswith("Pick a field"):
            expect(travel.root).to_contain_text("total was changed by 4 events: 1, 2, 3, 4")
        if said[-1].endswith("refuse what follows"):
            expect(travel.panel).to_contain_text("3 later events become impossible")
        if said[-1].startswith("Then the fact"):
            expect(travel.panel).to_contain_text("≠ different")
    assert {SHORT, LONG} <= set(stays)
    with Image.open(IMAGES / "time_travel.webp") as stored:
        assert stored.n_frames == len(stays)


def test_what_is_stored_is_small_and_has_the_right_size() -> None:
    path = IMAGES / "time_travel.webp"
    assert path.stat().st_size < 1_000_000
    with Image.open(path) as recording:
        assert recording.size == (WIDTH, HEIGHT)
        assert recording.is_animated
        assert recording.info["loop"] == 0
    for name in ("time_travel", "race", "lag"):
        still = IMAGES / f"{name}.png"
        assert still.stat().st_size < 100_000
        with Image.open(still) as picture:
            assert picture.width == WIDTH
            assert picture.height > 10 * CAPTION


def test_the_readme_shows_it_first_and_says_what_it_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    picture = re.search(r"<picture>(.*?)</picture>", text, re.S)
    assert picture
    assert text.index("<picture>") < text.index("python run.py lab") < text.index("| notebook |")
    # Who asked the system for less motion gets the still picture.
    assert re.search(
        r'<source media="\(prefers-reduced-motion: reduce\)" srcset="([^"]+\.png)">', picture[1]
    )
    for alt in re.findall(r'alt="([^"]*)"', text) + re.findall(r"!\[([^\]]*)\]", text):
        assert len(alt) > 40
    for name in re.findall(r'(?:src|srcset)="([^"]+)"', text):
        assert (ROOT / Path(name)).is_file(), name
