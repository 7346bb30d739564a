"""Where the event stores that we can read keep what: one query for each kind.

The columns are those of the libraries' own tables: eventsourcing 9.5 (SQLite and PostgreSQL),
Emmett 0.42 (PostgreSQL) and 0.38 (SQLite), message-db 1.3, Marten 9, django-pghistory 3.9.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from esnb.interchange.mapping import InterchangeError
from esnb.interchange.store_connections import quoted


class Table(NamedTuple):
    """A table as it was found: its name as SQL, its columns, and the tables beside it."""

    sql: str
    columns: Sequence[str]
    dialect: str
    schema: str  # as SQL, with a point at the end, or ""
    neighbours: frozenset[str]
    knows_writers: bool

    @property
    def written(self) -> str:
        """The transaction that wrote the row, as a last column, where the database knows it."""
        return ", t.xmin as written" if self.knows_writers else ""


Builder = Callable[[Table], str]


class Row(NamedTuple):
    """One event as a source gives it."""

    place: int  # in the source's own order of all events
    stream: Any
    stream_type: Any
    event_type: Any
    data: Any
    metadata: Any
    at: Any
    id: Any
    version: Any


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of your own table play which part: `from_store(address, columns=Columns(...))`.

    `order` is a column of whole numbers that grow with each new row. `aggregate_type` is a column,
    or itself the type of all rows. `data` is None (all other columns), a list of columns, or one
    column of JSON. Times without a zone are UTC, unless `timezone` names another zone.
    """

    table: str
    order: str
    aggregate_id: str
    event_type: str
    occurred_at: str
    aggregate_type: str
    data: str | Sequence[str] | None = None
    metadata: str | None = None
    event_id: str | None = None
    version: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of store is read: `needs` are the columns that its table has."""

    name: str
    needs: tuple[str, ...]
    select: Builder
    dialects: tuple[str, ...] = ("postgres",)
    translate: Callable[[Row], Row] = lambda row: row
    timezone: str = "UTC"


# Each query names the table `t`, and gives the columns of `Row` in their order.


def _eventsourcing(table: Table) -> str:
    place, stream = "t.notification_id", "t.originator_id::text"
    if table.dialect == "sqlite":  # no row is ever deleted, so VACUUM numbers them as before
        place, stream = "t.rowid", "t.originator_id"
    return (
        f"select {place} as place, {stream}, null, t.topic, t.state, null, null, null, "
        f"t.originator_version{table.written} from {table.sql} t"
    )


def _emmett(table: Table) -> str:
    streams = f'{table.schema}"emt_streams"'
    both, text = "s.stream_id = t.stream_id", ""
    if table.dialect == "postgres":
        both += " and s.partition = t.partition and s.is_archived = t.is_archived"
        text = "::text"
    return (
        f"select t.global_position as place, t.stream_id, s.stream_type, t.message_type, "
        f"t.message_data{text}, t.message_metadata{text}, t.created{text}, t.message_id{text}, "
        f"t.stream_position{table.written} from {table.sql} t left join {streams} s on {both} "
        f"where t.message_kind = 'E'"
    )


def _message_db(table: Table) -> str:
    category = "split_part(t.stream_name, '-', 1)"
    return (
        f"select t.global_position as place, t.stream_name, {category}, t.type, "
        f"coalesce(t.data::text, '{{}}'), t.metadata::text, t.time::text, t.id::text, t.position"
        f"{table.written} from {table.sql} t where position(':command' in {category}) = 0"
    )


def _marten(table: Table) -> str:
    streams = f'{table.schema}"mt_streams"'
    known = ("correlation_id", "causation_id", "user_name", "headers", "tenant_id")
    pairs = "".join(f", '{name}', t.{name}" for name in known if name in table.columns)
    tenant = " and s.tenant_id = t.tenant_id" if "tenant_id" in table.columns else ""
    data = "t.data::text"
    if "bdata" in table.columns:
        data = "case when t.bdata is null then t.data::text else '(binary, in bdata)' end"
    metadata = f"jsonb_strip_nulls(jsonb_build_object({pairs[2:]}))::text" if pairs else "null"
    return (
        f"select t.seq_id as place, t.stream_id::text, s.type, coalesce(t.type, 'unknown'), "
        f"{data}, {metadata}, t.timestamp::text, t.id::text, t.version{table.written} "
        f"from {table.sql} t left join {streams} s on s.id = t.stream_id{tenant} "
        f"where t.type is distinct from 'tombstone'"
    )


def _pghistory(table: Table) -> str:
    own = [name for name in table.columns if name.startswith("pgh_")]
    without = "".join(f" - '{name}'" for name in own if "'" not in name)
    who, why = "null", ""
    if "pgh_context_id" in own and "pghistory_context" in table.neighbours:
        who = "jsonb_strip_nulls(jsonb_build_object('context', c.metadata))::text"
        why = f' left join {table.schema}"pghistory_context" c on c.id = t.pgh_context_id'
    return (
        f"select t.pgh_id as place, t.pgh_obj_id::text, null, t.pgh_label, "
        f"(to_jsonb(t){without})::text, {who}, t.pgh_created_at::text, null, null"
        f"{table.written} from {table.sql} t{why}"
    )


def own_kind(columns: Columns) -> Kind:
    """The kind for a table whose columns the caller has named."""
    roles = [columns.order, columns.aggregate_id, columns.event_type, columns.occurred_at]
    roles += [n for n in (columns.metadata, columns.event_id, columns.version) if n is not None]
    listed = [columns.data] if isinstance(columns.data, str) else list(columns.data or [])

    def select(table: Table) -> str:
        def given(name: str | None, text: str = "") -> str:
            return "null" if name is None else f"t.{quoted(name)}{text}"

        text = "::text" if table.dialect == "postgres" else ""
        have = table.columns
        kind = given(columns.aggregate_type, text) if columns.aggregate_type in have else "null"
        if isinstance(columns.data, str):
            data = given(columns.data, text)
        else:
            used = {*roles, columns.aggregate_type}
            data = _as_json(listed or [n for n in have if n not in used], table.dialect)
        return (
            f"select {given(columns.order)} as place, {given(columns.aggregate_id, text)}, "
            f"{kind}, {given(columns.event_type, text)}, {data}, {given(columns.metadata, text)}, "
            f"{given(columns.occurred_at, text)}, {given(columns.event_id, text)}, "
            f"{given(columns.version)}{table.written} from {table.sql} t"
        )

    return Kind(
        "columns",
        tuple(dict.fromkeys([*roles, *listed])),
        select,
        ("sqlite", "postgres"),
        timezone=columns.timezone,
    )


def _as_json(names: Sequence[str], dialect: str) -> str:
    """The expression for a JSON object of these columns; binary values become hexadecimal text."""
    if dialect == "sqlite":
        value = "iif(typeof(t.NAME) = 'blob', hex(t.NAME), t.NAME)"
        pairs = [f"{_text(name)}, {value.replace('NAME', quoted(name))}" for name in names]
        return f"json_object({', '.join(pairs)})"
    if not names:
        return "'{}'"
    chosen = ", ".join(map(_text, names))
    return (
        f"(select jsonb_object_agg(k, v)::text from jsonb_each(to_jsonb(t)) e(k, v) "
        f"where k in ({chosen}))"
    )


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


# -- what eventsourcing writes ---------------------------------------------------------------


def _from_eventsourcing(row: Row) -> Row:
    """Topic "shop.domain:Cart.ItemAdded": type Cart, event ItemAdded; the time is in the state."""
    inside = str(row.event_type).partition(":")[2] or str(row.event_type)
    kind, _, name = inside.rpartition(".")
    row = row._replace(stream_type=kind.rpartition(".")[2] or None, event_type=name)
    try:
        state = json.loads(row.data)
    except (ValueError, RecursionError):
        return row  # compressed or encrypted: said where payloads are checked
    if not isinstance(state, dict):
        return row
    plain = _plain(state)
    at = plain.pop("timestamp", None)
    plain.pop("originator_topic", None)
    return row._replace(data=json.dumps(plain, ensure_ascii=False), at=at)


def _plain(value: Any) -> Any:
    """The values inside the wrapping in which that library stores types that JSON does not have."""
    if isinstance(value, dict):
        if value.keys() == {"_type_", "_data_"}:
            return _plain(value["_data_"])
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


_NO_TABLES = "no tables at all (of an SQLite file in use, a copy needs the file -wal as well)"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "eventsourcing",
            ("originator_id", "originator_version", "topic", "state"),
            _eventsourcing,
            ("sqlite", "postgres"),
            _from_eventsourcing,
        ),
        Kind(
            "emmett",
            ("stream_id", "message_kind", "message_type", "message_data", "global_position"),
            _emmett,
            ("sqlite", "postgres"),
        ),
        Kind(
            "message-db",
            ("stream_name", "type", "position", "global_position", "data", "time"),
            _message_db,
        ),
        Kind("marten", ("seq_id", "stream_id", "version", "type", "data", "timestamp"), _marten),
        Kind("pghistory", ("pgh_id", "pgh_obj_id", "pgh_label", "pgh_created_at"), _pghistory),
    )
}  # fmt: skip


def find_table(
    kind: Kind, table: str | None, tables: dict[tuple[str, str], list[str]]
) -> tuple[str, str]:
    """The one table that a kind is read from; `InterchangeError` lists what could be meant."""
    fits = [name for name, have in tables.items() if set(kind.needs) <= set(have)]
    if kind.name == "emmett":
        fits = [name for name in fits if name[1] == "emt_messages"]
    elif kind.name == "eventsourcing":  # snapshots have the same columns, and are not events
        fits = [
            name
            for name in fits
            if "notification_id" in tables[name] or not name[1].endswith("snapshots")
        ]
        if any(schema for schema, _ in fits):
            fits = [name for name in fits if "notification_id" in tables[name]]
    if table is None:
        if len(fits) == 1:
            return fits[0]
        if fits:
            listed = ", ".join(sorted(_shown(name) for name in fits))
            raise InterchangeError(f"Several tables could be meant: {listed}. Say table=...")
        listed = ", ".join(sorted(_shown(name) for name in tables)) or _NO_TABLES
        raise InterchangeError(
            f"No table has the columns of {kind.name}: {', '.join(kind.needs)}. "
            f"There are: {listed}. If your own table holds the events, name its columns: "
            f"from_store(..., columns=Columns(...))."
        )
    meant = [name for name in tables if table in (name[1], _shown(name))]
    if len(meant) != 1:
        listed = ", ".join(sorted(_shown(name) for name in meant or tables)) or _NO_TABLES
        why = "several schemas have a table" if meant else "there is no table"
        raise InterchangeError(f"In this database {why} {table!r}. There are: {listed}.")
    missing = [name for name in kind.needs if name not in tables[meant[0]]]
    if missing:
        raise InterchangeError(
            f"{table} has no column {missing[0]!r}. "
            f"It has: {', '.join(tables[meant[0]]) or 'no columns'}."
        )
    return meant[0]


def _shown(name: tuple[str, str]) -> str:
    return ".".join(part for part in name if part)
