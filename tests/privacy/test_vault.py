"""Forgetting a person: what is sealed, who can open it, what stays, and where copies stand."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Aggregate,
    DuplicateEventError,
    Event,
    EventStore,
    InvalidEventError,
    LessonClock,
    Projection,
    Projector,
    Upcasters,
    handles,
    interchange,
    new_event,
    replay,
    state_of,
)
from esnb.privacy.find_copies import find_copies
from esnb.privacy.vault import FORGOTTEN, NO_KEY, KeyVault, VaultError, forget
from esnb.readmodels.search import SearchProjection, SearchProjector
from esnb.store.conditions import AppendCondition
from tests.support import JSON, ROOT, exactly

PERSONAL = {
    "Registered": {"customer": ["name", "email"]},
    "Gift": {"sender": ["sender_name"], "receiver": ["receiver_name", "address"]},
}
ADA = {"customer": "c-17", "name": "Ada Lovelace", "email": "ada@example.org", "level": 3}
EVE = {"customer": "c-18", "name": "Eve Moneypenny", "email": "eve@example.org", "level": 1}


class Customer(Aggregate):
    """A customer with a snapshot at every second event."""

    aggregate_type = "CUSTOMER"
    snapshot_every = 2

    def __init__(self) -> None:
        self.name: Any = None
        self.email: Any = None
        self.level = 0

    def apply(self, event: Event) -> None:
        if event.type == "Registered":
            self.name, self.email = event.data.get("name"), event.data.get("email")
        self.level += event.data.get("level", 0)


class Customers(Projection):
    """A list of customers."""

    tables: ClassVar = {"customers": "id varchar primary key, name varchar, level integer"}

    @handles("Registered")
    def registered(self, db, event):
        db.execute(
            "insert into customers values (?, ?, ?)",
            [event.data["customer"], event.data["name"], event.data["level"]],
        )


class Names(SearchProjection):
    """A search index of names."""

    fields: ClassVar[dict[str, float]] = {"name": 1.0}

    def apply(self, document, event):
        return {"name": event.data["name"]} if event.type == "Registered" else document


def opened(path: Path | None = None, vault: KeyVault | None = None, **more: Any) -> EventStore:
    vault = KeyVault(personal=PERSONAL) if vault is None else vault
    return EventStore(path, clock=LessonClock(), vault=vault, **more)


def register(store: EventStore, data: dict[str, Any], **more: Any) -> Event:
    event = new_event("Registered", data, **more)
    store.append(
        f"customer-{data['customer']}", [event], expected_version=0, aggregate_type="CUSTOMER"
    )
    return event


def raw(store: EventStore) -> str:
    return str(store.sql("from events").fetchall())


# -- sealing and opening -------------------------------------------------------------------------


def test_personal_fields_are_sealed_in_the_log_and_open_on_every_read_path():
    store = opened()
    register(store, ADA)
    register(store, EVE)
    assert "Lovelace" not in raw(store)
    assert "example.org" not in raw(store)
    assert store.sql("select event_data->>'$.customer' from events").fetchall()[0] == ("c-17",)
    past = store.as_of(1)
    for data in (
        store.events("customer-c-17")[0].data,
        next(store.read_all()).data,
        past.events("customer-c-17")[0].data,
        store.known_by("2026-03-03T00:00:00Z").events("customer-c-17")[0].data,
        json.loads(store.sql("select event_data from events_now").fetchall()[0][0]),
        json.loads(store.row_list(0, 1)[0][7]),
    ):
        assert data == ADA
    rows = duckdb.connect()
    rows.register("log", store.rows(0, 2))
    texts = rows.sql("select event_data from log").fetchall()
    assert [json.loads(text) for (text,) in texts] == [ADA, EVE]
    assert store.load(Customer, "customer-c-17").name == "Ada Lovelace"
    assert store.events("customer-c-17", upcast=False)[0].data["name"].keys() == {"sealed", "box"}


@settings(max_examples=60)
@given(JSON.filter(lambda v: v is not None), JSON)
def test_any_value_comes_back_as_it_was(one, other):
    store = opened()
    data = {"customer": "c-1", "name": one, "email": other, "level": 1}
    register(store, data)
    assert exactly(store.events("customer-c-1")[0].data) == exactly(new_event("X", data).data)
    sealed = store.events("customer-c-1", upcast=False)[0].data
    assert sealed["name"]["sealed"] == "c-1"
    assert (sealed["email"] is None) == (other is None)


def test_the_same_value_is_sealed_differently_each_time():
    store = opened()
    register(store, ADA)
    store.append("customer-c-17", [new_event("Registered", ADA)], expected_version=1)
    stored = store.events("customer-c-17", upcast=False)
    one, two = (base64.b64decode(e.data["name"]["box"]) for e in stored)
    assert one[:12] != two[:12]  # the nonce
    assert one[12:-16] != two[12:-16]  # the text


def test_two_persons_in_one_event_are_forgotten_one_by_one():
    store = opened()
    gift = {"sender": "c-1", "receiver": "c-2", "sender_name": "Ada", "receiver_name": "Eve",
            "address": {"street": "Mill Lane 3"}}  # fmt: skip
    store.append("gift-1", [new_event("Gift", gift)], expected_version=0, aggregate_type="GIFT")
    forget(store, "c-2")
    assert store.events("gift-1")[0].data == {
        **gift, "receiver_name": FORGOTTEN, "address": FORGOTTEN
    }  # fmt: skip


def test_upcasters_see_what_is_opened():
    steps = Upcasters()

    @steps.register("Registered", 1)
    def shout(data):
        return {**data, "name": data["name"].upper()}

    store = opened(upcasters=steps)
    register(store, ADA)
    (event,) = store.events("customer-c-17")
    assert (event.data["name"], event.event_version) == ("ADA LOVELACE", 2)

    @steps.register("Registered", 2)  # a step that its owner adds later counts too
    def cut(data):
        return {**data, "name": data["name"][:3]}

    assert store.events("customer-c-17")[0].data["name"] == "ADA"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["name"].update(box=d["email"]["box"]),
        lambda d: d["name"].update(box=base64.b64encode(b"x" * 40).decode()),
        lambda d: d["name"].update(box="no base64"),
        lambda d: d["name"].update(sealed="c-18"),
    ],
    ids=["another field", "another text", "no text", "another person"],
)
def test_a_value_that_was_changed_or_moved_is_not_opened(change):
    store = opened()
    register(store, ADA)
    register(store, EVE)
    stored = store.events("customer-c-17", upcast=False)[0]
    change(stored.data)
    with pytest.raises(VaultError, match="was changed, or moved"):
        store.vault.open(stored.data, "customer-c-17", 1)
    for stream, number in (("customer-c-18", 1), ("customer-c-17", 2)):
        data = store.events("customer-c-17", upcast=False)[0].data
        with pytest.raises(VaultError, match="was changed, or moved"):
            store.vault.open(data, stream, number)


def test_a_condition_sees_what_is_opened():
    store = opened()
    register(store, ADA)
    question = AppendCondition(event_types=["Registered"], where={"email": ADA["email"]})
    assert len(store.matching(question)[0]) == 1


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("person", [None, "", " ", 17, ["c-17"]])
def test_personal_data_without_a_person_is_refused(person):
    store = opened()
    with pytest.raises(InvalidEventError, match="customer names the person"):
        store.append(
            "x", [new_event("Registered", customer=person, name="Ada")], expected_version=0,
            aggregate_type="CUSTOMER",
        )  # fmt: skip
    assert (store.position, store.vault.persons()) == (0, [])


def test_an_event_without_personal_values_needs_no_key():
    store = opened()
    store.append(
        "x", [new_event("Registered", customer="c-1", name=None), new_event("Other", name="free")],
        expected_version=0, aggregate_type="T",
    )  # fmt: skip
    assert store.vault.persons() == []
    assert store.events("x")[1].data == {"name": "free"}


@pytest.mark.parametrize("kind", ["Registered", "Other"])
def test_a_forged_sealed_value_is_refused(kind):
    store = opened()
    with pytest.raises(InvalidEventError, match="looks like a sealed value"):
        store.append(
            "x", [new_event(kind, customer="c-1", name={"sealed": "c-1", "box": "AAAA"})],
            expected_version=0, aggregate_type="T",
        )  # fmt: skip


@pytest.mark.parametrize(
    "personal",
    [None, ["name"], {"A": ["name"]}, {"A": {"c": "name"}}, {"A": {"c": [1]}}, {"A": {"c": ["c"]}},
     {"A": {"c": ["n"], "d": ["n"]}}],
)  # fmt: skip
def test_a_bad_declaration_is_refused(personal):
    with pytest.raises(InvalidEventError, match="personal"):
        KeyVault(personal=personal)


def test_what_is_no_vault_is_refused():
    with pytest.raises(InvalidEventError, match="vault is a KeyVault"):
        EventStore(vault="keys")  # type: ignore[arg-type]


def test_a_table_with_personal_events_is_refused():
    store = opened()
    table = pd.DataFrame([{**ADA, "what": "Registered", "at": "2026-03-02T09:00Z"}])
    names = {"aggregate_id": "customer", "event_type": "what", "occurred_at": "at"}
    with pytest.raises(InvalidEventError, match="Registered has personal fields"):
        store.append_frame(table, aggregate_type="CUSTOMER", **names)
    table["what"] = "Visited"
    assert store.append_frame(table, aggregate_type="CUSTOMER", **names).position == 1


def test_a_store_without_its_vault_shows_that_something_is_sealed(tmp_path):
    with opened(tmp_path / "s.duckdb") as store:
        register(store, ADA)
    with EventStore(tmp_path / "s.duckdb") as store:
        assert store.events("customer-c-17")[0].data["name"]["sealed"] == "c-17"
        with pytest.raises(VaultError, match="no vault"):
            forget(store, "c-17")
    with opened(tmp_path / "s.duckdb") as store:  # another vault: lost is not forgotten
        assert store.events("customer-c-17")[0].data["name"] == NO_KEY


# -- repeating -----------------------------------------------------------------------------------


def test_a_repeated_append_is_recognised_before_and_after_forgetting():
    store = opened()
    event = register(store, ADA)
    again = store.append("customer-c-17", [event], expected_version=0)
    assert (again.duplicate, again.events[0].data) == (True, ADA)
    forget(store, "c-17")
    again = store.append("customer-c-17", [event], expected_version=0)
    assert again.duplicate
    assert again.events[0].data == {**ADA, "name": FORGOTTEN, "email": FORGOTTEN}


@pytest.mark.parametrize("change", [{"name": "Ida"}, {"level": 4}, {"extra": 1}])
def test_the_same_id_with_other_content_is_an_error(change):
    store = opened()
    event = register(store, ADA)
    forged = new_event("Registered", {**ADA, **change}, event_id=event.event_id)
    with pytest.raises(DuplicateEventError, match="other content"):
        store.append("customer-c-17", [forged], expected_version=1)


# -- forgetting ----------------------------------------------------------------------------------


def test_forgetting_leaves_a_fact_and_nobody_elses_data_changes():
    store = opened()
    register(store, ADA)
    register(store, EVE)
    store.append("customer-c-17", [new_event("Registered", ADA)], expected_version=1)
    before = raw(store)
    said = forget(store, "c-17", reason="asked by letter")
    assert (said.type, said.aggregate_id, said.data) == (
        "PersonForgotten", "person-c-17",
        {"person": "c-17", "reason": "asked by letter", "events": 2,
         "fields": {"email": 2, "name": 2}},
    )  # fmt: skip
    assert raw(store).startswith(before[:-1])  # what was stored is untouched
    assert [e.data["name"] for e in store.read_all() if e.type == "Registered"] == [
        FORGOTTEN, EVE["name"], FORGOTTEN
    ]  # fmt: skip
    assert store.vault.forgotten("c-17") is not None
    assert forget(store, "c-17") == said  # once is enough
    assert store.position == 4


def test_verify_is_content_after_forgetting():
    store = opened()
    register(store, ADA)
    kept = store.proof
    forget(store, "c-17")
    assert store.verify(kept).ok


def test_a_forgotten_person_gets_no_new_key():
    store = opened()
    register(store, ADA)
    forget(store, "c-17")
    before = store.position
    with pytest.raises(VaultError, match="was forgotten"):
        store.append("customer-c-17", [new_event("Registered", ADA)], expected_version=1)
    assert store.position == before
    store.append("customer-c-17", [new_event("Other", level=1)], expected_version=1)


def test_forgetting_somebody_unknown_says_so():
    store = opened()
    register(store, ADA)
    with pytest.raises(VaultError, match="no key for 'c-71'"):
        forget(store, "c-71")
    assert store.position == 1


PEOPLE = st.sampled_from(["c-1", "c-2", "c-3"])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(PEOPLE, st.text(max_size=5), st.integers(0, 9)), min_size=1, max_size=12),
    st.sets(PEOPLE, max_size=2),
)
def test_replay_and_the_others_data_survive_forgetting(registered, leaving):
    store = opened()
    for person, name, level in registered:
        store.append(
            f"customer-{person}",
            [new_event("Registered", customer=person, name=name, email=name + "@", level=level)],
            expected_version=ANY, aggregate_type="CUSTOMER",
        )  # fmt: skip
    before = list(store.read_all())
    states = {p: state_of(replay(Customer, store.events(f"customer-{p}"))) for p, *_ in registered}
    there = leaving & states.keys()
    for person in there:
        forget(store, person)
    for event, now in zip(before, store.read_all(), strict=False):
        blank = {**event.data, "name": FORGOTTEN, "email": FORGOTTEN}
        assert now.data == (blank if event.data["customer"] in there else event.data)
    for person, state in states.items():
        blank = {**state, "name": FORGOTTEN, "email": FORGOTTEN}
        now = state_of(replay(Customer, store.events(f"customer-{person}")))
        assert now == (blank if person in there else state)
    assert store.verify().ok


# -- the keys in files ---------------------------------------------------------------------------


def bytes_of(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_keys_come_back_when_the_vault_is_opened_again(tmp_path):
    with opened(tmp_path / "s.duckdb", KeyVault(tmp_path / "keys", personal=PERSONAL)) as store:
        register(store, ADA)
        register(store, EVE)
        forget(store, "c-18")
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    assert (vault.persons(), vault.forgotten("c-18") is not None) == (["c-17"], True)
    with opened(tmp_path / "s.duckdb", vault) as store:
        assert [e.data.get("name") for e in store.read_all()] == ["Ada Lovelace", FORGOTTEN, None]


def test_the_key_is_in_no_file_after_forgetting(tmp_path):
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    with opened(tmp_path / "s.duckdb", vault) as store:
        register(store, ADA)
        key = vault._keys["c-17"]
        text = base64.b64encode(key)
        assert text in bytes_of(tmp_path / "keys")
        assert text not in (tmp_path / "s.duckdb").read_bytes()
        assert b"Lovelace" not in bytes_of(tmp_path)
        forget(store, "c-17")
    everything = bytes_of(tmp_path)
    assert text not in everything
    assert key not in everything
    assert vault.persons() == []


def test_a_key_file_is_overwritten_before_it_is_removed(tmp_path):
    """Seen through a second name of the same file: removing the first leaves the bytes."""
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = (tmp_path / "keys").glob("*.key")
    second = tmp_path / "second"
    second.hardlink_to(file)
    size = len(second.read_bytes())
    vault.forget("c-17")
    assert second.read_bytes() == bytes(size)
    assert not file.exists()


def test_a_duckdb_file_would_keep_deleted_keys(tmp_path):
    """Why a key is a small file of its own, and not a row of a database."""
    path = tmp_path / "keys.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create table keys (person varchar, key varchar)")
        db.execute("insert into keys values ('c-17', 'KEY-OF-ADA'), ('c-18', 'KEY-OF-EVE')")
    with duckdb.connect(str(path)) as db:
        db.execute("delete from keys where person = 'c-17'")
        db.execute("checkpoint")
        assert b"KEY-OF-ADA" in path.read_bytes()


def test_a_backup_of_the_keys_brings_nobody_back(tmp_path):
    keys = tmp_path / "keys"
    with opened(tmp_path / "s.duckdb", KeyVault(keys, personal=PERSONAL)) as store:
        register(store, ADA)
        backup = {p.name: p.read_bytes() for p in keys.iterdir()}
        forget(store, "c-17")
    for path in keys.iterdir():
        path.unlink()
    for name, content in backup.items():
        (keys / name).write_bytes(content)
    vault = KeyVault(keys, personal=PERSONAL)
    assert vault.persons() == ["c-17"]
    with opened(tmp_path / "s.duckdb", vault) as store:
        assert store.events("customer-c-17")[0].data["name"] == FORGOTTEN
    assert vault.persons() == []
    assert not list(keys.glob("*.key"))


def test_a_crash_between_note_and_destruction_is_finished_when_the_vault_opens(tmp_path):
    keys = tmp_path / "keys"
    vault = KeyVault(keys, personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = keys.glob("*.key")
    content = file.read_bytes()
    vault.forget("c-17")
    file.write_bytes(content)  # as if the process had died before it
    assert KeyVault(keys, personal=PERSONAL).persons() == []
    assert not file.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"person": "c-17", "key": "AAAA"}', b"\xff"]
)
def test_a_damaged_key_file_is_named(tmp_path, content):
    vault = KeyVault(tmp_path / "keys", personal=PERSONAL)
    register(opened(vault=vault), ADA)
    (file,) = (tmp_path / "keys").glob("*.key")
    file.write_bytes(content)
    with pytest.raises(VaultError, match="is damaged"):
        KeyVault(tmp_path / "keys", personal=PERSONAL)


def test_a_folder_that_cannot_hold_keys_is_named_and_nothing_is_stored(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(VaultError, match="'file', cannot be used"):
        KeyVault(tmp_path / "file", personal=PERSONAL)
    store = opened(vault=KeyVault(tmp_path / "keys", personal=PERSONAL))
    (tmp_path / "keys").rmdir()
    with pytest.raises(VaultError, match="cannot be written to 'keys'"):
        register(store, ADA)
    assert (store.position, store.vault.persons()) == (0, [])
    (tmp_path / "keys").mkdir()
    register(store, ADA)


# -- exports -------------------------------------------------------------------------------------

WRITERS = {
    "log.jsonl": (interchange.write_jsonl, interchange.read_jsonl),
    "log.csv": (interchange.write_csv, interchange.read_csv),
    "log.parquet": (interchange.write_parquet, interchange.read_parquet),
    "log.ce": (interchange.write_cloudevents, interchange.read_cloudevents),
}


@pytest.mark.parametrize("file", WRITERS)
def test_exports_of_the_log_hold_what_is_sealed_and_come_back(tmp_path, file):
    write, read = WRITERS[file]
    vault = KeyVault(personal=PERSONAL)
    store = opened(vault=vault)
    register(store, ADA)
    register(store, EVE)
    write(store, tmp_path / file)
    assert find_copies(["Lovelace", "ada@example.org"], tmp_path / file).empty
    interchange.restore(read(tmp_path / file), tmp_path / "copy.duckdb", proof=store.proof).close()
    with opened(tmp_path / "copy.duckdb", vault) as copy:
        assert [e.data for e in copy.read_all()] == [ADA, EVE]
        forget(store, "c-17")  # the key is one, wherever the copies are
        assert next(copy.read_all()).data["name"] == FORGOTTEN


# -- copies --------------------------------------------------------------------------------------


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
