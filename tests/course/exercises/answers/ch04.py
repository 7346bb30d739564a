"""Answers to the exercises of chapter 04."""

NOTEBOOK = "04_replay"

_APPLY = """
class Basket:
    def __init__(self):
        self.lines = []

    def apply(self, event):
        if event.type == "OrderPlaced":
            {placed}
        elif event.type == "ItemAdded":
            {added}
        elif event.type == "ItemRemoved":
            {removed}
"""
_WELL = {
    "placed": "self.lines = list(event.data['items'])",
    "added": "self.lines.append(event.data)",
    "removed": "self.lines = [a for a in self.lines if a['sku'] != event.data['sku']]",
}


def _basket(**parts: str) -> str:
    return _APPLY.format(**{**_WELL, **parts})


def _ship(body: str) -> str:
    return "def ship(store, order_id, post):\n" + body


RIGHT = {
    "04-1": [
        """
evolve_more = lambda state, event: dict(
    evolve(state, event), **({"status": "CANCELLED"} if event.type == "OrderCancelled" else {}))
""",
    ],
    "04-2": ["order_of_steps = ['D', 'C', 'A', 'B']", "order_of_steps = 'd c a b'"],
    "04-3": [
        """
class Writing(Order):
    def thanks(self, post):
        post("To " + self.customer + ": sent today")

def ship(store, order_id, post):
    parcel = store.load(Writing, order_id)
    parcel.ship(carrier="bike")
    if store.save(parcel).version:
        parcel.thanks(post)
""",
    ],
    "04-4": ["mix = (2, 3, 1, 0)", "mix = sorted(range(4), key=lambda place: (place == 0, place))"],
    "04-5": [],
}

WRONG = {
    "04-1": {
        "cancels-everything": """
def evolve_more(state, event):
    return {**evolve(state, event), "status": "CANCELLED"}
""",
        "cancelled-only": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return {**state, "status": "CANCELLED"}
    return state
""",
        "no-return": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        state = {**state, "status": "CANCELLED"}
    else:
        evolve(state, event)
""",
        "no-return-here": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return {**state, "status": "CANCELLED"}
""",
        "forgets-the-rest": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return {"status": "CANCELLED"}
    return evolve(state, event)
""",
        "changes-the-state": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        state["status"] = "CANCELLED"
        return state
    return evolve(state, event)
""",
        "no-change": """
def evolve_more(state, event):
    if event.type == "OrderCanceled":
        return {**state, "status": "CANCELLED"}
    return evolve(state, event)
""",
        "gives-nothing": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        state = {**state, "status": "CANCELLED"}
    else:
        return evolve(state, event)
""",
        "clears-the-payment": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return {"status": "CANCELLED", "paid": 0}
    return evolve(state, event)
""",
        "error": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return state | {"status": event.status}
    return evolve(state, event)
""",
        "other": """
def evolve_more(state, event):
    if event.type == "OrderCancelled":
        return {**state, "status": "cancelled"}
    return evolve(state, event)
""",
        "wrong-kind": "evolve_more = {'status': 'CANCELLED', 'paid': 0}",
    },
    "04-2": {
        "wrong-letters": "order_of_steps = 'DCA'",
        "asked-too-early": "order_of_steps = 'CDAB'",
        "applied-before-made": "order_of_steps = 'ADCB'",
        "applied-unasked": "order_of_steps = 'DACB'",
        "stored-too-early": "order_of_steps = 'DCBA'",
        "wrong-kind": "order_of_steps = 4132",
    },
    "04-3": {
        "letter-on-replay": """
from esnb import RejectedError

def ship(store, order_id, post):
    order = store.load(Order, order_id)
    try:
        order.ship()
        store.save(order)
    except RejectedError:
        pass
    post(order.customer)
""",
        "letter-before-the-fact": _ship("""
    order = store.load(Order, order_id)
    order.ship()
    post(order.customer)
    store.save(order)
"""),
        "no-letter": _ship("""
    order = store.load(Order, order_id)
    order.ship()
    store.save(order)
"""),
        "two-letters": _ship("""
    order = store.load(Order, order_id)
    order.ship()
    store.save(order)
    for event in store.events(order_id):
        post(f"Dear {order.customer}: {event.type}")
"""),
        "not-shipped": _ship("""
    order = store.load(Order, order_id)
    order.ship()
"""),
        "wrong-person": _ship("""
    order = store.load(Order, order_id)
    order.ship()
    store.save(order)
    post("Dear customer, your parcel is on its way.")
"""),
        "error": _ship("""
    order = store.load(order_id, Order)
"""),
        "wrong-kind": "ship = 'sent'",
    },
    "04-4": {
        "not-each-once": "mix = [1, 2, 0]",
        "counts-from-one": "mix = [2, 3, 4, 1]",
        "ends-shipped": "mix = [1, 0, 2, 3]",
        "ends-paid": "mix = [2, 3, 0, 1]",
        "wrong-kind": "mix = 1230",
    },
    "04-5": {
        "skips-a-line": _basket(
            removed="for line in self.lines:\n"
            "                if line['sku'] == event.data['sku']:\n"
            "                    self.lines.remove(line)"
        ),
        "changes-events": _basket(placed="self.lines = event.data['items']"),
        "forgets-what-was-placed": _basket(placed="self.lines = []"),
        "ignores-additions": _basket(added="self.lines + [event.data]"),
        "ignores-removals": _basket(
            removed="[a for a in self.lines if a['sku'] != event.data['sku']]"
        ),
        "no-lines": """
class Basket:
    def __init__(self):
        self.items = []

    def apply(self, event):
        self.items = self.items + [event.data]
""",
        "remembers": _basket(
            added="self.lines = self.kept = getattr(Basket, 'k', []) + [event.data]; "
            "Basket.k = self.kept"
        ),
        "wrong-kind": "Basket = []",
    },
}
