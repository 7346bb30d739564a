"""An `apply` that depends on more than state and event is noticed; a pure one is left alone."""

from __future__ import annotations

import enum
import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import (
    EventStore,
    History,
    ImpureApplyError,
    new_event,
    state_of,
)
from tests.model.door import T0, Door, stored
from tests.support import Tally

KINDS = st.lists(
    st.tuples(st.sampled_from(["Added", "Noted", "Reset", "Unknown"]), st.integers(-9, 9),
              st.integers(0, 5)), min_size=1, max_size=25,
)  # fmt: skip


@pytest.fixture(scope="module")
def store():
    with EventStore() as store:
        yield store


# -- trust -------------------------------------------------------------------------------------


class Base:
    def __init__(self):
        self.n = 0

    def apply(self, event):
        self.n += 1


class ReadsTheClock(Base):
    def __init__(self):
        super().__init__()
        self.when = None

    def apply(self, event):
        super().apply(event)
        self.when = time.perf_counter_ns()


class ReadsTheClockForAMoment(ReadsTheClock):
    def apply(self, event):
        super().apply(event)
        if self.n % 5:
            self.when = None


class RollsDice(Base):
    def apply(self, event):
        super().apply(event)
        self.dice = {"rolls": [1, random.random()]}


class MakesIds(Base):
    def apply(self, event):
        super().apply(event)
        self.reference = uuid4()


class RollsDiceLate(Base):
    def apply(self, event):
        super().apply(event)
        if self.n > 100:
            self.late = random.random()


class RollsDiceLateForAMoment(Base):
    def __init__(self):
        super().__init__()
        self.late = 0

    def apply(self, event):
        super().apply(event)
        self.late = random.random() if self.n == 290 else 0


class SharesAList(Base):
    shared: list[int] = []  # noqa: RUF012

    def apply(self, event):
        super().apply(event)
        self.shared.append(event.data["n"])


class SharesADefault:
    def __init__(self, items=[]):  # noqa: B006
        self.items = items

    def apply(self, event):
        self.items.append(event.data["n"])


class CountsInTheClass(Base):
    totals: dict[str, int] = {}  # noqa: RUF012

    def apply(self, event):
        super().apply(event)
        self.totals["n"] = self.totals.get("n", 0) + 1


class ChangesTheEvent(Base):
    def apply(self, event):
        super().apply(event)
        event.data["n"] = -1


class KeepsTheEventsList(Base):
    def apply(self, event):
        super().apply(event)
        if self.n == 1:
            self.items = event.data["items"]
        else:
            self.items.append(event.data["n"])


class KeepsTheEventsListLate(Base):
    def apply(self, event):
        super().apply(event)
        if self.n == 1:
            self.items = event.data["items"]
        elif self.n > 101:
            self.items.append(event.data["n"])


class ReadsAFile(Base):
    calls = [0]  # noqa: RUF012

    def apply(self, event):
        super().apply(event)
        ReadsAFile.calls[0] += 1
        self.line = f"line {ReadsAFile.calls[0]}"


IMPURE = [
    (ReadsTheClock, "'when'"),
    (ReadsTheClockForAMoment, "'when'"),
    (RollsDice, r"'dice\.rolls\[1\]'"),
    (MakesIds, "'reference'"),
    (RollsDiceLate, "'late', after event 101"),
    (RollsDiceLateForAMoment, "'late', after event 290"),
    (SharesAList, r"shared"),
    (SharesADefault, r"items"),
    (CountsInTheClass, r"totals"),
    (ChangesTheEvent, r"data of event 1 .*Added.* at n\b"),
    (KeepsTheEventsList, r"data of event 1 .*Added.* at items"),
    (KeepsTheEventsListLate, r"data of event 1 .*Added.* at items"),
    (ReadsAFile, r"calls|line"),
]


@pytest.mark.parametrize(("kind", "where"), IMPURE, ids=lambda v: getattr(v, "__name__", ""))
def test_an_impure_apply_is_noticed_and_the_field_named(store, kind, where):
    name = f"{kind.__name__}-{store.position}"
    events = [new_event("Added", n=n, items=[]) for n in range(300)]
    store.append(name, events, expected_version=0, aggregate_type="T")
    with pytest.raises(ImpureApplyError, match=where) as caught:
        History(store, kind, name)
    assert kind.__name__ in str(caught.value)
    assert "create it in" in str(caught.value) or "keep a copy" in str(caught.value) or (
        "store it in the event" in str(caught.value)
    )  # fmt: skip
    assert store.events(name)[0].data == {"n": 0, "items": []}
    History(store, kind, name, check=False)  # whoever insists


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 101, 128, 300])
def test_an_impure_apply_is_noticed_at_every_length(count):
    events = [new_event("Added", n=n, items=[]) for n in range(count)]
    with pytest.raises(ImpureApplyError, match="'when'"):
        History.of(events, ReadsTheClock)


class Colour(enum.Enum):
    RED = 1


@dataclass
class Line:
    sku: str
    tags: list[str] = field(default_factory=list)


class Plain:
    def __init__(self, value):
        self.value = value
        self.inner = {"x": [value]}


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Rich:
    CONSTANT: list[int] = [1, 2]  # noqa: RUF012
    __slots__ = ("__dict__", "fast")

    def __init__(self):
        self.names = set()
        self.frozen = frozenset()
        self.lines = []
        self.by_number = {}
        self.nan = float("nan")
        self.when = None
        self.money = Decimal("0.00")
        self.colour = None
        self.pair = (0, [0])
        self.plain = Plain(0)
        self.slotted = Slotted(0)
        self.objects = []
        self.array = np.zeros(3)
        self.table = pd.DataFrame({"a": [0.0]})
        self.function = None
        self._private = 0
        self.fast = 0
        self.raw = b""
        self.id = None

    def apply(self, event):
        n = event.data["n"]
        self.names.add(f"name-{n % 50}")
        self.frozen |= {n % 50}
        self.lines = [*self.lines, Line(f"s{n}", ["t"])][-3:]
        self.by_number[n % 7] = {"n": n, (1, 2): n}
        self.nan = float("nan")
        self.when = event.occurred_at
        self.money += Decimal("0.10")
        self.colour = Colour.RED
        self.pair = (n, [n])
        self.plain = Plain(n)
        self.slotted = Slotted(n)
        self.slotted.b = Plain(n)
        self.objects = [*self.objects, Plain(n)][-3:]
        self.array = self.array + n * float("nan") if n == 5 else self.array + n
        self.table = pd.DataFrame({"a": [float(n), float("nan")]})
        self.function = lambda x: x + n
        self._private = n
        self.fast = n
        self.raw = bytes([n % 256])
        self.id = UUID(int=n)
        self.kept = list(event.data["items"])
        self.kept.append(n)
        self.chance = random.Random(n).random()


@pytest.mark.parametrize("count", [0, 1, 64, 65, 300])
def test_a_pure_apply_is_never_suspected(count):
    events = [
        new_event("Added", n=n, items=[n], occurred_at=T0 + timedelta(n)) for n in range(count)
    ]
    for _ in range(2):
        history = History.of(events, Rich)
    assert len(history) == count
    for number in (0, count // 2, count):
        assert history.at(number)._private == max(0, number - 1)


@given(steps=KINDS)
def test_a_pure_aggregate_is_never_suspected(store, steps):
    History(store, Tally, stored(store, steps))


def test_constants_of_a_class_are_no_state():
    assert "CONSTANT" not in state_of(Rich())
    assert "ALLOWED" not in state_of(Door())
