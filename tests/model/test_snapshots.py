"""Snapshots and changes of code: promise 10, deleting them changes no answer, whatever happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Aggregate,
    AggregateNotFoundError,
    EventStore,
    SnapshotError,
    UpcastError,
    Upcasters,
    new_event,
    state_of,
)
from esnb.privacy import KeyVault
from tests.support import run_threads


class Sum(Aggregate):
    """Adds up what events bring, under whatever name today's shape has it."""

    aggregate_type = "SUM"
    snapshot_every = 2

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def apply(self, event) -> None:
        self.count += 1
        self.total += event.data.get("n", 0)


def put(store: EventStore, *values: int, kind: str = "Added", version: int = 1) -> None:
    for value in values:
        event = new_event(kind, {"n": value}, event_version=version)
        store.append("a", [event], expected_version=ANY, aggregate_type="SUM")


def doubling() -> Upcasters:
    steps = Upcasters()
    steps.register("Added", 1)(lambda data: {"n": data["n"] * 2})
    return steps


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.duckdb"


def test_a_snapshot_older_than_an_upcaster_is_not_used(path):
    with EventStore(path) as store:
        put(store, 1, 2, 3, 4)
        Sum.take_snapshot(store, "a")
        put(store, 5)
        assert str(store.load(Sum, "a").origin) == "snapshot at 4 + 1 event"
    with EventStore(path, upcasters=doubling()) as store:
        found = store.load(Sum, "a")
        assert found.total == 30
        assert str(found.origin) == (
            "5 events (snapshot at 4 not used: Added 1 is read with other steps now)"
        )
        Sum.take_snapshot(store, "a")
        assert str(store.load(Sum, "a").origin) == "snapshot at 5 + 0 events"
    with EventStore(path) as store:  # the steps are taken back: the older snapshot is right again
        assert store.load(Sum, "a").total == 15
        assert str(store.load(Sum, "a").origin) == (
            "snapshot at 4 + 1 event (snapshot at 5 not used: Added 1 is read with other steps now)"
        )


def test_the_same_steps_in_another_run_are_the_same(path):
    with EventStore(path, upcasters=doubling()) as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
    with EventStore(path, upcasters=doubling()) as store:
        assert str(store.load(Sum, "a").origin) == "snapshot at 2 + 0 events"


def test_only_steps_of_the_types_in_the_stream_count(path):
    with EventStore(path) as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
    steps = Upcasters()
    steps.register("Elsewhere", 1)(lambda data: data)
    steps.register("Added", 2)(lambda data: data)
    steps.leave("Added", 1)
    with EventStore(path, upcasters=steps) as store:
        assert str(store.load(Sum, "a").origin) == "snapshot at 2 + 0 events"
        put(store, 7, kind="Elsewhere")  # after the snapshot: it is replayed anyway
        assert str(store.load(Sum, "a").origin) == "snapshot at 2 + 1 event"


def test_a_step_registered_later_counts_at_once():
    steps = Upcasters()
    with EventStore(upcasters=steps) as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
        assert store.load(Sum, "a").total == 3
        steps.register("Added", 1)(lambda data: {"n": data["n"] + 10})
        assert store.load(Sum, "a").total == 23


def test_trying_steps_uses_no_snapshot_that_does_not_fit():
    with EventStore() as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
        trial = store.read_with(doubling())
        assert trial.load(Sum, "a").total == 6
        assert store.load(Sum, "a").total == 3
        assert str(store.read_with(Upcasters()).load(Sum, "a").origin) == "snapshot at 2 + 0 events"


def test_code_that_refuses_an_event_refuses_the_snapshot_of_it_too():
    with EventStore() as store:
        put(store, 1, 2, version=3)
        Sum.take_snapshot(store, "a")
        with pytest.raises(UpcastError, match="newer code wrote it"):
            store.read_with(Upcasters(newer="refuse")).load(Sum, "a")


def test_a_snapshot_of_a_sealed_stream_read_without_the_vault():
    with EventStore(vault=KeyVault(personal={"Added": {"who": ["note"]}})) as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
        assert store.load(Sum, "a").origin.snapshot == 2
        known = store.snapshots_of("a")["a"][0]
        assert known.misfit(Upcasters()) == "Added 1 is read with other steps now"


# -- files of an older esnb ------------------------------------------------------------------------


