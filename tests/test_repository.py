"""What holds for the whole checkout: files agree, links lead somewhere, the code is clean."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "": "requirements.lock",
    "bench": "benchmarks/requirements.lock",
    "site": "tools/site/requirements.lock",
}

TOP_LEVEL = {
    ".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "README.md", "benchmarks", "data", "environment.yml", "esnb", "notebooks", "pyproject.toml",
    "requirements.lock", "run.py", "tests", "tools",
}  # fmt: skip

# The rooms of esnb, from the ground up: a room imports from rooms above it in this list, never from
# one below. A file of the top folder is a room of its own, and so is each part of the course.
ROOMS = (
    "errors", "clock", "data_files", "event_json", "events", "code_fingerprint", "upcast_steps",
    "upcasters",
    "store", "model", "process", "readmodels", "privacy", "transports", "interchange", "capture",
    "outgrow", "shop", "datasets",
    "course.figures", "course.process_figure", "course.widgets", "course.guesses", "course.predict",
    "course.survival",
    "course.exercises.engine", "course.exercises.bank",
    "course.exercises", "course.classroom",
)  # fmt: skip

CONDA_NAMES = {
    "python-duckdb": "duckdb",
    "playwright-python": "playwright",
    "python-confluent-kafka": "confluent-kafka",
}
IMPORT_NAMES = {
    "confluent_kafka": "confluent-kafka",
    "fast_sugiyama": "fast-sugiyama",
    "charset_normalizer": "charset-normalizer",
    "IPython": "jupyterlab",  # its kernel runs the cells in JupyterLab and in grading alike
}


@functools.cache
def tracked() -> tuple[Path, ...]:
    """The files that git has, or would have after the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, or no git: the list of tracked files is not known")
    return tuple(p for name in listed.stdout.split("\0") if name and (p := ROOT / name).is_file())


def text_files() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            yield path, content.decode("utf-8")


@functools.cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(group: str) -> list[Requirement]:
    project = pyproject()
    found = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    return [Requirement(text) for text in found]


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^ ;]+)", text, re.M))


# --- versions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "dev", "bench", "site"])
def test_lock_satisfies_pyproject(group: str) -> None:
    locked = pins(LOCKS.get(group, LOCKS[""]))
    for requirement in requirements(group):
        version = locked.get(requirement.name)
        assert version is not None, f"{requirement.name}: not in the lock (python run.py lock)"
        assert requirement.specifier.contains(version), f"{requirement}: the lock has {version}"


def test_locks_agree() -> None:
    lab, *others = map(pins, LOCKS.values())
    for other in others:
        both = lab.keys() & other.keys()
        assert {name: lab[name] for name in both} == {name: other[name] for name in both}


@pytest.mark.parametrize("lock", LOCKS.values())
def test_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert len(entries) == len(pins(lock)) > 0
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_conda_environment_agrees_with_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda: dict[str, str] = {}
    for item in environment["dependencies"]:
        if isinstance(item, str) and "=" in item and not item.startswith("python>"):
            name, _, version = item.partition("=")
            conda[CONDA_NAMES.get(name, name)] = version
        elif isinstance(item, dict):  # what conda-forge does not have
            pins = [pin.partition("==") for pin in item["pip"] if "==" in pin]
            conda.update({name: version.rpartition(".")[0] for name, _, version in pins})
    wanted = {r.name: r.specifier for r in [*requirements(""), *requirements("dev")]}
    del wanted["uv"]  # writes the lock, which conda users do not use
    assert conda.keys() == wanted.keys()
    for name, specifier in wanted.items():
        minor = ".".join(re.findall(r"\d+", str(specifier))[:2])
        assert conda[name] == minor, f"{name}: {conda[name]} there, {specifier} in pyproject"
    oldest = pyproject()["project"]["requires-python"]
    assert f"python{oldest}" in environment["dependencies"]


