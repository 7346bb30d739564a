"""The browser half: its own tests, its types, and its rules of style and size.

`npm ci` puts the tools of `tests/js/package-lock.json` beside it; they are for these tests only.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from esnb.course.widgets.page import STATIC
from tests.node import JS, NODE, needs_node

NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the programs that npm installed."""
    npm = shutil.which("npm")
    if NODE is None or npm is None:
        pytest.skip("no node or no npm on this machine: the browser half is not linted or typed")
    lock = hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()
    modules = JS / "node_modules"
    stamp = modules / ".installed"
    if not stamp.exists() or stamp.read_text() != lock:
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=JS, capture_output=True, text=True)
        if done.returncode and any(word in done.stderr for word in NO_NETWORK):
            pytest.skip("npm reaches no registry: the browser half is not linted or typed")
        assert done.returncode == 0, done.stderr[-3000:]
        stamp.write_text(lock)
    return modules / ".bin"


def run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=JS, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{done.stdout[-6000:]}{done.stderr[-3000:]}"


@needs_node
def test_its_own_tests_pass() -> None:
    command = [str(NODE), "--test", *map(str, sorted(JS.glob("*.test.mjs")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# fail 0" in done.stdout
    assert int(done.stdout.split("# pass ")[1].split()[0]) >= 44


def test_types_agree(tools: Path) -> None:
    assert run([str(tools / "tsc"), "-p", "."]) == ""


def test_style_and_size(tools: Path) -> None:
    """The linter, the formatter, and no function of more than 50 lines."""
    assert run([str(tools / "biome"), "check", str(STATIC), "."]) == ""


def test_a_wrong_type_and_a_long_function_would_be_noticed(tools: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.js"
    config = (JS / "tsconfig.json").read_text().replace("../../esnb/course/widgets/static/**/", "")
    (tmp_path / "tsconfig.json").write_text(config)
    wrong.write_text("/** @param {number} n */\nexport const half = (n) => n / 2;\nhalf('two');\n")
    assert "TS2345" in run([str(tools / "tsc"), "-p", str(tmp_path)])
    shutil.copy(JS / "biome.json", tmp_path)
    lines = "".join(f"  out.push({n});\n" for n in range(60))
    wrong.write_text(f"export function long() {{\n  const out = [];\n{lines}  return out;\n}}\n")
    found = run([str(tools / "biome"), "check", f"--config-path={tmp_path}", str(wrong)])
    assert "noExcessiveLinesPerFunction" in found


def test_no_file_is_too_long() -> None:
    """To be read in one sitting."""
    files = [*STATIC.rglob("*.js"), *JS.glob("*.mjs")]
    long = {p.name: n for p in files if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}
    assert len(files) > 50


def test_the_lock_has_no_address() -> None:
    lock = (JS / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
