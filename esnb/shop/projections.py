"""The read models of the shop: what its pages and reports ask for, derived from its events.

Each is declared as set-based SQL over the new events: a rebuild of a long log costs a few queries
and not a Python call an event. Catching up costs what the new events cost, however long the log is:
the rows that a batch touches are found by their primary key, in a merge.
"""

from __future__ import annotations

from typing import ClassVar

from esnb.readmodels.projection import Projection

_COLUMNS = ("aggregate_type", "aggregate_id", "event_type", "event_data")
_LINES = "struct(sku varchar, quantity bigint, price bigint)[]"

# A payload is parsed once. Numbers are taken as text and then cast: a cast says what is wrong.
_SHAPE = (
    '{"customer": "VARCHAR", "sku": "VARCHAR", "quantity": "VARCHAR", "price": "VARCHAR", '
    '"amount": "VARCHAR", "items": [{"sku": "VARCHAR", "quantity": "VARCHAR", "price": "VARCHAR"}]}'
)


def _lines(*event_types: str) -> str:
    """SQL: a row a line of the events with items: order_id, position, event_type, sku, ..."""
    types = ", ".join(f"'{event_type}'" for event_type in event_types)
    return f"""
    select order_id, position, event_type, unnest(lines, recursive := true)
    from (select aggregate_id as order_id, position, event_type,
                 case when event_type in ('ItemAdded', 'ItemRemoved') then
                     [{{'sku': data.sku, 'quantity': data.quantity, 'price': data.price}}]
                 else data.items end::{_LINES} as lines
          from (select *, from_json(event_data, '{_SHAPE}') as data from new_events
                where aggregate_type = 'ORDER' and event_type in ({types})))
"""


def _sum(lines: str, value: str) -> str:
    return f"coalesce(list_sum(list_transform({lines}, lambda x: {value})), 0)::bigint"


def _status(cancelled: str, paid: str, shipped: str, pieces: str) -> str:
    return f"""case when {cancelled} then 'CANCELLED'
         when {pieces} > 0 and {shipped} >= {pieces} then 'SHIPPED'
         when {paid} then 'PAID' else 'PENDING' end"""


# Of an order that the read model has (o), after the news (n); and of one that is new.
_STATUS = _status(
    "n.cancelled or o.status = 'CANCELLED'",
    "n.payments or o.status in ('PAID', 'SHIPPED')",
    "(o.shipped + n.shipped)",
    "(o.pieces + coalesce(n.more, n.pieces))",
)
_FIRST_STATUS = _status("n.cancelled", "n.payments", "n.shipped", "coalesce(n.more, n.pieces)")


