"""A strict layer over nbval: what nbval runs, this compares to the end.

nbval alone is green when every output of a notebook is cleared, when a figure changed, when two
outputs changed places, and for every cell that is tagged as not to be compared. This layer
compares pictures by their pixels, the order of outputs, the form in which a notebook is stored,
and at least the kinds of outputs of a tagged cell. Each case is shown in
tests/notebooks/test_strict_notebooks.py.

Not compared: the state of a live widget (its ids are random; its text and HTML are compared), the
traceback of an error (it names files and lines), and whether stdout or stderr came first.

A notebook in a folder named `exercises` is stored without outputs: it has to run, and that is all.
"""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import io
import itertools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbval.plugin
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

# A cell that prints a time cannot repeat. It may be tagged nbval-ignore-output, but few may.
MAX_IGNORED = 3

# The same versions draw the same picture. Another processor may round a shade differently.
SHADES = 8  # of 255, that a channel may differ by
PIXELS = 8  # that may differ by more

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
# What a cell tells the closing summary. Its report carries it, from another process as well.
IGNORED, FIGURE, FIGURE_SIZE = "not compared", "figure compared", "figure compared by size"
SETTINGS: pytest.StashKey[pytest.MonkeyPatch] = pytest.StashKey()

_join_streams = nbval.plugin.coalesce_streams


def streams_between_displays(outputs: list[Any]) -> list[Any]:
    """Join the chunks of a stream, but never over a display: nbval's own joins them all.

    Which of stdout and stderr arrives first is chance, so they are put in order of their names.
    """
    joined: list[Any] = []
    for is_stream, group in itertools.groupby(outputs, lambda o: o.output_type == "stream"):
        few = list(group)
        joined += sorted(_join_streams(few), key=lambda o: o.name) if is_stream else few
    return joined


