"""The log of an event store that runs elsewhere, copied into a store here, and kept up to date.

    copy = from_store("sqlite:///app.sqlite", kind="eventsourcing")
    copy.store                    # an EventStore: overview(), as_of(), TimeTravel, Process, ...
    copy.top_up()                 # later: fetches what is new, and says how many events
    copy.set_aside                # rows whose payload is not JSON, with the reason and the cure

The source is only read, and never locked, in one snapshot. What is known here of an event's origin
is in its metadata, under "copied_from": kind, table, place (the source's order of all events),
version (in its stream) and id. That is also the bookmark: the log itself says what was copied, in
the same transaction, so it is right after any crash.

Numbers that come late. Databases give out numbers before they commit, so number 9 can be there
while 8 is still being written. A reader that goes on "after 9" misses 8 without a word. Two things
prevent it: in PostgreSQL, rows are left for later as long as a transaction that is older than they
are is still open (`held_back` counts them); and numbers that were missing are asked for again each
time. An event that comes late is appended when it comes.

Tested with the real library: eventsourcing on SQLite. Tested with rows written by hand into tables
with the columns that the makers document: eventsourcing on PostgreSQL, Emmett, message-db, Marten,
django-pghistory.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import orjson
import pandas as pd

from esnb.clock import Clock, check_zone, utc
from esnb.errors import EsnbError
from esnb.event_json import check_object_text
from esnb.events import check_name
from esnb.interchange.mapping import InterchangeError, made_id, with_zone
from esnb.interchange.store_connections import VALUE, Source, quoted, reading
from esnb.interchange.store_kinds import KINDS, Columns, Kind, Row, Table, find_table, own_kind
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

Decode = Callable[[bytes], "bytes | str"]
_MOST_RANGES = 400
_SET_ASIDE = ["place", "stream", "event_type", "reason", "cure"]
_BINARY: Final = (
    "Pass decode=, a function from the stored bytes to JSON text, such as zlib.decompress; for "
    "encrypted payloads it needs the application's key."
)
_NOT_JSON: Final = "Pass decode=, a function from the stored payload to the text of a JSON object."
_BAD_FIELD: Final = "Correct it in a view of your own, and read that: columns=Columns(...)."


def from_store(
    address: str | os.PathLike[str],
    database: str | os.PathLike[str] | None = None,
    *,
    kind: str | None = None,
    table: str | None = None,
    columns: Columns | None = None,
    aggregate_type: str | None = None,
    decode: Decode | None = None,
    clock: Clock | None = None,
) -> StoreCopy:
    """Copy the log of a store that runs elsewhere, in memory or into a file at `database`.

    - `address`: "sqlite:///app.sqlite" or a path, "postgresql://user@host/name" or "host=...".
    - `kind`: "eventsourcing", "emmett", "message-db", "marten" or "pghistory"; or `columns`, for a
      table of your own.
    - `table`: where the database has several that fit ("schema.table" is possible).
    - `aggregate_type`: the type of streams for which the source says none.
    - `decode`: from a stored payload (bytes) to the text of a JSON object.

    Called again with the same `database`, it goes on where the copy ended. Raises
    `InterchangeError` for a database or table that cannot be read; `decode` is the caller's own,
    and what it raises sets that one row aside.
    """
    if (kind is None) == (columns is None):
        raise InterchangeError(
            f"Say which kind of store it is, kind= one of {', '.join(KINDS)}; or name the columns "
            f"of your own table, columns=Columns(...)."
        )
    if columns is not None:
        check_zone(columns.timezone)
        found, table = own_kind(columns), columns.table
        if aggregate_type is None:
            aggregate_type = columns.aggregate_type
    elif kind in KINDS:
        found = KINDS[str(kind)]
    else:
        raise InterchangeError(f"{kind!r:.60} is not a kind of store: {', '.join(KINDS)}.")
    store = EventStore(database, clock=clock)
    try:
        copy = StoreCopy(store, address, found, table, aggregate_type, decode)
        copy.top_up()
    except BaseException:
        store.close()
        raise
    return copy


class StoreCopy:
    """A store here with the events of a store elsewhere. Made by `from_store`.

    `store` is the copy, `set_aside` the rows that could not become events (with reason and cure),
    `held_back` how many rows wait for an older transaction of the source to end.
    """

    def __init__(
        self,
        store: EventStore,
        address: str | os.PathLike[str],
        kind: Kind,
        table: str | None,
        aggregate_type: str | None,
        decode: Decode | None,
    ) -> None:
        self.store = store
        self.set_aside = pd.DataFrame(columns=_SET_ASIDE)
        self.held_back = 0
        self._address, self._kind, self._table = address, kind, table
        self._default_type, self._decode = aggregate_type, decode
        self._places = np.array([], dtype=np.int64)
        self._types: dict[str, str] = {}
        self._origin = ""
        self._last: tuple[str, int] | None = None

    def __repr__(self) -> str:
        more = f", {len(self.set_aside)} rows set aside" * bool(len(self.set_aside))
        more += f", {self.held_back} held back" * bool(self.held_back)
        return f"<StoreCopy of {self._origin}: {self.store.position:,} events{more}>"

    @property
    def bookmark(self) -> int:
        """The last place of the source that was read; 0 before the first."""
        return int(self._places[-1]) if len(self._places) else 0

    def close(self) -> None:
        """Close the copy."""
        self.store.close()

    def top_up(self) -> int:
        """Fetch what is new in the source; returns how many events were appended.

        Each batch of some thousand rows is appended in one transaction: after a crash, the next
        call goes on. Raises `InterchangeError` when the source is not the one that was copied.
        """
        before = self.store.position
        with reading(self._address) as source:
            if source.dialect not in self._kind.dialects:
                raise InterchangeError(f"{self._kind.name} is read from PostgreSQL only.")
            have = source.tables()
            schema, name = find_table(self._kind, self._table, have)
            inside = f"{quoted(schema)}." if schema else ""
            beside = frozenset(other for place, other in have if place == schema)
            known = source.knows_writers(schema, name)
            full = inside + quoted(name)
            found = Table(full, have[schema, name], source.dialect, inside, beside, known)
            select = self._kind.select(found)
            if not self._origin:
                self._begin(f"{self._kind.name}:{name}", name)
            names = ", ".join(Row._fields)
            inner = f"with q({names}{', written' * known}) as ({select})"
            self._check_same(source, inner)
            condition, values = self._missing()
            settled = ""
            if known:
                settled = f" and not ({_UNSETTLED})"
                held = f"{inner} select count(*) from q where ({condition}) and {_UNSETTLED}"
                self.held_back = next(source.batches(held, values))[0][0]
            query = f"{inner} select {names} from q where ({condition}){settled} order by place"
            for batch in source.batches(query, values):
                self._take([Row(*row) for row in batch])
        return self.store.position - before

    # -- the bookmark ----------------------------------------------------------------------

    def _begin(self, origin: str, name: str) -> None:
        """Read from the log what was copied before."""
        self._origin = origin
        if self._default_type is None:
            self._default_type = name.upper()
        known = self.store.sql(
            "select cast(metadata ->> '$.copied_from.place' as bigint) as place, aggregate_id "
            "from events where metadata ->> '$.copied_from.origin' = ? order by position",
            [origin],
        ).df()
        self._places = np.sort(known["place"].to_numpy(dtype=np.int64))
        if len(known):
            self._last = (known["aggregate_id"].iloc[-1], int(known["place"].iloc[-1]))
        heads = self.store.sql("select distinct aggregate_id, aggregate_type from events").df()
        self._types = dict(zip(heads["aggregate_id"], heads["aggregate_type"], strict=True))

    def _missing(self) -> tuple[str, list[int]]:
        """The condition for what was not read yet: after the last place, and in each gap."""
        if not len(self._places):
            return "true", []
        places = np.concatenate([[np.int64(0)], self._places])
        holes = np.flatnonzero(np.diff(places) > 1)
        pairs = [(int(places[n]) + 1, int(places[n + 1]) - 1) for n in holes]
        if len(pairs) > _MOST_RANGES:  # one wide range: what is known of it is left out later
            pairs = [(pairs[0][0], pairs[-_MOST_RANGES][1]), *pairs[-_MOST_RANGES + 1 :]]
        parts = [f"place > {VALUE}", *[f"place between {VALUE} and {VALUE}"] * len(pairs)]
        return " or ".join(parts), [self.bookmark, *(n for pair in pairs for n in pair)]

    def _check_same(self, source: Source, inner: str) -> None:
        """Whether the last event that was copied is still where it was."""
        if self._last is None:
            return
        stream, place = self._last
        query = f"{inner} select stream from q where place = {VALUE}"
        found = [row[0] for batch in source.batches(query, [place]) for row in batch]
        if [str(name) for name in found] != [stream]:
            raise InterchangeError(
                f"The source has {_listed(found)} at place {place}, and the copy has "
                f"{stream!r} from there. Was it restored, or is this another database? Copy it "
                f"into a new store."
            )

    # -- rows ------------------------------------------------------------------------------

    def _take(self, rows: list[Row]) -> None:
        places = np.array([_place(row) for row in rows], dtype=np.int64)
        unique, counts = np.unique(places, return_counts=True)
        if len(unique) < len(places):
            raise InterchangeError(
                f"Two rows of the source have the same place, {unique[counts > 1][0]}, so that is "
                f"not one order of all events. (Marten with partitions for tenants has this: read "
                f"one tenant, through a table of your own.)"
            )
        fresh = ~np.isin(places, self._places)
        events, aside = [], []
        for row, is_new in zip(rows, fresh, strict=True):
            if is_new:
                try:
                    events.append(self._event(self._kind.translate(self._decoded(row))))
                except _Unfit as unfit:
                    said = (row.place, str(row.stream), str(row.event_type), str(unfit), unfit.cure)
                    aside.append(said)
        if events:
            self.store.append_frame(
                pd.DataFrame(events),
                aggregate_id="aggregate_id",
                event_type="event_type",
                occurred_at="occurred_at",
                aggregate_type="aggregate_type",
                data="data",
                metadata="metadata",
                event_id="event_id",
                order=None,
                expected_version=ANY,
                skip_stored=True,
            )
            last = events[-1]
            self._last = (last["aggregate_id"], last["place"])
        self._places = np.union1d(self._places, places[fresh])
        if aside:
            more = pd.DataFrame(aside, columns=_SET_ASIDE)
            self.set_aside = pd.concat([self.set_aside, more]) if len(self.set_aside) else more
            self.set_aside = self.set_aside.reset_index(drop=True)

    def _decoded(self, row: Row) -> Row:
        if self._decode is None or row.data is None:
            return row
        data = row.data.encode() if isinstance(row.data, str) else bytes(row.data)
        try:
            return row._replace(data=self._decode(data))
        except Exception as error:  # the caller's function: whatever it raises is about this row
            reason = f"decode() raised {type(error).__name__}: {error}"
            raise _Unfit(reason, _NOT_JSON) from None

    def _event(self, row: Row) -> dict[str, Any]:
        data = _json_object(row.data, "the payload")
        metadata = orjson.loads(_json_object(row.metadata, "the metadata"))
        stream = "" if row.stream is None else str(row.stream)
        kind = self._types.get(stream) or str(row.stream_type or self._default_type)
        try:
            check_name("the stream's id", stream)
            check_name("the stream's type", kind)
            check_name("the event's type", row.event_type)
            at = _time(row.at, self._kind.timezone)
        except (EsnbError, ValueError, TypeError) as error:
            raise _Unfit(str(error), _BAD_FIELD) from None
        self._types[stream] = kind
        said = None if row.id is None else str(row.id)
        origin: dict[str, Any] = {"origin": self._origin, "place": row.place}
        origin |= {} if row.version is None else {"version": row.version}
        origin |= {} if said is None else {"id": said}
        return {
            "place": row.place,
            "aggregate_id": stream,
            "aggregate_type": kind,
            "event_type": row.event_type,
            "occurred_at": at,
            "data": data,
            "metadata": orjson.dumps({**metadata, "copied_from": origin}).decode(),
            "event_id": _uuid(said) or made_id(self._origin, stream, str(row.place)),
        }


# A transaction that is as old as the oldest open one, or younger: a number before the row's own may
# still be on its way. Not "older than": the age of a very old, frozen row may be negative.
_UNSETTLED: Final = "age(written) between 0 and age(pg_snapshot_xmin(pg_current_snapshot())::xid)"


class _Unfit(Exception):
    """A row that cannot become an event: why, and what helps."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.cure = cure


