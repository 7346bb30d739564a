"""Play with a chapter as a reader does, in this process: `python -m tests.notebooks.play CHAPTER`.

1. Run all cells from the top.
2. Run each cell once more, the last first: it may not fail, and says what it said before.
3. Run each section alone, in a new namespace, after what stands above the first heading.

Prints what went wrong as JSON: {"all": ..., "again": ..., "alone": ...}, each a mapping from the
first line of a cell (or the heading of a section) to what happened.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@dataclass
class Cell:
    """A code cell: its section, its first line, whether it is compared and may raise."""

    section: str
    source: str
    tags: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.source.strip().splitlines()[0]


def cells_of(chapter: str) -> list[Cell]:
    """The code cells, each with the heading it stands under; "" is above the first."""
    notebook = json.loads((NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    found, section = [], ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for heading in re.findall(r"^## +(.+)$", source, re.M):
                section = heading.strip()
        elif source.strip():
            found.append(Cell(section, source, set(cell["metadata"].get("tags", []))))
    return found


class Reader:
    """A Python session such as a notebook's kernel has, with everything shown kept as text."""

    def __init__(self) -> None:
        import matplotlib as mpl
        from IPython.core.interactiveshell import InteractiveShell

        mpl.use("agg")
        self.shell: Any = InteractiveShell.instance()

    def run(self, cell: Cell) -> tuple[str, str]:
        """The error of a cell ("" for none), and what it showed."""
        import matplotlib.pyplot as plt
        from IPython.utils.capture import capture_output

        with capture_output() as shown:
            result = self.shell.run_cell(cell.source, store_history=False)
        plt.close("all")
        error = result.error_in_exec or result.error_before_exec
        said = "" if error is None or "raises-exception" in cell.tags else repr(error)[:200]
        texts = [output.data.get("text/plain", "") for output in shown.outputs]
        return said, "\n".join([shown.stdout if not said else "", *texts])

    def forget(self) -> None:
        """Every name, as after a restart; what was imported stays loaded."""
        self.shell.reset(new_session=False)


def play(chapter: str) -> dict[str, dict[str, str]]:
    cells, reader = cells_of(chapter), Reader()
    wrong: dict[str, dict[str, str]] = {"all": {}, "again": {}, "alone": {}}
    first = []
    for cell in cells:
        first.append(reader.run(cell))
        if first[-1][0]:
            wrong["all"][cell.name] = first[-1][0]
    for cell, (_, before) in reversed(list(zip(cells, first, strict=True))):
        error, now = reader.run(cell)
        if error:
            wrong["again"][cell.name] = error
        elif now != before and "nbval-ignore-output" not in cell.tags:
            wrong["again"][cell.name] = f"shows something else: {now.strip()[:200]}"
    for section in dict.fromkeys(cell.section for cell in cells if cell.section):
        reader.forget()
        for cell in cells:
            if cell.section in ("", section) and (error := reader.run(cell)[0]):
                wrong["alone"][section] = f"{cell.name}: {error}"
                break
    return wrong


def main() -> Any:
    os.chdir(NOTEBOOKS)
    found = play(sys.argv[1])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
