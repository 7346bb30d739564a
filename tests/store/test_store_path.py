"""Promise 8 on paths: foreign files, what is not a path, missing rights, odd names."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from esnb import (
    EsnbError,
    EventStore,
    NotAStoreError,
    StoreCorruptError,
)
from tests.store.store_files import files
from tests.support import Snapped, fill

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def make_text(path: Path) -> None:
    path.write_text("aggregate_id,event_type\na,X\n")


def make_sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a int)")


def make_duckdb(path: Path) -> None:
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table t (a int)")


def make_duckdb_schema(path: Path) -> None:
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("create schema other; create table other.t (a int)")


def make_duckdb_view(path: Path) -> None:
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("create view v as select 1")


def make_duckdb_with_wal(path: Path) -> None:
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('create table t (a int)'); c.execute('insert into t values (1)'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name(path.name + ".wal").exists()


def make_newer_format(path: Path) -> None:
    EventStore(path).close()
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("update esnb_format set version = 4")


def make_newer_engine(path: Path) -> None:
    EventStore(path).close()
    data = bytearray(path.read_bytes())
    data[12:20] = struct.pack("<Q", 9999)
    path.write_bytes(bytes(data))


def make_short(path: Path) -> None:
    path.write_bytes(b"\x00" * 5)


@pytest.mark.parametrize(
    "make",
    [make_text, make_sqlite, make_duckdb, make_duckdb_schema, make_duckdb_view,
     make_duckdb_with_wal, make_newer_format, make_newer_engine, make_short],
)  # fmt: skip
def test_a_foreign_file_is_named_and_stays_untouched(tmp_path, make):
    path = tmp_path / "s.duckdb"
    make(path)
    before = files(path)
    for _ in range(2):
        with pytest.raises((NotAStoreError, StoreCorruptError), match=r"s\.duckdb") as caught:
            EventStore(path)
    if make is not make_newer_engine:
        assert isinstance(caught.value, NotAStoreError)
    after = files(path)
    after.pop("s.duckdb.head", None)
    before.pop("s.duckdb.head", None)
    assert after == before


@pytest.mark.parametrize(
    "path",
    [5, b"x", ["x"], "a\x00b", "x" * 5000, "missing/folder/s.duckdb", ".", "", object(),
     "file.txt/s.duckdb"],
    ids=lambda path: str(path).partition(" at 0x")[0],
)  # fmt: skip
def test_what_is_no_path_is_not_a_store(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("x")
    with pytest.raises(NotAStoreError):
        EventStore(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_an_empty_file_is_told_and_a_missing_one_is_made(tmp_path):
    path = tmp_path / "s.duckdb"
    path.touch()
    with pytest.raises(NotAStoreError, match=r"empty file\. Delete it"):
        EventStore(path)
    path.unlink()
    with EventStore(path) as store:
        fill(store, "a", 1)
    with EventStore(path) as store:
        assert store.position == 1


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """The rights of a user who owns nothing: root may write everywhere."""
    if not IS_ROOT:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file modes are those of POSIX systems")
def test_files_without_the_right_to_write_or_read():
    folder = Path(tempfile.mkdtemp())
    path = folder / "s.duckdb"
    try:
        with EventStore(path) as store:
            fill(store, "a", 2)
        for file_mode, folder_mode in ((0o444, 0o755), (0o444, 0o555), (0o000, 0o755)):
            for file in folder.iterdir():
                file.chmod(file_mode)
            folder.chmod(folder_mode)
            with without_rights():
                with pytest.raises(NotAStoreError):
                    EventStore(path)
                with pytest.raises(EsnbError):
                    EventStore(folder / "new.duckdb") if folder_mode == 0o555 else EventStore(path)
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
        with EventStore(path) as store:
            assert store.position == 2
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "name",
    ["with space.duckdb", "ünïcödé 日本.duckdb", "it's.duckdb", 'quo"te.duckdb', "no_suffix",
     "a.b.c.db", "main.duckdb", "temp.duckdb", "system.duckdb", "memory.duckdb", "events.duckdb",
     "select.db",
     "semi;colon.db", "percent%20.db", "1.duckdb", "-dash.db", ":memory:"],
)  # fmt: skip
def test_odd_file_names(tmp_path, name):
    folder = tmp_path / 'a folder\'s "name"'
    folder.mkdir()
    path = folder / name
    for count in (2, 4):
        with EventStore(path) as store:
            fill(store, "a", 2)
            assert store.version("a") == count
            assert store.sql("select count(*) from events").fetchone() == (count,)
            assert store.as_of(1).sql("select count(*) from events").fetchone() == (1,)
            tally = store.load(Snapped, "a")
            tally.add(1)
            assert store.delete_snapshots("nobody") == 0
    assert sorted(p.name for p in folder.iterdir()) == sorted([name, name + ".head"])
