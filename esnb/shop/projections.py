"""The read models of the shop: what its pages and reports ask for, derived from its events.

Each is declared as set-based SQL over the new events: a rebuild of a long log costs a few queries
and not a Python call an event. The rows that a batch touches are found by their primary key, in an
upsert, so that catching up costs what the new events cost, however long the log is.
"""

from __future__ import annotations

from typing import ClassVar

from esnb.projections import Projection

_LINE = '{"sku": "VARCHAR", "quantity": "BIGINT", "price": "BIGINT"}'


def _lines(*with_items: str) -> str:
    """SQL: a table `new_lines` with what the batch does to the lines of each order.

    What comes before the last removal of a sku in the batch does not count. The removal itself
    stands among the lines with quantity 0, and wipes what is stored of that sku; a shipment
    counts below 0.
    """
    types = ", ".join(f"'{event_type}'" for event_type in with_items)
    return f"""
create or replace temp table new_lines as
with listed as (
    select aggregate_id as order_id, position, event_type,
           unnest(from_json(event_data->'$.items', '[{_LINE}]'), recursive := true)
    from new_events where event_type in ({types})
), single as (
    select aggregate_id as order_id, position, event_type,
           unnest(from_json(event_data, '{_LINE}'))
    from new_events where event_type in ('ItemAdded', 'ItemRemoved')
), lines as (
    from listed union all by name from single
), removed as (
    select order_id, sku, max(position) as gone from lines
    where event_type = 'ItemRemoved' group by all
)
select order_id, list({{
           'sku': sku, 'price': coalesce(price, 0),
           'quantity': case event_type when 'ItemRemoved' then 0
                       when 'OrderShipped' then -quantity else quantity end
       }}::struct(sku varchar, quantity bigint, price bigint) order by position, sku) as lines
from lines left join removed using (order_id, sku)
where gone is null or position >= gone
group by order_id
"""


def _kept(table: str) -> str:
    """SQL: the lines of the stored row that the new lines do not wipe, and then the new ones.

    The line of a removal, with quantity 0, stays: an insert keeps it too, so that the row is the
    same however the events were cut into batches.
    """
    return (
        f"list_concat(list_filter({table}.lines, lambda a: not list_contains(list_transform("
        f"list_filter(excluded.lines, lambda b: b.quantity = 0), lambda b: b.sku), a.sku)), "
        f"excluded.lines)"
    )


def _sum(lines: str, value: str) -> str:
    return f"coalesce(list_sum(list_transform({lines}, lambda x: {value})), 0)::bigint"


_STORED = _kept("orders_summary")


def _unless_same(column: str, value: str) -> str:
    """SQL: the stored sum, computed again only where the batch changed the lines."""
    return (
        f"case when len(excluded.lines) = 0 then orders_summary.{column} "
        f"else {_sum(_STORED, value)} end"
    )


_STATUS = """case when {cancelled} then 'CANCELLED'
     when {pieces} > 0 and {shipped} >= {pieces} then 'SHIPPED'
     when {paid} then 'PAID' else 'PENDING' end"""


class OrderSummary(Projection):
    """The order-list page: a row an order, with customer, status, pieces and money in cents."""

    version = 1
    tables: ClassVar[dict[str, str]] = {
        "orders_summary": "order_id varchar primary key, customer varchar, status varchar, "
        "pieces bigint, shipped bigint, total bigint, paid bigint, refunded bigint, "
        "placed_at timestamp, changed_at timestamp, events bigint, "
        "lines struct(sku varchar, quantity bigint, price bigint)[]"
    }
    sql: ClassVar[tuple[str, ...]] = (
        _lines("OrderPlaced"),
        f"""
insert into orders_summary
with facts as (
    select aggregate_id as order_id,
           any_value(case when event_type = 'OrderPlaced' then event_data->>'$.customer' end)
               as customer,
           count(*) filter (event_type = 'OrderCancelled') > 0 as cancelled,
           count(*) filter (event_type = 'PaymentReceived') > 0 as payments,
           coalesce(sum(case when event_type = 'PaymentReceived'
                             then (event_data->>'$.amount')::bigint end), 0)::bigint as paid,
           coalesce(sum(case when event_type = 'RefundIssued'
                             then (event_data->>'$.amount')::bigint end), 0)::bigint as refunded,
           coalesce(sum(case when event_type = 'OrderShipped' then
               list_sum((event_data->>'$.items[*].quantity')::bigint[]) end), 0)::bigint as shipped,
           any_value(occurred_at) filter (event_type = 'OrderPlaced') as placed_at,
           arg_max(occurred_at, position) as changed_at, count(*) as events
    from new_events where aggregate_type = 'ORDER' group by all
), summed as (
    select *, {_sum("lines", "x.quantity")} as pieces,
           {_sum("lines", "x.quantity * x.price")} as total
    from facts left join new_lines using (order_id)
)
select order_id, customer,
       {_STATUS.format(cancelled="cancelled", pieces="pieces", shipped="shipped", paid="payments")},
       pieces, shipped, total, paid, refunded, placed_at, changed_at, events, coalesce(lines, [])
from summed
on conflict do update set
    customer = coalesce(orders_summary.customer, excluded.customer),
    status = {
            _STATUS.format(
                cancelled="'CANCELLED' in (orders_summary.status, excluded.status)",
                pieces=_unless_same("pieces", "x.quantity"),
                shipped="orders_summary.shipped + excluded.shipped",
                paid="orders_summary.status in ('PAID', 'SHIPPED') or "
                "excluded.status in ('PAID', 'SHIPPED')",
            )
        },
    pieces = {_unless_same("pieces", "x.quantity")},
    total = {_unless_same("total", "x.quantity * x.price")},
    lines = case when len(excluded.lines) = 0 then orders_summary.lines else {_STORED} end,
    shipped = orders_summary.shipped + excluded.shipped,
    paid = orders_summary.paid + excluded.paid,
    refunded = orders_summary.refunded + excluded.refunded,
    placed_at = coalesce(orders_summary.placed_at, excluded.placed_at),
    changed_at = excluded.changed_at,
    events = orders_summary.events + excluded.events
""",
    )


