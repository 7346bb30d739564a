"""Ask the page's own code, in node: one question in a line of JSON, one answer in another."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

JS = Path(__file__).parent / "js"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on this machine")


@contextlib.contextmanager
def node(script: str) -> Iterator[Callable[..., Any]]:
    """Run a script of `tests/js` that answers lines of JSON; skips where there is no node."""
    if NODE is None:
        pytest.skip("no node on this machine: the page's code is not compared with Python")
    with subprocess.Popen(
        [NODE, str(JS / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def question(what: str, **values: Any) -> Any:
            stdin.write(json.dumps({"ask": what, **values}) + "\n")
            stdin.flush()
            answer = stdout.readline()
            assert answer, f"node ended in {script}"
            return json.loads(answer)

        yield question
        stdin.close()
