"""The dry run: what is in a log, and what new steps would make of it, without writing."""

from __future__ import annotations

from collections import Counter

import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import ANY, Aggregate, EsnbError, EventStore, LessonClock, Upcasters, new_event
from esnb.model.dry_run import catalogue, dry_run
from esnb.privacy.vault import KeyVault
from tests.support import OBJECTS


def log_of(*events: tuple[str, int, dict], upcasters: Upcasters | None = None) -> EventStore:
    store = EventStore(clock=LessonClock(), upcasters=upcasters)
    for n, (kind, version, data) in enumerate(events):
        new = new_event(kind, data, event_version=version)
        store.append(f"a{n % 3}", [new], expected_version=ANY, aggregate_type="CARD")
    return store


def everything(store: EventStore) -> list[tuple]:
    return [
        tuple(map(str, row))
        for table in ("events order by position", "snapshots order by aggregate_id")
        for row in store.sql(f"from {table}").fetchall()
    ]


class Old(Aggregate):
    aggregate_type = "CARD"

    def __init__(self) -> None:
        self.euros = 0.0

    def apply(self, event) -> None:
        self.euros += float(event.data.get("euros", 0))

    @property
    def worth(self) -> int:
        return round(self.euros * 100)


class New(Aggregate):
    aggregate_type = "CARD"
    snapshot_every = 100
    state_version = 2

    def __init__(self) -> None:
        self.worth = 0

    def apply(self, event) -> None:
        self.worth += event.data.get("cents", 0)


def worth(card) -> int:
    return card.worth


def in_cents(data):
    return {"cents": round(data["euros"] * 100)}


# -- the catalogue ---------------------------------------------------------------------------------


def test_the_catalogue_counts_fields_by_type_and_version():
    with log_of(
        ("A", 1, {"n": 1, "who": {"name": "x"}, "items": [{"sku": "s", "n": 1}, {"sku": "t"}]}),
        ("A", 1, {"n": "1", "who": None, "items": []}),
        ("A", 2, {"n": 0.5, "ok": True}),
        ("B", 1, {}),
    ) as store:
        frame = catalogue(store)
        assert list(frame.columns) == [
            "event_type", "event_version", "field", "json_type", "events", "share",
        ]  # fmt: skip
        assert [tuple(row) for row in frame.values.tolist()] == [
            ("A", 1, "items", "list", 2, 1.0),
            ("A", 1, "items[].n", "integer", 1, 0.5),
            ("A", 1, "items[].sku", "text", 1, 0.5),
            ("A", 1, "n", "integer", 1, 0.5),
            ("A", 1, "n", "text", 1, 0.5),
            ("A", 1, "who", "null", 1, 0.5),
            ("A", 1, "who", "object", 1, 0.5),
            ("A", 1, "who.name", "text", 1, 0.5),
            ("A", 2, "n", "number", 1, 1.0),
            ("A", 2, "ok", "boolean", 1, 1.0),
        ]


def test_the_catalogue_of_today_s_shape():
    steps = Upcasters()
    steps.register("A", 1)(in_cents)
    with log_of(("A", 1, {"euros": 1}), upcasters=steps) as store:
        assert catalogue(store)[["event_version", "field"]].values.tolist() == [[1, "euros"]]
        assert catalogue(store, now=True)[["event_version", "field"]].values.tolist() == [
            [2, "cents"]
        ]


@settings(max_examples=60, deadline=None)
@given(st.lists(OBJECTS, min_size=1, max_size=6))
def test_the_catalogue_has_each_key_of_the_top_as_often_as_it_occurs(objects):
    wanted = Counter(key for data in objects for key in data)
    with log_of(*(("A", 1, data) for data in objects)) as store:
        frame = catalogue(store)
    found = frame.groupby("field")["events"].sum()
    for key, count in wanted.items():
        assert found.get(key, 0) >= count  # a key such as "a.b" is written like a path
    assert frame["share"].between(0, 1).all()


# -- the dry run -----------------------------------------------------------------------------------


