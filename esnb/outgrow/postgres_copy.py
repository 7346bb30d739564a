"""Events of a shared store on their way into DuckDB: as CSV, which both write and read fast.

PostgreSQL's COPY writes a range of the log into a temporary file, DuckDB reads that, and no row
passes through Python.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from psycopg.sql import SQL, Literal

from esnb.outgrow.postgres_connections import Connection
from esnb.store import schema
from esnb.store.event_rows import COLUMNS, TEXT_TYPES, EventRows
from esnb.store.hash_chain import DIGEST, Proof, Verified, verify

_CHUNK = 100_000
_EVENTS = f"select {COLUMNS} from events"
_CHAIN = "select position, encode(hash, 'hex'), encode(marks, 'hex') from chain"
_READ = (
    "read_csv($1, columns = $2, auto_detect = false, header = false, delim = ',', quote = '\"', "
    "escape = '\"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, "
    "parallel = false, strict_mode = true, max_line_size = 200000000)"
)


def next_part(connection: Connection, after: int) -> Proof | None:
    """Where the next part of the log ends: the position and hash of an entry of its chain."""
    rows = connection.execute(
        "(select position, hash from chain where position > $1 and position <= $2 "
        "order by position desc limit 1) union all "
        "(select position, hash from chain where position > $1 order by position limit 1) limit 1",
        [after, after + _CHUNK],
    ).fetchall()
    return Proof(*rows[0]) if rows else None


def copy_events(
    connection: Connection, target: duckdb.DuckDBPyConnection, after: int, upto: int
) -> list[tuple[int, bytes]]:
    """Copy the events of a range of positions; returns position and hash of each."""
    with _rows(connection, _EVENTS, TEXT_TYPES, after, upto) as rows:
        target.register("esnb_rows", EventRows(rows))
        digests = target.execute(
            f"insert into events select * from esnb_rows returning position, {DIGEST}"
        ).fetchall()
        target.unregister("esnb_rows")
    return digests


def verify_there(connection: Connection, proof: Proof | None, progress: bool | None) -> Verified:
    """Compare every event on the server with its chain; both are copied to a temporary file."""
    with (
        tempfile.TemporaryDirectory(prefix="esnb-verify-") as folder,
        duckdb.connect(str(Path(folder) / "copy.duckdb")) as target,
    ):
        schema.prepare(target, "copy", set())
        # All of it as it stood at one moment, whoever appends meanwhile.
        connection.execute("begin isolation level repeatable read read only")
        try:
            head = connection.execute(
                "select greatest((select max(position) from events), "
                "(select max(position) from chain), 0)"
            ).fetchall()[0][0]
            for after in range(-1, head, _CHUNK):
                copy_events(connection, target, after, after + _CHUNK)
                _copy_chain(connection, target, after, after + _CHUNK)
        finally:
            connection.execute("rollback")
        return verify(target, proof, progress)


def _copy_chain(
    connection: Connection, target: duckdb.DuckDBPyConnection, after: int, upto: int
) -> None:
    types = {"position": "bigint", "hash": "varchar", "marks": "varchar"}
    with _rows(connection, _CHAIN, types, after, upto) as rows:
        target.register("esnb_rows", EventRows(rows))
        target.execute(
            "insert into chain select position, unhex(hash), unhex(marks) from esnb_rows"
        )
        target.unregister("esnb_rows")


@contextmanager
def _rows(
    connection: Connection, query: str, types: dict[str, str], after: int, upto: int
) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows of a range, by position, as DuckDB reads them while the block lasts."""
    # COPY takes no parameters; the two are numbers of ours, written as such.
    copy = SQL(
        "copy ({query} where position > {after} and position <= {upto} order by position) "
        "to stdout (format csv, force_quote *)"
    ).format(query=SQL(query), after=Literal(after), upto=Literal(upto))
    with tempfile.NamedTemporaryFile(prefix="esnb-copy-", suffix=".csv") as file:
        with connection.cursor() as cursor, cursor.copy(copy.as_bytes()) as blocks:
            for block in blocks:
                file.write(block)
        file.flush()
        with duckdb.connect() as reader:
            reader.execute("set preserve_insertion_order = true")
            yield reader.sql(f"from {_READ}", params=[file.name, types])
