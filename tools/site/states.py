"""What the widgets of a chapter show, kept beside the chapter for pages without a kernel.

`run.py notebooks` writes `notebooks/widgets/NAME.json` when it stores a chapter: for each widget
that was shown, its `exported()` under the key of its output. The key is computed from the still
that is stored in the notebook, so a state is used with the very output it was made with, or not at
all.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"


def file_of(notebook: Path) -> Path:
    """Where the states of a chapter are kept."""
    return notebook.parent / "widgets" / f"{notebook.stem}.json"


def key_of(plain: str, still: str) -> str:
    """The name of a widget's output: from its text and its still, as stored in a notebook."""
    return hashlib.sha256(f"{plain}\0{still}".encode()).hexdigest()[:16]


def keep(notebook: Path, noted: Path) -> None:
    """Turn the lines that a kernel noted into the file of a chapter; none without widgets."""
    found = {}
    if noted.exists():
        for line in noted.read_text(encoding="utf-8").splitlines():
            plain, still, state = json.loads(line)
            found[key_of(plain, still)] = state
    target = file_of(notebook)
    if not found:
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(exist_ok=True)
    # A widget a line: a change of one shows as one in a diff.
    rows = [f"{json.dumps(key)}: {json.dumps(found[key], sort_keys=True)}" for key in sorted(found)]
    target.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8", newline="\n")


def read(notebook: Path) -> dict[str, dict[str, Any]]:
    """The states of a chapter by the keys of their outputs."""
    file = file_of(notebook)
    found: dict[str, dict[str, Any]] = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    )
    return found


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
