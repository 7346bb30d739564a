"""The strict layer fails where a stored output changed, also where nbval alone stays green."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from PIL import Image, ImageDraw

from tests.strict_nbval import MAX_IGNORED, picture_difference

ROOT = Path(__file__).resolve().parents[2]
Notebook = dict[str, Any]

WORDS = [
    "print('placed')",
    "print('one'); display({'text/html': '<b>two</b>'}, raw=True); print('three')",
    "1 / 0  # raises-exception",
    "import time; print(time.time())  # nbval-ignore-output",
    "print('a'); from sys import stderr; print('b', file=stderr); print('c')",
]
TABLE = ["import pandas as pd\npd.DataFrame({'status': ['PENDING', 'PAID']})"]
FIGURE = [
    "import matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1)); plt.plot([1, 3, 2]); plt.show()",
    "import base64, io\nbuffer = io.BytesIO(); plt.figure(figsize=(1, 1)).savefig(buffer)\n"
    "plt.close('all'); uri = base64.b64encode(buffer.getvalue()).decode()\n"
    "display({'text/html': f'<img src=\"data:image/png;base64,{uri}\">'}, raw=True)",
]


def executed(sources: list[str]) -> Notebook:
    cells = []
    for source in sources:
        source, _, tag = source.partition("  # ")
        cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": [tag] if tag else []}))
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    return json.loads(nbformat.writes(notebook))


def outputs(notebook: Notebook, cell: int) -> list[Any]:
    return notebook["cells"][cell]["outputs"]


def change_text(notebook: Notebook) -> None:
    outputs(notebook, 0)[0]["text"] = ["paid\n"]


def change_table(notebook: Notebook) -> None:
    data = outputs(notebook, 0)[0]["data"]
    data["text/html"] = [line.replace("PAID", "SHIPPED") for line in data["text/html"]]


def change_figure(notebook: Notebook) -> None:
    data = outputs(notebook, 0)[0]["data"]
    data["image/png"] = repainted(data["image/png"])


def change_picture_in_html(notebook: Notebook) -> None:
    data = outputs(notebook, 1)[0]["data"]
    head, _, rest = "".join(data["text/html"]).partition("base64,")
    old, _, tail = rest.partition('"')
    data["text/html"] = [f'{head}base64,{repainted(old)}"{tail}']


def repainted(png: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    ImageDraw.Draw(picture).rectangle((10, 10, 14, 14), fill="red")
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def remove_figure(notebook: Notebook) -> None:
    del outputs(notebook, 0)[0]["data"]["image/png"]


def change_error(notebook: Notebook) -> None:
    outputs(notebook, 2)[0]["evalue"] = "division by nothing"


def remove_error(notebook: Notebook) -> None:
    outputs(notebook, 2).clear()


def swap_outputs(notebook: Notebook) -> None:
    few = outputs(notebook, 1)
    few[0], few[1] = few[1], few[0]


def put_display_last(notebook: Notebook) -> None:
    few = outputs(notebook, 1)
    few.append(few.pop(1))


def clear_outputs(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell.update(outputs=[], execution_count=None)


def clear_one_cell(notebook: Notebook) -> None:
    outputs(notebook, 0).clear()


def change_tagged_cell(notebook: Notebook) -> None:
    outputs(notebook, 3)[0]["name"] = "stderr"


def tag_too_many(notebook: Notebook) -> None:
    for cell in notebook["cells"][: MAX_IGNORED + 1]:
        cell["metadata"]["tags"] += ["nbval-ignore-output"]


def skip_a_cell(notebook: Notebook) -> None:
    notebook["cells"][0]["metadata"]["tags"] = ["nbval-skip"]


def store_widget_state(notebook: Notebook) -> None:
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


def number_wrongly(notebook: Notebook) -> None:
    notebook["cells"][1]["execution_count"] = 7


Change = Callable[[Notebook], None]
# The change, the notebook it is made in, the test that has to fail, whether nbval alone sees it.
CHANGES: list[tuple[Change, str, str, bool]] = [
    (change_text, "words", "Cell 0", True),
    (change_table, "table", "Cell 0", True),
    (change_figure, "figure", "Cell 0", False),
    (remove_figure, "figure", "Cell 0", False),
    (change_picture_in_html, "figure", "Cell 1", True),
    (change_error, "words", "Cell 2", True),
    (remove_error, "words", "Cell 2", True),
    (swap_outputs, "words", "Cell 1", False),
    (put_display_last, "words", "Cell 1", False),
    (clear_outputs, "words", "stored form", False),
    (clear_one_cell, "words", "Cell 0", True),
    (change_tagged_cell, "words", "Cell 3", False),
    (tag_too_many, "words", "stored form", False),
    (skip_a_cell, "words", "stored form", False),
    (store_widget_state, "words", "stored form", False),
    (number_wrongly, "words", "stored form", False),
]


def run_pytest(folder: Path, *options: str) -> tuple[dict[str, list[str]], str]:
    """The names of the failed tests, by notebook, and all that was printed."""
    report = folder / "report.xml"
    (temporary := folder / "temporary").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", str(folder)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))},
    )  # fmt: skip
    failed: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        names = failed.setdefault(case.get("classname", "").split(".")[-2], [])
        if case.find("failure") is not None or case.find("error") is not None:
            names.append(case.get("name", ""))
    return failed, done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One notebook for each change, and three that are as they were stored."""
    folder = tmp_path_factory.mktemp("chapters")
    originals = {"words": executed(WORDS), "table": executed(TABLE), "figure": executed(FIGURE)}
    for name, notebook in originals.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    for change, name, _, _ in CHANGES:
        notebook = copy.deepcopy(originals[name])
        change(notebook)
        (folder / f"{change.__name__}.ipynb").write_text(json.dumps(notebook))
    (folder / "exercises").mkdir()
    for name, change_it in (("blank", clear_outputs), ("solved", change_text)):
        notebook = copy.deepcopy(originals["words"])
        change_it(notebook)
        (folder / "exercises" / f"{name}.ipynb").write_text(json.dumps(notebook))
    return folder


