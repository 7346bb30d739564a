"""Search: documents against a fold of their own, answers against plain Python, and its life."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import replace
from itertools import product
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    EventStore,
    InvalidEventError,
    LagTimeoutError,
    LessonClock,
    ProjectionError,
    QueryError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
    new_event,
)
from esnb.readmodels.search import SearchProjection, SearchProjector
from esnb.readmodels.search_index import Writer
from esnb.shop import CATALOGUE, Order, first_orders, item, sample
from esnb.shop.search import OrderSearch

NAMES = {article.sku: article.name for article in CATALOGUE}


def oracle_documents(store: Any) -> list[dict[str, Any]]:
    """Order by order from the log, with counters and without the code under test."""
    streams: dict[str, list[Any]] = {}
    for event in store.read_all():
        if event.aggregate_type == "ORDER":
            streams.setdefault(event.aggregate_id, []).append(event)
    documents = []
    for order, events in sorted(streams.items()):
        pieces: dict[str, int] = {}
        sent: dict[str, int] = {}
        reasons = [e.data["reason"] for e in events if "reason" in e.data]
        kinds = {e.type for e in events}
        for event in events:
            lines = event.data.get("items", [event.data])
            for line in lines if event.type in ("OrderPlaced", "ItemAdded") else []:
                pieces[line["sku"]] = pieces.get(line["sku"], 0) + line["quantity"]
            if event.type == "ItemRemoved":
                del pieces[event.data["sku"]]
            for line in lines if event.type == "OrderShipped" else []:
                sent[line["sku"]] = sent.get(line["sku"], 0) + line["quantity"]
        status = "PAID" if "PaymentReceived" in kinds else "PENDING"
        status = (
            "SHIPPED" if sent and all(sent.get(s, 0) >= n for s, n in pieces.items()) else status
        )
        status = "CANCELLED" if "OrderCancelled" in kinds else status
        source = {
            "order": order, "customer": events[0].data["customer"], "status": status,
            "items": [
                {"sku": s, "name": NAMES.get(s, ""), "quantity": n, "shipped": sent.get(s, 0)}
                for s, n in pieces.items()
            ],
            "reasons": reasons,
        }  # fmt: skip
        documents.append({"_id": order, "_source": source})
    return documents


def tokens(value: Any) -> set[str]:
    """The words in all texts of a value: lower case, without accents."""
    if isinstance(value, dict):
        return set().union(*map(tokens, value.values()))
    if isinstance(value, list):
        return set().union(*map(tokens, value))
    if not isinstance(value, str):
        return set()
    plain = "".join(c for c in unicodedata.normalize("NFD", value) if not unicodedata.combining(c))
    return set(re.findall(r"[^\W_]+", plain.lower()))


def distance(a: str, b: str) -> int:
    """Edits between two words, a swap of neighbours being one (optimal string alignment)."""
    d = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[-1][-1]


def near(word: str, token: str) -> bool:
    off = 1 if len(word) >= 4 else 0
    ends = range(len(word) - off, min(len(word) + off, len(token)) + 1)
    return any(distance(word, token[:end]) <= off for end in ends)


def oracle_ids(documents: list[dict[str, Any]], text: str) -> set[str]:
    """The documents in which each word of the text has a word near it."""
    found = {document["_id"]: tokens(document["_source"]) for document in documents}
    for word in tokens(text):
        hits = {token for token in set().union(*found.values()) if near(word, token)}
        found = {id_: have for id_, have in found.items() if have & hits}
    return set(found)


@pytest.fixture(scope="module")
def shop() -> EventStore:
    return sample()


@pytest.fixture(scope="module")
def found(shop: EventStore) -> SearchProjector:
    projector = SearchProjector(shop, OrderSearch)
    projector.catch_up()
    return projector


@pytest.fixture
def small() -> EventStore:
    store = EventStore(clock=LessonClock())
    first_orders(store)
    return store


def ids(hits: list[dict[str, Any]]) -> set[str]:
    return {hit["_id"] for hit in hits}


# -- documents ---------------------------------------------------------------------------------


def test_documents_are_those_of_a_plain_fold(shop: EventStore, found: SearchProjector) -> None:
    assert list(found.documents()) == oracle_documents(shop)
    assert found.position == shop.position


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_the_batches_do_not_matter(shop: EventStore, limit: int) -> None:
    past = shop.as_of(150)
    projector = SearchProjector(past, OrderSearch)
    while projector.catch_up(limit):
        pass
    assert list(projector.documents()) == oracle_documents(past)


def test_as_of_any_position(shop: EventStore) -> None:
    for position in (0, 1, 400):
        projector = SearchProjector(shop.as_of(position), OrderSearch)
        assert projector.catch_up() == position
        assert list(projector.documents()) == oracle_documents(shop.as_of(position))


def test_catching_up_twice_changes_nothing(small: EventStore) -> None:
    projector = SearchProjector(small, OrderSearch)
    assert (projector.catch_up(), projector.catch_up()) == (8, 0)
    assert projector.verify()
    order = small.new(Order, "order-7")
    order.place("cleo", [item("TEAPOT")])
    small.save(order)
    assert projector.lag().events == 1
    projector.wait_for(9)
    assert ids(projector.search("teapot")) == {"order-7"}
    assert projector.verify()


# -- asking ------------------------------------------------------------------------------------

WORDS = ["mug", "MUG-BLUE", "poster", "candle", "candel", "teapto", "broken", "ordered twice", "no",
         "n", "hana", "hana.jensen poster", "cancelled mug", "noteboks", "1000", "1.2", "zzzz", "€",
         "order-2037", "found it elsewhere", "blnket", "xposter"]  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_search_finds_what_plain_python_finds(found: SearchProjector, text: str) -> None:
    documents = list(found.documents())
    assert ids(found.search(text, limit=1000)) == oracle_ids(documents, text)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_word_with_any_typing_error(found: SearchProjector, data: st.DataObject) -> None:
    documents = list(found.documents())
    vocabulary = sorted(tokens(documents))
    word = list(data.draw(st.sampled_from(vocabulary)))
    at = data.draw(st.integers(0, len(word) - 1))
    match data.draw(st.sampled_from(["cut", "drop", "swap", "add", "change", "keep"])):
        case "cut":
            word = word[: at + 1]
        case "drop":
            del word[at]
        case "swap":
            word[at : at + 2] = reversed(word[at : at + 2])
        case "add":
            word.insert(at, "x")
        case "change":
            word[at] = "q"
    text = "".join(word)
    hits = found.search(text, limit=1000)
    assert ids(hits) == oracle_ids(documents, text)
    if text:
        assert all(hit["highlight"] for hit in hits)


def test_whole_words_rank_before_beginnings_and_errors(small: EventStore) -> None:
    for number, (customer, sku) in enumerate(
        [("marcos", "PEN-SET"), ("marco", "PEN-SET"), ("marko", "PEN-SET")]
    ):
        order = small.new(Order, f"order-{number}")
        order.place(customer, [item(sku)])
        small.save(order)
    projector = SearchProjector(small, OrderSearch)
    projector.catch_up()
    hits = projector.search("marco")
    assert hits[0]["_source"]["customer"] == "marco"
    assert ids(hits) == {"order-0", "order-1", "order-2"}
    assert [hit["_score"] for hit in hits] == sorted((h["_score"] for h in hits), reverse=True)
    assert len(projector.search("marco", limit=2)) == 2


def test_where_asks_for_words_in_one_field(found: SearchProjector) -> None:
    cancelled = {d["_id"] for d in found.documents() if d["_source"]["status"] == "CANCELLED"}
    assert ids(found.search("", 1000, where={"status": "CANCELLED"})) == cancelled
    some = ids(found.search("mug", 1000, where={"status": "cancelled"}))
    assert some == ids(found.search("mug", 1000)) & cancelled
    with pytest.raises(QueryError, match="colour"):
        found.search("mug", where={"colour": "blue"})
    with pytest.raises(QueryError):
        found.search("mug", limit=0)


def test_highlights_are_escaped() -> None:
    store = EventStore(clock=LessonClock())
    wicked = "<script>alert('x')</script> & Zoë <b>mug</b>"
    order = store.new(Order, "order-1")
    order.place(wicked, [item("MUG-BLUE")])
    store.save(order)
    projector = SearchProjector(store, OrderSearch)
    projector.catch_up()
    (hit,) = projector.search("zoe mug script")
    marked = hit["highlight"]["customer"]
    assert "<em>Zoë</em>" in marked
    assert "<em>mug</em>" in marked
    assert set(re.findall(r"<[^>]*>", marked)) == {"<em>", "</em>"}
    assert html.unescape(re.sub("</?em>", "", marked)) == wicked
    assert hit["_source"]["customer"] == wicked


def test_a_query_is_words_and_never_code(found: SearchProjector) -> None:
    for text in ('"', "a:b", "(", "mug AND", "*", "kind:mark", "[1 TO 2]", "\x00", "\\", "🎁"):
        assert ids(found.search(text, 1000)) == oracle_ids(list(found.documents()), text)


# -- its life ----------------------------------------------------------------------------------


def test_a_folder_goes_on_where_it_stopped(small: EventStore, tmp_path: Any) -> None:
    first = SearchProjector(small, OrderSearch, tmp_path / "orders.index")
    first.catch_up(limit=5)
    second = SearchProjector(small, OrderSearch, tmp_path / "orders.index")
    assert (second.position, second.notice) == (5, "")
    assert second.catch_up() == 3
    # The first does not know it yet: it must not fold the same events once more.
    assert first.catch_up() == 0
    assert first.position == 8
    assert list(first.documents()) == oracle_documents(small)


def test_a_crash_before_the_commit_leaves_the_old_documents(
    small: EventStore, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = SearchProjector(small, OrderSearch, tmp_path / "i")
    projector.catch_up(limit=4)
    before = list(projector.documents())
    written: list[str] = []
    real = Writer._add

    def failing(*args: Any) -> Any:
        written.append(args[1])
        if len(written) > 1:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(Writer, "_add", failing)
    with pytest.raises(KeyboardInterrupt):
        projector.catch_up()
    assert len(written) == 2
    monkeypatch.undo()
    again = SearchProjector(small, OrderSearch, tmp_path / "i")
    assert (again.position, list(again.documents())) == (4, before)
    assert projector.catch_up() == 4
    assert list(projector.documents()) == oracle_documents(small)


def test_every_damaged_file_is_noticed_and_the_documents_made_again(
    small: EventStore, tmp_path: Any
) -> None:
    SearchProjector(small, OrderSearch, tmp_path / "i").catch_up()
    files = [p for p in sorted((tmp_path / "i").glob("*/*")) if not p.name.startswith(".")]
    assert len(files) > 5
    damaged = 0
    for name in [path.name for path in files]:
        for change in ("flip", "cut"):
            projector = SearchProjector(small, OrderSearch, tmp_path / "i")
            projector.rebuild()
            suffix = name[name.index(".") :]
            for path in (tmp_path / "i").glob(f"*/*{suffix}"):
                if path.name.startswith(".") or path.stat().st_size < 2:
                    continue
                content = bytearray(path.read_bytes())
                content[len(content) // 2] ^= 0xFF
                path.write_bytes(content if change == "flip" else content[: len(content) // 2])
                damaged += 1
            again = SearchProjector(small, OrderSearch, tmp_path / "i")
            again.catch_up()
            assert list(again.documents()) == oracle_documents(small), (name, change)
            assert "damaged" in again.notice, (name, change)
    assert damaged >= 12


def test_a_closed_index_says_so_and_may_be_closed_twice(small: EventStore, tmp_path: Any) -> None:
    projector = SearchProjector(small, OrderSearch, tmp_path / "index")
    projector.catch_up()
    projector.close()
    projector.close()
    for use in (projector.catch_up, projector.verify, lambda: projector.search("mug"),
                lambda: list(projector.documents())):  # fmt: skip
        with pytest.raises(StoreClosedError, match="index of OrderSearch is closed"):
            use()
    again = SearchProjector(small, OrderSearch, tmp_path / "index")
    assert again.catch_up() == 0
    assert again.search("mug")


def test_an_index_of_another_log_is_dropped(small: EventStore, tmp_path: Any) -> None:
    SearchProjector(small, OrderSearch, tmp_path / "i").catch_up()
    other = EventStore(clock=LessonClock(seed=5))
    first_orders(other)
    projector = SearchProjector(other, OrderSearch, tmp_path / "i")
    assert "another log" in projector.notice
    assert projector.position == 0
    projector.catch_up()
    assert list(projector.documents()) == oracle_documents(other)


def test_a_folder_of_something_else_is_not_touched(small: EventStore, tmp_path: Any) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidEventError, match="something else"):
        SearchProjector(small, OrderSearch, tmp_path)
    with pytest.raises(InvalidEventError, match=r"thesis\.txt"):
        SearchProjector(small, OrderSearch, tmp_path / "thesis.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_new_version_is_built_beside_the_old_and_swapped(
    small: EventStore, tmp_path: Any
) -> None:
    old = SearchProjector(small, OrderSearch, tmp_path / "i")
    old.catch_up()

    class Better(OrderSearch):
        version = 2
        fields: ClassVar[dict[str, float]] = {**OrderSearch.fields, "carrier": 1.0}

        def apply(self, document: Any, event: Any) -> Any:
            after = super().apply(document, event)
            if event.type == "OrderShipped":
                after = {**after, "carrier": event.data["carrier"]}
            return after

    new = SearchProjector(small, Better, tmp_path / "i")
    assert ids(new.search("mug")) == {"order-1042"}  # the old documents answer
    with pytest.raises(StaleProjectionError, match="rebuild"):
        new.catch_up()
    assert new.rebuild() == 8
    assert ids(new.search("post")) == {"order-1042"}
    assert ids(SearchProjector(small, Better, tmp_path / "i").search("post")) == {"order-1042"}
    assert sum(p.is_dir() for p in (tmp_path / "i").iterdir()) == 1


def test_a_failing_event_is_named_and_what_came_before_is_kept(small: EventStore) -> None:
    class Picky(OrderSearch):
        def apply(self, document: Any, event: Any) -> Any:
            if event.type == "OrderCancelled":
                document["items"].clear()
                raise ValueError("no such thing")
            return super().apply(document, event)

    projector = SearchProjector(small, Picky)
    with pytest.raises(ProjectionError, match="position 4: OrderCancelled") as caught:
        projector.catch_up()
    assert caught.value.event.position == 4
    assert projector.position == 3
    assert list(projector.documents()) == oracle_documents(small.as_of(3))
    with pytest.raises(ProjectionError):
        projector.rebuild()
    assert list(projector.documents()) == oracle_documents(small.as_of(3))


class Poisoned(OrderSearch):
    """Cannot read the event at position 4; `fixed` says when it can."""

    fixed: ClassVar[bool] = False

    def apply(self, document: Any, event: Any) -> Any:
        if event.position == 4 and not self.fixed:
            raise ValueError("poison")
        return super().apply(document, event)


def without(store: EventStore, *positions: int) -> list[dict[str, Any]]:
    """The documents of the log without some events."""
    projector = SearchProjector(store, OrderSearch)
    parked = [[position, "", "", ""] for position in positions]
    projector._index.mark = replace(projector._index.mark, parked=parked)
    projector.catch_up()
    return list(projector.documents())


@pytest.mark.parametrize("way", ["catch_up", "deliver"])
def test_a_poisoned_document_is_parked_or_skipped(
    small: EventStore, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    events = list(small.read_all())
    projector = SearchProjector(small, Poisoned, tmp_path / "i")

    def run(projector: SearchProjector) -> int:
        return projector.catch_up() if way == "catch_up" else projector.deliver(events)

    for _ in range(2):
        with pytest.raises(ProjectionError, match=r"position 4.*at position 3.*park\(4\)"):
            run(projector)
        assert list(projector.documents()) == oracle_documents(small.as_of(3))
    for wrong in (3, 5, 99):
        with pytest.raises(InvalidEventError, match=rf"\(position 4\), not position {wrong}"):
            projector.skip(wrong)
    projector.park(4, "fix me")
    projector = SearchProjector(small, Poisoned, tmp_path / "i")  # also after a restart
    assert run(projector) == 4
    assert projector.parked()["position"].tolist() == [4]
    assert projector.parked()["reason"].tolist() == ["parked: fix me"]
    wanted = without(small, 4)
    assert list(projector.documents()) == wanted != oracle_documents(small)
    assert projector.verify()
    projector.rebuild()
    assert list(projector.documents()) == wanted
    with pytest.raises(ProjectionError):
        projector.rebuild(parked_too=True)
    assert projector.parked()["position"].tolist() == [4]
    monkeypatch.setattr(Poisoned, "fixed", True)
    projector.rebuild(parked_too=True)
    assert list(projector.documents()) == oracle_documents(small)
    assert projector.parked().empty
    with pytest.raises(InvalidEventError, match=r"none is there after 8\)"):
        projector.skip(9)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_delivery_with_duplicates_gives_the_fold_once_all_arrived(data: st.DataObject) -> None:
    store = EventStore(clock=LessonClock())
    first_orders(store)
    events = list(store.read_all())
    sent = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    projector = SearchProjector(store, OrderSearch)
    done = 0
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        batch, sent = sent[:size], sent[size:]
        done += projector.deliver(batch, {"topic/0": len(sent)})
        assert list(projector.documents()) == oracle_documents(store.as_of(projector.position))
        assert projector.bookmarks() == {"topic/0": len(sent)}
    assert done == projector.position == 8
    assert projector.deliver(events) == 0
    assert projector.inbox() == []
    assert projector.verify()


def test_what_was_delivered_survives_a_restart_and_a_crash(
    small: EventStore, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list(small.read_all())
    projector = SearchProjector(small, OrderSearch, tmp_path / "i")
    assert projector.deliver([events[0], events[4], events[2], events[0]], {"a": 4}) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "commit", crash)
        with pytest.raises(KeyboardInterrupt):
            projector.deliver([events[1], events[6]], {"a": 6})
    again = SearchProjector(small, OrderSearch, tmp_path / "i")
    assert (again.position, again.bookmarks()) == (1, {"a": 4})
    assert again.inbox() == [events[2], events[4]]
    assert again.search("") == projector.search("")  # what waits is not a document
    assert again.deliver([events[0], events[1]]) == 2
    assert again.catch_up(limit=1) == 1
    assert again.deliver([events[5]]) == 2
    again.rebuild()
    assert again.deliver(events) == 0
    assert (again.bookmarks(), again.inbox()) == ({"a": 4}, [])
    assert list(again.documents()) == oracle_documents(small)
    with pytest.raises(InvalidEventError, match="with a position"):
        again.deliver([new_event("Noted")])


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_waiting_for_what_is_not_there(small: EventStore) -> None:
    projector = SearchProjector(small, OrderSearch)
    with pytest.raises(LagTimeoutError, match="9"):
        projector.wait_for(9, timeout=1)
    projector.wait_for(8)
    assert projector.position == 8
    with projector.running():
        done = small.append("x", [new_event("Noted")], expected_version=0, aggregate_type="T")
        projector.wait_for(done.position)


def test_a_second_writer_gets_a_clear_error(small: EventStore, tmp_path: Any) -> None:
    projector = SearchProjector(small, OrderSearch, tmp_path / "i")
    writer = projector._index.engine.writer(15_000_000, 1)
    with pytest.raises(QueryError, match="another process"):
        projector.catch_up()
    writer.wait_merging_threads()
    assert projector.catch_up() == 8


def test_files_that_vanish_under_it_give_a_clear_error(small: EventStore, tmp_path: Any) -> None:
    projector = SearchProjector(small, OrderSearch, tmp_path / "i")
    projector.catch_up()
    for path in (tmp_path / "i").glob("*/meta.json"):
        path.unlink()
    order = small.new(Order, "order-7")
    order.place("cleo", [item("TEAPOT")])
    small.save(order)
    with pytest.raises(StoreCorruptError, match="rebuild"):
        projector.catch_up()
    projector.rebuild()
    assert list(projector.documents()) == oracle_documents(small)


def test_a_declaration_without_fields_or_with_a_taken_name(small: EventStore) -> None:
    class Nothing(SearchProjection):
        pass

    class Taken(SearchProjection):
        fields: ClassVar[dict[str, float]] = {"kind": 1.0}

    for wrong in (Nothing, Taken):
        with pytest.raises(InvalidEventError):
            SearchProjector(small, wrong)


def test_documents_must_be_json(small: EventStore) -> None:
    class Odd(SearchProjection):
        fields: ClassVar[dict[str, float]] = {"customer": 1.0}

        def apply(self, document: Any, event: Any) -> Any:
            return {"customer": {1, 2}}

    with pytest.raises(ProjectionError, match="JSON"):
        SearchProjector(small, Odd).catch_up()


def test_a_projection_of_anything(small: EventStore) -> None:
    class Notes(SearchProjection):
        fields: ClassVar[dict[str, float]] = {"text": 1.0}

        def apply(self, document: Any, event: Any) -> Any:
            return {"text": event.data["text"]} if event.type == "NoteWritten" else None

    small.append("note-1", [new_event("NoteWritten", text="buy tea")], aggregate_type="NOTE",
                 expected_version=0)  # fmt: skip
    projector = SearchProjector(small, Notes)
    projector.catch_up()
    assert [h["_source"] for h in projector.search("tea")] == [{"text": "buy tea"}]
