"""The capstone of the read side: break three pages with a bad network, and build one that holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

from esnb import new_event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import placed_in
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.shrinking import shrink
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import counted, fresh
from esnb.events import Event
from esnb.transports import Transport

chapter = Chapter("capstone_read", chapter="09_consistency")

# --- read-1 -------------------------------------------------------------------------------------

PAYMENTS = {1: 700, 2: 300, 3: 50}


def _adds_all(arrivals: Sequence[Any]) -> int:
    return sum(PAYMENTS[step] for step in arrivals if step != "restart")


def _ids_in_memory(arrivals: Sequence[Any]) -> int:
    total, known = 0, set[int]()
    for step in arrivals:
        if step == "restart":
            known = set()
        elif step not in known:
            known.add(step)
            total += PAYMENTS[step]
    return total


def _newer_only(arrivals: Sequence[Any]) -> int:
    total, position = 0, 0
    for step in arrivals:
        if step != "restart" and step > position:
            total, position = total + PAYMENTS[step], step
    return total


def _inbox_on_disk(arrivals: Sequence[Any]) -> int:
    total, position, inbox = 0, 0, set[int]()
    for step in arrivals:
        if step != "restart":
            inbox.add(step)
        while position + 1 in inbox:
            position += 1
            total += PAYMENTS[position]
    return total


PAGES: dict[str, tuple[Callable[[Sequence[Any]], int], str]] = {
    "adds all": (_adds_all, "adds-all-survives"),
    "ids in memory": (_ids_in_memory, "ids-survive"),
    "newer only": (_newer_only, "newer-only-survives"),
    "inbox on disk": (_inbox_on_disk, "nothing-breaks-it"),
}


@chapter.exercise(
    "read-1",
    form="Break it",
    title="Be the network",
    section="How do events travel, really?",
    stub="""
arrives = {
    "adds all": ...,       # such as [1, 2, 3]
    "ids in memory": ...,
    "newer only": ...,
    "inbox on disk": ...,  # None: nothing breaks it
}
""",
    hints=(
        "Take each page, and ask what it believes. Then send what makes that belief wrong.",
        "One page believes that nothing comes twice. One believes that it is never restarted. One "
        "believes that what is older was there already.",
        '"adds all": [1, 1, 2, 3],',
    ),
    right="Each page held as long as the network did what it believed. One believes nothing but "
    "the promise itself: everything comes, at least once.",
    mistakes={
        "not-at-least-once": "A network that loses an event for good breaks every page. Ours keeps "
        "its promise: each of 1, 2 and 3 comes at least once.",
        "other-words": 'Keep the four pages. Each gets a list of 1, 2, 3 and `"restart"`, or '
        "`None`.",
        "adds-all-survives": "The page that adds all has the right total after your delivery. What "
        "may come more than once?",
        "ids-survive": "The page with ids in its memory has the right total after your delivery. "
        "When does it forget them?",
        "newer-only-survives": "The page that takes newer events only has the right total after "
        "your delivery. What does it throw away?",
        "nothing-breaks-it": "This page has the right total after your delivery, and after any "
        "other one. Its inbox survives a restart. Say `None`.",
        "it-breaks": "This page can be broken. Which belief of its own could be wrong?",
    },
    none_counts=True,
)
def _be_the_network(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the four pages")
    trial.require(answer.keys() == PAGES.keys(), "other-words", got=list(answer))
    broken = 0
    failed: tuple[str, dict[str, Any]] | None = None
    for name, (page, mistake) in PAGES.items():
        steps = answer[name]
        rows: dict[str, Any] = {"given": f"the page: {name}", "when": str(steps)}
        right = name == "inbox on disk"
        if steps is None:
            broken += right
            if not right:
                failed = failed or ("it-breaks", rows)
            continue
        lists = isinstance(steps, list | tuple) and len(steps) < 100
        fits = lists and all(s == "restart" or (type(s) is int and s in PAYMENTS) for s in steps)
        trial.require(fits, "other-words", **rows)
        trial.require(set(steps) >= PAYMENTS.keys(), "not-at-least-once", **rows)
        total = page(steps)
        if right or total == sum(PAYMENTS.values()):
            failed = failed or (mistake, {**rows, "got": f"a total of {total}"})
        else:
            broken += 1
    if failed:
        trial.fail(failed[0], points=broken / len(PAGES), **failed[1])


# --- read-2 -------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """The machine is off. No exception that anybody should catch."""


class Disk:
    """What survives. `save` writes all its parts, or none; the power may fail right after it."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self.saves_left = -1

    def load(self, name: str, default: Any = None) -> Any:
        """What was saved under a name, or the default."""
        return deepcopy(self._parts.get(name, default))

    def save(self, **parts: Any) -> None:
        """Write all these parts together."""
        if self.saves_left == 0:
            raise PowerCut
        self._parts |= deepcopy(parts)
        self.saves_left -= 1
        if self.saves_left == 0:
            raise PowerCut

    def power(self, saves: int = -1) -> None:
        """On again; off after this many saves, if it is a number above 0."""
        self.saves_left = saves


