"""What the pages are made of: the glossary, the links, the states of widgets. No page is built."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from esnb.course.predict import predict
from tools.site import glossary, links, source, states

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = [
    "# 04  Replay\n\nA **fold** is met before any section.",
    "## How does it go?\n\nThis is a **replay**, again.",
    "## Words\n\n- **fold**: combines a list, one\n  element after the other.\n"
    "- **replay** (rerun): a fold over `events`.\n\n## Sources\n\n- **Not a word**: a book.",
]


def test_words_come_from_the_chapter_with_the_place_where_they_are_met() -> None:
    fold, replay = glossary.definitions("04.ipynb", "04 Replay", CHAPTER)
    assert (fold.word, fold.text) == ("fold", "combines a list, one element after the other.")
    assert (replay.word, replay.text, replay.section) == (
        "replay (rerun)",
        "a fold over `events`.",
        "How does it go?",
    )
    page = glossary.page([replay, fold])
    assert page.index("## fold") < page.index("## replay (rerun)")
    assert "A fold over `events`. [04 Replay](04.ipynb#How-does-it-go?)" in page


def test_a_word_with_two_definitions_stops_the_build() -> None:
    words = glossary.definitions("04.ipynb", "04 Replay", CHAPTER)
    same = glossary.definitions("05.ipynb", "05 Again", CHAPTER)
    assert glossary.page([*words, *same]).count("## ") == 2
    other = [text.replace("over `events`", "over rows") for text in CHAPTER]
    with pytest.raises(glossary.GlossaryError, match=r"05\.ipynb: a fold over rows\."):
        glossary.page([*words, *glossary.definitions("05.ipynb", "05", other)])


def test_broken_links_anchors_and_pictures_are_found(tmp_path: Path) -> None:
    (tmp_path / "two.html").write_text("<h1 id='a b'>x</h1>")
    (tmp_path / "one.html").write_text(
        "<a href='two.html#a%20b'>ok</a><a href='#here' id='here'>ok</a>"
        "<a href='three.html'>1</a><a href='two.html#c'>2</a><img src='no.png'>"
        "<source srcset='no.webp 2x'><a href='https://example.org/'>outside</a>"
        "<script src='https://example.org/a.js'></script>"
    )
    broken, outside = links.check(tmp_path)
    assert broken == [
        "one.html: three.html leads to no file",
        "one.html: two.html#c leads to no such place",
        "one.html: no.png leads to no file",
        "one.html: no.webp leads to no file",
        "one.html: loads https://example.org/a.js from the network",
    ]
    assert outside == ["https://example.org/", "https://example.org/a.js"]


def test_links_to_pages_stay_and_links_into_the_folder_become_text() -> None:
    where = {page.path: page.page for page in source.pages()}
    chapter = ROOT / "notebooks" / "03_conflicts.ipynb"
    text = (
        "[a](04_replay.ipynb#May-apply()-x?) [b](../README.md) [c](../LICENSE) [d](https://e.org)"
    )
    assert source.linked(text, chapter, where) == (
        "[a](04_replay.ipynb#May-apply()-x?) [b](../index.md) c (`LICENSE` in the course's folder) "
        "[d](https://e.org)"
    )
    with pytest.raises(ValueError, match=r"03_conflicts\.ipynb: the link to no\.md leads nowhere"):
        source.linked("[x](no.md)", chapter, where)


def test_a_state_belongs_to_the_output_it_was_made_with(tmp_path: Path) -> None:
    guess = predict("site-1", "How many?", unit="events")
    bundle = guess._repr_mimebundle_()
    still = [bundle["text/plain"], bundle["text/html"]]
    noted = tmp_path / "noted"
    noted.write_text(json.dumps([*still, guess.exported()]) + "\n")
    chapter = tmp_path / "01_x.ipynb"
    states.keep(chapter, noted)
    kept = states.read(chapter)
    assert kept == {states.key_of(*still): guess.exported()}
    assert kept[states.key_of(*still)]["data"]["question"] == "How many?"
    states.keep(chapter, tmp_path / "none")
    assert states.read(chapter) == {}
    assert not states.file_of(chapter).exists()


def test_a_state_cannot_end_its_script() -> None:
    state = {"view": "predict", "data": "</script><b>"}
    text = source.live(state, "still")
    found = re.search(r'<script type="application/json">(.*?)</script>', text)
    assert found
    assert json.loads(found[1]) == state
    assert "<b>" not in text


def test_each_view_is_in_the_script_and_imports_nothing() -> None:
    code = source.scripts()
    views = {path.stem for path in (ROOT / "esnb/course/widgets/static").glob("*.js")}
    assert set(re.findall(r'^window\.esnbViews\["(\w+)"\]', code, re.M)) == views
    assert not re.search(r"^(import|export)\b", code, re.M)