def test_a_good_change_is_ok_and_nothing_is_written():
    steps = Upcasters()
    steps.register("A", 1)(in_cents)
    with log_of(*(("A", 1, {"euros": n / 100}) for n in range(50)), ("B", 1, {})) as store:
        before = everything(store)
        report = dry_run(store, steps, New, before=Old, same=worth, aggregates=None)
        assert report.ok, report
        assert (report.events, report.touched, report.failed, report.compared) == (51, 50, 0, 3)
        assert report.versions[["event_type", "becomes"]].values.tolist() == [
            ["A", "A 2"], ["B", "B 1"],
        ]  # fmt: skip
        assert report.fields[["field", "change"]].values.tolist() == [
            ["cents", "new"], ["euros", "gone"],
        ]  # fmt: skip
        assert everything(store) == before
        assert len(store.upcasters) == 0
        assert str(report).splitlines()[-1] == "ok"


def test_events_that_fail_are_counted_and_the_first_are_named():
    steps = Upcasters()
    steps.register("A", 1)(in_cents)
    events = [("A", 1, {"euros": n if n % 10 else f"{n}"}) for n in range(100)]
    with log_of(*events) as store:
        report = dry_run(store, steps, New, before=Old, same=worth)
        assert not report.ok
        assert (report.failed, report.touched, len(report.failures)) == (10, 100, 5)
        first = report.failures.iloc[0]
        assert (first["position"], first["aggregate_id"], first["sequence_number"]) == (1, "a0", 1)
        assert "TypeError" in first["reason"]
        assert "10 of 100 events fail: TypeError" in report.problems[0]
        assert "3 of 3 aggregates have another state" in str(report)
        assert report.states["difference"].str.startswith("fails now:").all()


def test_a_version_that_no_step_reaches():
    steps = Upcasters()
    steps.register("A", 1)(in_cents)
    steps.register("A", 3)(lambda data: data)
    steps.split("S", 1)(lambda data: [("A", {"euros": 1}), ("T", {})])
    steps.register("T", 2)(lambda data: data)
    steps.drop("D")
    events = [(kind, v, {"euros": 1}) for kind, v in
              [("A", 1), ("A", 4), ("S", 1), ("D", 1), ("U", 1), ("U", 2)]]  # fmt: skip
    with log_of(*events) as store:
        report = dry_run(store, steps)
        rows = report.versions[["event_type", "event_version", "becomes", "problem"]]
        assert rows.values.tolist() == [
            ["A", 1, "-",
             "1 of 1 events fail: no step leads on from A 2, while A 3 has one"],
            ["A", 4, "A 4", ""],
            ["D", 1, "nothing", ""],
            ["S", 1, "-",
             "1 of 1 events fail: no step leads on from A 2, while A 3 has one"],
            ["U", 1, "U 1", "no step leads U from version 1 to 2"],
            ["U", 2, "U 2", ""],
        ]  # fmt: skip
        assert len(report.problems) == 3
        assert (report.compared, report.touched, report.failed) == (0, 3, 2)
        steps.leave("A", 2)
        steps.leave("T", 1)
        report = dry_run(store, steps)
        assert report.versions["becomes"].tolist() == [
            "A 2", "A 4", "nothing", "A 2 + T 1", "U 1", "U 2",
        ]  # fmt: skip
        assert report.problems == ["U 1: no step leads U from version 1 to 2"]


def test_a_wrong_step_that_never_fails_is_found_by_the_states():
    steps = Upcasters()
    steps.register("A", 1)(lambda data: {"cents": int(data["euros"] * 100)})
    with log_of(("A", 1, {"euros": 1.0}), ("A", 1, {"euros": 0.29}), ("A", 1, {"euros": 2})) as s:
        report = dry_run(s, steps, New, before=Old, same=worth)
        assert report.states.values.tolist() == [["a1", "29 -> 28"]]
        assert not report.ok
        assert dry_run(s, steps, New, before=Old, same=worth, aggregates=["a0", "a2"]).ok


def test_states_are_compared_whole_by_default_and_a_dict_field_by_field():
    steps = Upcasters()
    steps.register("A", 1)(lambda data: {"cents": data["cents"] + 1})
    with log_of(("A", 1, {"cents": 5})) as store:
        assert dry_run(store, steps, New).states.values.tolist() == [["a0", "~ worth  5 -> 6"]]
        assert dry_run(store, Upcasters(), New).ok


def test_a_few_aggregates_are_chosen_so_that_each_structure_occurs():
    with EventStore(clock=LessonClock()) as store:
        for n in range(60):
            data = {"cents": 1, "rare": True} if n == 37 else {"cents": 1}
            kind = "Odd" if n == 41 else "A"
            new = new_event(kind, data, event_version=3 if n == 43 else 1)
            store.append(f"card-{n:02}", [new], expected_version=0, aggregate_type="CARD")
        bad = Upcasters()

        @bad.register("A", 1)
        def only_the_rare(data):
            return {"cents": 2} if "rare" in data else data

        bad.register("A", 2)(lambda data: data)
        report = dry_run(store, bad, New, aggregates=10)
        assert report.compared <= 12
        assert report.states["aggregate_id"].tolist() == ["card-37"]