class Analytics(Projection):
    """The daily report: a row a day (UTC), with counts of orders and money in whole cents."""

    version = 1
    tables: ClassVar[dict[str, str]] = {
        "daily": "day date primary key, placed bigint, paid bigint, shipped bigint, "
        "cancelled bigint, revenue bigint, refunds bigint"
    }
    sql: ClassVar[str] = """
insert into daily
select occurred_at::date as day,
       count(*) filter (event_type = 'OrderPlaced'),
       count(*) filter (event_type = 'PaymentReceived'),
       count(*) filter (event_type = 'OrderShipped'),
       count(*) filter (event_type = 'OrderCancelled'),
       coalesce(sum(case when event_type = 'PaymentReceived'
                         then (event_data->>'$.amount')::bigint end), 0),
       coalesce(sum(case when event_type = 'RefundIssued'
                         then (event_data->>'$.amount')::bigint end), 0)
from new_events
where aggregate_type = 'ORDER'
group by day
on conflict do update set placed = daily.placed + excluded.placed,
    paid = daily.paid + excluded.paid, shipped = daily.shipped + excluded.shipped,
    cancelled = daily.cancelled + excluded.cancelled,
    revenue = daily.revenue + excluded.revenue, refunds = daily.refunds + excluded.refunds
"""


class Inventory(Projection):
    """The warehouse's page: a row a sku, with the pieces reserved for open orders, and shipped.

    Cancelling an order gives back what it had reserved, and the event does not say what that was.
    So each order's open lines are kept too, beside those of before the batch: the difference
    counts.
    """

    version = 1
    tables: ClassVar[dict[str, str]] = {
        "inventory": "sku varchar primary key, reserved bigint, shipped bigint",
        "reservations": "order_id varchar primary key, cancelled boolean, "
        "lines struct(sku varchar, quantity bigint, price bigint)[], "
        "before struct(sku varchar, quantity bigint, price bigint)[]",
    }
    sql: ClassVar[tuple[str, ...]] = (
        _lines("OrderPlaced", "OrderShipped"),
        f"""
create or replace temp table touched as
with cancellations as (
    select distinct aggregate_id as order_id, true as cancelled from new_events
    where event_type = 'OrderCancelled'
), changes as (
    select order_id, coalesce(cancelled, false) as cancelled,
           case when cancelled then [] else coalesce(lines, []) end as lines
    from new_lines full join cancellations using (order_id)
), written as (
    insert into reservations select order_id, cancelled, lines, [] from changes
    on conflict do update set
        before = reservations.lines,
        cancelled = reservations.cancelled or excluded.cancelled,
        lines = case when excluded.cancelled then [] else {_kept("reservations")} end
    returning lines, before
)
select lines, before from written
""",
        """
insert into inventory
with moves as (
    select unnest(lines, recursive := true), 1 as sign from touched
    union all by name
    select unnest(before, recursive := true), -1 as sign from touched
), named as (
    select unnest(lines, recursive := true) from new_lines
)
select sku, sum(reserved)::bigint, sum(shipped)::bigint from (
    select sku, sign * quantity as reserved, 0 as shipped from moves
    union all
    -- Every sku of the batch gets a row, also one whose order was cancelled in the same batch.
    select sku, 0, greatest(0, -quantity) from named
)
group by sku
on conflict do update set reserved = inventory.reserved + excluded.reserved,
                          shipped = inventory.shipped + excluded.shipped
""",
    )
