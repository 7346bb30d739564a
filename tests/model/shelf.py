"""A shelf with a few pieces: its commands as methods of a class, and as a decider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from esnb import (
    Aggregate,
    Command,
    Decider,
    RejectedError,
    new_event,
)


class Shelf(Aggregate):
    """Pieces on a shelf: it can be filled, and each taking takes one while there are some."""

    aggregate_type = "SHELF"
    snapshot_every = 5

    def __init__(self) -> None:
        self.left = 0
        self.takers: list[str] = []

    def fill(self, pieces: int) -> None:
        self.record("Filled", pieces=pieces)

    def take(self, who: str) -> None:
        self.record("Taken", who=who)

    def refuses(self, event):
        return "the shelf is empty" if event.type == "Taken" and self.left < 1 else None

    def apply(self, event):
        if event.type == "Filled":
            self.left += event.data["pieces"]
        elif event.type == "Taken":
            self.left -= 1
            self.takers = [*self.takers, event.data["who"]]


class ShelfCommand(Command):
    __slots__ = ()
    handled_by: ClassVar[type[Aggregate]] = Shelf


@dataclass(frozen=True, slots=True)
class Fill(ShelfCommand):
    aggregate_id: str
    pieces: int

    def run(self, shelf):
        shelf.fill(self.pieces)


@dataclass(frozen=True, slots=True)
class Take(ShelfCommand):
    aggregate_id: str
    who: str

    def run(self, shelf):
        shelf.take(self.who)


@dataclass(frozen=True, slots=True)
class Overtaken(Take):
    """Decides, and then somebody else is faster: `rivals` are the ones still to come."""

    rivals: Any = ()

    def run(self, shelf):
        shelf.take(self.who)
        if self.rivals:
            self.rivals.pop()()


@dataclass(frozen=True, slots=True)
class Nothing(ShelfCommand):
    aggregate_id: str

    def run(self, shelf):
        pass


def decide(command, state):
    left, _ = state
    match command:
        case Fill(_, pieces):
            return [new_event("Filled", pieces=pieces)]
        case Take(_, who) if left < 1:
            raise RejectedError("the shelf is empty")
        case Take(_, who):
            if isinstance(command, Overtaken) and command.rivals:
                command.rivals.pop()()
            return [new_event("Taken", who=who)]
    return []


def evolve(state, event):
    left, takers = state
    if event.type == "Filled":
        return left + event.data["pieces"], takers
    return left - 1, (*takers, event.data["who"])


shelf_decider = Decider((0, ()), decide, evolve, "SHELF")
