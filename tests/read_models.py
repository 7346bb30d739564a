"""Read models that worker processes import: small, so that a worker starts soon."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

from esnb import Event, Projection, handles, reacts_to


class Totals(Projection):
    """A row an aggregate; `last` depends on the order of the events, `total` on each counting."""

    tables: ClassVar = {
        "totals": "id varchar primary key, n bigint, total hugeint, last varchar, "
        "twice bigint generated always as (n * 2)",
        "texts": 'id varchar, text varchar, "at" timestamp',
    }
    by_aggregate = "id"
    mails: ClassVar[list[str]] = []

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        read.execute(
            "insert into totals values (?, 1, ?::hugeint * 10000000000000000000, ?) on conflict do "
            "update set n = totals.n + 1, total = totals.total + excluded.total, "
            "last = excluded.last",
            [event.aggregate_id, event.data["n"], event.data["text"]],
        )

    @handles("Added", "Noted")
    def text(self, read: Any, event: Event) -> None:
        read.execute(
            "insert into texts values (?, ?, ?)",
            [event.aggregate_id, event.data.get("text"), event.occurred_at.replace(tzinfo=None)],
        )

    @reacts_to("Added")
    def mail(self, event: Event) -> None:
        Totals.mails.append(event.aggregate_id)
        raise AssertionError("a rebuild has no side effects")


class Plain(Totals):
    by_aggregate = ""


class BySql(Projection):
    tables: ClassVar = {"t": "id varchar"}
    by_aggregate = "id"
    sql: ClassVar = "insert into t select aggregate_id from new_events"


class NoColumn(Totals):
    by_aggregate = "order_id"


class Days(Projection):
    """It says that its rows belong to an aggregate, and they do not: one row for all."""

    tables: ClassVar = {"days": "id varchar primary key, n bigint"}
    by_aggregate = "id"

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        read.execute("insert into days values ('all', 1) on conflict do update set n = days.n + 1")


class OneLast(Projection):
    """The same, with a column that hides it: the key is the text, and two aggregates share it."""

    tables: ClassVar = {"lasts": "text varchar primary key, id varchar"}
    by_aggregate = "id"

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        read.execute(
            "insert or replace into lasts values (?, ?)", [event.data["text"], event.aggregate_id]
        )


class Picky(Totals):
    """It fails on n = 13."""

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        if event.data["n"] == 13:
            read.execute("select 'thirteen'::integer")
        super().added(read, event)


class Mortal(Totals):
    """Its worker dies at n = 13, as by kill -9 or for want of memory."""

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        if event.data["n"] == 13:
            os._exit(9)
        super().added(read, event)


class Slow(Totals):
    """It writes down which process is at work, and never ends by itself."""

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        Path(os.environ["ESNB_TEST_FOLDER"], str(os.getpid())).touch()
        time.sleep(60)
