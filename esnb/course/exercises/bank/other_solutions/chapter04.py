"""Other right answers to the exercises of 04_replay."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "04-1": (
        (
            "a copy, and then the status",
            """\
def evolve_more(state, event):
    after = evolve(state, event).copy()
    if event.type == "OrderCancelled":
        after["status"] = "CANCELLED"
    return after
""",
        ),
    ),
    "04-3": (
        (
            "with a retry when somebody was faster",
            """\
from esnb import ConcurrencyError, RejectedError

def ship(store, order_id, post):
    for _ in range(5):
        order = store.load(Order, order_id)
        try:
            order.ship()
            done = store.save(order)
        except ConcurrencyError:
            continue
        except RejectedError:
            return
        for event in done.events:
            if event.type == "OrderShipped":
                post(order.customer)
        return done
""",
        ),
    ),
    "04-5": (
        (
            "a tuple, which nobody can change",
            """\
class Basket:
    def __init__(self):
        self.lines = ()

    def apply(self, event):
        match event.type:
            case "OrderPlaced":
                self.lines = (*event.data["items"],)
            case "ItemAdded":
                self.lines += (event.data,)
            case "ItemRemoved":
                gone = event.data["sku"]
                self.lines = tuple(filter(lambda line: line["sku"] != gone, self.lines))
""",
        ),
        (
            "copies of the lines, and a copy of the list to go through",
            """\
class Basket:
    def __init__(self):
        self.lines = []

    def apply(self, event):
        data = event.data
        if event.type == "ItemRemoved":
            for line in self.lines[:]:
                if line["sku"] == data["sku"]:
                    self.lines.remove(line)
        else:
            for line in data.get("items", [data]):
                self.lines.append(dict(line))
""",
        ),
    ),
}
