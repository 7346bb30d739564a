"""Other right answers to the exercises of capstone_read."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "read-2": (
        (
            "keep the log, and derive the table when asked",
            """\
class PaidPage:
    def __init__(self, disk):
        self.disk, self.log = disk, disk.load("log", {})

    @property
    def position(self):
        here = 0
        while here + 1 in self.log:
            here += 1
        return here

    @property
    def table(self):
        table = {}
        for position in range(1, self.position + 1):
            row(table, self.log[position])
        return table

    def handle(self, event):
        self.log[event.position] = event
        self.disk.save(log=self.log)
""",
        ),
        (
            "keep what was seen, and the newest of each order",
            """\
class PaidPage:
    def __init__(self, disk):
        self.disk = disk
        self.table, self.seen, self.position = disk.load("all", ({}, set(), 0))

    def handle(self, event):
        if event.position <= self.position or event.position in self.seen:
            return
        self.seen.add(event.position)
        while self.position + 1 in self.seen:
            self.position += 1
            self.seen.remove(self.position)
        line = self.table.setdefault(event.aggregate_id, dict(paid=0, last=None, newest=0))
        line["paid"] += event.data.get("amount", 0) * (event.type == "PaymentReceived")
        if event.position > line["newest"]:
            line.update(newest=event.position, last=event.type)
        self.disk.save(all=(self.table, self.seen, self.position))
""",
        ),
    ),
}
