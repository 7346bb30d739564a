"""What all tests share: how hypothesis searches, and the browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import chromium, lab, lab_server, open_page

__all__ = ["chromium", "lab", "lab_server", "open_page"]

# Machines are slow at times: an example has no deadline. In CI the same examples come each time.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def no_figure_is_left_open() -> Iterator[None]:
    """A figure that a test leaves behind would be in the way of the next one."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
