"""A log as a file: JSON Lines, CSV, Parquet and CloudEvents, written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from esnb.store.hash_chain import DIGEST, START, Proof, chained, digest_of
from esnb.store.reader import Reader

from .cloudevents import spaced_as_usual, to_cloudevent
from .mapping import FIELDS, InterchangeError, PathLike, raw, usable
from .opening import literal, new_file, whole

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
        return orjson.dumps(row | {name: raw(row[name]) for name in ("event_data", "metadata")})

    return _write_lines(store, path, line, lambda data, metadata: _one_line(data + metadata))


def write_cloudevents(store: Reader, path: PathLike, *, batch: bool = False) -> Written:
    """Write CloudEvents 1.0: a JSON object a line, or with `batch` one JSON array. Nothing is lost.

    id is the event_id, source /esnb/<aggregate type>, subject the aggregate id; extensions carry
    the rest: sequence, globalposition, aggregatetype, eventversion, recordedat, and metadata as
    JSON text. Attributes may hold no control characters: `InterchangeError` names such an event.
    """
    marks = (b"[\n", b",\n", b"\n]\n") if batch else (b"", b"\n", b"\n")

    def exact(data: str, metadata: str) -> bool:
        return spaced_as_usual(metadata) and (spaced_as_usual(data) if batch else _one_line(data))

    return _write_lines(store, path, lambda row: orjson.dumps(to_cloudevent(row)), exact, marks)


def write_csv(store: Reader, path: PathLike) -> Written:
    """Write the columns of `events` as CSV with a header, UTF-8; JSON as text. Nothing is lost.

    A spreadsheet may change ids and times when it opens the file: keep the file as the original.
    """
    hashed = _Hashed()
    with new_file(path) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
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
    target = usable(path)
    with whole(target) as part, duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        engine.register("log", source)
        times = ", ".join(f"{t}::timestamp::timestamptz as {t}" for t in FIELDS[9:])
        query = f"select {', '.join(FIELDS[:9])}, {times} from log order by position"
        try:
            engine.sql(query).write_parquet(str(part), compression="zstd")
            count = engine.read_parquet(literal(part)).count("*").fetchall()[0][0]
        except duckdb.IOException as error:
            raise InterchangeError(f"{target.name}: cannot be written ({error}).") from None
    digests = store.sql(
        f"select {DIGEST} from (select * replace (row_number() over (order by position) as "
        "position) from events) order by position limit ?",
        [count],
    ).fetchall()
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
    store: Reader,
    path: PathLike,
    line: Callable[[dict[str, Any]], bytes],
    exact: Callable[[str, str], bool],
    marks: tuple[bytes, bytes, bytes] = (b"", b"\n", b"\n"),
) -> Written:
    """Write a line an event between an opening mark, a separator and a closing mark."""
    opening, between, closing = marks
    hashed = _Hashed()
    with new_file(path) as file:
        file.write(opening)
        for row in _stored(store):
            event = dict(zip(FIELDS, row, strict=True))
            event |= {name: _iso(event[name]) for name in ("occurred_at", "recorded_at")}
            file.write((between if hashed.proof.position else b"") + line(event))
            hashed.add(row, exact(row[7], row[8]))
        file.write(closing if hashed.proof.position or opening else b"")
    return hashed.written()


def _stored(store: Reader) -> Iterator[tuple[Any, ...]]:
    """The rows of the log in order, a part at a time, as they were written."""
    for start in range(0, store.position, _CHUNK):
        where = "where position > ? and position <= ? order by position"
        yield from store.sql(_SELECT + where, [start, start + _CHUNK]).fetchall()


def _one_line(text: str) -> bool:
    return "\n" not in text and "\r" not in text


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"
