"""The table of claims: each claim has a living place, a section that exists and that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TABLE = NOTEBOOKS / "claims.md"

#: The claims of the chapters that are there.
WANTED = {f"C{n:02}" for n in range(1, 36)}


def rows(text: str) -> list[tuple[str, str, str]]:
    """(claim, notebook, section) of each row of the table."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    return [
        (c[0], c[2], c[3]) for c in cells if len(c) == 4 and c[0][:1] == "C" and c[0][1:].isdigit()
    ]


def sections(notebook: Path) -> dict[str, int]:
    """Heading of each section -> how many of its code cells have a stored output."""
    found: dict[str, int] = {}
    heading = ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for line in source.splitlines():
                if line.startswith("## "):
                    heading = line[3:].strip()
                    found[heading] = 0
        elif cell["outputs"] and heading:
            found[heading] += 1
    return found


def problems(text: str) -> list[str]:
    """What is wrong with a table of claims."""
    said = []
    for claim, notebook, section in rows(text):
        path = NOTEBOOKS / f"{notebook}.ipynb"
        if not path.exists():
            said.append(f"{claim}: there is no notebook {notebook}")
        elif section not in (known := sections(path)):
            said.append(f"{claim}: {notebook} has no section {section!r}")
        elif not known[section]:
            said.append(f"{claim}: section {section!r} of {notebook} shows nothing")
    return said


def test_every_claim_names_a_section_that_exists_and_shows_something():
    assert problems(TABLE.read_text(encoding="utf-8")) == []


def test_no_claim_is_missing():
    assert WANTED - {claim for claim, _, _ in rows(TABLE.read_text(encoding="utf-8"))} == set()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("| 03_conflicts |", "| 03_peace |"),
        ("| What does a good retry do? |", "| What does a bad retry do? |"),
        ("| What is wrong with trying again? |", "| Next |"),
    ],
)
def test_a_broken_row_is_noticed(good: str, bad: str):
    text = TABLE.read_text(encoding="utf-8")
    assert good in text
    assert len(problems(text.replace(good, bad))) >= 1
