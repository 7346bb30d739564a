"""What the generator reads: the course's own files, made ready for pages without a kernel.

The notebooks stay as they are. In the copies, a widget whose state is kept becomes a live one,
links that leave the pages become plain text, figures get a text, and each page ends with how to run
it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esnb.course.widgets.page import in_script, module, style
from tools.site import glossary, states

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks"
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(((?:[^()\s]|\([^()\s]*\))+)\)")

RUN = """## Run this {what} yourself

You need Python 3.11 or newer and a copy of the course's folder. In a terminal:

```
cd the-folder-of-the-course
python run.py lab
```

The first time, this installs everything into that folder. Then JupyterLab opens;
open `{path}` in it.
"""
TASKS = """{text}

*Nothing is checked on this page: a check runs your code, and that needs a kernel. Two commands
start one, at [the end of the page](#Run-this-notebook-yourself).*
"""
STILL = """<p class="esnb-needs-kernel">This is a still. It moves where there is a kernel, which two
commands start: see the end of the page.</p>"""


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the course and the page that it becomes, both from the root, with suffix."""

    path: str
    page: str


def pages() -> list[Page]:
    """All of them, in the order of reading."""
    chapters = sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
    tasks = sorted(path.name for path in (NOTEBOOKS / "exercises").glob("*.ipynb"))
    names = [f"notebooks/{name}" for name in chapters]
    names += ["notebooks/exercises/README.md"]
    names += [f"notebooks/exercises/{name}" for name in tasks]
    names += ["notebooks/claims.md", "notebooks/teaching.md"]
    return [Page("README.md", "index.md"), *(Page(name, name) for name in names)]


def write_source(folder: Path) -> list[str]:
    """Fill a folder with what Sphinx reads; the widgets that stay stills, a line each."""
    where = {page.path: page.page for page in pages()}
    stills: list[str] = []
    words: list[glossary.Definition] = []
    for page in pages():
        target = folder / page.page
        target.parent.mkdir(parents=True, exist_ok=True)
        path = ROOT / page.path
        if path.suffix == ".ipynb":
            notebook = json.loads(path.read_text(encoding="utf-8"))
            if path.parent == NOTEBOOKS:
                words += _words(path, notebook)
            _make_ready(path, notebook, where, stills)
            target.write_text(json.dumps(notebook), encoding="utf-8")
        else:
            text = _claims_linked(path.read_text(encoding="utf-8"))
            target.write_text(linked(text, path, where), encoding="utf-8")
    with (folder / "index.md").open("a", encoding="utf-8") as index:
        index.write(_contents())
    (folder / "notebooks" / "glossary.md").write_text(glossary.page(words), encoding="utf-8")
    _copy_static(folder)
    return stills


def _words(path: Path, notebook: dict[str, Any]) -> list[glossary.Definition]:
    texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    title = " ".join(texts[0].splitlines()[0].lstrip("# ").split())
    return glossary.definitions(path.name, title, texts)


def _contents() -> str:
    """What the side of each page lists."""

    def tree(caption: str, names: list[str]) -> str:
        listed = "\n".join(names)
        return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"

    names = [page.page for page in pages()]
    tasks = [name for name in names if "/exercises/" in name]
    chapters = [name for name in names if re.match(r"notebooks/\d", name)]
    more = ["notebooks/glossary.md", "notebooks/claims.md", "notebooks/teaching.md"]
    return tree("Chapters", chapters) + tree("Exercises", tasks) + tree("More", more)


def _copy_static(folder: Path) -> None:
    static = folder / "_static"
    shutil.copytree(HERE / "static", static)
    (static / "widgets.js").write_text(scripts(), encoding="utf-8")
    shutil.copytree(NOTEBOOKS / "images", folder / "extra" / "notebooks" / "images")
    shutil.copytree(NOTEBOOKS / "images", folder / "notebooks" / "images")
    shutil.copy(HERE / "conf.py", folder)


# --- widgets ----------------------------------------------------------------------------------


def scripts() -> str:
    """The modules of the widgets, as one script that a page from a file may load.

    A browser does not import a module from a file. The code is the very text that the notebooks
    run; only its last line, the export, becomes a return, and the whole a function by its name.
    """
    views = sorted({path.stem for path in _style_folder().glob("*.js")})
    parts = ["window.esnbViews = {};"]
    for view in views:
        code, count = re.subn(r"^export default (\w+);$", r"return \1;", module(view), flags=re.M)
        if count != 1:
            raise ValueError(f"{view}.js has {count} lines 'export default NAME;', and needs one.")
        parts.append(f"window.esnbViews[{json.dumps(view)}] = () => {{\n{code}\n}};")
    return "\n".join(parts) + "\n"


def _style_folder() -> Path:
    return ROOT / "esnb" / "course" / "widgets" / "static"


def live(state: dict[str, Any], still: str) -> str:
    """A widget with its state, and its still for where no script runs."""
    return (
        f'<div class="esnb-live" data-view="{state["view"]}"><div class="esnb-still">{still}</div>'
        f'<script type="application/json">{in_script(state)}</script></div>'
    )


# --- notebooks --------------------------------------------------------------------------------


def _make_ready(
    path: Path, notebook: dict[str, Any], where: dict[str, str], stills: list[str]
) -> None:
    """Change a copy of a notebook into what the generator reads."""
    kept = states.read(path)
    styles: set[tuple[str, str]] = set()
    section = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            section = [section, *re.findall(r"^##* +(.+)", text, re.M)][-1]
            cell["source"] = linked(text, path, where)
            continue
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-input"]
        for output in cell.get("outputs", []):
            if not _output_ready(output, kept, styles):
                stills.append(f"{path.name}: {section}")
            if "image/png" in output.get("data", {}):
                alt = f"Figure of the section “{section}”, drawn by the code above it"
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
    is_chapter = path.parent == NOTEBOOKS
    if not is_chapter:
        first = notebook["cells"][0]
        first["source"] = TASKS.format(text=first["source"])
    run = RUN.format(
        what="chapter" if is_chapter else "notebook", path=path.relative_to(ROOT).as_posix()
    )
    css = "".join(style(view, root) for view, root in sorted(styles))
    notebook["cells"].append(
        {
            "cell_type": "markdown",
            "id": "run-this-yourself",
            "metadata": {},
            "source": f"{run}\n<style>{css}</style>\n" if css else run,
        }
    )


def _output_ready(
    output: dict[str, Any],
    kept: dict[str, dict[str, Any]],
    styles: set[tuple[str, str]],
) -> bool:
    """Make a widget live; False when its state is not kept, and it stays a still."""
    data = output.get("data", {})
    if states.VIEW not in data:
        return True
    del data[states.VIEW]
    plain, still = ("".join(data.get(kind, "")) for kind in ("text/plain", "text/html"))
    state = kept.get(states.key_of(plain, still))
    if state is None:
        data["text/html"] = (still or f"<pre>{plain}</pre>") + STILL
        return False
    styles.add((state["view"], state["root"]))
    data["text/html"] = live(state, still)
    return True


# --- links ------------------------------------------------------------------------------------


def linked(text: str, path: Path, where: dict[str, str]) -> str:
    """A text whose links lead to pages; what else is in the folder becomes plain text."""

    def changed(found: re.Match[str]) -> str:
        label, link = found[1], found[2]
        if re.match(r"[a-z]+:|#", link):
            return found[0]
        name, _, anchor = link.partition("#")
        target = Path(os.path.normpath(path.parent / name))
        wanted = target.relative_to(ROOT).as_posix()
        if wanted in where:
            here = Path(where[path.relative_to(ROOT).as_posix()]).parent
            new = Path(os.path.relpath(where[wanted], here)).as_posix()
            return f"[{label}]({new}{'#' if anchor else ''}{anchor})"
        if not target.exists():
            raise ValueError(f"{path.relative_to(ROOT)}: the link to {link} leads nowhere.")
        return f"{label} (`{wanted}` in the course's folder)"

    parts = re.split(r"(```.*?```)", text, flags=re.S)
    return "".join(part if n % 2 else _LINK.sub(changed, part) for n, part in enumerate(parts))


def _claims_linked(text: str) -> str:
    """The rows of claims.md name a notebook and a section: both become one link."""

    def row(found: re.Match[str]) -> str:
        name, section = found[1], found[2]
        link = f"{name}.ipynb#{glossary.anchor(section)}"
        return f"| [{name}]({name}.ipynb) | [{section}]({link}) |"

    return re.sub(r"\| (\d\w+) \| ([^|\n]+?) \|$", row, text, flags=re.M)
