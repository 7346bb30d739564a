"""Answers to the exercises of chapter 08."""

NOTEBOOK = "08_projections"


def _counted(*words: str) -> str:
    names = ("table first", "position first", "one transaction")
    return f"counted = {dict(zip(names, words, strict=True))}"


_CUSTOMERS = '''
sql = """
    insert into customers
    select event_data->>'$.customer', count(*) from new_events
    where {where} group by all
    on conflict do {update}"""
'''
ADD = "update set orders = customers.orders + excluded.orders"


def _customers(where: str = "event_type = 'OrderPlaced'", update: str = ADD) -> str:
    return _CUSTOMERS.format(where=where, update=update)


_THANKS = """
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []
"""
_ROW = '        read.execute("insert into parcels values (?)", [event.aggregate_id])\n'
_SHIPPED = '\n    @handles("OrderShipped")\n    def shipped(self, read, event):\n'
_MAIL = '\n    @reacts_to("OrderShipped")\n    def mail(self, event):\n'

RIGHT = {
    "08-1": [
        _counted("twice", "lost", "once"),
        "counted = dict(zip(['one transaction', 'position first', 'table first'],"
        " 'once lost twice'.split()))",
    ],
    "08-2": [
        _customers(),
    ],
    "08-3": [
        _THANKS + _SHIPPED + _ROW + _MAIL + "        self.outbox += [event.aggregate_id]\n",
    ],
    "08-4": [
        "yours = ['RefundIssued', {'amount': 'twelve'}]",
        "yours = ('RefundIssued', {'amount': [1, 2], 'reason': 'two halves'})",
    ],
}

WRONG = {
    "08-1": {
        "table-first": _counted("lost", "lost", "once"),
        "position-first": _counted("twice", "twice", "once"),
        "one-transaction": _counted("twice", "lost", "lost"),
        "other-words": _counted("double", "lost", "once"),
        "wrong-kind": "counted = 'twice'",
    },
    "08-2": {
        "adds-one": '''
sql = """
    insert into customers
    select event_data->>'$.customer', count(*) from new_events
    where event_type = 'OrderPlaced' group by all
    on conflict do update set orders = customers.orders + 1"""
''',
        "cannot-process": _customers("event_type = 'OrderShipped'"),
        "replaces": _customers(update="update set orders = excluded.orders"),
        "keeps-the-first": _customers(update="nothing"),
        "counts-something-else": _customers(
            "event_type in ('OrderPlaced') and event_data->>'$.customer' = 'ada'"
        ),
        "cannot-process 2": _customers().replace("customers", "clients"),
        "wrong-kind": "sql = 1",
    },
    "08-3": {
        "two-mails": """
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []

    @handles("OrderShipped")
    def shipped(self, read, event):
        read.execute("insert into parcels values (?)", [event.aggregate_id])

    @reacts_to("OrderShipped")
    def mail(self, event):
        self.outbox += [event.aggregate_id] * 2
""",
        "not-a-parcel": """
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []

    @handles("OrderShipped")
    def shipped(self, read, event):
        read.execute("insert into parcels values (?)", [event.aggregate_id])

    @reacts_to("OrderShipped", "OrderPlaced")
    def mail(self, event):
        if event.aggregate_id not in self.outbox:
            self.outbox.append(event.aggregate_id)
""",
        "cannot-process": """
class Thanks(Projection):
    tables = {"parcels": "order_id varchar primary key"}
    outbox = []

    @handles("OrderShipped")
    def shipped(self, read, event):
        read.execute("insert into parcel values (?)", [event.aggregate_id])

    @reacts_to("OrderShipped")
    def mail(self, event):
        self.outbox.append(event.aggregate_id)
""",
        "not-the-order": _THANKS + _SHIPPED + _ROW + "        self.outbox.append('thanks')\n",
        "mails-on-rebuild": _THANKS
        + _SHIPPED
        + "        self.outbox.append(event.aggregate_id)\n"
        + _ROW,
        "mails-the-past": _THANKS
        + "\n    def __init__(self):\n        self.sent = set()\n"
        + _SHIPPED
        + _ROW
        + "        if event.aggregate_id not in self.sent:\n"
        "            self.sent.add(event.aggregate_id)\n"
        "            self.outbox.append(event.aggregate_id)\n",
        "no-mail": _THANKS + _SHIPPED + _ROW,
        "no-rows": _THANKS + _MAIL + "        self.outbox.append(event.aggregate_id)\n",
        "no-outbox": _THANKS.replace("outbox = []", "") + _SHIPPED + _ROW,
        "wrong-kind": "Thanks = []",
    },
    "08-4": {
        "processed": "yours = ('RefundIssued', {'amount': -100})",
        "not-looked-at": "yours = ('OrderPlaced', {'amount': 'a lot'})",
        "the-same-type": "yours = ('PaymentReceived', {'amount': 'a lot'})",
        "no-event": "yours = ('RefundIssued', {'amount': float('nan')})",
        "not-a-pair": "yours = 'RefundIssued'",
    },
}
