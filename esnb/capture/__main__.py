"""Run the story on a PostgreSQL server and store what it wrote: `python -m esnb.capture "DSN"`.

The server needs `wal_level = logical`, the role must be allowed to replicate, and there must be no
table `orders` yet. Table and slot are removed again.
"""

import importlib
import sys
from typing import Any

import orjson

from esnb.capture.postgres import FILE, SlotCapture
from esnb.capture.story import ORDERS, write_rows


def record(connection: Any) -> list[dict[str, Any]]:
    """The changes of the story, run on this connection."""
    connection.execute(ORDERS)
    capture = SlotCapture(connection, "esnb_story")
    try:
        capture.start(["orders"])
        try:
            write_rows(lambda sql, values: connection.execute(sql.replace("?", "%s"), values))
            return capture.changes()
        finally:
            capture.drop()
    finally:
        connection.execute("drop table orders")


if __name__ == "__main__":
    psycopg = importlib.import_module("psycopg")
    with psycopg.connect(sys.argv[1], autocommit=True) as server:
        lines = [orjson.dumps(change) for change in record(server)]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(b"\n".join(lines) + b"\n")
    sys.stdout.write(f"{len(lines)} changes\n")
