"""A sheet of paper for each chapter: one or two sides, made from the notebook itself.

    python run.py handout         all chapters, as HTML and (with Chromium or Chrome) as PDF
    python run.py handout 03      one of them

It holds the question, a picture, the predictions with room to write, the words, the exercises and
the recall questions. What a notebook folds away (`<details>`) is never in it, nor is an output,
save what `predict` asks and the picture: the first figure that answers no prediction, or that of a
cell tagged `handout`. Black on white.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esnb.course.classroom import ClassroomError

SIDES = 2
_SIZES = (10.5, 10.0, 9.5, 9.0, 8.5, 8.0, 7.5)  # points, until it fits on two sides
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)


@dataclass
class Sheet:
    """What goes on the paper, as HTML pieces; `picture` is a PNG in base64, or empty."""

    title: str
    lead: dict[str, str] = field(default_factory=dict)
    picture: str = ""
    predictions: list[tuple[str, str]] = field(default_factory=list)
    exercises: list[str] = field(default_factory=list)
    words: str = ""
    recall: str = ""


def sheet_of(path: Path) -> Sheet:
    """Read a chapter; raises `ClassroomError` when it is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ClassroomError(f"{path.name} is not a notebook that can be read.") from None
    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    title = re.match(r"# +(.+)", texts[0] if texts else "")
    if title is None:
        raise ClassroomError(f"{path.name} does not begin with a title, such as '# 03  Conflicts'.")
    sheet = Sheet(" ".join(title[1].split()), picture=_picture(cells))
    for name, text in re.findall(
        r"\*\*(\w+)\.\*\* *(.*?)(?= *\*\*\w+\.\*\*|\n\n|\Z)", texts[0], re.S
    ):
        sheet.lead[name] = _inline(text)
    section, scene = "", ""
    for cell in cells:
        if cell["cell_type"] != "markdown":
            for question in _questions(cell):
                sheet.predictions.append((_inline(section), _blocks(f"{scene}\n\n{question}")))
                scene = ""
            continue
        for block in re.split(r"\n(?=## )", _open_parts("".join(cell["source"]))):
            if scene:  # a prediction in words only
                sheet.predictions.append((_inline(section), _blocks(scene)))
                scene = ""
            heading = re.match(r"## +(.+)\n?", block)
            section = heading[1].strip() if heading else section
            body = block[heading.end() :] if heading else block
            if heading and section == "Words":
                sheet.words = _blocks(body)
            elif heading and section == "Recall":
                sheet.recall = _blocks(body)
            elif "**Predict.**" in body:
                scene = body[body.index("**Predict.**") + len("**Predict.**") :]
            elif exercise := re.match(r"\s*\*\*Exercise \((.+?)\)\.\*\* *(.*)", body, re.S):
                first = exercise[2].strip().split("\n\n")[0]
                sheet.exercises.append(f"<b>{_inline(exercise[1])}.</b> {_inline(first)}")
    if scene:
        sheet.predictions.append((_inline(section), _blocks(scene)))
    return sheet


def _questions(cell: dict[str, Any]) -> Iterator[str]:
    """What `predict` asks in this cell, as stored: the question, and its options as a list."""
    for output in cell.get("outputs", ()):
        asked = "".join(output.get("data", {}).get("text/plain", ""))
        if asked.startswith("Predict: "):
            question, *rest = asked.removeprefix("Predict: ").splitlines()
            options = [line[2:] for line in rest if line.startswith("  - ")]
            yield "\n".join([question, *options])


