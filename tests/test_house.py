"""The house rules: short modules and functions, no private names across modules, plain English."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MODULE = 400  # lines of a module of esnb
FUNCTION = 50  # lines of a function of esnb
TEST_FILE = 520  # lines of a test file

# Content is read entry by entry: exercises with their texts, and tables.
CONTENT = "esnb/course/exercises/bank/"
# Still longer than they should be. A name leaves these lists when it is split; none is added.
LONG_MODULES: set[str] = set()
LONG_FUNCTIONS = {
    # Every keyword is spelled out, so that Shift+Tab shows it, and append_frame explains each.
    "esnb/store/event_store.py: from_frame",
    "esnb/store/event_store.py: append_frame",
}
LONG_TESTS = {
    "tests/course/classroom/test_classroom.py",
    "tests/course/classroom/test_grading.py",
    "tests/readmodels/test_projector.py",
    "tests/readmodels/test_search.py",
    "tests/shop/test_shop.py",
    "tests/test_upcasters.py",
}

# Where the formatter would spread a table over many lines.
MOST_SKIPS = 30


@functools.cache
def sources(folder: str) -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def test_a_module_can_be_read_in_one_sitting() -> None:
    long = {
        name: lines
        for name, text in sources("esnb").items()
        if (lines := text.count("\n")) > MODULE and not name.startswith(CONTENT)
    }
    assert long.keys() - LONG_MODULES == set(), long


def functions(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_function_fits_on_a_page() -> None:
    long = {
        f"{name}: {function}": lines
        for name, text in sources("esnb").items()
        if not name.startswith(CONTENT)
        for function, lines in functions(text)
        if lines > FUNCTION
    }
    assert long.keys() - LONG_FUNCTIONS == set(), long


def test_a_test_file_can_be_read_in_one_sitting() -> None:
    long = {n: c for n, text in sources("tests").items() if (c := text.count("\n")) > TEST_FILE}
    assert long.keys() - LONG_TESTS == set(), long


def test_the_formatter_is_followed() -> None:
    skips = sum(text.count("# fmt: skip") for text in sources("esnb").values())
    assert skips <= MOST_SKIPS


def private_imports(text: str) -> list[str]:
    """Names with a leading underscore that a module takes from another module of esnb."""
    tree = ast.parse(text)
    found, modules = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "")[:4] == "esnb"):
            found += [a.name for a in node.names if a.name.startswith("_") and a.name != "__all__"]
            modules |= {a.asname or a.name for a in node.names if a.name.islower()}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
            and re.match(r"_[a-zA-Z]", node.attr)
        ):
            found.append(f"{node.value.id}.{node.attr}")
    return found


def test_no_private_name_crosses_a_module() -> None:
    found = {n: names for n, text in sources("esnb").items() if (names := private_imports(text))}
    assert found == {}


def test_a_private_import_would_be_noticed() -> None:
    assert private_imports("from esnb.store.reader import _decode") == ["_decode"]
    assert private_imports("from esnb.store import reader\nreader._decode(1)") == ["reader._decode"]
    assert private_imports("from .reader import _decode") == ["_decode"]
    assert private_imports("from esnb.store import reader\nreader.decode(1)") == []


# What gives a translation away. A phrase is added here when it is met a second time.
TRANSLATED = re.compile(
    r"(?<![Tt]here )\b(?:is|are|was) no "
    r"(?!longer|more|less|other|such|one\b|different|better|worse)[a-z]+\b"
    r"|\bst(?:ands?|ood) (?:in|there|beside|twice)\b"
    r"(?! (?:[\w;&#']+ (?:other's )?)?(?:way|line)\b)"
    r"|\bfor ever\b|\bmend(?:s|ed|ing)?\b|\bparted by\b|\bby half\b"
    r"|\b[Oo]ne (?:row|line) an? (?!time)\w+\b"
    r"|\bhow is it called\b|\bcame in between\b|\bWho does not\b|\bso to say\b"
)


READ = {".py", ".md", ".ipynb", ".js", ".css", ".toml", ".yml"}


def texts() -> Iterator[tuple[str, int, str]]:
    """Every line that a reader may see: code with its comments, pages, the prose of chapters."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if path.suffix in READ and path.is_file() and path != Path(__file__).resolve():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if '"image/png"' not in line:
                    yield name, number, line


def test_the_english_is_idiomatic() -> None:
    found = [
        f"{name}:{number}: ...{line[max(0, m.start() - 20) : m.end() + 20]}..."
        for name, number, line in texts()
        for m in TRANSLATED.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "there is no gap, for ever",
        "An event is no row.",
        "the fields are parted by a comma",
        "one row an order",
        "the id stands in the table",
    ],
)
def test_a_translated_sentence_would_be_noticed(line: str) -> None:
    assert TRANSLATED.search(line)


@pytest.mark.parametrize(
    "line",
    ["there is no gap", "it is no longer there", "it is no different", "they stand in the way"],
)
def test_an_idiomatic_sentence_is_left_alone(line: str) -> None:
    assert not TRANSLATED.search(line)