class OrderSummary(Projection):
    """The order-list page: a row an order, with customer, status, pieces and money in cents.

    Removing an item takes off what it cost, and the event does not say how much that was. So the
    items of orders that are still PENDING are kept in `baskets`; later they cannot change.
    """

    version = 1
    columns = (*_COLUMNS, "occurred_at")
    tables: ClassVar[dict[str, str]] = {
        "orders_summary": "order_id varchar primary key, customer varchar, status varchar, "
        "pieces bigint, shipped bigint, total bigint, paid bigint, refunded bigint, "
        "placed_at timestamp, changed_at timestamp, events bigint",
        "baskets": "order_id varchar, sku varchar, quantity bigint, value bigint",
    }
    gathers: ClassVar[dict[str, str]] = {
        "new_orders": f"""
select order_id,
       any_value(customer) filter (event_type = 'OrderPlaced') as customer,
       bool_or(event_type = 'OrderCancelled') as cancelled,
       bool_or(event_type = 'PaymentReceived') as payments,
       coalesce(sum(amount) filter (event_type = 'PaymentReceived'), 0)::bigint as paid,
       coalesce(sum(amount) filter (event_type = 'RefundIssued'), 0)::bigint as refunded,
       coalesce(sum(pieces) filter (event_type = 'OrderShipped'), 0)::bigint as shipped,
       coalesce(sum(pieces) filter (event_type = 'OrderPlaced'), 0)::bigint as pieces,
       coalesce(sum(total) filter (event_type = 'OrderPlaced'), 0)::bigint as total,
       min(occurred_at) filter (event_type = 'OrderPlaced') as placed_at,
       arg_max(occurred_at, position) as changed_at, count(*) as events
from (select order_id, position, event_type, occurred_at, data.customer,
             data.amount::bigint as amount,
             {_sum(f"data.items::{_LINES}", "x.quantity")} as pieces,
             {_sum(f"data.items::{_LINES}", "x.quantity * x.price")} as total
      from (select aggregate_id as order_id, position, event_type, occurred_at,
                   from_json(event_data, '{_SHAPE}') as data
            from new_events where aggregate_type = 'ORDER'))
group by order_id
""",
        # Of orders that change their items, or that are still PENDING after the batch.
        "new_lines": f"""
with pending as (
    select aggregate_id as order_id from new_events where aggregate_type = 'ORDER'
    group by aggregate_id
    having bool_or(event_type in ('ItemAdded', 'ItemRemoved'))
        or (bool_or(event_type = 'OrderPlaced')
            and not bool_or(event_type in ('PaymentReceived', 'OrderCancelled')))
)
from ({_lines("OrderPlaced", "ItemAdded", "ItemRemoved")}) semi join pending using (order_id)
""",
    }
    sql: ClassVar[tuple[str, ...]] = (
        # Orders whose items changed after they were placed: what they held before, and hold now.
        """
create or replace temp table edited as
with orders as (
    select distinct order_id from new_lines where event_type in ('ItemAdded', 'ItemRemoved')
), gone as (
    select order_id, sku, max(position) as gone from new_lines
    where event_type = 'ItemRemoved' group by all
), every as (
    select order_id, position, sku, quantity, quantity * price as value
    from new_lines semi join orders using (order_id)
    union all by name
    select *, 0 as position from baskets semi join orders using (order_id)
)
select order_id, sku,
       coalesce(sum(quantity) filter (position > coalesce(gone, -1)), 0)::bigint as quantity,
       coalesce(sum(value) filter (position > coalesce(gone, -1)), 0)::bigint as value,
       coalesce(sum(quantity) filter (position = 0), 0)::bigint as old_quantity,
       coalesce(sum(value) filter (position = 0), 0)::bigint as old_value
from every left join gone using (order_id, sku)
group by order_id, sku
""",
        f"""
merge into orders_summary o using (
    select n.*, e.pieces as more, e.total as dearer
    from new_orders n left join (
        select order_id, sum(quantity - old_quantity)::bigint as pieces,
               sum(value - old_value)::bigint as total
        from edited group by order_id
    ) e using (order_id)
) n using (order_id)
when matched then update set
    status = {_STATUS},
    pieces = o.pieces + coalesce(n.more, n.pieces), shipped = o.shipped + n.shipped,
    total = o.total + coalesce(n.dearer, n.total), paid = o.paid + n.paid,
    refunded = o.refunded + n.refunded, changed_at = n.changed_at, events = o.events + n.events
when not matched then insert values (
    n.order_id, n.customer,
    {_FIRST_STATUS},
    coalesce(n.more, n.pieces), n.shipped, coalesce(n.dearer, n.total), n.paid, n.refunded,
    n.placed_at, n.changed_at, n.events)
""",
        """
delete from baskets where order_id in (
    select order_id from new_orders where payments or cancelled
    union all
    select order_id from edited
)
""",
        """
insert into baskets
with pending as (from new_orders where not payments and not cancelled)
select order_id, sku, quantity, value from edited semi join pending using (order_id)
where quantity <> 0
union all
select order_id, sku, quantity, quantity * price
from new_lines semi join pending using (order_id) anti join edited using (order_id)
""",
    )


