"""Questions in SQL, by somebody who may only read: one SELECT, and its rows."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import AppendOnlyError, QueryError, ReadOnlyError, StoreClosedError


@lru_cache(maxsize=256)
def parsed(text: str) -> tuple[duckdb.Statement, ...]:
    """The statements of a text of the package's own: parsing is a tenth of what a short one costs.

    Values are parameters, so that there are few texts.
    """
    return tuple(duckdb.extract_statements(text))


# The engine complains, at the end of a process, of statements that are still there.
atexit.register(parsed.cache_clear)


class Result:
    """The rows of a query, all read already: `df()`, `fetchall()`, `fetchone()`, `columns`."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation
        self.columns: list[str] = list(relation.columns)
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def df(self) -> pd.DataFrame:
        """The rows as a DataFrame; times are UTC without a zone, as in the tables."""
        with _still_open():
            return self._relation.df()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows as a list of tuples."""
        with _still_open():
            return self._relation.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None after the last."""
        if self._rows is None:
            self._rows = iter(self.fetchall())
        return next(self._rows, None)

    def __repr__(self) -> str:
        return repr(self.df())

    def _repr_html_(self) -> str | None:
        html: str | None = self.df()._repr_html_()  # type: ignore[operator]
        return html


@contextmanager
def _still_open() -> Iterator[None]:
    try:
        yield
    except duckdb.ConnectionException:
        raise StoreClosedError(
            "The store of this result is closed, and its rows went with it. Take them out with "
            "df() or fetchall() before closing, or open the store and ask again."
        ) from None


def select_only(
    cursor: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Result:
    """Run one SELECT in a read-only transaction; another statement gets the error it deserves."""
    check_query(query)
    cursor.execute("begin transaction read only")
    try:
        relation = cursor.sql(query, params=parameters)
        if relation is None:
            raise QueryError("This statement gives no rows. Ask with SELECT.")
        return Result(relation.materialize())
    except TypeError as error:
        raise QueryError(f"The parameters do not fit the query: {error}") from None
    finally:
        cursor.rollback()


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def check_query(query: object) -> None:
    """Refuse what is not one SELECT, each with the error that it deserves."""
    if not isinstance(query, str):
        raise QueryError(f"sql() takes the text of a query, found {type(query).__name__}.")
    if query != query.encode(errors="ignore").decode():
        raise QueryError("The query holds half a character (a lone surrogate).")
    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"sql() runs one query at a time, found {len(statements)} statements.")
    kind = statements[0].type
    if kind in (duckdb.StatementType.UPDATE, duckdb.StatementType.DELETE):
        raise AppendOnlyError(
            "Events are never changed or removed, and sql() only reads. To correct a wrong fact, "
            "append an event that says so."
        )
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise ReadOnlyError(
            f"sql() only reads: it runs SELECT, found {kind.name}. Events are added with append()."
        )


def asked_to_stop(error: RuntimeError) -> BaseException:
    """The KeyboardInterrupt that the engine took for itself while it ran a query; else `error`.

    An interrupt (the stop button of a notebook) that comes in the middle of a query leaves the
    engine as a RuntimeError. Taken for a failure of the query, it would be tried again.
    """
    return KeyboardInterrupt() if str(error) == "Query interrupted" else error
