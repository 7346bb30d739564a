"""Connections to PostgreSQL with the settings that a store relies on, and a few kept at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import TextLoader

from esnb.errors import InvalidEventError
from esnb.outgrow.postgres_errors import explained_connecting

Connection: TypeAlias = psycopg.Connection[Any]

_KEPT = 8  # idle connections


@dataclass(frozen=True)
class Address:
    """Where a store is, and how long its connections wait (seconds): `lock_timeout` for the turn to
    append, `statement_timeout` for one statement, `idle_timeout` for a writer that stopped in the
    middle of an append and keeps all others waiting."""

    url: str = field(repr=False)  # it may hold a password
    schema: str = "esnb"
    lock_timeout: float = 30.0
    statement_timeout: float = 60.0
    idle_timeout: float = 30.0

    @property
    def name(self) -> str:
        """What messages call it: never with the password."""
        parts = self._parts()
        host, port = parts.get("host", "localhost"), parts.get("port")
        return f"postgresql://{host}{f':{port}' if port else ''}/{parts.get('dbname', '')}"

    def _parts(self) -> Mapping[str, Any]:
        try:
            return conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            raise InvalidEventError(
                "connect() takes an address such as 'postgresql://ada:secret@localhost:5432/shop'. "
                "The one given cannot be read; in a password, write / : @ % as %2F %3A %40 %25."
            ) from None

    def open(self) -> Connection:
        """A new connection; `StoreUnavailableError` where the server does not give one."""
        parts = self._parts()
        settings = {
            "search_path": self.schema,
            "TimeZone": "UTC",
            "lock_timeout": round(self.lock_timeout * 1000),
            "statement_timeout": round(self.statement_timeout * 1000),
            "idle_in_transaction_session_timeout": round(self.idle_timeout * 1000),
            "default_transaction_isolation": "read\\ committed",
        }
        ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
        usual = {"connect_timeout": "10", "application_name": "esnb", "tcp_user_timeout": "30000"}
        options = {"options": f"{parts.get('options', '')} {ours}", "client_encoding": "utf8"}
        try:
            connection = psycopg.connect(
                make_conninfo(**{**usual, **parts, **options}),
                autocommit=True,
                cursor_factory=psycopg.RawCursor,
            )
        except psycopg.Error as error:
            raise explained_connecting(error, self.name) from None
        connection.adapters.register_loader("json", TextLoader)
        # What is acknowledged is on the server's disk, whatever its default says.
        connection.execute(
            "select set_config('synchronous_commit', 'on', false) "
            "where current_setting('synchronous_commit') = 'off'"
        )
        return connection


class Pool:
    """Connections to one address: as many as are in use at once, and a few that wait."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._idle: list[Connection] = []
        self._guard = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for this block alone; one that broke is closed after it."""
        connection = self.take()
        try:
            yield connection
        finally:
            self.give_back(connection)

    def take(self) -> Connection:
        """A connection that waits, or a new one; it has to be given back."""
        with self._guard:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    return connection
        return self.address.open()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next one who needs it, if it is as it was."""
        idle = psycopg.pq.TransactionStatus.IDLE
        with self._guard:
            if connection.info.transaction_status == idle and len(self._idle) < _KEPT:
                self._idle.append(connection)
                return
        with suppress(psycopg.Error):
            connection.close()

    def clear(self) -> None:
        """Close those that wait: after one was found broken, the others may be as well."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            with suppress(psycopg.Error):
                connection.close()