class Analytics(Projection):
    """The daily report: a row a day (UTC), with counts of orders and money in whole cents."""

    version = 1
    columns = ("aggregate_type", "event_type", "event_data", "occurred_at")
    tables: ClassVar[dict[str, str]] = {
        "daily": "day date primary key, placed bigint, paid bigint, shipped bigint, "
        "cancelled bigint, revenue bigint, refunds bigint"
    }
    gathers: ClassVar[dict[str, str]] = {
        "new_days": """
select occurred_at::date as day,
       count(*) filter (event_type = 'OrderPlaced') as placed,
       count(*) filter (event_type = 'PaymentReceived') as paid,
       count(*) filter (event_type = 'OrderShipped') as shipped,
       count(*) filter (event_type = 'OrderCancelled') as cancelled,
       coalesce(sum(case when event_type = 'PaymentReceived'
                         then (event_data->>'$.amount')::bigint end), 0)::bigint as revenue,
       coalesce(sum(case when event_type = 'RefundIssued'
                         then (event_data->>'$.amount')::bigint end), 0)::bigint as refunds
from new_events
where aggregate_type = 'ORDER'
group by day
"""
    }
    sql: ClassVar[str] = """
merge into daily using new_days n using (day)
when matched then update set placed = daily.placed + n.placed, paid = daily.paid + n.paid,
    shipped = daily.shipped + n.shipped, cancelled = daily.cancelled + n.cancelled,
    revenue = daily.revenue + n.revenue, refunds = daily.refunds + n.refunds
when not matched then insert
"""


class Inventory(Projection):
    """The warehouse's page: a row a sku, with the pieces reserved for open orders, and shipped.

    Cancelling an order, or removing an item, gives back what had been reserved, and the event does
    not say how much. So what each open order holds is kept too; an order that holds nothing any
    more leaves no row there, so that this table stays as small as the work that is open.
    """

    version = 1
    columns = _COLUMNS
    tables: ClassVar[dict[str, str]] = {
        "inventory": "sku varchar primary key, reserved bigint, shipped bigint",
        "reservations": "order_id varchar, sku varchar, quantity bigint",
    }
    gathers: ClassVar[dict[str, str]] = {
        "cancellations": """
select aggregate_id as order_id, max(position) as last from new_events
where aggregate_type = 'ORDER' and event_type = 'OrderCancelled' group by all
""",
        # Per order and sku; what an order got and gave back within the batch needs no order_id.
        "new_moves": f"""
with moves as ({_lines("OrderPlaced", "ItemAdded", "ItemRemoved", "OrderShipped")}
), cancelled as (
    select aggregate_id as order_id, max(position) as last from new_events
    where aggregate_type = 'ORDER' and event_type = 'OrderCancelled' group by all
), removed as (
    select order_id, sku, max(position) as last from moves
    where event_type = 'ItemRemoved' group by all
), sums as (
    select order_id, sku, bool_or(r.last is not null) as wiped,
           coalesce(sum(case event_type
               when 'ItemRemoved' then 0 when 'OrderShipped' then -quantity else quantity
           end) filter (position > greatest(c.last, r.last, -1)), 0) as quantity,
           coalesce(sum(quantity) filter (event_type = 'OrderShipped'), 0) as shipped
    from moves left join cancelled c using (order_id) left join removed r using (order_id, sku)
    group by order_id, sku
)
select case when wiped or quantity <> 0 then order_id end as order_id, sku,
       bool_or(wiped) as wiped, sum(quantity)::bigint as quantity, sum(shipped)::bigint as shipped
from sums group by all
""",
    }
    sql: ClassVar[tuple[str, ...]] = (
        """
create or replace temp table held as
with stored as (
    from reservations where order_id in (
        select order_id from new_moves where order_id is not null
        union all
        select order_id from cancellations
    )
)
select order_id, sku, coalesce(s.quantity, 0) as before, coalesce(n.quantity, 0) + case
           when n.wiped or c.last is not null then 0 else coalesce(s.quantity, 0)
       end as after
from new_moves n full join stored s using (order_id, sku) left join cancellations c using (order_id)
""",
        "delete from reservations where order_id in (select order_id from held where before <> 0)",
        "insert into reservations select order_id, sku, after from held where after <> 0",
        """
merge into inventory using (
    select sku, sum(reserved)::bigint as reserved, sum(shipped)::bigint as shipped from (
        select sku, after - before as reserved, 0 as shipped from held
        union all
        select sku, 0, shipped from new_moves
    )
    group by sku
) n using (sku)
when matched then update set reserved = inventory.reserved + n.reserved,
                             shipped = inventory.shipped + n.shipped
when not matched then insert
""",
    )
