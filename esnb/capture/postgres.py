"""Change data capture from PostgreSQL's own log, by logical decoding. Needs the extra `postgres`.

    capture = SlotCapture(psycopg.connect("dbname=shop", autocommit=True))
    capture.start(["orders"])  # once
    while changes := capture.changes():
        work_on(changes)  # after a crash it gets them again: they must not count twice
        capture.confirm(changes[-1])
    capture.drop()  # in the end

The server's built-in output plugin `pgoutput` is read through SQL functions, so an ordinary
connection of psycopg will do, and nothing is installed in the server. The format is that of
"Logical Replication Message Formats" in PostgreSQL's documentation, protocol version 1.

A change is peeked at, and gone only when `confirm` says so: a reader that crashes in between sees
it again. That is *at least once*, as with any broker.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from esnb.capture.triggers import CaptureError
from esnb.data_files import data_file
from esnb.event_json import load_json

#: What a real server wrote into its log when the story was run there; `python -m esnb.capture`.
FILE = data_file("neighbours", "postgres_changes.jsonl")

_EPOCH = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)  # PostgreSQL's clock begins here
_WORDS: dict[int, Callable[[str], Any]] = {
    16: lambda text: text == "t",
    20: int,
    21: int,
    23: int,
    114: json.loads,
    3802: json.loads,
    700: float,
    701: float,
}


class SlotCapture:
    """The row changes of some tables of a PostgreSQL database, from now on, out of its log.

    `connection` is one of psycopg in autocommit mode, of a role that may replicate, on a server
    with `wal_level = logical`. `start` makes slot and publication, and asks the tables for whole
    old rows (`replica identity full`). A slot keeps the server's log until it is read: `drop` it.
    """

    def __init__(self, connection: Any, name: str = "esnb") -> None:
        if not name.isidentifier() or name.lower() != name:
            raise CaptureError(f"A slot's name has small letters, digits and _; found {name!r}.")
        self._connection = connection
        self.name = name

    def start(self, tables: Iterable[str]) -> None:
        """Capture these tables from now on."""
        [level] = self._connection.execute("show wal_level").fetchone()
        if level != "logical":
            raise CaptureError(
                f"The server has wal_level = {level}, and logical decoding needs logical. Set it "
                f"in postgresql.conf and start the server again."
            )
        names = ['"' + table.replace('"', '""') + '"' for table in tables]
        for table in names:
            self._connection.execute(f"alter table {table} replica identity full")
        self._connection.execute(
            "select pg_create_logical_replication_slot(%s, 'pgoutput')", [self.name]
        )
        try:
            self._connection.execute(f"create publication {self.name} for table {', '.join(names)}")
        except BaseException:
            # A slot that nobody reads makes the server keep its log forever.
            self._connection.execute("select pg_drop_replication_slot(%s)", [self.name])
            raise

    def changes(self) -> list[dict[str, Any]]:
        """The envelopes of all that was committed and is not confirmed yet, in order of commit.

        Whole numbers, floats, booleans and JSON come as such; values of other types as PostgreSQL
        writes them, such as "2.50" and "2026-03-02 09:00:00".
        """
        rows = self._connection.execute(
            "select lsn::text, data from pg_logical_slot_peek_binary_changes("
            "%s, null, null, 'proto_version', '1', 'publication_names', %s)",
            [self.name, self.name],
        ).fetchall()
        [database] = self._connection.execute("select current_database()").fetchone()
        return list(decode(((lsn, bytes(data)) for lsn, data in rows), database))

    def confirm(self, change: dict[str, Any]) -> None:
        """Say that everything up to the end of this change's transaction has been processed.

        A transaction is confirmed as a whole: work on its last change before you confirm one of it.
        """
        self._connection.execute(
            "select pg_replication_slot_advance(%s, %s)", [self.name, change["source"]["commit"]]
        )

    def drop(self) -> None:
        """End the capture: the server need not keep its log for it any longer."""
        self._connection.execute("select pg_drop_replication_slot(%s)", [self.name])
        self._connection.execute(f"drop publication {self.name}")


def decode(
    messages: Iterable[tuple[str, bytes]], database: str = "postgres"
) -> Iterator[dict[str, Any]]:
    """The envelopes in the messages of `pgoutput`: (place in the log, message) pairs, in order.

    An UPDATE of a primary key stays one change `u`; Debezium would make a `d` and a `c` of it.
    """
    tables: dict[int, tuple[str, str, list[tuple[str, int]]]] = {}
    commit: dict[str, Any] = {}
    waiting: list[dict[str, Any]] = []  # where a transaction ends is known at its end
    for lsn, message in messages:
        kind, read = message[:1], _Reader(message)
        if kind == b"B":
            _, when, xid = read.unpack("!qqi")
            commit = {"txId": xid, "ts_ms": _EPOCH + when // 1000}
        elif kind == b"C":
            _, _, end, _ = read.unpack("!bqqq")
            for change in waiting:
                change["source"]["commit"] = f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
            yield from waiting
            waiting = []
        elif kind == b"R":
            [oid] = read.unpack("!I")
            schema, name = read.text(), read.text()
            _, count = read.unpack("!bh")
            tables[oid] = (schema, name, [read.column() for _ in range(count)])
        elif kind in (b"I", b"U", b"D"):
            [oid] = read.unpack("!I")
            before, after = read.rows(tables[oid][2])
            op = {b"I": "c", b"U": "u", b"D": "d"}[kind]
            waiting.append(_envelope(op, before, after, database, tables[oid], lsn, commit))
        elif kind == b"T":
            count, _ = read.unpack("!ib")
            for oid in read.unpack(f"!{count}I"):
                waiting.append(_envelope("t", None, None, database, tables[oid], lsn, commit))


def _envelope(
    op: str,
    before: Any,
    after: Any,
    database: str,
    table: tuple[str, str, Any],
    lsn: str,
    commit: dict[str, Any],
) -> dict[str, Any]:
    source = {
        "connector": "postgresql",
        "db": database,
        "schema": table[0],
        "table": table[1],
        "lsn": lsn,
        **commit,
    }
    return {"op": op, "before": before, "after": after, "source": source, "ts_ms": commit["ts_ms"]}


class _Reader:
    """Walks through the bytes of one message, after its letter."""

    def __init__(self, message: bytes) -> None:
        self.message, self.at = message, 1

    def unpack(self, shape: str) -> tuple[Any, ...]:
        values = struct.unpack_from(shape, self.message, self.at)
        self.at += struct.calcsize(shape)
        return values

    def text(self) -> str:
        end = self.message.index(b"\0", self.at)
        text = self.message[self.at : end].decode()
        self.at = end + 1
        return text

    def column(self) -> tuple[str, int]:
        self.unpack("!b")
        name = self.text()
        kind, _ = self.unpack("!Ii")
        return name, kind

    def rows(self, columns: list[tuple[str, int]]) -> tuple[Any, Any]:
        """The old row and the new one, None where the message has none."""
        before: dict[str, Any] | None = None
        after: dict[str, Any] | None = None
        while self.at < len(self.message):
            [letter] = self.unpack("!c")
            if letter == b"N":
                after = self.row(columns, before or {})
            else:
                before = self.row(columns, {})
        return before, after

    def row(self, columns: list[tuple[str, int]], known: dict[str, Any]) -> dict[str, Any]:
        self.unpack("!h")
        found: dict[str, Any] = {}
        for name, kind in columns:
            [letter] = self.unpack("!c")
            if letter == b"t":
                [size] = self.unpack("!i")
                raw = self.message[self.at : self.at + size].decode()
                self.at += size
                found[name] = _WORDS.get(kind, str)(raw)
            else:
                # A long value that did not change is not sent again; the old row has it.
                found[name] = known.get(name) if letter == b"u" else None
        return found


def sample() -> list[dict[str, Any]]:
    """The stored changes of the story, as a PostgreSQL server gave them when the file was made.

    Raises `FileNotFoundError` when esnb is used without the folder `data` beside it.
    """
    return [load_json(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
