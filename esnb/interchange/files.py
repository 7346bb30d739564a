"""Logs as files: JSON Lines, CSV, Parquet and CloudEvents, written and read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote
from uuid import UUID

import duckdb
import orjson
import pandas as pd

from esnb.errors import EsnbError
from esnb.store.hash_chain import DIGEST, START, Proof, chained, digest_of
from esnb.store.reader import Reader

from .mapping import (
    FIELDS,
    Bad,
    InterchangeError,
    PathLike,
    made_id,
    make_frame,
    records,
    strict_json,
)  # fmt: skip

_SELECT = (
    "select position, event_id::varchar as event_id, aggregate_type, aggregate_id, "
    "sequence_number, event_type, event_version, event_data::varchar as event_data, "
    "metadata::varchar as metadata, occurred_at, recorded_at from events "
)
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer did: the number of events in the file, what the format could not carry, and the
    proof of the log that `restore` makes of it; `restore(frame, proof=...)` finds a changed line.
    """

    events: int
    lost: tuple[str, ...] = ()
    proof: Proof | None = field(default=None, compare=False)


def write_jsonl(store: Reader, path: PathLike) -> Written:
    """Write a JSON object a line, named like the columns of `events`. Nothing is lost.

    The format has no end: of a file that was cut after a line, the rest is read without complaint.
    """

    def line(row: dict[str, Any]) -> bytes:
        return orjson.dumps(row | {name: _raw(row[name]) for name in ("event_data", "metadata")})

    return _write_lines(store, path, line, lambda data, metadata: _one_line(data + metadata))


def write_cloudevents(store: Reader, path: PathLike, *, batch: bool = False) -> Written:
    """Write CloudEvents 1.0: a JSON object a line, or with `batch` one JSON array. Nothing is lost.

    id is the event_id, source /esnb/<aggregate type>, subject the aggregate id; extensions carry
    the rest: sequence, globalposition, aggregatetype, eventversion, recordedat, and metadata as
    JSON text. Attributes may hold no control characters: `InterchangeError` names such an event.
    """
    marks = (b"[\n", b",\n", b"\n]\n") if batch else (b"", b"\n", b"\n")

    def exact(data: str, metadata: str) -> bool:
        return _usual(metadata) and (_usual(data) if batch else _one_line(data))

    return _write_lines(store, path, lambda row: orjson.dumps(_to_cloudevent(row)), exact, marks)


def write_csv(store: Reader, path: PathLike) -> Written:
    """Write the columns of `events` as CSV with a header, UTF-8; JSON as text. Nothing is lost.

    A spreadsheet may change ids and times when it opens the file: keep the file as the original.
    """
    hashed = _Hashed()
    with _new_file(path) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
        lines = csv.writer(text, lineterminator="\r\n")
        lines.writerow(FIELDS)
        for row in _stored(store):
            lines.writerow((*row[:9], _iso(row[9]), _iso(row[10])))
            hashed.add(row)
    return hashed.written()


def write_parquet(store: Reader, path: PathLike) -> Written:
    """Write one Parquet file, packed with zstd; JSON as text, times in UTC. Nothing is lost."""
    # The store's own database reaches no file; another one does, and reads the rows as a stream.
    source: Any = store.rows(0, store.position)
    if store.upcasters:  # `rows` would hand out what they make of it
        source = store.sql(_SELECT).df()
    target = Path(path)
    with _whole(target) as part, duckdb.connect() as engine:
        engine.register("log", source)
        times = ", ".join(f"{t}::timestamp::timestamptz as {t}" for t in FIELDS[9:])
        query = f"select {', '.join(FIELDS[:9])}, {times} from log order by position"
        try:
            engine.sql(query).write_parquet(str(part), compression="zstd")
            count = engine.read_parquet(_literal(part)).count("*").fetchall()[0][0]
        except duckdb.IOException as error:
            raise InterchangeError(f"{target.name}: cannot be written ({error}).") from None
    digests = store.sql(
        f"select {DIGEST} from (select * replace (row_number() over (order by position) as "
        "position) from events) order by position limit ?", [count],
    ).fetchall()  # fmt: skip
    return Written(count, (), Proof(count, chained(START, [digest for (digest,) in digests])))


class _Hashed:
    """The proof of the rows that are written, as they count in the log that is restored of them."""

    def __init__(self) -> None:
        self.proof = Proof(0, START)
        self.lost = 0

    def add(self, row: tuple[Any, ...], exact: bool = True) -> None:
        """Take a row of the log; `exact`: the file holds the text of its JSON to the letter."""
        n = self.proof.position + 1
        self.proof = Proof(n, chained(self.proof.hash, [digest_of((n, *row[1:]))]))
        self.lost += not exact

    def written(self) -> Written:
        if not self.lost:
            return Written(self.proof.position, (), self.proof)
        lost = f"how the JSON of {self.lost} event(s) was spaced: the proof will not fit the file"
        return Written(self.proof.position, (lost,), self.proof)


