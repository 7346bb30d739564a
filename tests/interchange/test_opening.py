"""Limits on the way in, and what an export never replaces on the way out."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esnb import EventStore, InvalidEventError, Projector, interchange, new_event
from esnb.interchange import InterchangeError, read_jsonl, restore, write_jsonl
from esnb.shop import OrderSummary
from tests.interchange.formats import FORMATS, all_of, bank


def store_at(path: Path) -> EventStore:
    store = EventStore(path)
    store.append("a", [new_event("X")] * 1, expected_version=0, aggregate_type="T")
    return store


TARGETS: dict[str, Callable[[Path], Path]] = {
    "the file itself": lambda store: store,
    "its head": lambda store: store.with_name(store.name + ".head"),
    "its log": lambda store: store.with_name(store.name + ".wal"),
    "another way to it": lambda store: store.parent / "." / ".." / store.parent.name / store.name,
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_store_is_never_the_target(name: str, target: str, tmp_path: Path) -> None:
    write, _, _ = FORMATS[name]
    with store_at(tmp_path / "s.duckdb") as store:
        with pytest.raises(InterchangeError, match="never replaces"):
            write(store, TARGETS[target](tmp_path / "s.duckdb"))
        store.append("a", [new_event("Y")], expected_version=1)
    with EventStore(tmp_path / "s.duckdb") as store:
        assert [event.event_type for event in store.read_all()] == ["X", "Y"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_nor_is_a_link_to_one(link: Callable[..., None], tmp_path: Path) -> None:
    with store_at(tmp_path / "s.duckdb") as store:
        link(tmp_path / "s.duckdb", tmp_path / "log.jsonl")
        os.symlink(tmp_path / "s.duckdb.head", tmp_path / "head.jsonl.head")
        for target in ("log.jsonl", "head.jsonl.head"):
            with pytest.raises(InterchangeError, match="never replaces"):
                write_jsonl(store, tmp_path / target)
        assert (tmp_path / "log.jsonl").read_bytes()[8:12] == b"DUCK"


def test_nor_is_another_store_or_a_read_model(tmp_path: Path) -> None:
    store_at(tmp_path / "other.duckdb").close()
    with store_at(tmp_path / "s.duckdb") as store:
        projector = Projector(store, OrderSummary, tmp_path / "read.duckdb")
        for target in ("other.duckdb", "read.duckdb"):
            with pytest.raises(InterchangeError, match="is a DuckDB database"):
                write_jsonl(store.as_of(1), tmp_path / target)
        projector.close()
        # A file with such an ending that belongs to no database is a file like any other.
        assert write_jsonl(store, tmp_path / "notes.head").events == 1
        assert write_jsonl(store, tmp_path / "notes.head").events == 1


def test_a_file_beside_the_target_stays(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl.part").write_text("mine")
    with bank() as store:
        write_jsonl(store, tmp_path / "log.jsonl")
    assert (tmp_path / "log.jsonl.part").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "log.jsonl.part"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_larger_than_the_limit_is_not_read(name: str, tmp_path: Path) -> None:
    write, read, file = FORMATS[name]
    with bank() as store:
        write(store, tmp_path / file)
        with pytest.raises(InterchangeError, match=r"max_bytes=|bytes unpacked"):
            read(tmp_path / file, max_bytes=100)
        with restore(read(tmp_path / file, max_bytes=100_000)) as copy:
            assert all_of(copy) == all_of(store)


@pytest.mark.parametrize(
    "read", [interchange.read_xes, lambda path, **k: interchange.read_ocel(path, "T", **k)]
)
def test_so_it_is_with_logs_of_process_mining(read: Any, tmp_path: Path) -> None:
    (tmp_path / "log.xes").write_text("<log>" + " " * 1000 + "</log>")
    with pytest.raises(InterchangeError, match=r"more than 100 bytes.*max_bytes="):
        read(tmp_path / "log.xes", max_bytes=100)


def test_a_packed_bomb_is_seen_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b" " * 150_000_000, 9))
    with pytest.raises(InterchangeError, match="more than 200 times its size"):
        read_jsonl(tmp_path / "log.jsonl.gz")


def test_an_endless_line_is_another_format(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("esnb.interchange.reading._LONGEST_LINE", 1000)
    (tmp_path / "log.jsonl").write_text('{"a":1}\n' + "x" * 2000)
    with pytest.raises(InterchangeError, match="line 2 has more than 1,000 bytes"):
        read_jsonl(tmp_path / "log.jsonl")


@pytest.mark.parametrize("path", [None, 7, "a\0b", "", b"log"])
def test_what_is_not_a_path_is_said(path: Any) -> None:
    for name, (write, read, _) in FORMATS.items():
        with pytest.raises(InterchangeError, match="not the path of a file"):
            read(path)
        with bank() as store, pytest.raises(InterchangeError, match="not the path of a file"):
            write(store, path)
        assert name


@pytest.mark.parametrize("limit", ["x", 0, -1, 1.5])
def test_a_limit_is_a_number_of_bytes(limit: Any, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("{}")
    with pytest.raises(InvalidEventError, match="max_bytes counts from 1"):
        read_jsonl(tmp_path / "log.jsonl", max_bytes=limit)
