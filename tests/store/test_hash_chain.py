"""Tamper evidence: the chain of hashes, what verify finds, and what only a kept proof can show."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    EventStore,
    InvalidEventError,
    LessonClock,
    NotAStoreError,
    StoreCorruptError,
    new_event,
)
from esnb.shop import first_orders
from esnb.store.hash_chain import Proof, Verified
from esnb.store.reader import Reader
from tests.support import OBJECTS, TEXT, facts, fill

OLD = Path(__file__).parents[1] / "data" / "format-1.duckdb.gz"


def a_store(path: Path | None = None) -> EventStore:
    """Twelve events of three streams, stored by every way of storing."""
    store = EventStore(path, clock=LessonClock())
    fill(store, "a", 1)
    store.append("b", facts(3), expected_version=0, aggregate_type="TALLY")
    fill(store, "a", 2)
    table = pd.DataFrame({"id": ["c", "d"] * 3, "what": "Added", "at": "2026-03-02T09:00Z", "n": 1})
    store.append_frame(
        table, aggregate_id="id", event_type="what", occurred_at="at", aggregate_type="TALLY"
    )
    return store


def past_the_store(path: Path, *statements: str, proof: Proof | str | None = None) -> Verified:
    """Change the file with plain DuckDB, the guards dropped, then let the store verify it."""
    with duckdb.connect(str(path)) as raw:
        for table in ("events", "chain"):
            for what in ("update", "delete"):
                raw.execute(f"drop trigger if exists {table}_refuse_{what} on {table}")
        for statement in statements:
            raw.execute(statement)
    path.with_name(path.name + ".head").unlink(missing_ok=True)
    with EventStore(path) as store:
        return store.verify(proof)


def by_hand(store: Reader) -> bytes:
    """The chain as the documentation says it, from the public query method only."""
    proof = bytes(32)
    for row in store.sql("from events order by position").fetchall():
        times = [t.isoformat(timespec="microseconds") + "Z" for t in row[9:]]
        text = "\0".join([*map(str, row[:9]), *times])
        proof = hashlib.sha256(proof + hashlib.sha256(text.encode()).digest()).digest()
    return proof


# -- the chain -----------------------------------------------------------------------------------


def test_an_untouched_log_verifies_and_the_chain_can_be_computed_by_hand(tmp_path):
    with a_store(tmp_path / "s.duckdb") as store:
        assert store.position == 12
        assert store.proof == Proof(12, by_hand(store))
        assert store.verify(store.proof).ok
        kept = str(store.proof)
    with EventStore(tmp_path / "s.duckdb") as again:
        assert str(again.proof) == kept
        assert bool(again.verify(kept)) is True
        fill(again, "a", 1)
        assert again.proof == Proof(13, by_hand(again))
        assert again.verify(kept).ok


@settings(max_examples=40)
@given(
    st.lists(st.tuples(OBJECTS, OBJECTS, TEXT.filter(lambda t: t.strip() and "\0" not in t),
                       st.datetimes()), min_size=1, max_size=5),
    st.booleans(),
)  # fmt: skip
def test_any_event_has_the_same_hash_in_python_and_in_sql(drawn, one_by_one):
    events = [
        new_event(name, data, metadata=metadata, occurred_at=time.isoformat() + "Z")
        for data, metadata, name, time in drawn
    ]
    store = EventStore(clock=LessonClock())
    for group in [[e] for e in events] if one_by_one else [events]:
        store.append("it's", group, expected_version=ANY, aggregate_type=drawn[0][2])
    assert store.proof.hash == by_hand(store)
    assert store.verify(store.proof).ok  # the engine computes the hashes here


def test_the_proof_does_not_depend_on_what_was_appended_together():
    def log(*sizes: int) -> Proof:
        store = EventStore(clock=LessonClock(step=0))
        events = [new_event("Added", n=n, event_id=f"{n:032x}") for n in range(6)]
        for size in sizes:
            store.append(
                "a", [events.pop(0) for _ in range(size)], expected_version=ANY, aggregate_type="T"
            )
        return store.proof

    assert log(1, 1, 1, 1, 1, 1) == log(6) == log(2, 1, 3)


def test_an_append_says_its_proof_and_a_duplicate_adds_none():
    store = a_store()
    events = facts(2)
    done = store.append("e", events, expected_version=0, aggregate_type="T")
    assert done.proof == store.proof == Proof(14, by_hand(store))
    again = store.append("e", events, expected_version=0, aggregate_type="T")
    assert again.duplicate
    assert again.proof is None
    assert store.proof == done.proof
    for proof in (done.proof, str(done.proof), f" {done.proof}\n"):
        assert store.verify(proof).ok


def test_a_failed_append_leaves_the_chain_as_it_was(tmp_path):
    store = a_store(tmp_path / "s.duckdb")
    before = store.proof
    with pytest.raises(InvalidEventError):
        store.append("a", [new_event("Added"), "x"], expected_version=3)  # type: ignore[list-item]
    assert store.proof == before
    raw = duckdb.connect(str(tmp_path / "s.duckdb"))  # another connection of this process
    raw.execute(
        "insert into events select 13, uuid(), aggregate_type, aggregate_id, 4, event_type, 1, "
        "event_data, metadata, occurred_at, recorded_at from events where position = 6"
    )
    raw.close()
    # The primary key notices, the store looks again, and its chain goes on after what it knew.
    store.append("a", facts(1), expected_version=ANY)
    assert [(f.what, f.position) for f in store.verify().findings] == [("inserted", 13)]


def test_an_empty_store_verifies():
    store = EventStore()
    assert store.verify(store.proof).ok
    assert store.verify("0:" + "0" * 64).ok
    assert not store.verify("0:" + "1" * 64).ok


def test_the_chain_holds_when_many_threads_append():
    store = EventStore()

    def work(name: str) -> None:
        for version in range(20):
            batch = facts(1 + version % 3)
            store.append(name, batch, expected_version=ANY, aggregate_type="T")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert store.proof == Proof(store.position, by_hand(store))
    assert store.verify(store.proof).ok


@pytest.mark.parametrize("value", ["", "8", "x:1", 8, b"8:0", "8:" + "g" * 64, "-1:" + "0" * 64])
def test_what_is_no_proof_is_refused(value):
    with pytest.raises(InvalidEventError, match="A proof is what"):
        EventStore().verify(value)


def test_the_chain_is_guarded_like_the_log(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    with duckdb.connect(str(path)) as raw:
        for statement in ("update chain set hash = ''", "delete from chain", "truncate chain"):
            with pytest.raises(duckdb.Error, match="append-only"):
                raw.execute(statement)


# -- what verify finds ---------------------------------------------------------------------------

COLUMNS = {
    "event_id": "uuid()", "aggregate_type": "'OTHER'", "event_type": "'Removed'",
    "event_version": "2", "event_data": """'{"n":1000}'""", "metadata": """'{"who":"eve"}'""",
    "occurred_at": "occurred_at + interval 1 microsecond",
    "recorded_at": "recorded_at - interval 1 day",
}  # fmt: skip


@pytest.mark.parametrize("position", [1, 3, 5, 9, 12])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_event_is_found(tmp_path, column, position):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(
        path, f"update events set {column} = {COLUMNS[column]} where position = {position}"
    )
    assert [(f.what, f.position) for f in said.findings] == [("changed", position)]
    assert not said.ok
    assert f"position {position}, {'abbbaacdcdcd'[position - 1]}" in str(said)


def test_what_is_said_about_a_changed_event(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path, clock=LessonClock()) as store:
        first_orders(store)
    said = past_the_store(path, "update events set event_data = '{}' where position = 3")
    (finding,) = said.findings
    assert (finding.what, finding.position, finding.aggregate_id) == ("changed", 3, "order-1042")
    assert finding.found == "PaymentReceived {}"
    assert "8 event(s) checked, 1 finding(s)" in str(said)
    assert "backup or an export" in str(said)


@pytest.mark.parametrize("position", [1, 3, 5, 9, 12])
def test_a_removed_event_is_found(tmp_path, position):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(path, f"delete from events where position = {position}")
    assert [(f.what, f.position) for f in said.findings] == [("removed", position)]


def test_the_stream_of_a_removed_event_is_named_by_its_gap(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(path, "delete from events where position = 3")
    assert said.findings[0].aggregate_id == "b"


@pytest.mark.parametrize("position", [-5, 0, 1, 3, 9, 12, 13, 400])
def test_an_inserted_event_is_found(tmp_path, position):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(
        path,
        f"insert into events select {position}, uuid(), 'TALLY', 'z', 1, 'Added', 1, '{{}}', "
        "'{}', occurred_at, recorded_at from events where position = 1",
    )
    assert [(f.what, f.position, f.aggregate_id) for f in said.findings] == [
        ("inserted", position, "z")
    ]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (3, 9), (1, 12), (8, 9)])
def test_reordered_events_are_found(tmp_path, one, other):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(
        path, f"update events set position = {one + other} - position "
        f"where position in ({one}, {other})",
    )  # fmt: skip
    assert [(f.what, f.position) for f in said.findings] == [("moved", one), ("moved", other)]
    assert f"found it at position {other}" in str(said.findings[0])


def test_events_that_swap_their_numbers_are_found(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(
        path,
        "update events set sequence_number = -sequence_number where aggregate_id = 'a'",
        "update events set sequence_number = 4 + sequence_number where aggregate_id = 'a'",
    )
    assert [f.position for f in said.findings] == [1, 6]  # the middle one stays number 2


def test_a_removed_event_whose_place_was_closed_up_is_found(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(
        path, "delete from events where position = 4",
        "update events set position = position - 1 where position > 4",
    )  # fmt: skip
    assert (said.findings[0].what, said.findings[0].position) == ("removed", 4)
    assert {f.what for f in said.findings[1:]} == {"moved"}


@pytest.mark.parametrize(
    "statement",
    [
        "update chain set hash = 'x' where position = 4",
        "update chain set marks = 'abcdabcdabcd' where position = 4",
        "update chain set position = 3 where position = 4",
        "delete from chain where position = 4",
        "delete from chain where position = 12",
        "delete from chain",
        "insert into chain select * from chain where position = 4",
        "insert into chain values (2, 'x', 'abcd')",
        "insert into chain values (5, '', '')",
        "insert into chain values (9000000000000000000, 'x', 'abcd')",
    ],
)
def test_a_changed_chain_is_found(tmp_path, statement):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    assert not past_the_store(path, statement).ok


def test_a_store_without_its_chain_is_not_opened(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    with duckdb.connect(str(path)) as raw:
        raw.execute("drop table chain")
    with pytest.raises(StoreCorruptError, match="no table 'chain'"):
        EventStore(path)


def test_a_thousand_changes_are_counted_and_the_first_are_named(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        store.append("a", facts(1500), expected_version=0, aggregate_type="T")
    said = past_the_store(path, "update events set event_data = '{}' where position > 100")
    assert (len(said.findings), said.more) == (1000, 400)
    assert "1400 finding(s)" in str(said)


ACTS: dict[str, Callable[[int, int], list[str]]] = {
    "change": lambda a, _: [f"update events set event_data = '{{\"n\":77}}' where position = {a}"],
    "retype": lambda a, _: [f"update events set event_type = 'Other' where position = {a}"],
    "remove": lambda a, _: [f"delete from events where position = {a}"],
    "remove some": lambda a, b: [f"delete from events where position between {a} and {b}"],
    "swap": lambda a, b: [
        f"update events set position = {a + b} - position where position in ({a}, {b})"
    ],
    "insert": lambda a, _: [
        f"insert into events select {a}, uuid(), 'T', 'z', 1, 'Added', 1, '{{}}', '{{}}', "
        "occurred_at, recorded_at from events order by position limit 1"
    ],
    "copy": lambda a, b: [
        f"insert into events select {b} + 1, event_id, aggregate_type, aggregate_id, "
        f"sequence_number + 100, event_type, 1, event_data, metadata, occurred_at, recorded_at "
        f"from events where position = {a}"
    ],
}


@settings(max_examples=40)
@given(st.data())
def test_random_tampering_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("tampered")
    path = folder / "s.duckdb"
    store = EventStore(path, clock=LessonClock())
    for n, size in enumerate(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))):
        store.append(f"s{n % 3}", facts(size), expected_version=ANY, aggregate_type="T")
    last = store.position
    before = store.sql("from events order by all").fetchall()
    store.close()
    places = st.integers(1, last)
    acts = data.draw(
        st.lists(st.tuples(st.sampled_from(sorted(ACTS)), places, places), min_size=1, max_size=3)
    )
    with duckdb.connect(str(path)) as raw:
        raw.execute("drop trigger events_refuse_update on events")
        raw.execute("drop trigger events_refuse_delete on events")
        for name, one, other in acts:
            for statement in ACTS[name](*sorted((one, other))):
                with contextlib.suppress(duckdb.ConstraintException):
                    raw.execute(statement)
        after = raw.sql("from events order by all").fetchall()
    path.with_name("s.duckdb.head").unlink()
    with EventStore(path) as store:
        said = store.verify()
    shutil.rmtree(folder)
    assert said.ok == (before == after)
    # What is named is where something differs.
    old = {row[0]: row for row in before}
    differs = {p for p in {r[0] for r in before + after}
               if [r for r in after if r[0] == p] != ([old[p]] if p in old else [])}  # fmt: skip
    assert {f.position for f in said.findings} == differs


# -- what only a kept proof shows -----------------------------------------------------------------


def test_a_cut_tail_needs_a_proof_kept_elsewhere(tmp_path):
    path = tmp_path / "s.duckdb"
    with a_store(path) as store:
        kept = str(store.proof)
    cut = ["delete from events where position > 6", "delete from chain where position > 6"]
    without = past_the_store(path, *cut)
    assert without.ok
    with EventStore(path) as store:
        said = store.verify(kept)
        assert [(f.what, f.position) for f in said.findings] == [("cut", 7)]
        assert "ends at 6" in str(said)
        # Going on after the cut does not hide it.
        store.append("z", facts(8), expected_version=0, aggregate_type="T")
        assert store.verify().ok
        assert [f.what for f in store.verify(kept).findings] == ["rewritten"]


def test_a_cut_tail_is_found_without_a_proof_when_the_chain_was_left(tmp_path):
    path = tmp_path / "s.duckdb"
    a_store(path).close()
    said = past_the_store(path, "delete from events where position > 10")
    assert [(f.what, f.position) for f in said.findings] == [("removed", 11), ("removed", 12)]
    with EventStore(path) as store:  # and going on from there does not hide it
        store.append("z", facts(1), expected_version=0, aggregate_type="T")
        assert not store.verify().ok


def test_whoever_rewrites_the_chain_deceives_all_but_a_kept_proof(tmp_path):
    """The honest limit: the chain is in the file that it protects."""
    path, forged = tmp_path / "s.duckdb", tmp_path / "forged.duckdb"
    with a_store(path) as store, EventStore(forged, clock=LessonClock()) as forger:
        early, late = Proof(1, b""), store.proof
        for event in store.read_all():
            data = {"n": 77} if event.position == 4 else event.data
            forger.append(
                event.aggregate_id, [new_event(event.type, data, event_id=event.event_id,
                                               occurred_at=event.occurred_at)],
                expected_version=ANY, aggregate_type="TALLY",
            )  # fmt: skip
            early = forger.proof if event.position == 1 else early
        assert forger.verify().ok
        assert [f.what for f in forger.verify(late).findings] == ["rewritten"]
        assert forger.verify(early).ok


@pytest.mark.parametrize("position", range(1, 13))
def test_a_proof_holds_for_what_came_before_it(tmp_path, position):
    """A proof may stand anywhere, also in the middle of what was appended together."""
    path = tmp_path / "s.duckdb"
    with a_store(path) as store:
        assert store.verify(Proof(position, by_hand(store.as_of(position)))).ok
        assert not store.verify(Proof(position, bytes(32))).ok


# -- stores from before the chain -----------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.duckdb"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def test_an_older_file_opens_and_its_chain_begins_with_the_next_append(old):
    with EventStore(old, clock=LessonClock()) as store:
        assert store.position == 8
        assert len(store.events("order-1042")) == 4
        assert len(store.snapshots()) == 1
        said = store.verify()
        assert (said.ok, said.events, said.unchecked) == (True, 8, 8)
        assert "Not checked: 8 event(s) stored before this log had a chain." in str(said)
        kept = store.append("order-1042", facts(2), expected_version=4).proof
        assert store.verify(kept).ok
    with EventStore(old) as store:  # and it is opened as a file of today from then on
        assert store.proof == kept
        assert store.verify(kept).unchecked == 8
    said = past_the_store(old, "update events set event_data = '{}' where position in (2, 9)")
    assert [(f.what, f.position) for f in said.findings] == [("changed", 9)]


def test_a_proof_from_before_the_chain_does_not_fit(old):
    with EventStore(old) as store:
        said = store.verify(Proof(3, bytes(32)))
    assert not said.ok
    assert "a chain from position 8 on" in str(said)


def test_an_older_file_without_events_gets_a_chain_from_the_start(old):
    with duckdb.connect(str(old)) as raw:
        raw.execute("drop trigger events_refuse_delete on events")
        raw.execute("delete from events")
    with EventStore(old, clock=LessonClock()) as store:
        fill(store, "a", 2)
        said = store.verify(store.proof)
        assert (said.ok, said.unchecked) == (True, 0)
        assert store.proof.hash == by_hand(store)


def test_a_newer_file_is_not_opened(old):
    EventStore(old).close()
    with duckdb.connect(str(old)) as raw:
        raw.execute("update esnb_format set version = 4")
    with pytest.raises(NotAStoreError, match="format 4, this esnb reads 1 to 3"):
        EventStore(old)