class Step(NamedTuple):
    """One event arrives. `cut`: the power fails after so many saves; `end`: what happens then."""

    event: Event
    cut: int = 0
    end: str = ""  # "killed": before the acknowledgement, so it comes again; "restart": after it

    def __str__(self) -> str:
        said = f"{self.event.event_type}({self.event.position}) of {self.event.aggregate_id}"
        if self.cut:
            return f"{said}, and the power fails after save {self.cut} of it"
        words = {"killed": ", and a crash before the answer", "restart": ", then a restart"}
        return said + words.get(self.end, "")


MIXES: dict[str, dict[str, float]] = {
    "no fault": {},
    "duplicates": {"duplicate": 0.3},
    "another order": {"reorder": 0.4},
    "delays": {"delay": 0.3},
    "crashes": {"crash": 0.4},
    "power cuts": {"crash": 0.4},
    "delays and restarts": {"delay": 0.3, "reorder": 0.3},
    "everything": {"duplicate": 0.25, "reorder": 0.25, "delay": 0.25, "crash": 0.3},
}


def _log(rng: random.Random, orders: int) -> list[Event]:
    """Orders that are placed, paid and perhaps shipped, mixed."""
    waiting = []
    for n in range(orders):
        sku = {"sku": "MUG-BLUE", "quantity": 1, "price": 950}
        life = [
            new_event("OrderPlaced", customer=rng.choice(["ada", "ben"]), items=[sku]),
            new_event("PaymentReceived", amount=rng.randint(101, 9999), method="card"),
            new_event("OrderShipped", items=[{"sku": "MUG-BLUE", "quantity": 1}], carrier="post"),
        ][: 2 if orders == 1 else rng.choice([1, 2, 3])]
        waiting.append(placed_in(f"order-{1042 + n}", "ORDER", life, rng))
    # Sometimes the first event is all that ever happens to its order.
    mixed = [waiting.pop(0)[0]] if orders == 2 else []
    while any(waiting):
        mixed.append(rng.choice([events for events in waiting if events]).pop(0))
    return counted(mixed)


def _plans(rng: random.Random, mix: str) -> Iterator[list[Step]]:
    """Deliveries of small logs under one mix of faults."""
    seeds = range(1) if mix == "no fault" else range(8)
    for orders in (1, 2, 4):
        for seed in seeds:
            steps = []
            for batch in Transport(_log(rng, orders), **MIXES[mix], seed=seed, size=1):
                event, cut, end = batch.events[0], 0, "killed" if batch.crash else ""
                cuts = mix == "power cuts" or (mix == "everything" and rng.random() < 0.5)
                if batch.crash and cuts:
                    cut = rng.choice([1, 1, 2, 3])
                elif "restart" in mix or mix == "everything":
                    end = end or ("restart" if rng.random() < 0.4 else "")
                steps.append(Step(event, cut, end))
            yield steps


@dataclass
class Outcome:
    """What a delivery led to: the table after a last restart, the position, and what it passed."""

    table: Any
    position: Any
    passed: str = ""  # a sentence: when the position was ahead of what had come
    alive: Any = None  # the table before the last restart


def _rows(page: Any) -> Any:
    """The two columns that the check reads; what else a row has is the learner's."""
    table = page.table
    if not isinstance(table, dict):
        raise TypeError(
            f"page.table is {{order: {{'paid': ..., 'last': ...}}}}, found {table!r:.60}"
        )
    return {order: {"paid": row["paid"], "last": row["last"]} for order, row in table.items()}