def test_every_dependency_has_its_reason_beside_it() -> None:
    pin = re.compile(r'^\s*"[a-z0-9-]+==[^"]+",|^\s*- [a-z0-9-]+[>=]')
    for name in ("pyproject.toml", "environment.yml"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        bare = [line for line in lines if pin.match(line) and " # " not in line]
        assert bare == [], name


def test_esnb_imports_only_what_is_declared() -> None:
    always = {r.name for r in requirements("")}
    extras = pyproject()["project"]["optional-dependencies"].values()
    optional = {Requirement(text).name for group in extras for text in group}
    for path in (ROOT / "esnb").rglob("*.py"):
        declared = always | optional if path.parent == ROOT / "esnb" / "outgrow" else always
        for module in imported(path):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top == "esnb":
                continue
            assert IMPORT_NAMES.get(top, top) in declared, f"{path.relative_to(ROOT)}: {top}"


def test_version_is_the_same_everywhere() -> None:
    version = pyproject()["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert Version(getattr(importlib.import_module("esnb"), "__version__", version)) == Version(
        version
    )


# --- files ------------------------------------------------------------------------------------


def test_top_level_is_as_designed() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP_LEVEL


# Written so that this file does not hold what it looks for.
FORBIDDEN = re.compile(
    r"(?<![\w.:/-])/(?:work|root|farm|opt|home/\w+|Users/\w+|tmp/(?:bash_jobs|pytest|ipykernel)[\w.-]*)/\w"
    r"|[A-Z]:\\+Users\\+\w"
    r"|files\.python[h]osted\.org|py[p]i\.org/simple|registry\.np[m]js\.org|deb\.de[b]ian\.org"
)


def test_no_machine_path_and_no_registry_host() -> None:
    found = []
    for path, text in text_files():
        for number, line in enumerate(text.splitlines(), 1):
            if '"image/png"' not in line and (match := FORBIDDEN.search(line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /ro" "ot/x", '"/wo' 'rk/main"', "/home" "/ada/esnb", "C:\\" "Users\\ada",
        "File /tm" "p/pytest-1/x", "/tm" "p/ipykernel_77/1.py",
    ],
)  # fmt: skip
def test_machine_paths_are_recognised(line: str) -> None:
    assert FORBIDDEN.search(line)


@pytest.mark.parametrize("line", ["a/opt/b", "../opt/x", "/tmp/demo", "https://example.org/opt/x"])
def test_other_paths_are_not(line: str) -> None:
    assert not FORBIDDEN.search(line)


def test_text_files_end_lines_the_same_way() -> None:
    odd = [path for path in tracked() if path.suffix in {".py", ".ipynb", ".md", ".toml", ".lock"}
           and b"\r" in path.read_bytes()]  # fmt: skip
    assert odd == []


# --- code -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [["ruff", "check", "--no-cache"], ["mypy"]], ids=["ruff", "mypy"])
def test_code_is_clean(tool: list[str]) -> None:
    command = [sys.executable, "-m", *tool]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, with its full name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (home(name, alias.name) for alias in node.names)


def home(module: str, name: str) -> str:
    """The module behind `from module import name`: the name itself, or what defines it."""
    if not module.startswith("esnb"):
        return module
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    if module == "esnb":  # the top folder only passes names on
        thing = getattr(importlib.import_module(module), name)
        return getattr(thing, "__module__", type(thing).__module__)
    return module


@functools.cache
def modules() -> dict[str, Path]:
    """The modules of esnb by their full names; a folder is its `__init__`."""
    found = {}
    for path in sorted((ROOT / "esnb").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def edges() -> dict[str, set[str]]:
    """Which module of esnb imports which others of it."""
    return {
        module: {name for name in imported(path) if name in modules()} - {module}
        for module, path in modules().items()
        if module != "esnb"
    }


def room(module: str) -> str:
    """The longest entry of ROOMS that a module lies in, or "" where there is none."""
    inside = module.removeprefix("esnb.")
    fits = [name for name in ROOMS if inside == name or inside.startswith(name + ".")]
    return max(fits, key=len, default="")


def upward(found: dict[str, set[str]]) -> list[str]:
    """The imports that lead from a room to one above it."""
    return [
        f"{module} imports {other}"
        for module, others in found.items()
        for other in sorted(others)
        if room(module) != room(other) and ROOMS.index(room(module)) < ROOMS.index(room(other))
    ]


def in_a_circle(found: dict[str, set[str]]) -> set[str]:
    """The modules that import each other, however long the way round."""
    left = {module: set(others) for module, others in found.items()}
    while True:
        fewer = {m: others & left.keys() for m, others in left.items() if others & left.keys()}
        if fewer == left:
            return set(left)
        left = fewer


def test_every_module_has_a_room() -> None:
    empty = {"esnb.course"}  # a folder of rooms
    assert {m for m in edges() if not room(m)} == empty
    assert edges()["esnb.course"] == set()


def test_imports_point_downwards() -> None:
    assert upward(edges()) == []


def test_imports_do_not_go_round() -> None:
    assert in_a_circle(edges()) == set()


def test_a_wrong_import_would_be_noticed() -> None:
    assert upward({"esnb.store.reader": {"esnb.model.aggregate"}})
    assert upward({"esnb.course.widgets.race": {"esnb.course.exercises.engine.trial"}})
    assert upward({"esnb.clock": {"esnb.events"}})
    assert not upward({"esnb.model.aggregate": {"esnb.store.reader", "esnb.errors"}})
    ring = {"esnb.store.a": {"esnb.store.b"}, "esnb.store.b": {"esnb.store.c"}}
    assert not in_a_circle(ring)
    assert in_a_circle({**ring, "esnb.store.c": {"esnb.store.a"}})


#: What a reader's first line must not wait for.
HEAVY = (
    "matplotlib", "tantivy", "cryptography", "ipywidgets", "anywidget", "nbgrader", "IPython",
    "confluent_kafka", "psycopg", "pyspark", "sqlglot", "networkx", "nbformat", "polars",
    "pyarrow", "tqdm", "asyncio", "ssl", "multiprocessing", "concurrent.futures.process",
    "esnb.course", "esnb.shop", "esnb.privacy", "esnb.interchange", "esnb.outgrow",
    "esnb.capture", "esnb.transports", "esnb.datasets", "esnb.readmodels.search",
    "esnb.readmodels.parallel_rebuild",
)  # fmt: skip


def is_heavy(module: str) -> bool:
    """Whether a module is one of them or inside one."""
    return any(module == heavy or module.startswith(heavy + ".") for heavy in HEAVY)


def loaded_by(statement: str) -> list[str]:
    """What a statement loads in a fresh Python that has pandas and duckdb already."""
    code = (
        f"import sys, pandas, duckdb; before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_import_esnb_loads_the_core_and_nothing_else() -> None:
    loaded = loaded_by("import esnb")
    assert "esnb.store.event_store" in loaded
    assert [m for m in loaded if is_heavy(m)] == []


def test_the_shop_loads_its_search_engine_only_for_those_who_search() -> None:
    loaded = loaded_by("from esnb import shop")
    assert "esnb.shop.order" in loaded
    assert [m for m in loaded if is_heavy(m) and not m.startswith("esnb.shop")] == []
    assert "tantivy" not in loaded_by("from esnb.shop import OrderSearch")
    assert "tantivy" in loaded_by("from esnb.readmodels.search import SearchProjector")


def test_public_names_exist_and_say_what_they_are() -> None:
    esnb = importlib.import_module("esnb")
    assert len(set(esnb.__all__)) == len(esnb.__all__) > 0
    for name in esnb.__all__:
        thing = getattr(esnb, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), name


# --- notebooks and links ----------------------------------------------------------------------


def chapters() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".ipynb"]


def prose(path: Path) -> str:
    """The Markdown of a file or a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def anchors(path: Path) -> set[str]:
    """The headings as GitHub and as JupyterLab write them in an address."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(path), re.M)
    plain = {re.sub(r"[`*]", "", heading) for heading in headings}
    github = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}
    ids = set(re.findall(r"<a +(?:id|name)=[\"']([^\"']+)", prose(path)))
    return github | {heading.replace(" ", "-") for heading in plain} | ids


def links(text: str) -> list[str]:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    found = re.findall(r"\]\(\s*<?((?:[^()\s>]|\([^()\s]*\))+)", text)
    return found + re.findall(r"(?:src|href)=[\"']([^\"']+)", text)


def test_links_lead_somewhere() -> None:
    broken = []
    for path in tracked():
        if path.suffix not in {".md", ".ipynb"}:
            continue
        for link in links(prose(path)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists():
                broken.append(f"{path.relative_to(ROOT)}: {link}")
            elif anchor and target.suffix in {".md", ".ipynb"} and anchor not in anchors(target):
                broken.append(f"{path.relative_to(ROOT)}: {link}: no such heading")
    assert broken == []


def test_no_sentence_is_taken_for_an_item_of_a_list() -> None:
    """A line that begins with "2690. Such" would be shown as item 2690 of a list."""
    found = [f"{path.relative_to(ROOT)}: {line}" for path in chapters()
             for line in re.findall(r"^ {0,3}\d{2,9}[.)] .*$", prose(path), re.M)]  # fmt: skip
    assert found == []


def test_no_picture_comes_from_elsewhere() -> None:
    outside = re.compile(r"!\[[^\]]*\]\(\s*<?(?:https?:)?//|<img[^>]+src=\\?[\"'](?:https?:)?//")
    found = [path for path in tracked() if path.suffix in {".md", ".ipynb"}
             and outside.search(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert found == []


def test_notebooks_are_named_in_the_readme() -> None:
    readme = prose(ROOT / "README.md")
    found = (re.match(r"(\d\d[a-z]?)_", path.name) for path in chapters())
    numbers = {match[1] for match in found if match}
    assert numbers <= set(re.findall(r"^\| *\[?(\d\d[a-z]?)\b", readme, re.M))