def _json_object(value: Any, what: str) -> str:
    if value is None:
        return "{}"
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            value = bytes(value).decode()
        except UnicodeDecodeError:
            raise _Unfit(f"{what} is binary, not JSON text", _BINARY) from None
    if isinstance(value, dict):  # a driver that reads JSON by itself
        value = orjson.dumps(value).decode()
    if not isinstance(value, str):
        raise _Unfit(f"{what} is {type(value).__name__}, not a JSON object", _NOT_JSON)
    try:
        check_object_text(value, what)
    except EsnbError as error:
        raise _Unfit(str(error), _NOT_JSON) from None
    return value


def _time(value: Any, timezone: str) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"the time is {value!r:.60}, not a time in text")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"the time {value!r:.60} is not one (ISO 8601)") from None
    zoned: Any = with_zone(value, timezone) if time.tzinfo is None else time
    return utc(zoned)


def _place(row: Row) -> int:
    if not isinstance(row.place, int) or isinstance(row.place, bool):
        raise InterchangeError(
            f"The order is a column of whole numbers, and holds {row.place!r:.60}. Name another."
        )
    return row.place


def _uuid(text: str | None) -> str | None:
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None


def _listed(streams: list[Any]) -> str:
    return ", ".join(repr(str(name)) for name in streams) or "nothing"