def _deliver(make: Callable[[Disk], Any], steps: Sequence[Step]) -> Outcome:
    disk = Disk()
    page, come, passed = make(disk), set[int](), ""
    for step in steps:
        disk.power(step.cut or -1)
        come.add(step.event.position or 0)
        off = False
        try:
            page.handle(fresh(step.event))
        except PowerCut:
            off = True
        disk.power()
        if off or step.cut or step.end:
            page = make(disk)
        whole = next(n for n in range(len(steps) + 1) if n + 1 not in come)
        if not passed and isinstance(page.position, int) and page.position > whole:
            passed = f"it says {page.position}, and event {whole + 1} has not come yet"
    alive = _rows(page)
    last = make(disk)
    return Outcome(_rows(last), last.position, passed, alive)


def _paid(table: Any) -> Any:
    return sum(row["paid"] for row in table.values())


def _truth(steps: Sequence[Step]) -> dict[str, dict[str, Any]]:
    """From the log: each order's payment, and its last event. Nothing of the delivery."""
    log = {step.event.position or 0: step.event for step in steps}
    table: dict[str, dict[str, Any]] = {}
    for order in {str(event.aggregate_id) for event in log.values()}:
        mine = [log[n] for n in sorted(log) if log[n].aggregate_id == order]
        amounts = [e.data["amount"] for e in mine if e.type == "PaymentReceived"]
        table[order] = {"paid": sum(amounts), "last": mine[-1].type}
    return table


def _dropped(steps: Sequence[Step], came: Outcome) -> bool:
    """Whether the event that came last to an order, and happened last, is not in the table."""
    truth = _truth(steps)
    for order, row in came.table.items():
        arrived = [step.event for step in steps if step.event.aggregate_id == order]
        newest = max(event.position or 0 for event in arrived)
        firsts = list(dict.fromkeys(event.position for event in arrived))
        if firsts[-1] == newest and order in truth and row["last"] != truth[order]["last"]:
            return True
    return False


def _symptom(mix: str, steps: Sequence[Step], came: Outcome) -> str:
    """The name of the mistake, from the fault and from what it did to the table; "" if right."""
    truth = _truth(steps)
    if came.table == truth:
        return ""
    if mix == "no fault":
        return "nothing-on-disk" if came.alive == truth else "wrong-without-faults"
    paid = _paid(truth)
    missing = _paid(came.table) < paid or len(came.table) < len(truth) or _dropped(steps, came)
    twice = _paid(came.table) > paid
    if mix == "crashes" and twice:
        return "remembers-in-memory-only"
    if mix == "power cuts" and twice:
        return "counts-again-after-the-crash"
    if mix in ("crashes", "power cuts"):
        return "forgets-after-the-crash"
    if mix == "delays and restarts":
        return "inbox-in-memory-only"
    if twice:
        return "counts-duplicates"
    return "drops-late-events" if missing else "applies-out-of-order"


def _possible(steps: Sequence[Step]) -> bool:
    """Whether a network with our promise can do this: all come, and the last time in peace."""
    done = {step.event.position for step in steps if not step.cut and step.end != "killed"}
    come = {step.event.position for step in steps}
    return bool(done) and come == done == set(range(1, len(done) + 1))