def test_what_fails_in_the_old_code_is_said_as_well():
    class Fragile(Old):
        def apply(self, event) -> None:
            self.euros += event.data["euros"]

    with log_of(("A", 2, {"cents": 1})) as store:
        report = dry_run(store, Upcasters(), New, before=Fragile, same=worth)
        assert report.states["difference"].str.startswith("failed before:").all()


def test_ids_are_a_list():
    with log_of(("A", 1, {})) as store, pytest.raises(EsnbError, match="list of ids"):
        dry_run(store, Upcasters(), New, aggregates="a0")


def test_snapshots_are_used_upcast_or_discarded_and_counted():
    class InCents(New):
        """Other attributes for the same events."""

        def apply(self, event) -> None:
            self.worth += round(event.data.get("euros", 0) * 100)

    class Upcast(InCents):
        @classmethod
        def upcast_state(cls, state, state_version):
            return {"worth": round(state["euros"] * 100)} if "euros" in state else None

    class Lying(InCents):
        @classmethod
        def upcast_state(cls, state, state_version):
            return {"worth": 0}

    steps = Upcasters()
    steps.register("A", 1)(in_cents)
    with log_of(*(("A", 1, {"euros": 1}) for _ in range(6))) as store:
        store.add_snapshot("a0", "CARD", 2, {"euros": 2.0}, 1)
        store.add_snapshot("a1", "CARD", 2, {"other": 2.0}, 1)
        store.add_snapshot("a2", "CARD", 1, {"euros": 1.0}, 1)
        store.add_snapshot("a2", "CARD", 2, {"worth": 200}, 2)
        fates = dry_run(store, Upcasters(), Upcast, before=Old, same=worth)
        assert fates.ok, fates
        assert fates.snapshots.values.tolist() == [
            [1, "discarded: its events are replayed", 1], [1, "upcast", 1], [2, "used", 1],
        ]  # fmt: skip
        assert "snapshots of state_version 1: 1 upcast" in str(fates)
        report = dry_run(store, Upcasters(), Lying, before=Old, same=worth)
        assert "upcast_state gives another state than replay: a0, a1" in str(report)
        assert not report.ok
        others = dry_run(store, steps, New, before=Old, same=worth)
        assert others.ok, others
        assert others.snapshots.values.tolist() == [
            [1, "discarded: made with other steps", 2], [2, "discarded: made with other steps", 1],
        ]  # fmt: skip


def test_many_events_in_parts(monkeypatch):
    monkeypatch.setattr("esnb.model.dry_run._CHUNK", 7)
    steps = Upcasters()
    steps.split("A", 1)(lambda data: [("A", data), ("A", data)])
    with log_of(*(("A", 1, {"n": n}) for n in range(40))) as store:
        report = dry_run(store, steps, New)
        assert (report.touched, report.failed) == (40, 0)
        assert report.fields.empty
        rows = store.read_with(steps).sql("select event_data from events_now").fetchall()
        assert Counter(orjson.loads(row[0])["n"] for row in rows) == Counter(
            n for n in range(40) for _ in range(2)
        )
        assert isinstance(report.versions, pd.DataFrame)


def test_what_is_sealed_is_opened_before_the_steps():
    vault = KeyVault(personal={"A": {"who": ["name"]}})
    with EventStore(clock=LessonClock(), vault=vault) as store:
        new = new_event("A", name="ada", who="c1", euros=2)
        store.append("a0", [new], expected_version=0, aggregate_type="CARD")
        steps = Upcasters()

        @steps.register("A", 1)
        def shout(data):
            return {"name": data["name"].upper(), "who": data["who"], "cents": data["euros"] * 100}

        report = dry_run(store, steps, New, before=Old, same=worth)
        assert report.ok, report
        assert report.fields[["field", "change"]].values.tolist() == [
            ["cents", "new"], ["euros", "gone"],
        ]  # fmt: skip
        assert store.read_with(steps).events("a0")[0].data["name"] == "ADA"
        down = Upcasters().down_to({"A": 1})
        assert store.read_with(down).events("a0")[0].data["name"] == "ada"