def _open_parts(text: str) -> str:
    """A text without what is folded away, and without comments."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    while "<details" in text:
        shorter = re.sub(r"<details(?:(?!<details).)*?(?:</details>|\Z)", "", text, flags=re.S)
        text = shorter if shorter != text else text[: text.index("<details")]
    return text


def _picture(cells: Sequence[dict[str, Any]]) -> str:
    """The tagged picture, else the first that answers no prediction; empty where there is none."""
    predicted, free = False, []
    for cell in cells:
        predicted = predicted or any(True for _ in _questions(cell))
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=## )", "".join(cell["source"]), flags=re.M):
                # A figure that comes after a prediction, in the same section, is its answer.
                predicted = "**Predict.**" in part or (predicted and not part.startswith("## "))
        for output in cell.get("outputs", ()):
            picture = output.get("data", {}).get("image/png")
            tagged = "handout" in cell.get("metadata", {}).get("tags", ())
            if picture and (tagged or not predicted):
                free.append((not tagged, "".join("".join(picture).split())))
    return min(free, key=lambda found: found[0])[1] if free else ""


def _blocks(text: str) -> str:
    """Paragraphs, lists and code blocks as HTML."""
    done: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        code = re.fullmatch(r"\s*```\w*\n(.*?)\n?```\s*", block, re.S)
        items = re.split(r"\n(?=(?:[-*]|\d+\.) )", "\n" + block)
        if code:
            done.append(f"<pre>{html.escape(code[1])}</pre>")
        elif len(items) > 1:
            if items[0].strip():
                done.append(f"<p>{_inline(items[0])}</p>")
            kind = "ol" if items[1][:1].isdigit() else "ul"
            rows = [_inline(re.sub(r"^(?:[-*]|\d+\.) +", "", item)) for item in items[1:]]
            done.append(f"<{kind}>" + "".join(f"<li>{row}</li>" for row in rows) + f"</{kind}>")
        elif block.strip():
            done.append(f"<p>{_inline(block)}</p>")
    # One list, although blank lines stand between its items.
    return re.sub(r"</(ul|ol)><\1>", "", "".join(done))


def _inline(text: str) -> str:
    """Code, bold, italic and the words of links; every other mark stands for itself."""
    parts = re.split(r"`([^`]+)`", " ".join(text.split()))
    for n, part in enumerate(parts):
        if n % 2:
            parts[n] = f"<code>{html.escape(part)}</code>"
            continue
        part = re.sub(r"<[a-zA-Z/][^>]*>", "", part)
        part = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", part)
        part = re.sub(r"\*\*(.+?)\*\*", r"\1", html.escape(part)) if n else html.escape(part)
        part = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", part)
        parts[n] = re.sub(r"(?<![\w*])\*([^*\s][^*]*?)\*(?!\w)", r"<i>\1</i>", part)
    return "".join(parts).strip()


_STYLE = """
@page { size: A4; margin: 13mm 14mm 12mm 14mm }
* { box-sizing: border-box }
body { font: %(size)spt/1.32 "DejaVu Sans", Verdana, Arial, sans-serif; color: #000;
  background: #fff; margin: 0 auto; max-width: 182mm }
h1 { font-size: 1.75em; margin: 0; border-bottom: 2px solid #000; padding-bottom: 1mm }
.lead { display: flex; gap: 6mm; margin: 2.5mm 0 3mm }
.lead > div { flex: 1 } .lead .question { font-size: 1.25em; font-weight: bold; flex: 0 0 38%% }
figure { margin: 0 0 3mm; text-align: center; break-inside: avoid }
figure img { max-width: 100%%; max-height: 58mm; filter: grayscale(1) }
.draw { border: 1px solid #000; height: 46mm; margin: 0 0 3mm; padding: 1.5mm; color: #333 }
h2 { font-size: 1.15em; margin: 3mm 0 1.5mm; border-bottom: 1px solid #000; break-after: avoid }
section { break-inside: avoid }
.two { columns: 2; column-gap: 8mm }
.one { break-inside: avoid; margin-bottom: 2mm } .where { font-style: italic; color: #333 }
p { margin: 0 0 1mm } ul, ol { margin: 0 0 1mm; padding-left: 5mm } li { break-inside: avoid }
pre { margin: 1mm 0; font-size: 0.9em; white-space: pre-wrap } code { font-size: 0.92em }
.write { border-bottom: 1px dotted #000; height: 2.1em }
.tick { list-style: "\\2610  " } .tick li { margin-bottom: 1mm }
.foot { margin-top: 3mm; font-size: 0.85em; color: #333 }
"""


def page_of(sheet: Sheet, size: float = _SIZES[0]) -> str:
    """The whole page as HTML that needs nothing else; `size` is that of the text, in points."""

    def pieces() -> Iterator[str]:
        yield f"<h1>{html.escape(sheet.title)}</h1>"
        lead = sheet.lead
        about = "".join(
            f"<p><b>{name}.</b> {lead[name]}</p>"
            for name in ("Promise", "Minutes", "Before")
            if name in lead
        )
        question = lead.get("Question", "")
        yield f'<div class="lead"><div class="question">{question}</div><div>{about}</div></div>'
        if sheet.picture:
            yield f'<figure><img alt="" src="data:image/png;base64,{sheet.picture}"></figure>'
        else:  # every figure of the chapter answers a prediction
            yield '<div class="draw">Your own picture: the events on a line, and the state.</div>'
        if sheet.predictions:
            yield '<h2>Predict first: write it down, then run</h2><div class="two">'
            for where, asked in sheet.predictions:
                yield f'<div class="one"><div class="where">{where}</div>{asked}'
                yield '<div class="write"></div></div>'
            yield "</div>"
        if sheet.words:
            yield f'<section><h2>Words</h2><div class="two">{sheet.words}</div></section>'
        if sheet.exercises:
            rows = "".join(f"<li>{row}</li>" for row in sheet.exercises)
            yield f'<section><h2>Exercises</h2><ul class="two tick">{rows}</ul></section>'
        if sheet.recall:
            lines = '<div class="write"></div><div class="write"></div></li>'
            asked = sheet.recall.replace("</li>", lines)
            yield f"<section><h2>Afterwards, without looking</h2>{asked}</section>"
        yield '<p class="foot">Made from the notebook. Its answers are there, folded away.</p>'

    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(sheet.title)}</title>"
        f"<style>{_STYLE % {'size': size}}</style></head><body>{''.join(pieces())}</body></html>"
    )


def print_pdf(browser: str, sheet: Sheet, target: Path) -> int:
    """Print as PDF with the largest text that fits on two sides; returns the number of sides."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    sides = 0
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, pdf = Path(folder, "page.html"), Path(folder, "page.pdf")
        for size in _SIZES:
            source.write_text(page_of(sheet, size), encoding="utf-8")
            command = [browser, "--headless", *root, "--disable-gpu", "--no-first-run"]
            command += ["--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
            command += [f"--print-to-pdf={pdf}", source.as_uri()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            if done.returncode or not pdf.exists():
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise ClassroomError(f"{Path(browser).name} could not print: {last}")
            sides = len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes()))
            if sides <= SIDES:
                break
        shutil.move(pdf, target)
    return sides


def find_browser() -> str | None:
    """The Chromium or Chrome of this system, if there is one."""
    found = filter(None, map(shutil.which, _NAMES))
    return next(found, None) or next((path for path in _PLACES if Path(path).exists()), None)


def main(arguments: Sequence[str]) -> int:
    """Write the sheets of the chapters named, or of all, into the folder `handouts`."""
    notebooks, target = Path("notebooks"), Path("handouts")
    found = sorted(notebooks.glob("[0-9]*.ipynb"))
    unknown = [
        n for n in arguments if not any(p.stem.split("_")[0] == n or p.stem == n for p in found)
    ]
    if unknown or not found:
        known = ", ".join(path.stem.split("_")[0] for path in found)
        print(f"No chapter {', '.join(unknown)}. There are: {known}", file=sys.stderr)
        return 1
    target.mkdir(exist_ok=True)
    browser = find_browser()
    for path in found:
        if arguments and not {path.stem, path.stem.split("_")[0]} & set(arguments):
            continue
        try:
            sheet = sheet_of(path)
            (target / f"{path.stem}.html").write_text(page_of(sheet), encoding="utf-8")
            sides = print_pdf(browser, sheet, target / f"{path.stem}.pdf") if browser else 0
        except (ClassroomError, OSError, subprocess.TimeoutExpired) as error:
            print(f"{path.stem}: {error}", file=sys.stderr)
            return 1
        more = f", {path.stem}.pdf ({sides} side{'s' * (sides != 1)})" if browser else ""
        print(f"{target}/{path.stem}.html{more}", flush=True)
    if not browser:
        print("No Chromium or Chrome here, so no PDF: open the HTML in a browser and print it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