@chapter.exercise(
    "read-2",
    form="Bug hunt",
    title="A page that survives",
    section="Which read model survives which fault?",
    stub="""
class PaidPage:
    def __init__(self, disk):
        self.disk = disk
        self.table = disk.load("table", {})        # {order: {"paid": cents, "last": type}}
        self.position = disk.load("position", 0)  # everything up to here is in the table

    def handle(self, event):
        row(self.table, event)
        self.disk.save(table=self.table)
        self.position = event.position
        self.disk.save(position=self.position)
""",
    todo="The page is still the naive one. Change it, run the cell, and check again: the check "
    "names the next fault that it does not survive.",
    hints=(
        "Take one fault after the other. The first is a duplicate: how can the page know that it "
        "has had this event?",
        "If you apply events in the order of their positions, the position alone tells what is "
        "old. What comes too early waits in an inbox. What must be on the disk together?",
        "self.inbox[event.position] = event\nwhile self.position + 1 in self.inbox:",
    ),
    right="Your page survives all eight kinds of delivery. Table, position and whatever waits are "
    "saved together, and applied in order.",
    mistakes={
        "wrong-without-faults": "Even with each event once and in order, the table is not right.",
        "nothing-on-disk": "The table was right until the machine was restarted. It has to be on "
        "the disk, under the name that you load.",
        "counts-duplicates": "An event came twice and counts twice. How can the page know that it "
        "has had it?",
        "drops-late-events": "An event came late, and is not in the table. What is old need not be "
        "known already.",
        "applies-out-of-order": "Each event is in the table, and the wrong one was the last. An "
        "event that comes too early has to wait, or to be compared.",
        "remembers-in-memory-only": "The page crashed, and forgot what it had processed. The same "
        "event came again and counts twice.",
        "counts-again-after-the-crash": "The power failed between two saves: the table had the "
        "event, and what tells you so was not saved. Then the event came again.",
        "forgets-after-the-crash": "The power failed, and the page believes that it has processed "
        "an event that is not in its table. What may be saved first?",
        "inbox-in-memory-only": "An event waited in memory for those before it. Then came a "
        "restart. Nobody sends it again, since you had taken it.",
        "position-passes-a-gap": "The table is right in the end. On the way, the position was "
        "ahead of an event that had not come. Who waits for a token would see an old page.",
        "position-is-wrong-at-the-end": "The table is right. Everything is in it, and the position "
        "does not say so.",
    },
    cases=tuple(MIXES),
    varies={
        "several orders": lambda seen: any(
            len({s.event.aggregate_id for s in steps}) > 2 for steps in seen
        ),
        "duplicates": variety.some(
            lambda steps: len({s.event.position for s in steps}) < len(steps)
        ),
        "another order": variety.some(
            lambda steps: (
                [s.event.position for s in steps] != sorted(s.event.position for s in steps)
            )
        ),
        "crashes": lambda seen: (
            {s.end for steps in seen for s in steps} == {"", "killed", "restart"}
        ),
        "power cuts": lambda seen: {s.cut for steps in seen for s in steps} >= {0, 1, 2, 3},
        "amounts": lambda seen: any(
            s.event.data.get("amount", 100) % 100 for steps in seen for s in steps
        ),
    },
)
def _survives(answer: Any, trial: Trial) -> None:
    if not isinstance(answer, type):
        trial.fail("wrong-kind", got=f"{answer!r:.100}", wanted="a class, made with PaidPage(disk)")

    def run(steps: Sequence[Step]) -> Outcome:
        try:
            return _deliver(answer, steps)
        except Exception as error:
            trial.fail_for(error, given=[str(step) for step in steps][:12])

    survived, position = 0, ""
    shown: dict[str, Any] = {}
    first: tuple[str, str, list[Step]] = ("", "", [])
    for mix in MIXES:
        for steps in _plans(trial.rng, mix):
            if not trial.case(mix, steps):
                continue
            came = run(steps)
            if key := _symptom(mix, steps, came):
                first = first if first[0] else (key, mix, steps)
                break
            if not position and (came.passed or came.position != len(_truth_of(steps))):
                position = (
                    "position-passes-a-gap" if came.passed else ("position-is-wrong-at-the-end")
                )
                shown = {
                    "given": [str(s) for s in steps][:12],
                    "got": came.passed or f"position {came.position}",
                }
        else:
            survived += 1
    share = survived / (len(MIXES) + 1)  # the position counts as well
    rows: dict[str, Any] = {"survives": f"{survived} of {len(MIXES)} kinds of delivery"}
    key, mix, steps = first
    if key:
        small = _smaller(steps, lambda some: _symptom(mix, some, run(some)) == key)
        came = run(small)
        trial.fail(
            key,
            points=share,
            given=[str(step) for step in small],
            when=mix,
            got=came.table,
            wanted=_truth(small),
            **rows,
        )
    if position:
        trial.fail(position, points=share, **shown, **rows)


def _truth_of(steps: Sequence[Step]) -> set[int | None]:
    return {step.event.position for step in steps}


def _smaller(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """A shorter delivery with the same symptom: fewer arrivals, and fewer crashes."""
    small = shrink(steps, fails, _possible)
    for n, step in enumerate(small):
        calm = [*small[:n], Step(step.event), *small[n + 1 :]]
        if (step.cut or step.end) and fails(calm):
            small = calm
    return shrink(small, fails, _possible)
