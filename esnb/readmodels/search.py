"""A read model to search by text: documents derived from the log, in an embedded search engine.

A document has the shape that Elasticsearch takes and gives: `{"_id": ..., "_source": {...}}`. The
engine is Tantivy: it ranks by BM25, the usual measure, forgives a typing error, and completes
words. The position is a document too, committed with the others: they can never disagree.
"""

from __future__ import annotations

import html
import os
import shutil
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import orjson
import pandas as pd
import tantivy

from esnb.errors import (
    InvalidEventError,
    ProjectionError,
    QueryError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
)
from esnb.events import Event, Json, dump_json, load_json
from esnb.readmodels.batch import inbox_row
from esnb.readmodels.follower import Follower
from esnb.store.event_rows import event_from_row
from esnb.store.reader import Reader

BATCH = 50_000  # events between two commits of the index
TYPO_FROM = 4  # letters: one letter off in a shorter word gives another word

_HEAP = 15_000_000  # bytes, the least that Tantivy takes
_MAGIC = 1337  # of the footer of a file of Tantivy
_CURRENT = "current"  # the file that names the folder of the index in use

_WORDS = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    .filter(tantivy.Filter.lowercase())
    .filter(tantivy.Filter.ascii_fold())
    .build()
)


class SearchProjection:
    """The declaration of documents: derive from it, name the `fields`, write `apply`.

    `fields` are the keys of a document that can be searched, each with its weight in the ranking; a
    key may hold text, or lists and mappings with text in them. Raise `version` with every change.
    """

    fields: ClassVar[dict[str, float]] = {}
    version: ClassVar[int] = 1

    def apply(self, document: Json, event: Event) -> Json | None:
        """The document of `event.aggregate_id` after this event; `{}` stands for a new one.

        None: the event changes nothing, or the aggregate has no document.
        """
        raise NotImplementedError


