"""run.py says in words what is missing, repeats nothing, and fixes a half-finished set-up."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parent.parent
# A package that is never fetched: the tests below stop before, or have no index to ask.
ONE_PACKAGE = "iniconfig==2.3.1 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("esnb_run", ROOT / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its path and a lock without packages."""
    folder = tmp_path / "my course"
    folder.mkdir()
    shutil.copy(ROOT / "run.py", folder)
    (folder / "requirements.lock").write_text("# nothing\n")
    return folder


def call(
    folder: Path, *arguments: str, before: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Call a checkout's run.py as a reader does; `before` is code that runs ahead of it."""
    code = f"import runpy, sys\n{before}\nsys.argv = ['run.py', *sys.argv[1:]]\n"
    code += f"runpy.run_path({str(folder / 'run.py')!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )


def test_old_python_can_read_it_and_is_told(checkout: Path) -> None:
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    done = call(checkout, "lab", before="sys.version_info = (3, 8, 10, 'final', 0)")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; this is Python 3.8" in done.stderr


def test_missing_ensurepip_is_said(checkout: Path) -> None:
    hide = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ensurepip' else find(name, *rest)"
    )
    done = call(checkout, "test", before=hide)
    assert done.returncode == 1
    assert "lacks the module ensurepip" in done.stderr
    assert "apt install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_set_up_happens_once_and_mends_itself(checkout: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, str(checkout / "run.py"), "test", "--version"],
        stdout=subprocess.DEVNULL,
        start_new_session=os.name != "nt",
    )
    log = checkout / ".venv" / "set-up.log"
    until = time.monotonic() + 60
    while not log.exists() and time.monotonic() < until:
        time.sleep(0.02)
    # Killed with its children, in the middle of making the environment.
    if os.name == "nt":
        started.kill()
    else:
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not (checkout / ".venv" / "esnb-complete").exists()

    second = call(checkout, "test", "--version", PYTHONPATH="nowhere", PIP_TARGET="elsewhere")
    assert "did not finish; making it again" in second.stdout
    assert "Set-up is complete" in second.stdout
    assert not Path("elsewhere").exists()

    third = call(checkout, "test", "--version")
    assert "Set-up" not in third.stdout

    (checkout / "requirements.lock").write_text(ONE_PACKAGE)
    # No index answers at this port; nothing else is asked.
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_INDEX": ""}
    offline |= {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    fourth = call(checkout, "test", "--version", **offline)
    assert "is for another Python, folder or lock file" in fourth.stdout
    assert fourth.returncode == 1
    assert "Is there a network?" in fourth.stderr
    assert "set-up.log" in fourth.stderr


def test_folder_of_somebody_else_is_left_alone(checkout: Path) -> None:
    mine = checkout / ".venv" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    done = call(checkout, "test")
    assert done.returncode == 1
    assert "run.py did not make it" in done.stderr
    assert mine.read_text() == "precious"


def test_folder_without_write_permission_is_said(
    run: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SystemExit, match=r"(?s)Cannot write to .*folder of your own"):
        run.set_up(checkout / ".venv", [checkout / "requirements.lock"])


@pytest.mark.skipif(os.name == "nt", reason="flock is shown; Windows has another lock")
def test_second_set_up_at_the_same_time_waits_for_nothing(run: ModuleType) -> None:
    with run.only_one(), pytest.raises(SystemExit, match="Another set-up"), run.only_one():
        pass


def test_taken_port_is_said(run: ModuleType) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(SystemExit, match="cannot be used: taken"):
            run.free_port(server.getsockname()[1])


def test_next_free_port_is_taken(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    first = run.free_port(None)
    with socket.socket() as server:
        server.bind(("127.0.0.1", first))
        server.listen()
        assert run.free_port(None) > first
    assert f"Port {first} is taken" in capsys.readouterr().out


def test_the_users_variables_choose_where_from_but_not_what(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep = {"PIP_INDEX_URL": "a", "PIP_CERT": "b", "UV_INDEX_URL": "c", "HTTPS_PROXY": "d"}
    drop = ["PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "PYTEST_ADDOPTS"]
    for name in [*keep, *drop]:
        monkeypatch.setenv(name, keep.get(name, "x"))
    environ = run.clean_environ(tmp_path)
    assert keep.items() <= environ.items()
    assert not set(drop) & environ.keys()


def test_stored_notebook_keeps_only_what_repeats(run: ModuleType, tmp_path: Path) -> None:
    streams = [
        {"output_type": "stream", "name": "stdout", "text": ["one\n", "tw"]},
        {"output_type": "stream", "name": "stdout", "text": ["o\n"]},
        {"output_type": "display_data", "data": {"text/plain": ["é"]}, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": ["three\n"]},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": [f"{ROOT}{os.sep}esnb"]},
    ]
    cell = {"cell_type": "code", "execution_count": 1, "id": "a", "source": ["x"]}
    cell |= {"metadata": {"execution": {"when": "now"}, "tags": ["t"]}, "outputs": streams}
    metadata = {"widgets": {}, "language_info": {"name": "python", "version": "3.11.7"}}
    path = tmp_path / "chapter.ipynb"
    notebook = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
    run.tidy(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["metadata"].keys() == {"kernelspec", "language_info"}
    assert stored["metadata"]["language_info"] == {"name": "python"}
    assert stored["cells"][0]["metadata"] == {"tags": ["t"]}
    texts = [output.get("text") for output in stored["cells"][0]["outputs"]]
    assert texts == [["one\n", "two\n"], None, ["three\n"], None]
    assert stored["cells"][0]["outputs"][-1]["traceback"] == ["esnb"]
    assert "é" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "meant"), [("06", True), ("06_time_travel", True), ("6", False), ("06_time", True)]
)
def test_notebook_is_found_by_number_or_name(run: ModuleType, text: str, meant: bool) -> None:
    assert run.names(ROOT / "notebooks" / "06_time_travel.ipynb", text) is meant


def test_unknown_names_are_answered_with_those_there_are() -> None:
    done = call(ROOT, "bench", "no-such-benchmark")
    assert done.returncode == 1
    assert "There are:" in done.stderr
    assert "python run.py lab" in call(ROOT, "--help").stdout


def test_lab_serves_with_a_token_and_stops() -> None:
    if not (ROOT / ".venv" / "esnb-complete").exists():
        pytest.skip("run.py has not set up this checkout: its JupyterLab is not started")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "lab", "--no-browser", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert status_of(port) == 403, "without its token the server must not answer"
    finally:
        lab.terminate()
        output, _ = lab.communicate(timeout=60)
    assert f"http://127.0.0.1:{port}/lab" in output
    assert "token=" in output
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5)


def status_of(port: int) -> int:
    until = time.monotonic() + 60
    while True:
        try:
            address = f"http://127.0.0.1:{port}/api/contents"
            return int(urllib.request.urlopen(address, timeout=5).status)
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / f"{name}.py").exists()] == []
    assert len({*LONGEST}) == len(LONGEST)


def test_the_whole_suite_runs_side_by_side_and_a_chosen_test_alone(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(run, "set_up", lambda *_: None)
    monkeypatch.setattr(run, "call", lambda _, arguments: calls.append(arguments) or 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    run.test([])
    run.test(["tests/test_x.py", "-x"])
    assert calls == [
        ["-m", "pytest", "--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"],
        ["-m", "pytest", "tests/test_x.py", "-x"],
    ]
