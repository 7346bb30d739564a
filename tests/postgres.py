"""A PostgreSQL server for the tests that need one; where there is none, they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from esnb import EventStore
from esnb.outgrow.throw_away_server import OWNER, ThrowAwayServer, why_no_server

_schemas = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[ThrowAwayServer]:
    """A server of its own, for all tests of one process."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    if why := why_no_server():
        pytest.skip(why)
    with ThrowAwayServer(wal_level="logical") as server:
        yield server


@pytest.fixture(scope="session")
def server(postgres: ThrowAwayServer) -> str:
    """How a library connects to it, with logical decoding."""
    return f"host={postgres.folder} user={OWNER} dbname=postgres"


def shared_store(server: ThrowAwayServer, **options: Any) -> Any:
    """A store in a schema of its own on a server."""
    options.setdefault("schema", f"test_{next(_schemas)}")
    return EventStore.connect(server.url, **options)
