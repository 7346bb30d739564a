"""One small story of a shop, captured in four ways, and twelve questions put to each of them.

The ways are a state table, an audit table beside it, the row changes of the state table, and an
event log. Every answer is really asked for. The verdict compares it with `truth`, which is what
happened in the story, and not what any of the four has stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
import pandas as pd

from esnb.capture.questions import QUESTIONS, WAYS
from esnb.capture.triggers import CaptureError, TriggerCapture
from esnb.clock import LessonClock, utc
from esnb.data_files import data_file
from esnb.events import new_event
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

#: What known systems give, each cell with the page it was read on; see the README beside it.
FILE_OF_SYSTEMS = data_file("neighbours", "systems.csv")

DAY = "2026-03-02"

#: The state table; the text is understood by DuckDB and by PostgreSQL.
ORDERS = (
    "create table orders (id text primary key, customer text, price int, paid int, refunded int, "
    "refund_to text, status text)"
)


@dataclass(frozen=True)
class Step:
    """One thing that happened: when, who, why; and what each way writes.

    `set` holds the new values of columns of the order's row (None: the row is deleted). `audited`
    says whether the program that wrote it knows of the audit table. `event` is None where somebody
    wrote past the application.
    """

    at: str
    who: str
    why: str
    order: str
    event: str | None
    data: Mapping[str, Any] = field(default_factory=dict)
    set: Mapping[str, Any] | None = field(default_factory=dict)
    audited: bool = True

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return utc(f"{DAY}T{self.at}Z")

    def statement(self) -> tuple[str, list[Any]]:
        """What the program did to the state table: SQL with ? and the values."""
        if self.event == "OrderPlaced":
            row = {"id": self.order, "paid": 0, "refunded": 0, "status": "PENDING", **self.data}
            row["refund_to"] = row["customer"]
            marks = ", ".join("?" * len(row))
            return f"insert into orders ({', '.join(row)}) values ({marks})", list(row.values())
        if self.set is None:
            return "delete from orders where id = ?", [self.order]
        changed = ", ".join(f"{column} = ?" for column in self.set)
        return f"update orders set {changed} where id = ?", [*self.set.values(), self.order]


def _placed(at: str, order: str, customer: str, price: int) -> Step:
    why = "placed in the web shop"
    data = {"customer": customer, "price": price}
    return Step(at, customer, why, order, "OrderPlaced", data)


def _paid(at: str, order: str, customer: str, amount: int) -> Step:
    data = {"amount": amount}
    now = {"paid": amount, "status": "PAID"}
    return Step(at, customer, "paid the order", order, "PaymentReceived", data, now)


def _priced(at: str, order: str, price: int, event: str, why: str) -> Step:
    return Step(at, "mia", why, order, event, {"price": price}, {"price": price})


def _account(at: str, refund_to: str) -> Step:
    # The support tool of another team: it has never heard of the audit table.
    data = {"refund_to": refund_to}
    return Step(
        at, "otto", "corrected the account", "order-1043", "RefundAccountChanged", data, data, False
    )


def _refunded(at: str, who: str, order: str, amount: int) -> Step:
    now = {"refunded": amount, "status": "REFUNDED"}
    return Step(at, who, "came back broken", order, "RefundIssued", {"amount": amount}, now)


def _tidied(order: str) -> Step:
    # The night job knows the password of the database, and no event.
    return Step("23:00:00", "night job", "tidy up", order, None, {}, {"status": "CLOSED"}, False)


#: The story, in order. All money is in whole cents.
STEPS: tuple[Step, ...] = (
    _placed("09:00:00", "order-1042", "ada", 399),
    _placed("09:05:00", "order-1043", "ben", 1290),
    _placed("09:10:00", "order-1044", "eve", 3990),
    _placed("09:12:00", "order-1045", "dan", 9900),
    _priced("09:20:00", "order-1042", 3990, "PriceCorrected", "typing mistake in the catalogue"),
    _priced("09:22:00", "order-1045", 990, "PriceCorrected", "typing mistake in the catalogue"),
    _paid("09:30:00", "order-1042", "ada", 3990),
    _paid("09:35:00", "order-1043", "ben", 1290),
    _priced("09:40:00", "order-1044", 3490, "DiscountGranted", "the box is scratched"),
    _paid("09:50:00", "order-1044", "eve", 3490),
    Step("10:00:00", "dan", "found it elsewhere", "order-1045", "OrderCancelled", {}, None),
    _account("11:00:00", "otto"),
    _refunded("11:01:00", "otto", "order-1043", 1290),
    _account("11:02:00", "ben"),
    _refunded("14:00:00", "lea", "order-1042", 3990),
    _tidied("order-1042"),
    _tidied("order-1043"),
)


class Execute(Protocol):
    """How a statement with ? and its values reaches a database."""

    def __call__(self, statement: str, values: Sequence[Any], /) -> object:
        """Run it."""
        ...


class Story:
    """The story, run once and captured in all four ways: `with Story() as story: story.table()`.

    `db` is a DuckDB connection with the tables `orders`, `audit` and `changes` (by triggers, in
    lesson time), `store` an event store. `ask` puts a question to one way, `verdict` judges the
    answer.
    """

    def __init__(self) -> None:
        self.db = duckdb.connect()
        self.db.execute(ORDERS)
        self.db.execute(
            "create table audit (n int primary key, written timestamp, id text, field text, "
            "old text, new text, who text)"
        )
        self.capture = TriggerCapture(self.db, ["orders"], now="getvariable('now')::bigint")
        self.clock = LessonClock(f"{DAY}T09:00:00Z")
        self.store = EventStore(clock=self.clock)
        for step in STEPS:
            self.db.execute(f"set variable now = {int(step.time.timestamp() * 1000)}")
            self.db.begin()
            self._audit(step)
            self.db.execute(*step.statement())
            self.db.commit()
            self._append(step)

    def _audit(self, step: Step) -> None:
        """What a good program does before each UPDATE, by hand and in the same transaction."""
        if not step.audited or not step.set:
            return
        for column, new in step.set.items():
            self.db.execute(
                f"insert into audit select (select count(*) from audit) + 1, ?, id, ?, {column}, "
                "?, ? from orders where id = ?",
                [step.time.replace(tzinfo=None), column, str(new), step.who, step.order],
            )

    def _append(self, step: Step) -> None:
        if step.event is None:
            return
        event = new_event(
            step.event,
            dict(step.data),
            occurred_at=step.time,
            metadata={"actor": step.who, "reason": step.why},
        )
        self.store.append(step.order, [event], expected_version=ANY, aggregate_type="ORDER")

    # -- asking ----------------------------------------------------------------------------

    def ask(self, number: int, way: str) -> Any:
        """The answer of one way to question `number`, from 1; None where it has none.

        A query that names a table or a column that is not there, and one that finds nothing, have
        no answer.
        """
        if way not in WAYS:
            raise CaptureError(f"way is one of {WAYS}, found {way!r}.")
        query = QUESTIONS[number - 1].asked[way]
        try:
            if way == "events":
                rows = self.store.sql(query).fetchall()
            else:
                rows = self.db.execute(query).fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):
            return None
        if not rows or all(value is None for value in rows[0]):
            return None
        return "; ".join(" ".join(map(str, row)) for row in rows)

    def verdict(self, number: int, way: str) -> str:
        """How an answer compares with the truth: "yes", "WRONG", or "-" where there is none."""
        answer = self.ask(number, way)
        if answer is None:
            return "-"
        return "yes" if answer == QUESTIONS[number - 1].truth else "WRONG"

    def table(self) -> pd.DataFrame:
        """The verdicts: a row a question, a column a way."""
        numbers = range(1, len(QUESTIONS) + 1)
        frame = pd.DataFrame(
            {way: [self.verdict(n, way) for n in numbers] for way in WAYS},
            index=pd.Index([question.text for question in QUESTIONS], name="question"),
        )
        return frame

    def answers(self, number: int) -> pd.DataFrame:
        """What each way said to one question, beside the truth."""
        said = {way: self.ask(number, way) or "(no answer)" for way in WAYS}
        frame = pd.DataFrame({"answer": {**said, "truth": QUESTIONS[number - 1].truth}})
        frame["verdict"] = [*(self.verdict(number, way) for way in WAYS), ""]
        return frame

    def close(self) -> None:
        """Close both databases."""
        self.db.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def systems() -> pd.DataFrame:
    """What eleven known systems give: columns system, feature, gives, note, source.

    Raises `FileNotFoundError` when esnb is used without the folder `data` beside it.
    """
    return pd.read_csv(FILE_OF_SYSTEMS, keep_default_na=False)


def write_rows(execute: Execute, steps: Sequence[Step] = STEPS) -> None:
    """Run the statements of the story against another database, one after the other."""
    for step in steps:
        execute(*step.statement())
