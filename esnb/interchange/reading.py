"""A log as a file: JSON Lines, CSV, Parquet and CloudEvents, read."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import orjson
import pandas as pd

from esnb.errors import EsnbError
from esnb.event_json import MAX_JSON, read_json
from esnb.store.readonly_sql import asked_to_stop

from .cloudevents import from_cloudevent
from .mapping import FIELDS, AsWritten, Bad, InterchangeError, PathLike, make_frame, records, usable
from .opening import MAX_BYTES, literal, opened

# A line holds the data and the metadata of an event, and some of its letters may be escaped.
_LONGEST_LINE = 2 * MAX_JSON + 1_000_000
_MAX_ROWS = 20_000_000


def read_jsonl(path: PathLike, *, max_bytes: int | None = None) -> pd.DataFrame:
    """Read JSON Lines as `write_jsonl` writes them, or with fewer keys.

    Needed are aggregate_type, aggregate_id, event_type, event_data and occurred_at. An unknown key
    is refused. A file of more than `max_bytes`, unpacked (None: a billion), is not read. Raises
    `InterchangeError` with line and reason for everything that is not an event.
    """
    bad = Bad(usable(path).name)
    return make_frame(_json_lines(path, bad, max_bytes), bad)


def read_cloudevents(
    path: PathLike,
    *,
    default_id: str | None = None,
    default_time: str | None = None,
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """Read CloudEvents 1.0: a JSON object a line, one object over several lines, or a JSON array
    (then "line" is its place in it).

    Ours come back whole. Of others, subject becomes the aggregate id, the last part of source the
    aggregate type unless there is the extension aggregatetype; an id that is not a UUID gives one
    made from source and id; attributes without a place here are kept in metadata, under
    "cloudevents". Binary data is refused. A CloudEvent may come without subject or time:
    `default_id` and `default_time` (ISO 8601 with a zone) are for those, which are refused else.
    `max_bytes` is that of `read_jsonl`.
    """
    bad = Bad(usable(path).name)

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for line, item in _json_lines(path, bad, max_bytes, or_one=True):
            try:
                yield line, from_cloudevent(item, default_id, default_time)
            except (ValueError, EsnbError) as error:
                bad.add(line, str(error))

    return make_frame(rows(), bad)


def read_csv(path: PathLike, *, max_bytes: int | None = None) -> pd.DataFrame:
    """Read CSV as `write_csv` writes it; the columns that `read_jsonl` needs, an empty cell: none.

    A table of another shape is read with pandas and goes to `store.append_frame`. `max_bytes` is
    that of `read_jsonl`.
    """
    bad = Bad(usable(path).name)

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        limit = csv.field_size_limit(MAX_JSON)
        try:
            with opened(path, max_bytes) as file:
                texts = (
                    line.decode("utf-8-sig" if n == 0 else "utf-8")
                    for n, line in enumerate(file.lines(_LONGEST_LINE))
                )
                lines = csv.reader(texts, strict=True)
                header = next((cells for cells in lines if any(map(str.strip, cells))), [])
                if len(set(header)) < len(header):
                    twice = max(header, key=Counter(header).__getitem__)
                    raise InterchangeError(
                        f"{bad.name}: two columns have the same name {twice!r:.60}. Rename one."
                    )
                begin = lines.line_num + 1
                for cells in lines:
                    if len(cells) == len(header):
                        pairs = zip(header, cells, strict=True)
                        yield begin, {k: v for k, v in pairs if v != "" or k not in FIELDS}
                    elif any(map(str.strip, cells)):
                        bad.add(begin, f"has {len(cells)} cells, the header {len(header)}")
                    begin = lines.line_num + 1
        except (csv.Error, UnicodeDecodeError) as error:
            raise InterchangeError(
                f"{bad.name}: is not CSV in UTF-8 ({error}). Save it as UTF-8, or read it with "
                f"pandas (encoding=...) and load it with append_frame."
            ) from None
        finally:
            csv.field_size_limit(limit)

    return make_frame(rows(), bad)


def read_parquet(path: PathLike, *, max_bytes: int | None = None) -> pd.DataFrame:
    """Read a Parquet file as `write_parquet` writes it; the columns that `read_jsonl` needs.

    `max_bytes` is that of `read_jsonl`.
    """
    bad = Bad(usable(path).name, "row")
    with opened(path), duckdb.connect() as engine:
        try:
            frame = _parquet_frame(engine, literal(path), bad.name, max_bytes or MAX_BYTES)
        except (duckdb.Error, ValueError, OverflowError, MemoryError, RuntimeError) as error:
            if isinstance(error, InterchangeError):
                raise
            if isinstance(error, RuntimeError) and not isinstance(error, duckdb.Error):
                stop = asked_to_stop(error)
                if stop is not error:
                    raise stop from None
            raise InterchangeError(
                f"{bad.name}: is not a Parquet file, or is damaged ({error!s:.300})."
            ) from None
    return make_frame(enumerate(records(frame)), bad)


def _parquet_frame(
    engine: duckdb.DuckDBPyConnection, path: str, name: str, max_bytes: int
) -> pd.DataFrame:
    engine.execute("set TimeZone = 'UTC'")
    engine.execute("set threads = 1")
    rows, size = engine.execute(
        "select (select sum(num_rows) from parquet_file_metadata($1)), "
        "(select sum(total_uncompressed_size) from parquet_metadata($1))",
        [path],
    ).fetchall()[0]
    if (rows or 0) > _MAX_ROWS or (size or 0) > max_bytes:
        raise InterchangeError(
            f"{name}: has {rows:,} rows and {size:,} bytes unpacked; {_MAX_ROWS:,} and "
            f"{max_bytes:,} are read. If you trust it, say max_bytes=..., or load it in parts."
        )
    relation = engine.read_parquet(path)
    # As text, a time that Python cannot hold is one that can be named.
    texts = [
        f'"{column}"::varchar as "{column}"'
        for column, kind in zip(relation.columns, relation.types, strict=True)
        if column in FIELDS and str(kind).startswith(("TIMESTAMP", "DATE", "TIME", "UUID"))
    ]
    return relation.select(f"* replace ({', '.join(texts)})" if texts else "*").df()


def _json_lines(
    path: PathLike, bad: Bad, max_bytes: int | None, *, or_one: bool = False
) -> Iterator[tuple[int, Any]]:
    """The objects of JSON Lines, or of one JSON array, with their numbers from 1.

    `or_one`: the file may also be one object, written over several lines.
    """
    with opened(path, max_bytes) as file:
        first = True
        for line, text in enumerate(file.lines(_LONGEST_LINE), start=1):
            text = text.removeprefix(b"\xef\xbb\xbf") if line == 1 else text
            if not text.strip():
                continue
            begins, first = first, False
            if begins and (text.lstrip().startswith(b"[") or (or_one and not _is_json(text))):
                try:
                    items = read_json(text + file.read_all(), "it")
                except ValueError as error:
                    raise InterchangeError(f"{bad.name}: is not JSON ({error}).") from None
                yield from enumerate(items if isinstance(items, list) else [items], start=1)
                return
            try:
                item = read_json(text, "it")
                if isinstance(item, dict):
                    ours = str(item.get("source", "/esnb/")).startswith("/esnb/")
                    for key in ("event_data", "metadata", "data") if ours else ():
                        if isinstance(item.get(key), dict):
                            whole = text.decode(json.detect_encoding(text))
                            item[key] = _as_written(whole, key, item[key])
            except (ValueError, RecursionError) as error:
                bad.add(line, str(error).removeprefix("it").lstrip(": "))
            else:
                yield line, item


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


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
            return AsWritten(text[start:at])
        at = _skip(text, at)


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at
