"""Forgetting a person: what is sealed, who can open it, what stays, and where copies stand."""

from __future__ import annotations

import base64
import json

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    DuplicateEventError,
    EventStore,
    InvalidEventError,
    Upcasters,
    interchange,
    new_event,
    replay,
    state_of,
)
from esnb.privacy.find_copies import find_copies
from esnb.privacy.vault import FORGOTTEN, NO_KEY, KeyVault, VaultError, forget
from esnb.store.conditions import AppendCondition
from tests.privacy.people import (
    ADA,
    EVE,
    PERSONAL,
    Customer,
    opened,
    raw,
    register,
)
from tests.support import JSON, exactly

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