def made_old(path: Any) -> None:
    """Take away what an older esnb did not write."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop index snapshots_by_aggregate")
        connection.execute("alter table snapshots drop column steps")
        connection.execute("create index snapshots_by_aggregate on snapshots (aggregate_id)")
        connection.execute("drop table session")
        connection.execute("update esnb_format set version = 2")


def test_snapshots_of_an_older_store_are_trusted_only_where_there_are_no_steps(path):
    with EventStore(path) as store:
        put(store, 1, 2)
        Sum.take_snapshot(store, "a")
    made_old(path)
    with EventStore(path) as store:
        assert str(store.load(Sum, "a").origin) == "snapshot at 2 + 0 events"
    steps = Upcasters()
    steps.register("Elsewhere", 1)(lambda data: data)
    with EventStore(path, upcasters=steps) as store:
        assert str(store.load(Sum, "a").origin) == (
            "2 events (snapshot at 2 not used: it does not say with which steps it was made)"
        )
        Sum.take_snapshot(store, "a")
        assert str(store.load(Sum, "a").origin) == "snapshot at 2 + 0 events"


# -- what memory knows -----------------------------------------------------------------------------


def asked(store: EventStore, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> int:
    """How many questions to the table of snapshots some work takes."""
    queries: list[str] = []
    rows = type(store._log).rows

    def noted(log: Any, query: str, parameters: Any = ()) -> Any:
        queries.append(query)
        return rows(log, query, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(type(store._log), "rows", noted)
        work()
    return sum("from snapshots" in query for query in queries)


def test_nothing_is_asked_of_an_aggregate_without_a_snapshot(path, monkeypatch):
    with EventStore(path) as store:
        put(store, 1)
        load = lambda: store.load(Sum, "a")  # noqa: E731
        assert asked(store, monkeypatch, load) == 1  # once: which aggregates have snapshots
        assert asked(store, monkeypatch, load) == 0
        Sum.take_snapshot(store, "a")
        assert asked(store, monkeypatch, load) == 1
        assert store.load(Sum, "a").origin.snapshot == 1
        assert store.delete_snapshots("other") == 0
        assert store.load(Sum, "a").origin.snapshot == 1
        assert store.delete_snapshots("a") == 1
        assert asked(store, monkeypatch, load) == 0
        assert store.load(Sum, "a").origin.snapshot is None
        Sum.take_snapshot(store, "a")
        assert store.delete_snapshots() == 1
        assert asked(store, monkeypatch, load) == 0


def test_another_store_of_the_same_process_is_noticed(path):
    with EventStore(path) as one, EventStore(path) as other:
        put(one, 1, 2)
        assert one.load(Sum, "a").origin.snapshot is None
        Sum.take_snapshot(other, "a")
        assert one.load(Sum, "a").origin.snapshot == 2
        one.delete_snapshots()
        assert other.load(Sum, "a").origin.snapshot is None


def test_a_snapshot_that_was_not_stored_is_not_known(path, monkeypatch):
    with EventStore(path) as store:
        put(store, 1, 2)
        store.load(Sum, "a")

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("esnb.store.snapshots.json.dumps", dies)
            with pytest.raises(KeyboardInterrupt):
                Sum.take_snapshot(store, "a")
        assert store.load(Sum, "a").origin.snapshot is None
        Sum.take_snapshot(store, "a")
        assert store.load(Sum, "a").origin.snapshot == 2


def test_many_threads_load_while_snapshots_come_and_go():
    with EventStore() as store:
        put(store, *range(1, 11))

        def work(number: int) -> None:
            for _ in range(15):
                if number == 0:
                    Sum.take_snapshot(store, "a")
                elif number == 1:
                    store.delete_snapshots("a")
                else:
                    assert store.load(Sum, "a").total == 55

        run_threads(4, work)


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "3"])
def test_a_wrong_snapshot_every_is_refused_when_the_class_is_made(every):
    with pytest.raises(SnapshotError, match=r"Odd\.snapshot_every is the number") as error:
        type("Odd", (Sum,), {"snapshot_every": every})
    assert repr(every) in str(error.value)


def test_a_wrong_snapshot_every_is_refused_when_it_is_set_later(monkeypatch):
    class Later(Sum):
        pass

    with EventStore() as store:
        put(store, 1)
        loaded = store.load(Later, "a")
        monkeypatch.setattr(Later, "snapshot_every", 0)
        with pytest.raises(SnapshotError, match="1 or more, or None"):
            store.load(Later, "a")
        loaded.record("Added", n=2)
        with pytest.raises(SnapshotError, match="1 or more, or None"):
            store.save(loaded)
        assert store.version("a") == 1


@pytest.mark.parametrize("version", [0, 1.5, None])
def test_a_wrong_state_version_is_refused(version):
    with pytest.raises(SnapshotError, match=r"Odd\.state_version is a whole number"):
        type("Odd", (Sum,), {"state_version": version})


# -- any history of code changes -------------------------------------------------------------------

#: What a step may do to the data of one version: three functions, each with its meaning.
BODIES: list[Callable[[Any], Any]] = [
    lambda data: {"n": data["n"] * 2},
    lambda data: {"n": data["n"] + 1},
    lambda data: data,
]
KINDS = ("Added", "Taken")

#: A deployment: for each type, the bodies of its chain of steps, a drop, a rename or a split.
REGISTRIES = st.fixed_dictionaries(
    {
        kind: st.lists(st.integers(0, len(BODIES) - 1), max_size=3)
        | st.sampled_from(["drop", "rename", "split"])
        for kind in KINDS
    }
)
CODES = st.tuples(REGISTRIES, st.integers(1, 2))
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(KINDS), st.integers(1, 3), st.integers(1, 9)),
        st.tuples(st.just("deploy"), CODES),
        st.tuples(st.just("try"), CODES),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("save"), st.integers(1, 9)),
        st.tuples(st.just("delete")),
    ),
    min_size=4,
    max_size=14,
)


def registry(spec: dict[str, Any]) -> Upcasters:
    steps = Upcasters()
    for kind, chain in spec.items():
        if chain == "drop":
            steps.drop(kind)
        elif chain == "rename":
            steps.rename(kind, "Other")
        elif chain == "split":
            steps.split(kind, 1)(lambda data: [("Other", data), ("Taken", data, 2)])
        else:
            for version, body in enumerate(chain, start=1):
                steps.register(kind, version)(BODIES[body])
    return steps


def code(apply_version: int) -> type[Sum]:
    """The aggregate of a deployment: its apply and its state_version change together."""

    class Deployed(Sum):
        state_version = apply_version

        def apply(self, event) -> None:
            self.count += 1
            self.total += event.data.get("n", 0) * (10 if apply_version == 2 else 1)
            self.total += 1000 * (event.event_type == "Other")

    return Deployed


def by_hand(
    stored: list[tuple[str, int, int]], spec: dict[str, Any], apply_version: int
) -> dict[str, int]:
    """The state of a stream, worked out without the package."""
    total = count = 0

    def take(kind: str, version: int, n: int) -> None:
        nonlocal total, count
        chain = spec.get(kind, [])
        if chain == "drop":
            return
        if chain == "rename":
            kind = "Other"
        elif chain == "split" and version == 1:
            take("Other", 1, n)
            take("Taken", 2, n)
            return
        elif isinstance(chain, list):
            for body in chain[version - 1 :]:
                n = (n * 2, n + 1, n)[body]
        total += n * (10 if apply_version == 2 else 1) + 1000 * (kind == "Other")
        count += 1

    for kind, version, n in stored:
        take(kind, version, n)
    return {"total": total, "count": count}


def answers(reader: Any, kind: type[Sum], last: int) -> list[dict[str, Any]]:
    """The states now and at each number, and of several at once."""
    try:
        each = (reader.load(kind, "a", at=n) for n in range(1, last + 1))
        found = [reader.load(kind, "a"), *each]
    except AggregateNotFoundError:
        return []
    return [state_of(state) for state in found]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_deleting_snapshots_changes_no_answer_whatever_code_came_and_went(data):
    spec: dict[str, Any] = {kind: [] for kind in KINDS}
    apply_version, stored = 1, list[tuple[str, int, int]]()
    with EventStore() as store:
        for action, *rest in data.draw(ACTIONS):
            kind = code(apply_version)
            now = EventStore.__new__(EventStore)  # the same log under the code that is deployed
            now.__dict__.update(store.__dict__)
            now.upcasters = registry(spec)
            match action, rest:
                case "append", [event_type, version, n]:
                    put(store, n, kind=event_type, version=version)
                    stored.append((event_type, version, n))
                case "deploy", [(spec, apply_version)]:
                    pass
                case "try", [(other, other_version)]:
                    trial = store.read_with(registry(other))
                    wanted = [by_hand(stored[:n], other, other_version)
                              for n in (len(stored), *range(1, len(stored) + 1))]  # fmt: skip
                    assert answers(trial, code(other_version), len(stored)) == (
                        wanted if stored else []
                    )
                case "snapshot", [] if stored:
                    kind.take_snapshot(now, "a")
                case "save", [n] if stored:
                    loaded = now.load(kind, "a")
                    loaded.record("Added", n=n, event_version=3)
                    now.save(loaded)
                    stored.append(("Added", 3, n))
                case "delete", []:
                    store.delete_snapshots()
            now.upcasters = registry(spec)
            kind = code(apply_version)
            wanted = [by_hand(stored[:n], spec, apply_version)
                      for n in (len(stored), *range(1, len(stored) + 1))]  # fmt: skip
            assert answers(now, kind, len(stored)) == (wanted if stored else [])
