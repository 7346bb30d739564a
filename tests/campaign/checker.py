"""Judges a concurrent history by the log alone: plain rows, and no code of the store.

Each operation has the moments at which it was called and at which it returned, from one counter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.campaign.verdict import Verdict


@dataclass(frozen=True)
class Stored:
    """A row of the log."""

    position: int
    event_id: str
    stream: str
    number: int
    voucher: str | None


@dataclass
class Operation:
    """An append or a poll, as its caller saw it."""

    kind: str  # "append", "poll"
    called: int
    returned: int = 0
    outcome: str = ""  # "stored", "duplicate", "conflict", "condition"
    #: stream -> (ids in order, expected version or None)
    streams: dict[str, tuple[list[str], int | None]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)  # stream -> of the last event
    voucher: str | None = None  # a condition: no event with this voucher
    actual: int | None = None  # of a conflict
    after: int = 0  # of a poll
    found: list[str] = field(default_factory=list)


def check(log: list[Stored], history: list[Operation]) -> Verdict:
    """What cannot be so if every call took effect at one moment between call and return."""
    verdict = Verdict()
    places = {row.event_id: row.position for row in log}
    if [row.position for row in log] != list(range(1, len(log) + 1)) or len(places) < len(log):
        verdict.wrong.append("positions have a gap, or an event is double")
        return verdict
    _check_versions(log, verdict)
    for operation in history:
        if operation.kind == "poll":
            _check_poll(operation, log, history, places, verdict)
        elif operation.outcome in ("stored", "duplicate"):
            _check_stored(operation, log, history, places, verdict)
        else:
            _check_refused(operation, log, history, places, verdict)
    return verdict


def _check_versions(log: list[Stored], verdict: Verdict) -> None:
    versions: dict[str, int] = {}
    for row in log:
        versions[row.stream] = versions.get(row.stream, 0) + 1
        if row.number != versions[row.stream]:
            verdict.wrong.append(f"{row.stream}: number {row.number} at position {row.position}")


def _known_by(history: list[Operation], moment: int) -> int:
    """The last position that somebody had been told of before a moment."""
    return max(
        (max(each.positions.values()) for each in history
         if each.positions and each.returned < moment),
        default=0,
    )  # fmt: skip


def _begun_by(history: list[Operation], places: dict[str, int], moment: int) -> int:
    """The last position that can have been there at a moment: of appends called before it."""
    ids = [i for each in history if each.called < moment for s in each.streams.values()
           for i in s[0]]  # fmt: skip
    return max((places.get(each, 0) for each in ids), default=0)


def _check_poll(
    poll: Operation,
    log: list[Stored],
    history: list[Operation],
    places: dict[str, int],
    verdict: Verdict,
) -> None:
    right = [row.event_id for row in log[poll.after : poll.after + len(poll.found)]]
    if poll.found != right:
        verdict.wrong.append(f"a poll after {poll.after} gave other events than the log has")
    known = _known_by(history, poll.called)
    if poll.after + len(poll.found) < known:
        verdict.wrong.append(f"a poll ended before position {known}, which was acknowledged")


def _check_stored(
    done: Operation,
    log: list[Stored],
    history: list[Operation],
    places: dict[str, int],
    verdict: Verdict,
) -> None:
    ids = [event_id for stream, _ in done.streams.values() for event_id in stream]
    missing = [event_id for event_id in ids if event_id not in places]
    if missing:
        verdict.lost.append(f"{len(missing)} of {len(ids)} acknowledged events")
        return
    found = [places[event_id] for event_id in ids]
    if found != list(range(found[0], found[0] + len(ids))):
        verdict.wrong.append(f"the events of one append are at {found}")
        return
    for name, (stream, expected) in done.streams.items():
        if done.positions[name] != places[stream[-1]]:
            verdict.wrong.append(f"{name}: said {done.positions[name]}, is {places[stream[-1]]}")
        before = log[places[stream[0]] - 1].number - 1
        if done.outcome == "stored" and expected is not None and expected != before:
            verdict.wrong.append(f"{name}: stored at version {before}, expected {expected}")
    first = found[0]
    if done.outcome == "stored":
        known = _known_by([each for each in history if each is not done], done.called)
        if first <= known:
            verdict.wrong.append(f"at {first}, though {known} was acknowledged before the call")
        used = done.voucher and any(row.voucher == done.voucher for row in log[: first - 1])
        if used:
            verdict.wrong.append(f"voucher {done.voucher} was used before position {first}")


def _check_refused(
    refused: Operation,
    log: list[Stored],
    history: list[Operation],
    places: dict[str, int],
    verdict: Verdict,
) -> None:
    for name, (ids, expected) in refused.streams.items():
        if any(event_id in places for event_id in ids):
            verdict.wrong.append(f"{name}: refused, and stored")
        low = _known_by(history, refused.called)
        high = _begun_by(history, places, refused.returned)
        if refused.outcome == "condition":
            if not any(row.voucher == refused.voucher for row in log[:high]):
                verdict.wrong.append(f"voucher {refused.voucher} was never used, and refused")
        elif refused.actual is not None and len(refused.streams) == 1:
            counts: Any = [sum(row.stream == name for row in log[:n]) for n in (low, high)]
            if not counts[0] <= refused.actual <= counts[1] or refused.actual == expected:
                verdict.wrong.append(f"{name}: a conflict with {refused.actual} of {counts}")
