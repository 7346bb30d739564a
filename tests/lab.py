"""Drive notebooks in JupyterLab, in the system's Chromium, as a reader would.

    def test_slider(lab):
        lab.open("06_time_travel.ipynb")
        lab.run_all()
        lab.page.get_by_role("slider").first.press("ArrowRight")
        lab.screenshot("slider.png")

`lab` opens a copy of the notebooks (with `data` beside them) in a temporary folder, on a server of
its own that listens on this machine only. `open_page` opens the page that a widget writes, offline.
`View` is a widget on either, with what every widget of the course promises to its readers. Tests
that use these are marked `browser`, and are skipped, with the reason, where there is no Chromium.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)


def find_chromium() -> str | None:
    """The Chromium or Chrome of this system, if there is one."""
    found = filter(None, map(shutil.which, NAMES))
    return next(found, None) or next((path for path in PLACES if Path(path).exists()), None)


@dataclass
class Server:
    """A running JupyterLab: its folder, and how to talk to it."""

    folder: Path
    address: str
    token: str

    def api(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on this machine only, with a token, its settings and folders its own."""
    if find_chromium() is None:
        pytest.skip("no Chromium or Chrome on this machine: the browser is not tested")
    base = tmp_path_factory.mktemp("lab")
    folder = base / "course"
    folder.mkdir()
    settings = base / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(folder, f"http://127.0.0.1:{port}", secrets.token_urlsafe(16))
    own = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    environ = {
        **os.environ,
        **{name: str(base / name.lower()) for name in own},
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_TOKEN": server.token,
        # It kills a kernel that does not end at once, and what the kernel had there stays.
        "TMPDIR": str(tmp_path_factory.mktemp("lab-tmp")),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = base / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environ, cwd=base, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            wait_until_up(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_up(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            server.api("status")
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. It ends with the module: its event loop must not outlive it."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium or Chrome on this machine: the browser is not tested")
    with launched(path) as browser:
        yield browser


@contextlib.contextmanager
def launched(path: str) -> Iterator[Browser]:
    """A Chromium that runs until the block ends."""
    with sync_playwright() as playwright:
        # The sandbox cannot start as root, which is who runs in a container.
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        arguments = ["--no-sandbox"] if root else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def lab(lab_server: Server, chromium: Browser) -> Iterator[Lab]:
    """A page of JupyterLab for one test; its kernels end with it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    yield Lab(lab_server, context.new_page())
    context.close()
    for session in lab_server.api("sessions"):
        with contextlib.suppress(urllib.error.URLError):
            lab_server.api(f"sessions/{session['id']}", "DELETE")


class Lab:
    """One notebook in JupyterLab. `page` is the Playwright page, for all that is not here."""

    def __init__(self, server: Server, page: Page) -> None:
        self.server = server
        self.page = page
        page.set_default_timeout(30_000)

    def open(self, notebook: str | Path) -> None:
        """Show a new copy of a notebook: a name in `notebooks`, or a path to any."""
        source = ROOT / "notebooks" / notebook  # an absolute path stays what it is
        folder = self.server.folder / secrets.token_hex(4)
        (folder / "notebooks").mkdir(parents=True)
        shutil.copy(source, folder / "notebooks")
        if (ROOT / "data").exists():
            ignore = shutil.ignore_patterns("cache", "*.duckdb*")
            shutil.copytree(ROOT / "data", folder / "data", ignore=ignore)
        path = f"{folder.name}/notebooks/{source.name}"
        # `reset` forgets the tabs of the notebook before this one.
        address = f"{self.server.address}/lab/tree/{quote(path)}?reset&token={self.server.token}"
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        # The status in the window says idle before there is a kernel; only the session knows.
        self.page.wait_for_function(f"() => {KERNEL}?.status === 'idle'", timeout=60_000)

    def run_all(self, timeout: float = 120) -> None:
        """Run every cell, and wait until the last one is done and the page is drawn."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-InputPrompt')]"
            f".every(p => !p.textContent.includes('*')) && {KERNEL}?.status === 'idle'"
            f" && {CELLS}.filter(c => c.type === 'code' && c.sharedModel.source.trim())"
            ".every(c => c.executionCount !== null)",
            timeout=timeout * 1000,
        )
        self.settle()

    def run(self, *sources: str) -> None:
        """Open a new notebook with these cells, and run them all."""
        folder = self.server.folder / secrets.token_hex(4)
        folder.mkdir()
        self.open(notebook(folder / "widget.ipynb", *sources))
        self.run_all()
        assert self.errors() == []

    def settle(self) -> None:
        """Wait until the kernel is idle and two frames were painted."""
        self.page.wait_for_function(f"() => {KERNEL}?.status === 'idle'")
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )

    def outputs(self) -> list[str]:
        """The text of every output that is shown, in order."""
        return [
            text.strip() for text in self.page.locator(".jp-OutputArea-output").all_inner_texts()
        ]

    def errors(self) -> list[str]:
        """The texts of the cells that ended in an error."""
        return self.page.locator(
            '[data-mime-type="application/vnd.jupyter.error"]'
        ).all_inner_texts()

    def python(self, code: str) -> str:
        """What the kernel prints for this code, at once, without a cell."""
        text: str = self.page.evaluate(
            f"""async code => {{
                let text = ''
                const future = {KERNEL}.requestExecute({{code}})
                future.onIOPub = m => {{ text += m.content.text ?? '' }}
                await future.done
                return text
            }}""",
            code,
        )
        return text

    def comes_to(self, code: str, wanted: str) -> None:
        """The same until it prints this: the browser tells Python a moment later, or two."""
        for _ in range(100):
            if (said := self.python(code)) == wanted:
                return
            self.page.wait_for_timeout(100)
        assert said == wanted

    @contextlib.contextmanager
    def busy_kernel(self) -> Iterator[None]:
        """The kernel works, and answers nobody, until the block ends."""
        stop = self.server.folder / secrets.token_hex(4)
        code = f"import os, time\nwhile not os.path.exists({str(stop)!r}): time.sleep(0.02)"
        done = self.page.evaluate_handle(
            f"""code => {{
                const box = {{done: false}}
                const future = {KERNEL}.requestExecute({{code}})
                future.done.then(() => {{ box.done = true }})
                return box
            }}""",
            code,
        )
        try:
            self.page.wait_for_function(f"() => {KERNEL}?.status === 'busy'")
            yield
            assert done.evaluate("box => box.done") is False
        finally:
            stop.touch()
        self.settle()

    def themes(self) -> Iterator[str]:
        """Turn the theme to dark and to light; each one is there when its name is given."""
        for theme, light in (("JupyterLab Dark", "false"), ("JupyterLab Light", "true")):
            self.page.evaluate(
                "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
                theme,
            )
            self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
            self.settle()
            yield theme

    def active_cell(self) -> int:
        return int(self.page.evaluate(f"() => {WIDGET}.content.activeCellIndex"))

    def save(self) -> Path:
        """Save the notebook; the file on the disk."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function(f"() => !{WIDGET}.context.model.dirty", timeout=20_000)
        return self.server.folder / self.page.evaluate(f"() => {WIDGET}.context.path")

    def reopen_elsewhere(self, saved: Path) -> None:
        """Open what was saved as somebody else does: no kernel ran, and nothing is trusted."""
        clone = nbformat.read(saved, as_version=4)
        # Another notebook: no signature of it is known here.
        clone.cells.append(nbformat.v4.new_markdown_cell("From somewhere else."))
        for cell in clone.cells:
            cell.metadata.pop("trusted", None)
        target = saved.with_name("clone.ipynb")
        nbformat.write(clone, target)
        self.open(target)

    def screenshot(self, path: str | Path) -> Path:
        """Store what the reader sees as a PNG file."""
        self.page.screenshot(path=str(path))
        return Path(path)


WIDGET = "window.jupyterapp.shell.currentWidget"
KERNEL = f"{WIDGET}?.sessionContext?.session?.kernel"
CELLS = f"[...{WIDGET}.content.model.cells]"


def notebook(path: Path, *sources: str) -> Path:
    """Write a notebook with these cells; its path."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
