"""Other right answers to the exercises of 08_projections."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "08-2": (
        (
            "sums first, in three statements",
            '''\
sql = ["""create or replace temp table sums as
          select customer, sum(orders) as orders from (
              from customers union all
              select event_data->>'$.customer', 1 from new_events
              where event_type = 'OrderPlaced') group by all""",
       "delete from customers where customer in (select customer from sums)",
       "insert into customers from sums"]
''',
        ),
    ),
    "08-3": (
        (
            "the rows in SQL, the mails in Python",
            """\
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []
    sql = "insert into parcels select aggregate_id from new_events where event_type like '%ipped'"

    @reacts_to("OrderShipped")
    def thank(self, event):
        Thanks.outbox.append(event.aggregate_id)
""",
        ),
    ),
}