class SearchProjector(Follower):
    """Keeps documents up to date: `SearchProjector(store, OrderDocuments)`; compare `Projector`.

    The index lives in memory, or in the folder `database`, which only this class may use. One that
    is damaged, or belongs to another log, is dropped and rebuilt; `notice` says so. One of another
    `version` keeps answering, and `catch_up` raises `StaleProjectionError` until `rebuild`.
    """

    def __init__(
        self,
        store: Reader,
        projection: type[SearchProjection],
        database: str | os.PathLike[str] | None = None,
    ) -> None:
        if not projection.fields:
            raise InvalidEventError(f"{projection.__name__} names no fields to search.")
        self.store = store
        self.projection = projection
        self.notice = ""
        self._instance = projection()
        self._lock = threading.RLock()
        self._root = None if database is None else Path(database).expanduser().resolve()
        self._place = self._current()
        self._mark = self._fresh()
        try:
            self._index = _open(self._place, projection)
            self._read_mark()
        except Exception:  # the engine has one class of error for all that may be wrong with files
            if self._place is None or not self._place.exists():
                raise
            self._start_over("its files are damaged")
        if self.position > store.position or not self._same_log(self._mark["event_id"]):
            self._start_over("it was built from another log, or from more events than there are")

    @property
    def position(self) -> int:
        """The position of the last event in the documents; 0 when there are none."""
        position: int = self._mark["position"]
        return position

    def parked(self) -> pd.DataFrame:
        """The events left out: position, event_id, event_type, reason."""
        rows = self._mark.get("parked", [])
        return pd.DataFrame(rows, columns=["position", "event_id", "event_type", "reason"])

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""
        return dict(self._mark.get("bookmarks", {}))

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        with self._translated():
            return [e for e in _inbox(self._index) if (e.position or 0) > self.position]

    # -- asking ----------------------------------------------------------------------------

    def search(
        self, text: str, limit: int = 10, where: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The best documents that have all words of `text`, each in any field; best first.

        A word also finds the words that begin with it, and from four letters on those with one
        letter wrong, missing, added or swapped: both rank lower. No text finds all. `where` asks
        for words in a certain field. A hit has `_id`, `_score`, `_source`, and `highlight`: per
        field, its text as HTML, escaped, with the words that were found in `<em>`.
        """
        if not isinstance(text, str) or not isinstance(limit, int) or limit < 1:
            raise QueryError("search() takes a text, and a limit from 1 upwards.")
        schema, words = self._index.schema, _WORDS.analyze(text)
        parts = [tantivy.Query.term_query(schema, "kind", "document")]
        for field, wanted in (where or {}).items():
            if field not in self._mark["fields"]:
                raise QueryError(f"{field!r} is no field: {', '.join(self._mark['fields'])}.")
            parts += [
                tantivy.Query.term_query(schema, field, word) for word in _WORDS.analyze(wanted)
            ]
        parts += [self._any_field(word) for word in words]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])
        with self._translated():
            searcher = self._index.searcher()
            found = [
                (score, searcher.doc(address))
                for score, address in searcher.search(query, limit).hits
            ]
        hits = [
            (score, document["id"][0], load_json(document["source"][0]))
            for score, document in found
        ]
        hits.sort(key=lambda hit: (-hit[0], hit[1]))
        return [
            {
                "_id": id_,
                "_score": score,
                "_source": source,
                "highlight": self._marked(source, words),
            }
            for score, id_, source in hits
        ]

    def documents(self) -> Iterator[dict[str, Any]]:
        """All documents by id, in the shape in which Elasticsearch's bulk helpers take them."""
        with self._translated():
            searcher = self._index.searcher()
            query = tantivy.Query.term_query(self._index.schema, "kind", "document")
            hits = searcher.search(query, max(1, searcher.num_docs)).hits
            found = [searcher.doc(address) for _, address in hits]
        for document in sorted(found, key=lambda document: document["id"][0]):
            yield {"_id": document["id"][0], "_source": load_json(document["source"][0])}

    def _any_field(self, word: str) -> tantivy.Query:
        schema, should = self._index.schema, tantivy.Occur.Should
        off, parts = int(len(word) >= TYPO_FROM), []
        for field, weight in self._mark["fields"].items():
            exact = tantivy.Query.term_query(schema, field, word)
            near = tantivy.Query.fuzzy_term_query(schema, field, word, distance=off, prefix=True)
            parts.append((should, tantivy.Query.boost_query(exact, weight)))
            parts.append((should, tantivy.Query.boost_query(near, weight / 10)))
        return tantivy.Query.boolean_query(parts)

    def _marked(self, source: Json, words: list[str]) -> dict[str, str]:
        # The engine's own highlighter knows exact words only; here the near ones are marked too.
        marked = {}
        for field in self._mark["fields"]:
            text, out, end = _text(source.get(field)), "", 0
            for token in _WORDS.pre_tokenize(text).tokens:
                if any(_near(word, token.text) for word in words):
                    begin, stop = token.char_offset_from, token.char_offset_to
                    out += html.escape(text[end:begin])
                    out += f"<em>{html.escape(text[begin:stop])}</em>"
                    end = stop
            if end:
                marked[field] = out + html.escape(text[end:])
        return marked

    # -- work ------------------------------------------------------------------------------

    def catch_up(self, limit: int | None = None) -> int:
        """Process the events that came since the last call, at most `limit`; returns how many.

        An event that cannot be processed raises `ProjectionError`; everything before it is in the
        documents, nothing after it. `skip` or `park` it, or mend the projection and rebuild.
        """
        with self._lock:
            self._follow()
            self._check_version()
            done = 0
            while limit is None or done < limit:
                size = BATCH if limit is None else min(BATCH, limit - done)
                try:
                    count = self._step(self._index, self._mark, size)
                finally:
                    self._read_mark()
                if count == 0:
                    break
                done += count
            return done

    def deliver(self, events: Iterable[Event], bookmarks: Mapping[str, int] | None = None) -> int:
        """Process events that a transport brought: late, twice, or in another order.

        As `Projector.deliver` does it: what is known already is dropped, and what comes too early
        waits in an inbox, in the index. Documents, position, inbox and `bookmarks` are one commit.
        """
        with self._lock:
            self._follow()
            self._check_version()
            brought = [self._of_this_log(event) for event in events]
            taken = self.store.as_stored(brought, self.position)

            def work(writer: tantivy.IndexWriter, mark: Json) -> int:
                waiting = {event.position or 0: event for event in _inbox(self._index)}
                new = {e.position or 0: e for e in taken if (e.position or 0) > mark["position"]}
                new = {position: e for position, e in new.items() if position not in waiting}
                if bookmarks:
                    mark = {**mark, "bookmarks": {**mark.get("bookmarks", {}), **bookmarks}}
                every, ready = {**waiting, **new}, list[Event]()
                while event := every.get(mark["position"] + 1 + len(ready)):
                    ready.append(event)
                return self._fold(self._index, writer, mark, ready, (waiting, new))

            try:
                return self._write(self._index, self._mark, work)
            finally:
                self._read_mark()

    def rebuild(self, *, parked_too: bool = False) -> int:
        """Make all documents again, beside the old ones, then swap; returns the events processed.

        Until the swap `search` answers from the old ones. If an event fails, they stay. Events left
        out stay out, unless `parked_too`.
        """
        with self._lock:
            place = None if self._root is None else self._root / uuid4().hex
            index, done = _open(place, self.projection), 0
            kept = ("bookmarks",) if parked_too else ("bookmarks", "parked")
            mark = {**self._fresh(), **{key: self._mark[key] for key in kept if key in self._mark}}
            try:
                while count := self._step(index, mark, BATCH):
                    mark, done = _mark(index) or mark, done + count
            except BaseException:
                if place is not None:
                    shutil.rmtree(place, ignore_errors=True)
                raise
            old, self._place, self._index, self._mark = self._place, place, index, mark
            if self._root is not None and place is not None:
                pointer = self._root / f"{_CURRENT}.new"
                pointer.write_text(place.name)
                pointer.replace(self._root / _CURRENT)
                if old is not None:
                    shutil.rmtree(old, ignore_errors=True)
            return done

    def verify(self) -> bool:
        """Compare the documents with those made afresh from the log."""
        with self._lock:
            twin = SearchProjector(self.store.as_of(self.position), self.projection)
            twin._mark["parked"] = self._mark.get("parked", [])
            twin.catch_up()
            return list(self.documents()) == list(twin.documents())

    def close(self) -> None:
        """Let go of the index. Nothing is lost: each `catch_up` ends with a commit."""
        self._index = _Closed(self.projection.__name__)  # type: ignore[assignment]

    # -- inside ----------------------------------------------------------------------------

    def _step(self, index: tantivy.Index, mark: Json, size: int) -> int:
        """Fold the next events into their documents, and commit these with the position."""
        if self.store.next_batch(mark["position"], 1)[0] == 0:
            return 0

        def work(writer: tantivy.IndexWriter, now: Json) -> int:
            events = self.store.read_all(now["position"], size, upcast=False)
            return self._fold(index, writer, now, events)

        return self._write(index, mark, work)

    def _write(
        self, index: tantivy.Index, mark: Json, work: Callable[[tantivy.IndexWriter, Json], int]
    ) -> int:
        """Do something as the only writer, with the checkpoint as it then stands."""
        with self._translated():
            writer = index.writer(_HEAP, 1)
            try:
                # Whoever wrote before this writer may have moved the position.
                index.reload()
                return work(writer, _mark(index) or mark)
            except BaseException:
                writer.rollback()
                raise
            finally:
                writer.wait_merging_threads()
                index.reload()

    def _fold(
        self, index: tantivy.Index, writer: tantivy.IndexWriter, mark: Json,
        events: Iterable[Event], inbox: tuple[dict[int, Event], dict[int, Event]] | None = None,
    ) -> int:  # fmt: skip
        """Fold events into their documents; `inbox` is what waits there, and what is to wait."""
        searcher = index.searcher()
        changed: dict[str, str] = {}  # as text: an apply() that fails half-way has changed nothing
        failed: ProjectionError | None = None
        left_out = {position for position, *_ in mark.get("parked", [])}
        count = 0
        steps = self.store.upcasters
        for stored in events:
            id_ = stored.aggregate_id or ""
            try:
                text = known = changed.get(id_) or _find(index, searcher, "id", id_) or "{}"
                parts = [] if stored.position in left_out else steps(stored)
                for event in parts:  # all parts of it, or none
                    after = self._instance.apply(load_json(text), event)
                    text = text if after is None else dump_json(after, f"document of {id_!r}")
                if text is not known:
                    changed[id_] = text
            except Exception as error:
                failed = self._cannot_process(stored, error, mark["position"])
                break
            mark = {**mark, "position": stored.position, "event_id": str(stored.event_id)}
            count += 1
        if count or inbox is not None:
            waiting, new = inbox or ({}, {})
            for position in waiting:
                if position <= mark["position"]:
                    writer.delete_documents_by_term("id", _place_of(position))
            for position, event in new.items():
                if position > mark["position"]:
                    row = orjson.dumps(inbox_row(event)).decode()
                    writer.add_document(_document(index, "inbox", _place_of(position), row, {}))
            for id_, text in changed.items():
                source = load_json(text)
                fields = {field: _text(source.get(field)) for field in mark["fields"]}
                writer.delete_documents_by_term("id", id_)
                writer.add_document(_document(index, "document", id_, text, fields))
            self._commit(index, writer, mark)
        if failed is not None:
            raise failed
        return count

    def _commit(self, index: tantivy.Index, writer: tantivy.IndexWriter, mark: Json) -> None:
        writer.delete_documents_by_term("kind", "mark")
        writer.add_document(_document(index, "mark", "", dump_json(mark, "mark"), {}))
        writer.commit()

    def _leave_out(self, event: Event, reason: str) -> None:
        def work(writer: tantivy.IndexWriter, mark: Json) -> int:
            row = [event.position, str(event.event_id), event.event_type, reason]
            now = {"position": event.position, "event_id": str(event.event_id)}
            if mark["position"] + 1 == event.position or mark["position"] == self.position:
                parked = [*mark.get("parked", []), row]
                self._commit(index, writer, {**mark, **now, "parked": parked})
            return 1

        index = self._index
        self._write(index, self._mark, work)
        self._read_mark()

    def _check_version(self) -> None:
        if self._mark["version"] != self.projection.version:
            raise StaleProjectionError(
                f"The documents were made by version {self._mark['version']} of "
                f"{self.projection.__name__}, the code has version {self.projection.version}. "
                f"They can still be searched; rebuild() makes the new ones."
            )

    def _refresh(self) -> None:
        self._follow()
        self._index.reload()
        self._read_mark()

    def _fresh(self) -> Json:
        """What the checkpoint says of an empty index: also with which fields it was built."""
        declared = self.projection
        return {
            "position": 0, "event_id": None, "version": declared.version, "fields": declared.fields,
            "parked": [], "bookmarks": {},
        }  # fmt: skip

    def _read_mark(self) -> None:
        self._mark = _mark(self._index) or self._mark

    def _follow(self) -> None:
        """Another projector of this folder may have swapped the index by a rebuild."""
        place = self._current()
        if place != self._place:
            self._place, self._index = place, _open(place, self.projection)
            self._read_mark()

    def _current(self) -> Path | None:
        """The folder of the index in use; a new one if there is none."""
        if self._root is None:
            return None
        try:
            self._root.mkdir(exist_ok=True)
        except OSError as error:
            raise InvalidEventError(
                f"{self._root.name!r} cannot be the folder of an index: {error.strerror}."
            ) from None
        pointer = self._root / _CURRENT
        if not pointer.exists():
            if any(self._root.iterdir()):
                raise InvalidEventError(
                    f"The folder {self._root.name!r} holds something else. It was not touched. "
                    f"Give the index a folder of its own."
                )
            pointer.write_text(uuid4().hex)
        return self._root / Path(pointer.read_text(errors="replace").strip() or "lost").name

    def _start_over(self, reason: str) -> None:
        self.notice = f"The documents were dropped and are made again from the log: {reason}."
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
        self._mark = self._fresh()
        self._index = _open(self._place, self.projection)

    def _translated(self) -> _Translated:
        return _Translated(self.projection.__name__)


class _Closed:
    """What a projector holds once it is closed: every use says so."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, _: str) -> Any:
        raise StoreClosedError(
            f"The index of {self._name} is closed. Make a new SearchProjector: it goes on where "
            f"this one stopped."
        )


class _Translated:
    """Turn the engine's errors into those of `errors.py`; it raises ValueError for all of them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, ValueError) and "LockBusy" in str(error):
            raise QueryError(
                f"The index of {self.name} is being written by another process. Close it there."
            ) from None
        if isinstance(error, ValueError) or type(error).__name__ == "PanicException":
            raise StoreCorruptError(
                f"The index of {self.name} cannot be used; the log is not in it. rebuild() makes "
                f"it again. The engine says: {str(error)[:200]}"
            ) from None


def _open(place: Path | None, projection: type[SearchProjection]) -> tantivy.Index:
    builder = tantivy.SchemaBuilder()
    for name in ("kind", "id"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("source", stored=True)
    for field in projection.fields:
        if field in ("kind", "id", "source"):
            raise InvalidEventError(f"A field may not be named {field!r}: the index needs it.")
        builder.add_text_field(field, tokenizer_name="words")
    if place is not None:
        place.mkdir(exist_ok=True)
        if any(place.iterdir()):
            _check_files(place)
            index = tantivy.Index.open(str(place))
        else:
            index = tantivy.Index(builder.build(), str(place))
    else:
        index = tantivy.Index(builder.build())
    index.register_tokenizer("words", _WORDS)
    return index


def _check_files(place: Path) -> None:
    """Compare each file's bytes with the checksum in its footer; the engine itself does not."""
    for segment in orjson.loads((place / "meta.json").read_bytes())["segments"]:
        deletes = f".{(segment['deletes'] or {}).get('opstamp')}.del"
        for path in place.glob(f"{segment['segment_id'].replace('-', '')}.*"):
            if path.suffix == ".del" and not path.name.endswith(deletes):
                continue  # of a write that was not finished
            content = path.read_bytes()
            length, magic = struct.unpack("<II", content[-8:])
            footer = orjson.loads(content[-8 - length : -8]) if magic == _MAGIC else {}
            if footer.get("crc") != zlib.crc32(content[: -8 - length]):
                raise ValueError(f"the {path.suffix} file is damaged")


def _document(
    index: tantivy.Index, kind: str, id_: str, source: str, fields: dict[str, str]
) -> tantivy.Document:
    values = {"kind": kind, "id": id_, "source": source.encode(), **fields}
    return tantivy.Document.from_dict(values, index.schema)


def _mark(index: tantivy.Index) -> Json | None:
    text = _find(index, index.searcher(), "kind", "mark")
    return None if text is None else load_json(text)


def _find(index: tantivy.Index, searcher: tantivy.Searcher, field: str, value: str) -> str | None:
    query = tantivy.Query.term_query(index.schema, field, value, index_option="basic")
    for _, address in searcher.search(query, 1, count=False).hits:
        source: bytes = searcher.doc(address)["source"][0]
        return source.decode()
    return None


def _place_of(position: int) -> str:
    """The id of an event in the inbox: no aggregate can have one like it."""
    return f"\0inbox/{position}"


def _inbox(index: tantivy.Index) -> list[Event]:
    searcher = index.searcher()
    query = tantivy.Query.term_query(index.schema, "kind", "inbox", index_option="basic")
    hits = searcher.search(query, max(1, searcher.num_docs)).hits
    rows = [orjson.loads(searcher.doc(address)["source"][0]) for _, address in hits]
    for row in rows:
        row[1], row[9:] = UUID(row[1]), map(datetime.fromisoformat, row[9:])
    return [event_from_row(tuple(row)) for row in sorted(rows, key=lambda row: row[0])]


def _text(value: object) -> str:
    """All text in a value of a document, the values of lists and mappings parted by a bar."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return " | ".join(filter(None, map(_text, value)))
    return ""


def _near(word: str, token: str) -> bool:
    """Does the token begin with the word, or, from four letters on, with one letter off?"""
    if token.startswith(word):
        return True
    if len(word) < TYPO_FROM:
        return False
    at = next(n for n, letter in enumerate(word) if token[n : n + 1] != letter)
    rest, other = word[at:], token[at:]
    return (
        other.startswith(rest[1:])  # one letter too many
        or other[1:].startswith(rest)  # one missing
        or other[1:].startswith(rest[1:])  # one wrong
        or other.startswith(rest[1:2] + rest[:1] + rest[2:])  # two swapped
    )
