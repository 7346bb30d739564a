"""What all tests share: how hypothesis searches, and the browser."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.lab import chromium, lab, lab_server
from tests.pages import open_page
from tests.postgres import postgres, server

__all__ = ["chromium", "lab", "lab_server", "open_page", "postgres", "server"]

# The longest begin first, so that no process is left alone with one at the end of a run; seconds of
# a quiet machine are behind the order. Files that are not named follow, notebooks last.
LONGEST = (
    "course/classroom/test_grading",
    "browser/test_chapters",
    "browser/test_race",
    "browser/timetravel/test_lab",
    "browser/timetravel/test_asking",
    "browser/timetravel/test_reading",
    "browser/test_lag",
    "browser/test_exercises",
    "browser/test_slider",
    "browser/test_long_history",
    "store/test_durability",
    "readmodels/test_projector",
    "store/test_hash_chain",
    "datasets/test_flights",
    "browser/test_store_travel",
    "browser/test_checklist",
    "notebooks/test_strict_notebooks",
    "test_upcasters",
    "course/classroom/test_classroom",
    "store/test_concurrency",
    "test_run",
    "transports/test_kafka",
    "store/test_store_model",
    "course/exercises/test_bank",
    "browser/test_lab",
    "browser/test_classroom",
    "tools/test_handout",
    "test_repository",
)
HERE = Path(__file__).parent
#: Tells, in the environment of a process, which run has started it.
RUN = "ESNB_TEST_RUN"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {HERE / f"{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


# Machines are slow at times: an example has no deadline. In CI the same examples come each time.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary files go into a folder of this run's own: at its end it is empty.

    Whoever was started with that folder has ended as well, also a process without a parent.
    """
    tmp_path_factory.getbasetemp()  # stays where it is: pytest keeps the last three on purpose
    folder = Path(tempfile.mkdtemp(prefix="esnb-"))
    folder.chmod(0o711)  # as in any temporary folder, another user may open what is theirs
    patch = pytest.MonkeyPatch()
    for name in ("TMPDIR", "TEMP", "TMP", RUN):
        patch.setenv(name, str(folder))
    patch.setattr(tempfile, "tempdir", None)
    yield
    patch.undo()
    until = time.monotonic() + 20  # a browser takes a moment to end, and to tidy up
    while (left := [*left_in(folder), *started_with(folder)]) and time.monotonic() < until:
        time.sleep(0.2)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, "left behind by a test"


def left_in(folder: Path) -> list[str]:
    """The names of what is in a folder, and of what is in the folders in it."""
    return [
        f"{path.name}: {', '.join(sorted(p.name for p in path.glob('*')))}"
        for path in sorted(folder.iterdir())
    ]


def started_with(folder: Path) -> list[str]:
    """The processes that were started by this run, but for those that end with this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = " ".join(process.cmdline())
            if "resource_tracker" in words or process.pid == os.getpid():
                continue
            environ = process.environ()
            if str(folder) in (environ.get(RUN), environ.get("TMPDIR")):
                found.append(f"{process.pid}: {words[:150]}")
    return found


@pytest.fixture(autouse=True)
def no_figure_is_left_open() -> Iterator[None]:
    """A figure that a test leaves behind would be in the way of the next one."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