def _write_lines(
    store: Reader, path: PathLike, line: Callable[[dict[str, Any]], bytes],
    exact: Callable[[str, str], bool], marks: tuple[bytes, bytes, bytes] = (b"", b"\n", b"\n"),
) -> Written:  # fmt: skip
    """Write a line an event between an opening mark, a separator and a closing mark."""
    opening, between, closing = marks
    hashed = _Hashed()
    with _new_file(path) as file:
        file.write(opening)
        for row in _stored(store):
            event = dict(zip(FIELDS, row, strict=True))
            event |= {name: _iso(event[name]) for name in ("occurred_at", "recorded_at")}
            file.write((between if hashed.proof.position else b"") + line(event))
            hashed.add(row, exact(row[7], row[8]))
        file.write(closing if hashed.proof.position or opening else b"")
    return hashed.written()


def _to_cloudevent(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("aggregate_type", "aggregate_id", "event_type"):
        if any(c < " " or "\x7f" <= c <= "\x9f" for c in row[name]):
            raise InterchangeError(
                f"Event at position {row['position']}: {name} {row[name]!r} holds a control "
                "character, which no attribute of a CloudEvent may. Write JSON Lines instead."
            )
    metadata = json.dumps(json.loads(row["metadata"]))  # ASCII: no control character is left
    return {
        "specversion": "1.0", "id": row["event_id"], "type": row["event_type"],
        "source": "/esnb/" + quote(row["aggregate_type"], safe=""), "subject": row["aggregate_id"],
        "time": row["occurred_at"], "datacontenttype": "application/json",
        "sequence": f"{row['sequence_number']:020d}", "globalposition": f"{row['position']:020d}",
        "aggregatetype": row["aggregate_type"], "eventversion": row["event_version"],
        "recordedat": row["recorded_at"], "metadata": metadata,
        "data": _raw(row["event_data"]),
    }  # fmt: skip


def _stored(store: Reader) -> Iterator[tuple[Any, ...]]:
    """The rows of the log in order, a part at a time, as they were written."""
    for start in range(0, store.position, _CHUNK):
        where = "where position > ? and position <= ? order by position"
        yield from store.sql(_SELECT + where, [start, start + _CHUNK]).fetchall()


def _raw(text: str) -> orjson.Fragment:
    """JSON goes out as it is stored; only a line break, which stands between values, must go."""
    return orjson.Fragment(text.replace("\n", " ").replace("\r", " "))


def _one_line(text: str) -> bool:
    return "\n" not in text and "\r" not in text


def _usual(text: str) -> bool:
    """Whether JSON is written the way this package writes it."""
    return orjson.dumps(orjson.loads(text)) == text.encode()


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` when all went well, and vanishes otherwise."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise InterchangeError(f"{path.name}: cannot be written ({error.strerror}).") from None
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def _new_file(path: PathLike) -> Iterator[IO[bytes]]:
    with _whole(Path(path)) as part, open(part, "wb") as file:
        if Path(path).suffix != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield packed  # type: ignore[misc]


def read_jsonl(path: PathLike) -> pd.DataFrame:
    """Read JSON Lines as `write_jsonl` writes them, or with fewer keys.

    Needed are aggregate_type, aggregate_id, event_type, event_data and occurred_at. An unknown key
    is refused. Raises `InterchangeError` with line and reason for everything that is not an event.
    """
    bad = Bad(Path(path).name)
    return make_frame(((n, item) for n, item in _json_lines(path, bad)), bad)


def read_cloudevents(path: PathLike) -> pd.DataFrame:
    """Read CloudEvents 1.0: a JSON object a line, or a JSON array (then "line" is its place in it).

    Ours come back whole. Of others, subject becomes the aggregate id, the last part of source the
    aggregate type unless there is the extension aggregatetype; an id that is no UUID gives one made
    from source and id; attributes without a place here are kept in metadata, under "cloudevents".
    Binary data is refused.
    """
    bad = Bad(Path(path).name)

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for line, item in _json_lines(path, bad):
            try:
                yield line, _from_cloudevent(item)
            except (ValueError, EsnbError) as error:
                bad.add(line, str(error))

    return make_frame(rows(), bad)


def read_csv(path: PathLike) -> pd.DataFrame:
    """Read CSV as `write_csv` writes it; the columns that `read_jsonl` needs, an empty cell: none.

    A table of another shape is read with pandas and goes to `store.append_frame`.
    """
    bad = Bad(Path(path).name)

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            with opened(path) as file:
                texts = (line.decode("utf-8-sig" if n == 0 else "utf-8")
                         for n, line in enumerate(file))  # fmt: skip
                lines = csv.reader(texts, strict=True)
                header = next(lines, [])
                if len(set(header)) < len(header):
                    raise InterchangeError(f"{bad.name}: two columns have the same name.")
                begin = lines.line_num + 1
                for cells in lines:
                    if len(cells) == len(header):
                        pairs = zip(header, cells, strict=True)
                        yield begin, {k: v for k, v in pairs if v != "" or k not in FIELDS}
                    elif cells:
                        bad.add(begin, f"has {len(cells)} cells, the header {len(header)}")
                    begin = lines.line_num + 1
        except (csv.Error, UnicodeDecodeError) as error:
            raise InterchangeError(f"{bad.name}: is no CSV in UTF-8 ({error}).") from None
        finally:
            csv.field_size_limit(limit)

    return make_frame(rows(), bad)


def read_parquet(path: PathLike) -> pd.DataFrame:
    """Read a Parquet file as `write_parquet` writes it; the columns that `read_jsonl` needs."""
    bad = Bad(Path(path).name, "row")
    with opened(path), duckdb.connect() as engine:
        try:
            frame = engine.read_parquet(_literal(Path(path))).df()
        except duckdb.Error as error:
            raise InterchangeError(f"{bad.name}: is no Parquet file ({error}).") from None
    return make_frame(enumerate(records(frame)), bad)


@contextmanager
def opened(path: PathLike) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked; what goes wrong with the file is an `InterchangeError`."""
    name = Path(path).name
    try:
        with gzip.open(path) if Path(path).suffix == ".gz" else open(path, "rb") as file:
            yield file  # type: ignore[misc]
    except (OSError, EOFError, zlib.error) as error:
        raise InterchangeError(f"{name}: cannot be read ({error}).") from None


def _literal(path: Path) -> str:
    """A path as the engine takes it: its signs of a pattern stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path.resolve()))


def _json_lines(path: PathLike, bad: Bad) -> Iterator[tuple[int, Any]]:
    """The objects of JSON Lines, or of one JSON array, with their numbers from 1."""
    with opened(path) as file:
        for line, text in enumerate(file, start=1):
            text = text.removeprefix(b"\xef\xbb\xbf") if line == 1 else text
            if not text.strip():
                continue
            if line == 1 and text.lstrip().startswith(b"["):
                try:
                    items = strict_json(b"".join(chain([text], file)))
                except (ValueError, RecursionError) as error:
                    raise InterchangeError(f"{bad.name}: is no JSON ({error}).") from None
                yield from enumerate(items, start=1)
                return
            try:
                item = strict_json(text)
                if isinstance(item, dict):
                    ours = str(item.get("source", "/esnb/")).startswith("/esnb/")
                    for key in ("event_data", "metadata", "data") if ours else ():
                        if isinstance(item.get(key), dict):
                            whole = text.decode(json.detect_encoding(text))
                            item[key] = _as_written(whole, key, item[key])
            except (ValueError, RecursionError) as error:
                bad.add(line, f"is no JSON: {error}")
            else:
                yield line, item


class _AsWritten(str):
    """The text of a JSON object, taken out of a longer one."""

    __slots__ = ()


def _as_written(text: str, key: str, value: dict[str, Any]) -> Any:
    """A value of a JSON object; its own text, where that is not the text that would be made of it.

    The proof of a log is a hash of the text, so a restored event must have the same.
    """
    try:
        if f'"{key}":{orjson.dumps(value).decode()}' in text:
            return value
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return value  # what is wrong with it is said where it is checked
    decoder = json.JSONDecoder()
    at = text.index("{")
    while True:
        name, at = decoder.raw_decode(text, _skip(text, at + 1))
        start = _skip(text, _skip(text, at) + 1)
        _, at = decoder.raw_decode(text, start)
        if name == key:
            return _AsWritten(text[start:at])
        at = _skip(text, at)


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at


def _from_cloudevent(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or item.get("specversion") != "1.0":
        raise ValueError("is no CloudEvent of version 1.0 (specversion)")
    rest = dict(item)
    for name in ("id", "source", "type", "subject", "time"):
        if not isinstance(rest.get(name), str) or not rest[name]:
            raise ValueError(f"{name} is missing, or no text")
    if "data_base64" not in rest:
        rest.setdefault("data", {})
    if not isinstance(rest.get("data"), dict | _AsWritten):
        raise ValueError("data is no JSON object")
    kind = unquote(rest["source"].rstrip("/").rpartition("/")[2])
    metadata = rest.pop("metadata", "{}")
    row = {
        "aggregate_type": rest.pop("aggregatetype", kind), "aggregate_id": rest.pop("subject"),
        "event_type": rest.pop("type"), "event_data": rest.pop("data"),
        "occurred_at": rest.pop("time"), "event_version": rest.pop("eventversion", 1),
        "metadata": strict_json(metadata) if isinstance(metadata, str) else metadata,
    }  # fmt: skip
    if rest["source"].startswith("/esnb/"):  # what others call a sequence counts something else
        ours = {"globalposition": "position", "sequence": "sequence_number"}
        ours |= {"recordedat": "recorded_at"}
        row |= {column: rest.pop(name) for name, column in ours.items() if name in rest}
    try:
        row["event_id"] = str(UUID(rest["id"]))
    except ValueError:
        row["event_id"] = made_id(rest["source"], rest["id"])
    source = "/esnb/" + quote(str(row["aggregate_type"]), safe="")
    usual = {"specversion": "1.0", "datacontenttype": "application/json", "source": source}
    usual |= {"id": row["event_id"]}
    kept = {name: value for name, value in rest.items() if usual.get(name) != value}
    if kept and isinstance(row["metadata"], dict):
        row["metadata"] = {**row["metadata"], "cloudevents": kept}
    return row
