"""Projections: how a read model is declared. What runs a declaration is in `projector.py`.

A projection is declared once: its tables, and either set-based SQL over the new events or a Python
handler per event type. The same declaration catches up, rebuilds, and looks at the past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from esnb.errors import InvalidEventError
from esnb.store.event_rows import COLUMNS
from esnb.store.readonly_sql import check_declaration, quoted

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_LOG = COLUMNS.split(", ")

Handler = TypeVar("Handler", bound=Callable[..., None])


def handles(*event_types: str) -> Callable[[Handler], Handler]:
    """Decorate a method `(self, read, event)` that updates the read model.

    `read` has its tables: rows by primary key with `read.row`, `rows`, `insert`, `upsert`, `add`
    and `delete`, which are written once for many events; or any statement with
    `read.execute(sql, values)`, which costs most of a millisecond each time.
    """

    def mark(function: Handler) -> Handler:
        function.__dict__["_handles"] = event_types
        return function

    return mark


def reacts_to(*event_types: str) -> Callable[[Handler], Handler]:
    """Decorate a method `(self, event)` with a side effect, such as a mail.

    A rebuild never calls it.
    """

    def mark(function: Handler) -> Handler:
        function.__dict__["_reacts"] = event_types
        return function

    return mark


class Projection:
    """The declaration of a read model: derive from it.

    `tables` maps each table's name to its columns (SQL); the first is what `Projector.df()` shows.
    A name that is a word of SQL, such as `order`, is quoted in your statements: `"order"`.
    `sql` is one or more statements over the temporary table `new_events` that bring the tables up
    to date. It has the columns of the log, ids and JSON as text, and holds a batch at a time; say
    `order by position` where the order counts. Or leave `sql` out, and write methods marked with
    `handles`. `columns` are those of new_events that the statements use, beside position; when they
    are named, the others are not copied, which is faster.

    Raise `version` whenever the declaration or a handler changes. A read model that was built by
    other tables, statements, gathers or handled event types is noticed without it; what the code
    of a handler does is not compared.

    `gathers` maps names to queries over new_events alone, such as sums of a batch. They are run
    where the events are, and the statements find their answers, and not new_events, as temporary
    tables.

    `by_aggregate` is for handlers: the column that holds, in each table, the id of the aggregate
    whose events alone write and read the row. Then `rebuild(workers=4)` can share out the work.
    """

    tables: ClassVar[dict[str, str]] = {}
    sql: ClassVar[str | Sequence[str]] = ()
    columns: ClassVar[Sequence[str]] = ()
    gathers: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[int] = 1
    by_aggregate: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in [*cls.tables, *cls.gathers]:
            taken = name == "new_events" or name.startswith("esnb_")
            if not _NAME.fullmatch(name) or taken:
                raise InvalidEventError(
                    f"{cls.__name__}.tables: a table cannot be named {name!r}. Use lower-case "
                    f"letters, digits and _, but not new_events, nor a name that begins with esnb_."
                )
        unknown = set(cls.columns) - set(_LOG)
        if unknown or isinstance(cls.columns, str):
            raise InvalidEventError(
                f"{cls.__name__}.columns is a list of columns of the log: {', '.join(_LOG)}. "
                f"Found {cls.columns!r}."
            )
        if not cls.tables:
            raise InvalidEventError(
                f"{cls.__name__} declares no tables. Write tables = {{'name': 'columns'}}."
            )
        cls._check_sql()
        handlers, reactions = cls.methods("_handles"), cls.methods("_reacts")
        if bool(cls.statements()) == bool(handlers) and (handlers or not reactions):
            found = "both" if handlers else "neither"
            raise InvalidEventError(
                f"{cls.__name__} has {found} of sql and methods marked with handles(). "
                f"Declare the read model one way."
            )

    @classmethod
    def _check_sql(cls) -> None:
        for name, columns in cls.tables.items():
            where = f"{cls.__name__}.tables[{name!r}]"
            check_declaration(f"create table {quoted(name)} ({columns})", where, one=True)
        for name, query in cls.gathers.items():
            check_declaration(query, f"{cls.__name__}.gathers[{name!r}]", one=True)
        for text in cls.statements():
            check_declaration(text, f"{cls.__name__}.sql")

    @classmethod
    def statements(cls) -> list[str]:
        """The set-based statements, in order; empty for a projection with handlers."""
        return [cls.sql] if isinstance(cls.sql, str) else list(cls.sql)

    @classmethod
    def declaration(cls) -> dict[str, Any]:
        """What decides the rows, apart from the code of handlers; JSON can hold it."""
        return {
            "tables": {name: _plain(columns) for name, columns in cls.tables.items()},
            "sql": {str(n): _plain(text) for n, text in enumerate(cls.statements(), start=1)},
            "gathers": {name: _plain(query) for name, query in cls.gathers.items()},
            "handles": sorted(cls.methods("_handles")),
        }

    @classmethod
    def used_once(cls) -> list[str]:
        """The gathers that the statements name once, all told."""
        text = " ".join(cls.statements())
        return [name for name in cls.gathers if len(re.findall(rf"\b{name}\b", text)) == 1]

    @classmethod
    def methods(cls, mark: str) -> dict[str, list[str]]:
        """Names of the marked methods by event type."""
        found: dict[str, list[str]] = {}
        for name in dir(cls):
            for event_type in getattr(getattr(cls, name), mark, ()):
                found.setdefault(event_type, []).append(name)
        return found


def _plain(text: str) -> str:
    """SQL without its layout: a line break or an indentation changes no row."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a read model is behind: `events` not yet processed, and how long, in `seconds`, the
    oldest of them has been waiting. Both are read off the log: a dead projector shows its lag."""

    events: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.events} event{'s' * (self.events != 1)}, {self.seconds:.1f} s behind"
