"""PostgreSQL's errors, translated into those of `errors.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as sql

from esnb.errors import (
    AppendOnlyError,
    EsnbError,
    InvalidEventError,
    NotAStoreError,
    ReadOnlyError,
    StoreFullError,
    StoreUnavailableError,
)
from esnb.store.engine_errors import VersionTakenError, first_line

#: The server ends the session, or does not accept one at the moment.
_GONE = (sql.AdminShutdown, sql.CrashShutdown, sql.CannotConnectNow, sql.DatabaseDropped,
         sql.IdleInTransactionSessionTimeout, sql.TooManyConnections)  # fmt: skip


class ConnectionLostError(StoreUnavailableError):
    """The connection broke; the next attempt opens another one."""


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the engine's errors into those of `errors.py`."""
    try:
        yield
    except psycopg.Error as error:
        raise explained(error, name) from None


def explained(error: psycopg.Error, name: str) -> EsnbError:
    """The error that a reader can act on."""
    said = first_line(error) if str(error).strip() else type(error).__name__
    if isinstance(error, sql.UniqueViolation):
        return VersionTakenError(f"Somebody wrote past the store of {name!r}. Engine: {said}")
    if isinstance(error, sql.InsufficientPrivilege):
        return ReadOnlyError(
            f"This role may not do that in {name!r}, so nothing was changed. The owner can let it "
            f"write: esnb.outgrow.postgres_roles.add_role. Engine: {said}"
        )
    if "append-only" in said and isinstance(error, sql.RaiseException):
        return AppendOnlyError(
            "The database refused to change stored events: they are append-only. "
            "To correct a wrong fact, append an event that says so."
        )
    if isinstance(error, sql.LockNotAvailable | sql.QueryCanceled):
        return StoreUnavailableError(
            f"{name!r} did not answer in time: a writer holds its turn for too long, or the server "
            f"is overloaded. Nothing was stored. Try again. Engine: {said}"
        )
    if isinstance(error, sql.DiskFull):
        return StoreFullError(
            f"The server's disk is full, so this append to {name!r} was not stored; what was "
            f"acknowledged before is. Free some space there, then append again."
        )
    if isinstance(error, sql.ProgramLimitExceeded):
        return InvalidEventError(
            f"{name!r} cannot index so long an id or name (about 2,600 bytes). Engine: {said}"
        )
    if isinstance(error, sql.UndefinedTable | sql.InvalidSchemaName | sql.UndefinedColumn):
        return NotAStoreError(
            f"{name!r} lacks a table of the store: somebody removed or changed it. Engine: {said}"
        )
    if _is_gone(error):
        return ConnectionLostError(
            f"The connection to {name!r} broke, and no new one could do it either. Whether this "
            f"append was stored is not known here. Repeat it with the same events: if it was "
            f"stored after all, the repeat changes nothing. Engine: {said}"
        )
    return StoreUnavailableError(f"{name!r} could not do that. Engine: {said}")


def explained_connecting(error: psycopg.Error, name: str) -> StoreUnavailableError:
    """The error for a server that cannot be reached, or refuses this role."""
    return ConnectionLostError(
        f"Cannot connect to {name!r}. Check host, port, database, role and password, and that the "
        f"server runs. Engine: {first_line(error)}"
    )


def _is_gone(error: psycopg.Error) -> bool:
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return isinstance(error, _GONE) or (lost and error.sqlstate is None)