def pytest_configure(config: pytest.Config) -> None:
    patch = config.stash[SETTINGS] = pytest.MonkeyPatch()
    patch.setattr(nbval.plugin, "coalesce_streams", streams_between_displays)
    # The user's start-up files and figure style must not reach an output.
    # A kernel that is ending may still write its history there.
    own = tempfile.TemporaryDirectory(prefix="esnb-ipython-", ignore_cleanup_errors=True)
    config.add_cleanup(own.cleanup)
    patch.setenv("IPYTHONDIR", own.name)
    if (spec := importlib.util.find_spec("matplotlib")) and spec.origin:
        patch.setenv("MATPLOTLIBRC", str(Path(spec.origin).parent / "mpl-data" / "matplotlibrc"))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SETTINGS].undo()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    found = yield
    return [
        StrictNotebook.from_parent(parent, path=file_path) if type(node) is IPyNbFile else node
        for node in found
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    if not config.option.nbval or config.option.collectonly:
        return
    told = [
        told
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for told in report.user_properties
    ]
    ignored = sorted(cell for key, cell in told if key == IGNORED)
    exactly, leniently = (sum(k == key for k, _ in told) for key in (FIGURE, FIGURE_SIZE))
    terminalreporter.section("notebooks")
    terminalreporter.write_line(f"cells run but not compared: {len(ignored)}")
    for name in ignored:
        terminalreporter.write_line(f"  {name}")
    terminalreporter.write_line(f"figures compared by pixels: {exactly}")
    if leniently:
        terminalreporter.write_line(f"figures compared by size only: {leniently} ({why_lenient()})")


class StrictNotebook(IPyNbFile):
    """A notebook whose stored form is a test, and each of whose cells is one."""

    def collect(self) -> Iterator[pytest.Item]:
        cells = list(super().collect())
        yield StoredForm.from_parent(self, name="stored form", cells=cells)
        for cell in cells:
            yield StrictCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )

    def setup(self) -> None:
        try:
            super().setup()
        except RuntimeError:  # no answer in a minute: another process had the same port by chance
            super().setup()
        kernel = self.kernel
        # With history, as a reader's JupyterLab does: a `;` at the end of a cell depends on it.
        kernel.execute_cell_input = lambda source, allow_stdin=None: kernel.kc.execute(
            source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    def teardown(self) -> None:
        # Asked to end, as JupyterLab asks, a kernel tidies its temporary folders; nbval kills it.
        kernel = self.kernel
        if kernel is not None and kernel.is_alive():
            kernel.km.shutdown_wait_time = 60.0
            kernel.kc.stop_channels()
            kernel.km.shutdown_kernel(now=False)
        super().teardown()

    @property
    def is_exercise(self) -> bool:
        return "exercises" in self.path.parts


class StoredForm(pytest.Item):
    """How the file is stored: a clean run, top to bottom, with nothing that changes by itself."""

    def __init__(self, cells: list[IPyNbCell], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.cells = [cell for cell in cells if cell.cell.source.strip()]

    def runtest(self) -> None:
        wrong = list(self.problems())
        if wrong:
            raise nbval.plugin.NbCellError(-1, "\n".join(wrong), "")

    def problems(self) -> Iterator[str]:
        counts = [cell.cell.execution_count for cell in self.cells]
        if self.parent.is_exercise:
            if any(counts) or any(cell.cell.outputs for cell in self.cells):
                yield "An exercise is stored without outputs and without numbers of execution."
        elif counts != list(range(1, len(counts) + 1)):
            yield (
                f"The cells are not numbered as after one run from the top, but {counts}.\n"
                "Run it so: python run.py notebooks " + self.path.stem
            )
        if "widgets" in self.parent.nb.metadata:
            yield "metadata.widgets is stored: its ids are random. `run.py notebooks` removes it."
        if skipped := [cell.cell_num for cell in self.cells if cell.options["skip"]]:
            yield f"Cells {skipped} are marked to be skipped. Every cell of a chapter must run."
        ignored = [cell.cell_num for cell in self.cells if not cell.options["check"]]
        if len(ignored) > MAX_IGNORED:
            yield f"Cells {ignored} are not compared: {len(ignored)}, at most {MAX_IGNORED} may."

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        return f"{self.path.name} is not stored as a chapter should be.\n{excinfo.value}"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}::stored form"


class StrictCell(IPyNbCell):
    """A cell whose outputs are compared in their order, pictures included."""

    def runtest(self) -> None:
        if not self.options["check"]:
            self.user_properties.append((IGNORED, self.nodeid))
        super().runtest()
        if not self.options["check"] and not self.parent.is_exercise:
            stored = streams_between_displays(self.cell.outputs)
            if kinds(self.test_outputs) != kinds(stored):
                self.raise_cell_error(
                    "The kinds of outputs differ (that much is compared in a tagged cell):\n"
                    f"stored   {kinds(stored)}\ncomputed {kinds(self.test_outputs)}"
                )

    def compare_outputs(self, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
        if not super().compare_outputs(test, ref, skip_compare):
            return False
        if kinds(test) != kinds(ref):
            self.comparison_traceback = [
                "The outputs came in another order, or as something else:",
                f"stored   {kinds(ref)}",
                f"computed {kinds(test)}",
            ]
            return False
        # The same kinds in the same order: in each pair, the texts were compared by nbval only
        # as a list for each kind, which fixes them here; the pictures are left.
        for number, (new, old) in enumerate(zip(pictures(test), pictures(ref), strict=True)):
            if complaint := self.compare_pictures(new, old, number):
                self.comparison_traceback = [complaint]
                return False
        return True

    def sanitize(self, text: Any) -> Any:
        # A picture within HTML is compared by its pixels as well, not as text.
        text = super().sanitize(text)
        return PICTURE.sub("data:image/png;base64,PICTURE", text) if type(text) is str else text

    def compare_pictures(self, new: bytes, old: bytes, number: int) -> str:
        lenient = why_lenient()
        self.user_properties.append((FIGURE_SIZE if lenient else FIGURE, self.nodeid))
        complaint = picture_difference(new, old, lenient=bool(lenient))
        if complaint and self.config.cache:
            folder = self.config.cache.mkdir("figures")
            for name, content in (("stored", old), ("computed", new)):
                file = folder / f"{self.path.stem}-cell{self.cell_num}-{number}-{name}.png"
                file.write_bytes(content)
            complaint += f"\nBoth are in {folder}."
        return complaint


def kinds(outputs: list[Any]) -> list[str]:
    """What each output is: the stream or the error by name, a display by its formats."""
    return [
        f"{output.output_type}({output.get('name') or output.get('ename') or formats(output)})"
        for output in outputs
    ]


def formats(output: Any) -> str:
    return ", ".join(sorted(output.get("data", {})))


def pictures(outputs: list[Any]) -> list[bytes]:
    """The PNG files in outputs: figures, and pictures within HTML."""
    found = []
    for output in outputs:
        data = output.get("data", {})
        found += [data["image/png"]] if "image/png" in data else []
        found += PICTURE.findall(data.get("text/html", ""))
    return [base64.b64decode(text) for text in found]


def picture_difference(new: bytes, old: bytes, *, lenient: bool) -> str:
    """What differs between two PNG files, in words; empty if they are as good as equal."""
    import numpy as np
    from PIL import Image

    computed, stored = (Image.open(io.BytesIO(content)).convert("RGBA") for content in (new, old))
    if lenient:
        near = all(abs(a - b) <= 0.1 * b for a, b in zip(computed.size, stored.size, strict=True))
        return "" if near else f"The picture is {computed.size}, stored is {stored.size}."
    if computed.size != stored.size:
        return f"The picture has {computed.size} pixels, the stored one {stored.size}."
    gap = np.abs(np.asarray(computed, dtype=int) - np.asarray(stored, dtype=int)).max(axis=2)
    if (gap > SHADES).sum() <= PIXELS:
        return ""
    rows, columns = np.nonzero(gap > SHADES)
    return (
        f"The picture differs in {len(rows)} of {gap.size} pixels, within columns "
        f"{columns.min()} to {columns.max()} and rows {rows.min()} to {rows.max()}."
    )


def why_lenient() -> str:
    """Why pictures cannot be compared by pixels here; empty in the pinned environment."""
    from matplotlib import ft2font

    pinned = re.search(r"^matplotlib==(\S+)", LOCK.read_text(encoding="utf-8"), re.M)
    installed = importlib.metadata.version("matplotlib")
    if pinned is None or installed != pinned[1]:
        return f"matplotlib is {installed}, the lock has {pinned and pinned[1]}"
    if getattr(ft2font, "__freetype_build_type__", "local") != "local":
        return "matplotlib uses the FreeType of the system, not its own"
    return ""
