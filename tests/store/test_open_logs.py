"""A file is known by what it is: deleted, moved, replaced, and under several names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from esnb import EventStore, NotAStoreError, StoreClosedError, StoreCorruptError, new_event
from tests.support import fill


def all_files(path: Path) -> list[Path]:
    return [p for p in path.parent.iterdir() if p.name.startswith(path.name)]


def delete_all(path: Path) -> None:
    for each in all_files(path):
        each.unlink()


def delete_main(path: Path) -> None:
    path.unlink()


def move_all(path: Path) -> None:
    (path.parent / "new").mkdir()
    for each in all_files(path):
        each.rename(path.parent / "new" / each.name)


def move_main(path: Path) -> None:
    path.rename(path.with_name("other"))


def replace_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def delete_head(path: Path) -> None:
    path.with_name(path.name + ".head").unlink()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.duckdb"


@pytest.mark.parametrize(
    "lose",
    [delete_all, delete_main, move_all, move_main, replace_by_a_copy, delete_head],
)
def test_an_append_to_a_file_without_its_name_is_refused(path, lose):
    store = EventStore(path)
    fill(store, "a", 3)
    lose(path)
    for _ in range(2):
        with pytest.raises(StoreCorruptError, match=r"is not stored.*close"):
            fill(store, "a", 1)
        with pytest.raises(StoreCorruptError, match="is not stored"):
            store.add_snapshot("a", "T", 3, {}, 1)
    assert [event.sequence_number for event in store.events("a")] == [1, 2, 3]
    proof = store.backup(path.with_name("kept.duckdb"))
    store.close()
    with EventStore.restore(
        path.with_name("kept.duckdb"), path.with_name("r"), proof=proof
    ) as kept:
        assert kept.position == 3


def test_an_append_during_which_the_file_is_deleted_is_not_acknowledged(path, monkeypatch):
    with EventStore(path) as store:
        fill(store, "a", 3)
        insert = store._log.insert

        def insert_and_delete(*arguments):
            delete_all(path)
            return insert(*arguments)

        monkeypatch.setattr(store._log, "insert", insert_and_delete)
        with pytest.raises(StoreCorruptError, match="deleted, moved, or replaced"):
            fill(store, "a", 1)


def test_a_deleted_path_opened_again_is_a_new_empty_store(path):
    """The habit of notebooks: delete the file in the first cell, and run all cells again."""
    old = EventStore(path)
    fill(old, "a", 3)
    delete_all(path)
    new = EventStore(path)
    assert (new.position, new.version("a")) == (0, 0)
    fill(new, "b", 2)
    with pytest.raises(StoreClosedError, match="use the store that was opened last"):
        fill(old, "a", 1)
    with pytest.raises(StoreClosedError, match="use the store that was opened last"):
        old.events("a")
    old.close()
    fill(new, "b", 1)
    new.close()
    with EventStore(path) as again:
        assert [(e.aggregate_id, e.sequence_number) for e in again.read_all()] == [
            ("b", 1),
            ("b", 2),
            ("b", 3),
        ]


def test_deleting_only_the_main_file_is_said(path):
    store = EventStore(path)
    fill(store, "a", 3)
    delete_main(path)
    with pytest.raises(StoreCorruptError, match=r"'s\.duckdb' does not exist.*s\.duckdb\.wal"):
        EventStore(path)
    assert path.with_name("s.duckdb.wal").exists()
    store.close()


def test_another_store_put_in_place_is_what_opens(path):
    with EventStore(path.with_name("other.duckdb")) as other:
        fill(other, "z", 5)
    store = EventStore(path)
    fill(store, "a", 3)
    delete_all(path)
    path.with_name("other.duckdb").rename(path)
    with EventStore(path) as found:
        assert [e.aggregate_id for e in found.read_all()] == ["z"] * 5
        fill(found, "z", 1)
    store.close()
    with EventStore(path) as found:
        assert found.position == 6


def test_a_moved_file_is_refused_at_its_new_place_until_the_old_store_is_closed(path):
    store = EventStore(path)
    fill(store, "a", 3)
    move_all(path)
    with pytest.raises(StoreCorruptError, match=r"open in this process under its old path"):
        EventStore(path.parent / "new" / "s.duckdb")
    store.close()
    with EventStore(path.parent / "new" / "s.duckdb") as moved:
        assert moved.position == 3
        fill(moved, "a", 1)


def test_a_symbolic_link_and_its_target_are_one_store(path):
    with EventStore(path) as store:
        fill(store, "a", 1)
        link = path.with_name("link.duckdb")
        link.symlink_to(path)
        with EventStore(link) as same:
            fill(same, "a", 1)
            fill(store, "a", 1)
            assert same.version("a") == store.version("a") == 3
    assert not link.with_name("link.duckdb.head").exists()


def test_a_hard_link_is_the_same_store_while_it_is_open(path):
    link = path.with_name("link.duckdb")
    with EventStore(path) as store:
        fill(store, "a", 1)
        os.link(path, link)
        with EventStore(link) as same:
            fill(same, "a", 1)
            fill(store, "a", 1)
            assert same.version("a") == store.version("a") == 3
    with pytest.raises(NotAStoreError, match="several names"):
        EventStore(link)
    with EventStore(path) as store:
        assert store.position == 3


@pytest.mark.parametrize("where", ["", "folder/"])
def test_a_dangling_link_does_not_become_a_new_store(path, where):
    (path.parent / "folder").mkdir()
    path.symlink_to(path.parent / f"{where}nowhere.duckdb")
    with pytest.raises(NotAStoreError, match=r"symbolic link to .*nowhere\.duckdb.*not exist"):
        EventStore(path)
    assert not list(path.parent.rglob("nowhere*"))


def test_a_name_in_another_case_is_one_store_where_the_disk_says_so(path):
    with EventStore(path) as store:
        fill(store, "a", 1)
        other = path.with_name("S.DuckDB")
        if not other.exists():
            pytest.skip("this file system tells upper from lower case")
        with EventStore(other) as same:
            fill(same, "a", 1)
            assert store.version("a") == 2


def test_the_same_path_twice_is_one_log(path):
    first, second = EventStore(path), EventStore(path)
    first.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
    assert second.position == 1
    first.close()
    second.append("a", [new_event("X")], expected_version=1)
    second.close()
    with EventStore(path) as again:
        assert again.position == 2
