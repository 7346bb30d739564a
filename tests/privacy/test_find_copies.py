"""Where copies of personal data are left."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from esnb import (
    EventStore,
    InvalidEventError,
    LessonClock,
    Projector,
    interchange,
    new_event,
)
from esnb.privacy.find_copies import find_copies
from esnb.privacy.vault import FORGOTTEN, KeyVault, forget
from esnb.readmodels.search import SearchProjector
from tests.privacy.people import (
    ADA,
    EVE,
    PERSONAL,
    Customer,
    Customers,
    Names,
    opened,
    register,
)
from tests.support import ROOT


def test_every_copy_is_found_and_can_be_cleaned(tmp_path):
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    store = opened(tmp_path / "s.duckdb", vault)
    register(store, ADA)
    register(store, EVE)
    customer = store.load(Customer, "customer-c-17")
    customer.record("Visited", level=1)
    store.save(customer)  # takes a snapshot
    table = Projector(store, Customers, tmp_path / "read.duckdb")
    table.catch_up()
    index = SearchProjector(store, Names)
    index.catch_up()
    table.df().to_csv(tmp_path / "customers.csv")
    notebook = {"cells": [
        {"cell_type": "code", "source": ["store.load(Customer, 'customer-c-17')"],
         "outputs": [{"output_type": "execute_result", "data": {"text/plain": [repr(customer)]}}]},
    ]}  # fmt: skip
    (tmp_path / "look.ipynb").write_text(json.dumps(notebook))
    places = (store, table, index, tmp_path / "customers.csv", tmp_path / "look.ipynb")
    words = ["Lovelace"]
    before = find_copies(words, *places)
    assert set(before["place"]) == {
        "EventStore", "Projector", "SearchProjector", "customers.csv", "look.ipynb"
    }  # fmt: skip
    assert "snapshots.state_json" in set(before["where"])
    forget(store, "c-17")
    # The key alone does not reach the copies.
    after = find_copies(words, *places)
    assert set(after["place"]) == set(before["place"])
    assert not after["where"].str.startswith("events.").any()
    assert store.load(Customer, "customer-c-17").name == "Ada Lovelace"  # the snapshot
    store.delete_snapshots("customer-c-17")
    assert store.load(Customer, "customer-c-17").name == FORGOTTEN
    index.rebuild()
    table.rebuild()
    assert table.df().set_index("id")["name"].to_dict() == {"c-17": FORGOTTEN, "c-18": EVE["name"]}
    table.close()
    (tmp_path / "read.duckdb").unlink()  # the engine keeps freed blocks; a new file has none
    (tmp_path / "customers.csv").unlink()
    notebook["cells"][0]["outputs"] = []
    (tmp_path / "look.ipynb").write_text(json.dumps(notebook))
    store.close()
    with opened(tmp_path / "s.duckdb", vault) as store:
        fresh = Projector(store, Customers, tmp_path / "read.duckdb")
        fresh.catch_up()
        assert find_copies(words, store, fresh, vault, tmp_path).empty
        assert not find_copies(["Moneypenny"], fresh).empty
        fresh.close()


def test_a_deleted_snapshot_stays_in_the_bytes_until_the_log_moves_to_a_new_file(tmp_path):
    vault = KeyVault(personal=PERSONAL)
    store = opened(tmp_path / "s.duckdb", vault)
    for data in (ADA, EVE):
        register(store, data)
        Customer.take_snapshot(store, f"customer-{data['customer']}")
    forget(store, "c-17")
    store.delete_snapshots("customer-c-17")
    interchange.write_jsonl(store, tmp_path / "log.jsonl")
    proof = store.proof
    store.close()
    # The engine marks the row as deleted, and writes it to the file all the same.
    assert not find_copies(["Lovelace"], tmp_path / "s.duckdb").empty
    log = interchange.read_jsonl(tmp_path / "log.jsonl")
    interchange.restore(log, tmp_path / "new.duckdb", proof=proof).close()
    (tmp_path / "s.duckdb").unlink()
    assert find_copies(["Lovelace"], tmp_path).empty
    with opened(tmp_path / "new.duckdb", vault) as store:
        assert store.events("customer-c-18")[0].data == EVE


@pytest.mark.parametrize("name", ["Ada Lovelace", "lovelace", 'Zoë "O\'Neil"', "Jürgen\\Groß"])
def test_a_word_is_found_however_it_is_written(tmp_path, name):
    full = {"lovelace": "Ada LOVELACE"}.get(name, name)
    store = EventStore(tmp_path / "s.duckdb", clock=LessonClock())
    register(store, {**ADA, "name": full})
    interchange.write_jsonl(store, tmp_path / "a.jsonl")
    interchange.write_jsonl(store, tmp_path / "a.jsonl.gz")
    interchange.write_parquet(store, tmp_path / "a.parquet")
    (tmp_path / "ascii.json").write_text(json.dumps({"name": full}))
    found = find_copies([name], store, tmp_path)
    assert {"events.event_data"} <= set(found["where"])
    for file in ("a.jsonl", "a.jsonl.gz: unpacked", "a.parquet: event_data", "ascii.json"):
        assert file in set(found["where"]), file
    assert any(where.startswith("file s.duckdb") for where in found["where"])


def test_a_search_of_files_leaves_the_store_locked(tmp_path):
    """A process that opens and closes a file gives away its lock on it, so another one reads."""
    store = EventStore(tmp_path / "s.duckdb", clock=LessonClock())
    register(store, ADA)
    assert not find_copies(["Lovelace"], store, tmp_path).empty
    code = "import sys; from esnb import EventStore; EventStore(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.duckdb")], cwd=ROOT, capture_output=True,
        text=True,
    )  # fmt: skip
    assert "StoreLockedError" in done.stderr


def test_compressed_texts_are_found_in_the_tables_of_a_file(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path, clock=LessonClock()) as store:
        events = [new_event("Registered", name=f"{n % 7} Lovelace") for n in range(4000)]
        store.append("all", events, expected_version=0, aggregate_type="T")
        in_use = find_copies(["Lovelace"], path)
    found = find_copies(["Lovelace"], path).set_index("where")["times"]
    assert found["events.event_data"] == 4000
    assert found.get("bytes", 0) < 4000  # most of them are not there as plain text
    assert "events.event_data" not in set(in_use["where"])
    (tmp_path / "broken.duckdb").write_bytes(b"no database, and Lovelace")
    assert find_copies(["Lovelace"], tmp_path / "broken.duckdb")["where"].tolist() == ["bytes"]


@pytest.mark.parametrize("words", [[], [""], [" "], [None], ""])
def test_nothing_to_look_for_is_refused(words):
    with pytest.raises(InvalidEventError, match="non-empty texts"):
        find_copies(words)


def test_a_place_that_cannot_be_searched_is_named(tmp_path):
    with pytest.raises(InvalidEventError, match="no file or folder 'gone'"):
        find_copies(["Ada"], tmp_path / "gone")
    with pytest.raises(InvalidEventError, match="A place to search is"):
        find_copies(["Ada"], 17)
    vault = KeyVault(personal=PERSONAL)
    register(opened(vault=vault), ADA)
    assert find_copies(["c-17"], vault)["where"].tolist() == ["keys"]