@pytest.fixture(scope="module")
def strict(folder: Path) -> tuple[dict[str, list[str]], str]:
    return run_pytest(folder, f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={ROOT}")


@pytest.fixture(scope="module")
def stock(folder: Path) -> tuple[dict[str, list[str]], str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    return run_pytest(folder, "--config-file=pytest.ini", "--nbval", "--nbval-current-env")


@pytest.mark.parametrize("name", ["words", "table", "figure"])
def test_unchanged_notebook_passes(strict: tuple[dict[str, list[str]], str], name: str) -> None:
    assert strict[0][name] == []


@pytest.mark.parametrize(("change", "where"), [(c[0].__name__, c[2]) for c in CHANGES])
def test_change_fails(strict: tuple[dict[str, list[str]], str], change: str, where: str) -> None:
    assert where in strict[0][change]


@pytest.mark.parametrize(("change", "seen"), [(c[0].__name__, c[3]) for c in CHANGES])
def test_what_nbval_alone_sees(
    stock: tuple[dict[str, list[str]], str], change: str, seen: bool
) -> None:
    # Where this is False, the strict layer is the only one that fails: the reason for it.
    assert bool(stock[0][change]) is seen


def test_exercise_runs_and_is_stored_empty(strict: tuple[dict[str, list[str]], str]) -> None:
    assert strict[0]["blank"] == []
    assert strict[0]["solved"] == ["stored form", "Cell 0"]


def test_uncompared_cells_are_listed_and_counts_close_the_run(
    strict: tuple[dict[str, list[str]], str],
) -> None:
    lines = strict[1].splitlines()
    assert any(line.startswith("cells run but not compared: ") for line in lines)
    assert any(line.strip().endswith("words.ipynb::Cell 3") for line in lines)
    passed, failed, skipped = (int(part.split()[0]) for part in lines[-1].split(", "))
    assert lines[-1] == f"{passed} passed, {failed} failed, {skipped} skipped"
    assert failed == sum(map(len, strict[0].values()))


def test_a_run_leaves_no_folder_behind(
    strict: tuple[dict[str, list[str]], str], folder: Path
) -> None:
    assert [path.name for path in (folder / "temporary").iterdir()] == []


def png(size: tuple[int, int], paint: Callable[[ImageDraw.ImageDraw], None]) -> bytes:
    picture = Image.new("RGBA", size, "white")
    paint(ImageDraw.Draw(picture))
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return buffer.getvalue()


def test_pictures_are_equal_up_to_a_shade() -> None:
    plain = png((40, 30), lambda draw: None)
    shade = png((40, 30), lambda draw: draw.rectangle((0, 0, 39, 29), fill=(250, 250, 250)))
    speck = png((40, 30), lambda draw: draw.line((0, 0, 7, 0), fill="black"))
    mark = png((40, 30), lambda draw: draw.line((0, 0, 8, 0), fill="black"))
    assert picture_difference(shade, plain, lenient=False) == ""
    assert picture_difference(speck, plain, lenient=False) == ""
    assert "9 of 1200 pixels" in picture_difference(mark, plain, lenient=False)


def test_lenient_comparison_is_by_size_only() -> None:
    plain = png((40, 30), lambda draw: None)
    other = png((42, 31), lambda draw: draw.rectangle((0, 0, 39, 29), fill="black"))
    large = png((80, 30), lambda draw: None)
    assert picture_difference(other, plain, lenient=False)
    assert picture_difference(other, plain, lenient=True) == ""
    assert picture_difference(large, plain, lenient=True)
