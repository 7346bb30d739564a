"""The files under a search: an index of documents, their checkpoint, and what waits for its turn.

The engine is Tantivy. The checkpoint is a document too, committed with the others: position and
documents can never disagree. A folder holds one index in use, and the file `current` names it.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import tantivy

from esnb.errors import (
    EsnbError,
    InvalidEventError,
    QueryError,
    StoreClosedError,
    StoreCorruptError,
)
from esnb.event_json import dump_json, load_json
from esnb.events import Event
from esnb.readmodels.delivery import OvertakenError
from esnb.readmodels.search_projection import SearchProjection
from esnb.readmodels.search_text import WORDS, text_of
from esnb.store.event_rows import event_from_row, text_row
from esnb.store.file_lock import hold_lock_beside

_HEAP = 15_000_000  # bytes, the least that Tantivy takes
_MAGIC = 1337  # of the footer of a file of Tantivy
_CURRENT = "current"


@dataclass(frozen=True)
class Mark:
    """The checkpoint of an index: how far it is, what was left out, and how it was declared."""

    version: int
    declaration: dict[str, Any]
    position: int = 0
    event_id: str | None = None
    parked: list[list[Any]] = field(default_factory=list)
    bookmarks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, projection: type[SearchProjection]) -> Mark:
        """The checkpoint of an index without documents."""
        return cls(projection.version, projection.declaration())

    @property
    def fields(self) -> dict[str, float]:
        """The fields that the index was built with."""
        fields: dict[str, float] = self.declaration["fields"]
        return fields

    @property
    def left_out(self) -> set[int]:
        """The positions of the events left out."""
        return {row[0] for row in self.parked}


class SearchIndex:
    """One index, in memory or in the folder `place`; `mark` is its checkpoint as last read."""

    def __init__(self, projection: type[SearchProjection], place: Path | None) -> None:
        self.place = place
        self.mark = Mark.empty(projection)
        self._name = projection.__name__
        self._index: tantivy.Index | None = _open(place, projection)
        self.read_mark()

    @property
    def engine(self) -> tantivy.Index:
        """The engine's index; `StoreClosedError` after `close`."""
        if self._index is None:
            raise StoreClosedError(
                f"The index of {self._name} is closed. Make a new SearchProjector: it goes on "
                f"where this one stopped."
            )
        return self._index

    # -- reading ---------------------------------------------------------------------------

    def read_mark(self) -> None:
        """Take note of what is in the index, whoever wrote it."""
        with self.translated():
            self.engine.reload()
            if (text := self.find("kind", "mark")) is not None:
                self.mark = Mark(**load_json(text))

    def find(self, name: str, value: str) -> str | None:
        """The source of a document with this value in a field; None if there is none."""
        index = self.engine
        query = tantivy.Query.term_query(index.schema, name, value, index_option="basic")
        searcher = index.searcher()
        for _, address in searcher.search(query, 1, count=False).hits:
            source: bytes = searcher.doc(address)["source"][0]
            return source.decode()
        return None

    def hits(self, query: tantivy.Query, limit: int | None = None) -> list[tuple[float, Any]]:
        """The documents of a query with their scores; all of them if there is no limit."""
        with self.translated():
            searcher = self.engine.searcher()
            found = searcher.search(query, limit or max(1, searcher.num_docs)).hits
            return [(score, searcher.doc(address)) for score, address in found]

    def of_kind(self, kind: str) -> list[tuple[str, bytes]]:
        """The ids and sources of all documents of a kind, by id."""
        query = tantivy.Query.term_query(self.engine.schema, "kind", kind, index_option="basic")
        return sorted((doc["id"][0], doc["source"][0]) for _, doc in self.hits(query))

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        rows = [orjson.loads(source) for _, source in self.of_kind("inbox")]
        for row in rows:
            row[1], row[9:] = UUID(row[1]), map(datetime.fromisoformat, row[9:])
        events = [event_from_row(tuple(row)) for row in sorted(rows, key=lambda row: row[0])]
        return [event for event in events if (event.position or 0) > self.mark.position]

    # -- writing ---------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write as the only one; `OvertakenError` if the checkpoint is not the one last read."""
        with self.translated():
            index = self.engine
            writer = index.writer(_HEAP, 1)
            try:
                before = self.mark
                self.read_mark()
                if self.mark.position != before.position:
                    raise OvertakenError
                yield Writer(index, writer)
            except BaseException:
                writer.rollback()
                raise
            finally:
                writer.wait_merging_threads()
                self.read_mark()

    def close(self) -> None:
        """Let go of the index."""
        self._index = None

    def remove(self) -> None:
        """Delete the files."""
        if self.place is not None:
            shutil.rmtree(self.place, ignore_errors=True)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the engine's errors into those of `errors.py`: it has one class for all of them."""
        try:
            yield
        except (EsnbError, OvertakenError):
            raise
        except BaseException as error:
            if isinstance(error, ValueError) and "LockBusy" in str(error):
                raise QueryError(
                    f"The index of {self._name} is being written by another process. Close it "
                    f"there."
                ) from None
            if isinstance(error, ValueError) or type(error).__name__ == "PanicException":
                raise StoreCorruptError(
                    f"The index of {self._name} cannot be used; the log is not in it. rebuild() "
                    f"makes it again. The engine says: {str(error)[:200]}"
                ) from None
            raise


