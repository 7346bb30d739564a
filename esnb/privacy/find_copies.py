"""Where does a name still stand? An audit of the copies that a log leaves behind.

Destroying a key closes the log. It does not reach what was copied out of it while it was open:
snapshots, read models, search indexes, exports, outputs stored in notebooks, files of the engine.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import InvalidEventError
from esnb.privacy.vault import KeyVault

# Run in a process of its own: one that opens and closes a file which DuckDB holds loses its lock.
_READ_BYTES = """
import json, mmap, re, sys
asked = json.load(sys.stdin)
found = []
for name in asked["files"]:
    counts = []
    with open(name, "rb") as file:
        empty = not file.seek(0, 2)
        text = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for forms in asked["forms"]:
            pattern = b"|".join(re.escape(form.encode()) for form in forms)
            counts.append(sum(1 for _ in re.finditer(pattern, text, re.IGNORECASE)))
    found.append(counts)
print(json.dumps(found))
"""


def find_copies(words: Iterable[str], *places: object) -> pd.DataFrame:
    """Search every place for words of a person, such as a name and an e-mail address.

    A place is a store, a projector, a search projector, a `KeyVault`, or the path of a file or
    folder. Tables are searched column by column, and their files byte by byte. Of a file that ends
    in .duckdb and is not in use, the tables are searched as well. Files that end in .gz are
    unpacked, Parquet is read column by column, and notebooks cell by cell. Upper and lower case
    count as the same. The result has a row for each spot: place, where, word, times.

    A row that was deleted from a DuckDB table may be in the bytes of its file for long. Write
    the log to a new file (export, `restore`), drop read models and build them again.

    A search index keeps words, not sentences: give "Lovelace" beside "Ada Lovelace". Not found is a
    word that is encrypted, in a picture, or compressed in a block that DuckDB has freed; nor what
    you do not name: backups, other machines, the history of a repository, people's mail.
    """
    texts = [words] if isinstance(words, str) else list(words)
    if not texts or not all(isinstance(word, str) and word.strip() for word in texts):
        raise InvalidEventError(f"find_copies looks for non-empty texts, found {texts!r:.80}.")
    rows: list[tuple[str, str, str, int]] = []
    files: list[tuple[str, str, Path]] = []
    for place in places:
        name, searches, plain = _parts(place)
        files += [(name, where, path) for where, path in plain]
        for search in searches:
            rows += [(name, where, word, n) for word in texts for where, n in search(word) if n]
    for (name, where, _), counts in zip(files, _in_bytes(files, texts), strict=True):
        rows += [(name, where, word, n) for word, n in zip(texts, counts, strict=True) if n]
    return pd.DataFrame(rows, columns=["place", "where", "word", "times"])


Search = Callable[[str], Iterator[tuple[str, int]]]


def _parts(place: Any) -> tuple[str, list[Search], list[tuple[str, Path]]]:
    """Name of a place, the searches of it that know what it holds, and its files with their names.

    Raises `InvalidEventError` for what cannot be searched.
    """
    if isinstance(place, str | os.PathLike):
        path = Path(place)
        if not path.exists():
            raise InvalidEventError(f"There is no file or folder {path.name!r} to search.")
        inner = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        name = {p: p.relative_to(path).as_posix() if path.is_dir() else "" for p in inner}
        known = [p for p in inner if p.suffix in _READERS]
        searches: list[Search] = [
            partial(_in_file, p, f"{name[p]}: " * bool(name[p]))
            for p in (*known, *(p for p in inner if p.suffix == ".duckdb"))
        ]
        return path.name, searches, [(name[p] or "bytes", p) for p in inner if p not in known]
    kind = type(place).__name__
    if isinstance(place, KeyVault):
        return kind, [lambda word: iter([("keys", place.persons().count(word))])], []
    if hasattr(place, "documents"):
        return kind, [lambda word: iter([("documents", _times(word, [*place.documents()]))])], []
    if hasattr(place, "sql"):
        log = getattr(place, "_log", None) or getattr(place, "_db", None)
        file: Path | None = getattr(log, "path", None)
        names = [] if file is None else [file.name, file.name + ".wal", file.name + ".head"]
        files = [(f"file {n}", file.with_name(n)) for n in names if file is not None]
        return kind, [partial(_in_tables, place.sql)], [f for f in files if f[1].exists()]
    raise InvalidEventError(
        f"A place to search is a store, a projector, a KeyVault or a path, found {place!r:.60}."
    )


def _times(word: str, value: Any) -> int:
    return json.dumps(value, ensure_ascii=False, default=str).lower().count(_inside(word))


def _inside(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1].lower()


def _in_tables(sql: Any, word: str) -> Iterator[tuple[str, int]]:
    """Rows that hold the word, for each column of each table."""
    columns = sql(
        "select schema_name, table_name, column_name from duckdb_columns() where not internal "
        "and database_name = current_database() order by all"
    ).fetchall()
    for schema, table, column in columns:
        name, of = _quoted(column), f"{_quoted(schema)}.{_quoted(table)}"
        query = (
            f"select count(*) from {of} where contains(lower({name}::varchar), lower($word)) "
            f"or contains(lower({name}::varchar), lower($inside)) "
            f"or contains(lower({name}::varchar), lower($ascii))"
        )
        values = {"word": word, "inside": _inside(word), "ascii": json.dumps(word)[1:-1]}
        yield f"{table}.{column}", sql(query, values).fetchall()[0][0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _in_file(path: Path, prefix: str, word: str) -> Iterator[tuple[str, int]]:
    for where, times in _READERS.get(path.suffix, _in_database)(path, word):
        yield prefix + where, times


def _in_database(path: Path, word: str) -> Iterator[tuple[str, int]]:
    """The tables of a DuckDB file, where texts may be compressed; nothing while it is in use."""
    try:
        engine = duckdb.connect(str(path), read_only=True)
    except duckdb.Error:
        return
    with engine:
        yield from _in_tables(engine.execute, word)


def _in_packed(path: Path, word: str) -> Iterator[tuple[str, int]]:
    with gzip.open(path) as file:
        text = file.read().decode(errors="replace").lower()
    yield "unpacked", sum(text.count(form.lower()) for form in _forms(word))


def _in_parquet(path: Path, word: str) -> Iterator[tuple[str, int]]:
    with duckdb.connect() as engine:
        engine.read_parquet(str(path)).to_table("content")
        for where, times in _in_tables(engine.execute, word):
            yield where.removeprefix("content."), times


def _in_notebook(path: Path, word: str) -> Iterator[tuple[str, int]]:
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], start=1):
        yield f"cell {number}, source", _times(word, "".join(cell["source"]))
        for output in cell.get("outputs", []):
            parts = output.get("data", {}).values()
            lines = [output.get("text", ""), *parts, *output.get("traceback", [])]
            texts = ["".join(part) if isinstance(part, list) else part for part in lines]
            yield f"cell {number}, output", sum(_times(word, text) for text in texts)


def _in_bytes(files: list[tuple[str, str, Path]], words: list[str]) -> list[list[int]]:
    """How often each word is in the bytes of each file, in those not used any more too."""
    if not files:
        return []
    asked = {"files": [str(path) for *_, path in files], "forms": list(map(_forms, words))}
    done = subprocess.run(
        [sys.executable, "-I", "-c", _READ_BYTES],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        raise InvalidEventError(f"A file could not be searched: {reason:.200}")
    counts: list[list[int]] = json.loads(done.stdout)
    return counts


def _forms(word: str) -> list[str]:
    """A word as it is in text, and as it may be in JSON."""
    return sorted({word, _inside(word), json.dumps(word)[1:-1]})


_READERS = {".gz": _in_packed, ".parquet": _in_parquet, ".ipynb": _in_notebook}
