"""The printable sheets: made from the notebooks, two sides at most, and no answer on them."""

from __future__ import annotations

import base64
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from esnb.course.classroom import ClassroomError
from tools import handout
from tools.handout import find_browser, main, page_of, print_pdf, sheet_of

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def plain(text: str) -> str:
    """The words of HTML or Markdown, without marks, in small letters."""
    text = re.sub(r"<(style|title)>.*?</\1>|data:image[^\"]*", " ", text, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"</?(?:b|i|code)>", "", text)))
    return " ".join(re.sub(r"[`*_#|]", "", text).lower().split())


def sentences(text: str) -> set[str]:
    """The longer sentences of a text: those that are in one place only."""
    found = re.split(r"(?<=[.?!:])\s|\n\n", text)
    return {plain(sentence) for sentence in found if len(plain(sentence)) > 25}


def markdown_of(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def predictions_in(path: Path) -> list[str]:
    """The questions of a chapter: those that `predict` asks, and those that are words only ("")."""
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            found += [""] if "**Predict.**" in source else []
        elif re.search(r"= predict\(", source):
            [shown] = [o["data"]["text/plain"] for o in cell["outputs"] if "data" in o]
            if found and found[-1] == "":
                found.pop()  # the words before it set the scene
            found.append("".join(shown).splitlines()[0].removeprefix("Predict: "))
    return found


class Folds(HTMLParser):
    """What stands inside of `<details>`, and what outside: found by counting, not by a pattern."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.depth, self.inside, self.outside = 0, "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.depth += tag == "details"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"
        self.inside += "\n\n"

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.inside += data
        else:
            self.outside += data


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_answer_of_a_chapter_is_on_its_sheet(path: Path) -> None:
    shown = plain(page_of(sheet_of(path)))
    folds = [Folds(text) for text in markdown_of(path)]
    outside = plain("\n\n".join(fold.outside for fold in folds))
    answers = {s for fold in folds for s in sentences(fold.inside) if s not in outside}
    assert len(answers) >= 3
    assert [s for s in answers if s in shown] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_sheet_has_every_part_of_its_chapter(path: Path) -> None:
    sheet = sheet_of(path)
    shown = plain(page_of(sheet))
    texts = [Folds(text).outside for text in markdown_of(path)]
    assert plain(sheet.title).startswith(path.stem[:2].lower())
    question = re.search(r"\*\*Question\.\*\* *(.*?)(?=\n\n|\*\*)", texts[0], re.S)
    assert question
    assert plain(question[1]) in shown
    for text in texts:
        if match := re.search(r"\*\*Predict\.\*\*(.*)", text, re.S):
            for line in match[1].strip().splitlines():
                words = plain(re.sub(r"\]\([^)]*\)", "", line.lstrip("- ")).replace("[", ""))
                assert words in shown, words
    wanted = predictions_in(path)
    assert len(sheet.predictions) == len(wanted) > 0
    assert [question for question in wanted if plain(question) not in shown] == []
    assert len(sheet.exercises) == sum(
        bool(re.match(r"\s*\*\*Exercise \(", text)) for text in texts
    )
    assert sheet.recall.count("<li>") >= 3
    assert sheet.words.count("<li>") >= 3
    assert page_of(sheet).count('class="write"') >= len(wanted)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_page_needs_nothing_else(path: Path) -> None:
    page = page_of(sheet_of(path))
    assert not re.search(r"<script|https?://|(?:src|href)=\"(?!data:)", page)
    assert len(page) < 400_000


@pytest.mark.browser
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_sheet_has_two_sides_at_most(path: Path, tmp_path: Path) -> None:
    browser = find_browser()
    if browser is None:
        pytest.skip("no Chromium or Chrome on this machine: the browser is not tested")
    pdf = tmp_path / "page.pdf"
    assert print_pdf(browser, sheet_of(path), pdf) in (1, 2)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert 8_000 < len(content) < 1_000_000
    assert re.search(rb"/MediaBox ?\[0 0 59\d(\.\d+)? 84\d", content), "A4"


# --- the parts, on a small notebook -----------------------------------------------------------


FIRST = "# 03  Doubles\n\n**Question.** Why *two*?\n\n**Minutes.** 5. **Before.** 02."


def notebook(path: Path, *cells: Any) -> Path:
    made = [
        {"cell_type": "markdown", "metadata": {}, "source": cell} if isinstance(cell, str) else cell
        for cell in (FIRST, *cells)
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def picture(content: bytes, *tags: str) -> dict[str, Any]:
    data = {"image/png": base64.b64encode(content).decode(), "text/plain": "<Figure>"}
    return {
        "cell_type": "code", "metadata": {"tags": list(tags)}, "source": "plt.show()",
        "outputs": [{"output_type": "display_data", "data": data, "metadata": {}}],
    }  # fmt: skip


def test_the_first_picture_or_the_tagged_one(tmp_path: Path) -> None:
    first, second = picture(b"one"), picture(b"two")
    assert (
        base64.b64decode(sheet_of(notebook(tmp_path / "a.ipynb", first, second)).picture) == b"one"
    )
    tagged = picture(b"two", "handout")
    assert (
        base64.b64decode(sheet_of(notebook(tmp_path / "a.ipynb", first, tagged)).picture) == b"two"
    )
    assert sheet_of(notebook(tmp_path / "a.ipynb")).picture == ""


def test_a_picture_that_answers_a_prediction_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    shown = picture(b"one")
    asked = "## How many?\n\n**Predict.** Two or three?"
    assert sheet_of(notebook(path, asked, "Run it.", shown)).picture == ""
    assert "Your own picture" in page_of(sheet_of(path))
    assert sheet_of(notebook(path, asked, picture(b"one", "handout"))).picture != ""
    assert sheet_of(notebook(path, asked, "Well.\n\n## And now?", shown)).picture != ""
    assert sheet_of(notebook(path, "## What?", shown, asked)).picture != ""


def test_lead_and_marks(tmp_path: Path) -> None:
    sheet = sheet_of(notebook(tmp_path / "a.ipynb"))
    assert sheet.title == "03 Doubles"
    assert sheet.lead == {"Question": "Why <i>two</i>?", "Minutes": "5.", "Before": "02."}


def test_folded_answers_go_wherever_they_stand(tmp_path: Path) -> None:
    sheet = sheet_of(notebook(
        tmp_path / "a.ipynb",
        "**Exercise (Bug hunt).** Find it.<details><summary>Hint</summary>Secret one"
        "<details>Secret two</details></details>\n\n<details><summary>So</summary>Secret three",
        "## Recall\n\n1. Why?\n   <details><summary>Answer</summary>Secret four</details>\n2. How?",
        "## Words\n\n- **log**: a list. <!-- Secret five -->",
    ))  # fmt: skip
    page = page_of(sheet)
    assert "Secret" not in page
    assert sheet.exercises == ["<b>Bug hunt.</b> Find it."]
    assert plain(sheet.recall) == "why? how?"
    assert plain(sheet.words) == "log: a list."


def test_text_of_a_notebook_is_shown_as_text(tmp_path: Path) -> None:
    sheet = sheet_of(notebook(
        tmp_path / "a.ipynb",
        "**Predict.** Is `<b>&x` 2 * 3 * 4 or [this](x.ipynb)? <script>alert(1)</script>\n\n"
        "- **A** a < b",
    ))  # fmt: skip
    (_, asked), *_ = sheet.predictions
    assert asked == (
        "<p>Is <code>&lt;b&gt;&amp;x</code> 2 * 3 * 4 or this? alert(1)</p>"
        "<ul><li><b>A</b> a &lt; b</li></ul>"
    )


def test_what_is_no_chapter_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text("{}")
    with pytest.raises(ClassroomError, match="is not a notebook"):
        sheet_of(path)
    notebook(path)
    path.write_text(path.read_text().replace("# 03", "03"))
    with pytest.raises(ClassroomError, match="does not begin with a title"):
        sheet_of(path)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    for name in ("03_doubles.ipynb", "11_more.ipynb", "11b_again.ipynb"):
        notebook(tmp_path / "notebooks" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(handout, "find_browser", lambda: None)
    assert main(["11"]) == 0
    assert [path.name for path in Path("handouts").iterdir()] == ["11_more.html"]
    assert "open the HTML in a browser" in capsys.readouterr().out
    assert main([]) == 0
    assert len(list(Path("handouts").iterdir())) == 3
    assert main(["99"]) == 1
    assert "No chapter 99. There are: 03, 11, 11b" in capsys.readouterr().err
