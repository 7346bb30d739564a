"""Twelve questions about the story of a shop, each with its true answer and a query for each way.

The answer is what happened in the story, and not what any of the ways has stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WAYS = ("state table", "audit table", "row changes", "events")


@dataclass(frozen=True)
class Question:
    """A question, its true answer as text, and the query that each way is asked with."""

    text: str
    truth: str
    asked: Mapping[str, str]


_NOW = "select {} from orders where id = '{}'"
_WHEN = "strftime(epoch_ms((envelope->>'$.source.ts_ms')::bigint), '%H:%M')"
_OLD, _NEW = "(envelope->>'$.before.{}')", "(envelope->>'$.after.{}')"
_ID = "coalesce(envelope->>'$.after.id', envelope->>'$.before.id')"


def _asked(state: str, audit: str, changes: str, events: str) -> dict[str, str]:
    return dict(zip(WAYS, (state, audit, changes, events), strict=True))


def _changed(what: str, order: str, column: str, then: str = "") -> str:
    """A query over the row changes of one order in which a column got another value."""
    old, new = _OLD.format(column), _NEW.format(column)
    return (
        f"select {what} from changes where {_ID} = '{order}' and envelope->>'$.op' = 'u' "
        f"and {old} is distinct from {new} {then} order by position"
    )


def _event(what: str, order: str, event: str, then: str = "") -> str:
    return (
        f"select {what} from events where aggregate_id = '{order}' and event_type = '{event}' "
        f"{then} order by position"
    )


_ACTOR, _REASON = "metadata->>'$.actor'", "metadata->>'$.reason'"
_AT = "2026-03-02 11:01:30"

QUESTIONS: tuple[Question, ...] = (
    Question(
        "What does order-1042 cost now?",
        "3990",
        _asked(
            _NOW.format("price", "order-1042"),
            _NOW.format("price", "order-1042"),
            f"select last({_NEW.format('price')} order by position) from changes "
            f"where {_ID} = 'order-1042'",
            "select last(event_data->>'$.price' order by position) from events "
            "where aggregate_id = 'order-1042' and event_data->>'$.price' is not null",
        ),
    ),
    Question(
        "What did it cost before that?",
        "399",
        _asked(
            _NOW.format("old_price", "order-1042"),
            "select old from audit where id = 'order-1042' and field = 'price' order by n",
            _changed(_OLD.format("price"), "order-1042", "price"),
            _event("event_data->>'$.price'", "order-1042", "OrderPlaced"),
        ),
    ),
    Question(
        "When was order-1043 paid?",
        "09:35",
        _asked(
            _NOW.format("paid_at", "order-1043"),
            "select strftime(written, '%H:%M') from audit "
            "where id = 'order-1043' and field = 'paid'",
            _changed(_WHEN, "order-1043", "paid"),
            _event("strftime(occurred_at, '%H:%M')", "order-1043", "PaymentReceived"),
        ),
    ),
    Question(
        "Who fixed the price of order-1042?",
        "mia",
        _asked(
            _NOW.format("changed_by", "order-1042"),
            "select who from audit where id = 'order-1042' and field = 'price'",
            _changed("envelope->>'$.source.user'", "order-1042", "price"),
            _event(_ACTOR, "order-1042", "PriceCorrected"),
        ),
    ),
    Question(
        "Why was it fixed?",
        "typing mistake in the catalogue",
        _asked(
            _NOW.format("reason", "order-1042"),
            "select why from audit where id = 'order-1042' and field = 'price'",
            _changed("envelope->>'$.source.reason'", "order-1042", "price"),
            _event(_REASON, "order-1042", "PriceCorrected"),
        ),
    ),
    Question(
        "Which orders got a discount?",
        "order-1044",
        # Rows say that a price went down. That is the best guess they allow.
        _asked(
            "select id from orders where discount order by id",
            "select id from audit where field = 'price' and new::int < old::int order by n",
            f"select {_ID} from changes where envelope->>'$.op' = 'u' and "
            f"{_NEW.format('price')}::int < {_OLD.format('price')}::int order by position",
            "select aggregate_id from events where event_type = 'DiscountGranted' "
            "order by position",
        ),
    ),
    Question(
        "How many orders were ever placed?",
        "4",
        _asked(
            "select count(*) from orders",
            "select count(*) from (select id from orders union select id from audit "
            "where field = 'status' and new = 'PENDING')",
            "select count(*) from changes where envelope->>'$.op' = 'c'",
            "select count(*) from events where event_type = 'OrderPlaced'",
        ),
    ),
    Question(
        "How did order-1043 look at 11:01:30?",
        "1290 1290 otto REFUNDED",
        _asked(
            _NOW.format("price, refunded, refund_to, status", "order-1043"),
            # Today's row, with the lines of the audit table taken back that came later.
            "select price, refunded, refund_to, coalesce((select min_by(old, n) from audit "
            f"where audit.id = orders.id and field = 'status' and written > '{_AT}'), status) "
            "from orders where id = 'order-1043'",
            "select last(concat_ws(' ', "
            + ", ".join(_NEW.format(c) for c in ("price", "refunded", "refund_to", "status"))
            + f") order by position) from changes where {_ID} = 'order-1043' "
            f"and epoch_ms((envelope->>'$.source.ts_ms')::bigint) <= '{_AT}'",
            "select last(event_data->>'$.price' order by position) "
            "filter (event_data->>'$.price' is not null), "
            "sum((event_data->>'$.amount')::int) filter (event_type = 'RefundIssued')::int, "
            "last(event_data->>'$.refund_to' order by position) "
            "filter (event_data->>'$.refund_to' is not null), "
            "if(bool_or(event_type = 'RefundIssued'), 'REFUNDED', 'PAID') from events "
            f"where aggregate_id = 'order-1043' and occurred_at <= '{_AT}'",
        ),
    ),
    Question(
        "Whose account got the refund of order-1043?",
        "otto",
        _asked(
            _NOW.format("refund_to", "order-1043"),
            "select coalesce((select last(new order by n) from audit where id = 'order-1043' "
            "and field = 'refund_to'), (select refund_to from orders where id = 'order-1043'))",
            _changed(_NEW.format("refund_to"), "order-1043", "refunded"),
            "select last(event_data->>'$.refund_to' order by position) from events "
            "where aggregate_id = 'order-1043' and event_type = 'RefundAccountChanged' "
            "and position < (select max(position) from events where "
            "aggregate_id = 'order-1043' and event_type = 'RefundIssued')",
        ),
    ),
    Question(
        "Who changed that account, and changed it back?",
        "otto",
        _asked(
            _NOW.format("changed_by", "order-1043"),
            "select distinct who from audit where id = 'order-1043' and field = 'refund_to'",
            _changed("envelope->>'$.source.user'", "order-1043", "refund_to"),
            f"select distinct {_ACTOR} from events where aggregate_id = 'order-1043' "
            "and event_type = 'RefundAccountChanged'",
        ),
    ),
    Question(
        "What did the night job overwrite?",
        "order-1042 REFUNDED; order-1043 REFUNDED",
        _asked(
            "select id, old_status from orders where status = 'CLOSED' order by id",
            "select id, old from audit where new = 'CLOSED' order by n",
            f"select {_ID}, {_OLD.format('status')} from changes "
            f"where {_NEW.format('status')} = 'CLOSED' order by position",
            "select aggregate_id, event_data->>'$.old' from events "
            "where event_type = 'StatusOverwritten' order by position",
        ),
    ),
    Question(
        # It happened at 10:55 and the rule said no: nothing was written anywhere.
        "Who tried to refund more than was paid?",
        "otto",
        _asked(
            "select refunded_by from orders where refunded > paid",
            "select who from audit where field = 'refunded' and new::int > 1290 "
            "and id = 'order-1043'",
            f"select {_ID} from changes where {_NEW.format('refunded')}::int > "
            f"{_NEW.format('paid')}::int order by position",
            f"select {_ACTOR} from events where event_type = 'RefundRefused' order by position",
        ),
    ),
)