class Writer:
    """What is written into an index until `commit`; without it, nothing."""

    def __init__(self, index: tantivy.Index, writer: tantivy.IndexWriter) -> None:
        self._index = index
        self._writer = writer

    def put(self, id_: str, text: str, fields: Mapping[str, float]) -> None:
        """A document, in place of the one with the same id."""
        source = load_json(text)
        texts = {name: text_of(source.get(name)) for name in fields}
        self._writer.delete_documents_by_term("id", id_)
        self._add("document", id_, text, texts)

    def keep(self, event: Event) -> None:
        """Let a delivered event wait in the inbox."""
        row = orjson.dumps(tuple(text_row(event))).decode()
        self._add("inbox", _place_of(event), row, {})

    def let_go(self, event: Event) -> None:
        """Take an event out of the inbox."""
        self._writer.delete_documents_by_term("id", _place_of(event))

    def commit(self, mark: Mark) -> None:
        """Commit all of it, with the checkpoint."""
        self._writer.delete_documents_by_term("kind", "mark")
        self._add("mark", "", dump_json(asdict(mark), "mark"), {})
        self._writer.commit()

    def _add(self, kind: str, id_: str, source: str, texts: Mapping[str, str]) -> None:
        values = {"kind": kind, "id": id_, "source": source.encode(), **texts}
        self._writer.add_document(tantivy.Document.from_dict(values, self._index.schema))


class IndexFolder:
    """The folder of a search: which index in it is in use. One process at a time has it."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self._unlock: Callable[[], object] | None = None

    def current(self) -> Path | None:
        """The folder of the index in use; a new one if there is none."""
        if self.root is None:
            return None
        try:
            self.root.mkdir(exist_ok=True)
        except OSError as error:
            raise InvalidEventError(
                f"{self.root.name!r} cannot be the folder of an index: {error.strerror}."
            ) from None
        self._unlock = self._unlock or hold_lock_beside(self.root, self)
        pointer = self.root / _CURRENT
        if not pointer.exists():
            if any(self.root.iterdir()):
                raise InvalidEventError(
                    f"The folder {self.root.name!r} holds something else. It was not touched. "
                    f"Give the index a folder of its own."
                )
            pointer.write_text(uuid4().hex)
        return self.root / Path(pointer.read_text(errors="replace").strip() or "lost").name

    def close(self) -> None:
        """Let another process have the folder."""
        if self._unlock is not None:
            self._unlock()
            self._unlock = None

    def another(self) -> Path | None:
        """A folder for a new index."""
        return None if self.root is None else self.root / uuid4().hex

    def point_to(self, place: Path | None) -> None:
        """Let another index be in use from now on."""
        if self.root is not None and place is not None:
            pointer = self.root / f"{_CURRENT}.new"
            pointer.write_text(place.name)
            pointer.replace(self.root / _CURRENT)


def _open(place: Path | None, projection: type[SearchProjection]) -> tantivy.Index:
    builder = tantivy.SchemaBuilder()
    for name in ("kind", "id"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("source", stored=True)
    for name in projection.fields:
        if name in ("kind", "id", "source"):
            raise InvalidEventError(f"A field may not be named {name!r}: the index needs it.")
        builder.add_text_field(name, tokenizer_name="words")
    if place is not None:
        place.mkdir(exist_ok=True)
        if any(place.iterdir()):
            _check_files(place)
            index = tantivy.Index.open(str(place))
        else:
            index = tantivy.Index(builder.build(), str(place))
    else:
        index = tantivy.Index(builder.build())
    index.register_tokenizer("words", WORDS)
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


def _place_of(event: Event) -> str:
    """The id of an event in the inbox: no aggregate can have one like it."""
    return f"\0inbox/{event.position}"
