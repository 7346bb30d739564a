"""Other right answers to the exercises of 11_changing_events."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "11-2": (
        (
            "step by step, by calling itself",
            """\
def upcast(data, version):
    match version:
        case 1:
            rest = dict(data)
            cents = round(rest.pop("total") * 100)
            return upcast({**rest, "amount": cents}, 2)
        case 2:
            return data | {"currency": "EUR"}
    return data
""",
        ),
        (
            "a list of steps",
            """\
from decimal import Decimal

def to_cents(data):
    new = {key: value for key, value in data.items() if key != "total"}
    new["amount"] = int(Decimal(str(data["total"])) * 100)
    return new

chain = [to_cents, lambda data: dict(data, currency="EUR")]

def upcast(data, version):
    for step in chain[version - 1:]:
        data = step(data)
    return data
""",
        ),
    ),
    "11-3": (
        (
            "as a generator",
            """\
def split(data):
    yield 'PaymentReceived', {k: data[k] for k in ('amount', 'method')}
    if data['carrier']:
        yield 'OrderShipped', {k: data[k] for k in ('items', 'carrier')}, 1
""",
        ),
        (
            "by a table of what belongs where",
            """\
belongs = {"PaymentReceived": {"amount", "method"}, "OrderShipped": {"carrier", "items"}}
split = lambda data: [
    (kind, {name: value for name, value in data.items() if name in names})
    for kind, names in belongs.items() if all(data[name] is not None for name in names)]
""",
        ),
    ),
    "11-4": (
        (
            "in the old table, by hand",
            '''\
revenue = """
    select sum(coalesce((event_data->>'$.amount')::bigint,
                        round((event_data->>'$.total')::double * 100)))
    from events where event_type = 'OrderPlaced'
"""
''',
        ),
    ),
    "11-5": (
        (
            "by asking whether the customer is there",
            """\
def upcast_state(state, state_version):
    if "customer" in state:
        for name in ("amount", "paid"):
            state[name] = round(100 * state[name])
        return state
""",
        ),
    ),
    "11-6": (
        (
            "take the key out",
            """\
def careless(data):
    data = in_cents(data)
    data.pop('customer')
    return data
""",
        ),
    ),
}
