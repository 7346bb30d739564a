"""The folder of a search index belongs to one process at a time."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esnb import EventStore, InvalidEventError
from esnb.readmodels.search import SearchProjector
from esnb.shop import first_orders
from esnb.shop.search import OrderSearch
from tests.support import ROOT

ELSEWHERE = """
import sys
from esnb import EsnbError, EventStore
from esnb.readmodels.search import SearchProjector
from esnb.shop.search import OrderSearch
try:
    with EventStore() as store:
        print("open", SearchProjector(store, OrderSearch, sys.argv[1]).notice == "")
except EsnbError as error:
    print(type(error).__name__, getattr(error, "pid", None))
"""


def elsewhere(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder)],
        cwd=ROOT, check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_second_process_cannot_use_the_folder(tmp_path):
    folder, link = tmp_path / "orders.index", tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    with EventStore() as store:
        first_orders(store)
        projector = SearchProjector(store, OrderSearch, folder)
        projector.catch_up()
        for path in folder.rglob("*"):
            path.is_file() and path.read_bytes()  # reading does not drop the lock
        assert elsewhere(link) == f"StoreLockedError {os.getpid()}"
        projector.rebuild()
        projector.close()
        assert elsewhere(folder) == "open False", "free, and of another log: dropped"
    assert not tmp_path.joinpath("orders.index.lock").exists()


def test_a_projector_that_is_gone_leaves_no_lock(tmp_path):
    with EventStore() as store:
        projector = SearchProjector(store, OrderSearch, tmp_path / "i")
        del projector
        gc.collect()
        assert not (tmp_path / "i.lock").exists()
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "a.txt").write_text("years of work")
        with pytest.raises(InvalidEventError):
            SearchProjector(store, OrderSearch, tmp_path / "thesis")
        gc.collect()
        assert not (tmp_path / "thesis.lock").exists()
