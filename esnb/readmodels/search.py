"""A read model to search by text: documents derived from the log, in an embedded search engine.

A document has the shape that Elasticsearch takes and gives: `{"_id": ..., "_source": {...}}`. The
engine is Tantivy: it ranks by BM25, the usual measure, forgives a typing error, and completes
words.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from esnb.errors import InvalidEventError, ProjectionError, QueryError, StoreCorruptError
from esnb.event_json import dump_json, load_json
from esnb.events import Event
from esnb.readmodels.delivery import OvertakenError, sorted_in
from esnb.readmodels.follower import Follower
from esnb.readmodels.search_index import IndexFolder, Mark, SearchIndex, Writer
from esnb.readmodels.search_projection import SearchProjection
from esnb.readmodels.search_text import WORDS, highlights, query_of
from esnb.readmodels.source import EventSource

__all__ = ["SearchProjection", "SearchProjector"]

BATCH = 50_000  # events between two commits of the index


class SearchProjector(Follower[SearchIndex]):
    """Keeps documents up to date: `SearchProjector(store, OrderDocuments)`; compare `Projector`.

    The index is in memory, or in the folder `database`, which only this class may use, in one
    process at a time (a second one gets `StoreLockedError`). An index that is
    damaged, or belongs to another log, is dropped and rebuilt; `notice` says so. One of another
    `version`, or with other fields, keeps answering, and `catch_up` raises `StaleProjectionError`
    until `rebuild`.
    """

    def __init__(
        self,
        store: EventSource,
        projection: type[SearchProjection],
        database: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(store, projection)
        if not projection.fields:
            raise InvalidEventError(f"{projection.__name__} names no fields to search.")
        self._notice = ""
        self._instance = projection()
        self._folder = IndexFolder(
            None if database is None else Path(database).expanduser().resolve()
        )
        place = self._folder.current()
        try:
            self._index = SearchIndex(projection, place)
        except Exception:  # the engine has one class of error for all that may be wrong with files
            if place is None or not place.exists():
                raise
            self._start_over("its files are damaged", place)
        if self.position > store.position or not self._same_log(self._index.mark.event_id):
            self._start_over("it was built from another log, or from more events than there are")

    @property
    def position(self) -> int:
        """The position of the last event in the documents; 0 when there are none."""
        return self._index.mark.position

    @property
    def notice(self) -> str:
        """What happened to the index that its owner should know; mostly nothing."""
        return self._notice

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""
        return dict(self._index.mark.bookmarks)

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        return self._index.inbox()

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
        for asked in (text, *(where or {}).values()):
            if asked != asked.encode(errors="ignore").decode():
                raise QueryError(f"search() got half a character (a lone surrogate): {asked!a}.")
        index = self._index
        fields = index.mark.fields
        query = query_of(index.engine.schema, fields, text, where or {})
        hits = [
            (score, document["id"][0], load_json(document["source"][0]))
            for score, document in index.hits(query, limit)
        ]
        hits.sort(key=lambda hit: (-hit[0], hit[1]))
        words = WORDS.analyze(text)
        return [
            {
                "_id": id_,
                "_score": score,
                "_source": source,
                "highlight": highlights(source, fields, words),
            }
            for score, id_, source in hits
        ]

    def documents(self) -> Iterator[dict[str, Any]]:
        """All documents by id, in the shape in which Elasticsearch's bulk helpers take them."""
        for id_, source in self._index.of_kind("document"):
            yield {"_id": id_, "_source": load_json(source.decode())}

    def verify(self) -> bool:
        """Compare the documents with those made afresh from the log."""
        with self._lock:
            twin = SearchProjector(self.store.as_of(self.position), self.projection)
            twin._index.mark = replace(twin._index.mark, parked=self._index.mark.parked)
            twin.catch_up()
            return list(self.documents()) == list(twin.documents())

    def close(self) -> None:
        """Let go of the index. Nothing is lost: each `catch_up` ends with a commit."""
        self._index.close()
        self._folder.close()

    # -- work ------------------------------------------------------------------------------

    def rebuild(self, *, parked_too: bool = False) -> int:
        """Make all documents again, beside the old ones, then swap; returns the events processed.

        Until the swap `search` answers from the old ones, which go on following the log. If an
        event fails, they stay. Events left out stay out, unless `parked_too`.
        """
        return self._rebuild(parked_too)

    def _advance(self, limit: int | None) -> int:
        if self._folder.current() != self._index.place:
            raise OvertakenError
        return self._step(self._index, BATCH if limit is None else min(BATCH, limit))

    def _step(self, index: SearchIndex, size: int) -> int:
        """Fold the next events into their documents, and commit these with the position."""
        position = index.mark.position
        if self.store.next_batch(position, 1)[0] == 0:
            return 0
        with index.writing() as writer:
            events = self.store.read_all(position, size, upcast=False)
            mark, failed = self._fold(index, writer, events)
            writer.commit(mark)
        if failed is not None:
            raise failed
        return mark.position - position

    def _take(self, events: list[Event], bookmarks: Mapping[str, int]) -> None:
        index = self._index
        with index.writing() as writer:
            waiting = {event.position or 0: event for event in index.inbox()}
            new, count = sorted_in(events, index.mark.position, waiting)
            every = waiting | {event.position or 0: event for event in new}
            ready = [every[index.mark.position + 1 + n] for n in range(count)]
            mark, failed = self._fold(index, writer, ready)
            for position, event in every.items():
                if position <= mark.position and position in waiting:
                    writer.let_go(event)
                elif position > mark.position and position not in waiting:
                    writer.keep(event)
            writer.commit(replace(mark, bookmarks={**mark.bookmarks, **bookmarks}))
        if failed is not None:
            raise failed

    def _fold(
        self, index: SearchIndex, writer: Writer, events: Iterable[Event]
    ) -> tuple[Mark, ProjectionError | None]:
        """Fold events into their documents; returns how far it got, and what stopped it."""
        mark, left_out = index.mark, index.mark.left_out
        changed: dict[str, str] = {}  # as text: an apply() that fails half-way has changed nothing
        failed: ProjectionError | None = None
        for stored in events:
            id_ = stored.aggregate_id or ""
            try:
                text = known = changed.get(id_) or index.find("id", id_) or "{}"
                parts = [] if stored.position in left_out else self.store.upcasters(stored)
                for event in parts:  # all parts of it, or none
                    after = self._instance.apply(load_json(text), event)
                    text = text if after is None else dump_json(after, f"document of {id_!r}")
                if text is not known:
                    changed[id_] = text
            except Exception as error:
                failed = self._cannot_process(stored, error, mark.position)
                break
            mark = replace(mark, position=stored.position or 0, event_id=str(stored.event_id))
        for id_, text in changed.items():
            writer.put(id_, text, mark.fields)
        return mark, failed

    # -- decisions and builds --------------------------------------------------------------

    def _decisions(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._index.mark.parked]

    def _leave_out(self, event: Event, reason: str) -> None:
        row = [event.position, str(event.event_id), event.event_type, reason]
        with self._index.writing() as writer:
            mark = self._index.mark
            writer.commit(
                replace(
                    mark,
                    position=event.position or 0,
                    event_id=str(event.event_id),
                    parked=[*mark.parked, row],
                )
            )

    def _begin_build(self, parked_too: bool) -> SearchIndex:
        with self._lock, suppress(StoreCorruptError):
            self._refresh()
        build = SearchIndex(self.projection, self._folder.another())
        if not parked_too:
            build.mark = replace(build.mark, parked=self._index.mark.parked)
        return build

    def _fill(self, build: SearchIndex, upto: int | None) -> int:
        done = 0
        while upto is None or build.mark.position < upto:
            count = self._step(build, BATCH)
            done += count
            if count < BATCH:
                break
        return done

    def _swap(self, build: SearchIndex) -> None:
        with build.writing() as writer:
            writer.commit(replace(build.mark, bookmarks=self._index.mark.bookmarks))
        old, self._index = self._index, build
        self._folder.point_to(build.place)
        old.remove()

    def _drop_build(self, build: SearchIndex) -> None:
        build.remove()

    # -- inside ----------------------------------------------------------------------------

    def _check_declaration(self) -> None:
        mark, _ = self._index.mark, self._index.engine  # a closed one says so
        self._refuse_changed(mark.declaration, mark.version, self.projection.declaration())

    def _refresh(self) -> None:
        place = self._folder.current()
        if place != self._index.place:  # another projector of this folder has rebuilt
            self._index = SearchIndex(self.projection, place)
        else:
            self._index.read_mark()

    def _start_over(self, reason: str, place: Path | None = None) -> None:
        self._notice = f"The documents were dropped and are made again from the log: {reason}."
        if place is None:
            place = self._index.place
            self._index.remove()
        else:
            shutil.rmtree(place, ignore_errors=True)
        self._index = SearchIndex(self.projection, place)
