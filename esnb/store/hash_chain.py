"""Tamper evidence: a hash chain over the log, so that a changed past is noticed.

Anyone can recompute it. The text of an event is its eleven columns in the order of the table, as
text, with the character 0 between them (which is in no name and in no JSON): the id as 36
characters, JSON as it is stored, times in UTC as 2026-03-02T09:00:00.000000Z. Then

    proof = bytes(32)
    for text in texts:
        proof = sha256(proof + sha256(text.encode()).digest()).digest()

The proof at a position is that value after so many events. It does not depend on which events were
appended together, so a copy of the log has the same proofs. The table `chain` has a row an append:
the last position, the proof there, and as marks the first four bytes of each event's own hash. The
proof tells *that* something changed since the row before; the marks tell which event.

What this can show, and what not: whoever can write the file can change an event and compute a new
chain. Only a proof that was kept elsewhere, out of that person's reach, shows it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import duckdb

from esnb.errors import InvalidEventError

START = bytes(32)

_MARK = 4
_CHUNK = 50_000
_QUIET_BELOW = 200_000
_SHOWN = 8
_EXPLAINED = 1_000
_MOVES = 100

_ISO = "%Y-%m-%dT%H:%M:%S.%fZ"

#: The hash of an event in SQL, for rows of the table `events`.
DIGEST = (
    "unhex(sha256(concat_ws(chr(0), position, event_id, aggregate_type, aggregate_id, "
    "sequence_number, event_type, event_version, event_data, metadata, "
    f"strftime(occurred_at, '{_ISO}'), strftime(recorded_at, '{_ISO}'))))"
)


def digest_of(row: Sequence[Any]) -> bytes:
    """The hash of an event, from its row of the table `events` (times in UTC, without a zone)."""
    return sha256("\0".join([*map(str, row[:9]), _iso(row[9]), _iso(row[10])]).encode()).digest()


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"


def chained(proof: bytes, digests: Sequence[bytes]) -> bytes:
    """The proof after these events, from the proof before them."""
    for digest in digests:
        proof = sha256(proof + digest).digest()
    return proof


def marks_of(digests: Sequence[bytes]) -> bytes:
    """What the chain keeps of each event, to tell later which one was changed."""
    return b"".join([digest[:_MARK] for digest in digests])


@dataclass(frozen=True, slots=True)
class Proof:
    """The hash of the whole log up to a position: `str(proof)` is a text to keep elsewhere."""

    position: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}"

    def __repr__(self) -> str:
        return f"<Proof {self.position}:{self.hash.hex()[:12]}...>"

    @classmethod
    def of(cls, value: Proof | str) -> Proof:
        """A proof from its text; `InvalidEventError` for anything else."""
        if isinstance(value, Proof):
            return value
        found = re.fullmatch(r"\s*(\d{1,19}):([0-9a-f]{64})\s*", str(value))
        if not isinstance(value, str) or found is None:
            raise InvalidEventError(
                f"A proof is what store.proof gives, or its text, a position and 64 hex digits: "
                f"'8:3f2a...'. Found {value!r:.60}."
            )
        return cls(int(found[1]), bytes.fromhex(found[2]))


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the log is not what was stored. `what` is one word: changed, removed,
    inserted, moved, cut, rewritten, or chain (the events fit, the chain does not)."""

    what: str
    position: int
    aggregate_id: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"position {self.position}" + (f", {self.aggregate_id}" * bool(self.aggregate_id))
        return f"{where}: {self.what}. Expected {self.expected}; found {self.found}."


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found. `ok`: nothing wrong, as far as it can tell; `unchecked` is the number of
    events, at the beginning, that were stored before this log had a chain; `more` counts the places
    beyond the first thousand, which are not explained."""

    events: int
    findings: tuple[Finding, ...]
    unchecked: int
    proof: Proof | None = None
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        checked = self.events - self.unchecked
        lines = []
        if self.ok:
            lines.append(f"{checked} event(s) checked: all are as they were stored.")
            if self.proof is not None:
                lines.append(f"Up to position {self.proof.position} it is the log of the proof.")
        else:
            count = len(self.findings) + self.more
            lines.append(f"{checked} event(s) checked, {count} finding(s):")
            lines += [f"  {finding}" for finding in self.findings[:_SHOWN]]
            lines += [f"  ... and {count - _SHOWN} more"] if count > _SHOWN else []
            lines.append(
                "Somebody changed this file past the store. Keep it as it is, close it, and go on "
                "from a backup or an export that fits a proof kept elsewhere."
            )
        if self.unchecked:
            lines.append(
                f"Not checked: {self.unchecked} event(s) stored before this log had a chain."
            )
        return "\n".join(lines)

    __repr__ = __str__


def verify(
    cursor: duckdb.DuckDBPyConnection, proof: Proof | None = None, progress: bool | None = None
) -> Verified:
    """Compare every event of a store's database with its chain, and the log with a proof."""
    cursor.execute("begin transaction read only")
    try:
        return _Check(cursor, proof).run(progress)
    finally:
        cursor.rollback()


class _Check:
    """One pass over chain and events, side by side, in order of position."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, proof: Proof | None) -> None:
        self.cursor = cursor
        self.proof = proof
        self.findings: list[Finding] = []
        self.unchecked = 0
        self.value, self.end = START, 0
        self.value_at_proof = START
        # Places whose event is not the one that was stored (with its mark, where there was one).
        self.lacking: dict[int, bytes] = {}
        self.odd: dict[int, bytes] = {}

    def run(self, progress: bool | None) -> Verified:
        from tqdm.auto import tqdm  # here, since it loads asyncio, and few programs verify

        total, last = self._rows("select count(*), coalesce(max(position), 0) from events")[0]
        show = total >= _QUIET_BELOW if progress is None else progress
        with tqdm(total=total, unit=" events", disable=not show, leave=False) as bar:
            self._events("position < 1", bar)
            after = None
            while blocks := self._rows(
                "select position, hash, marks from chain where $1::bigint is null or position > $1 "
                f"order by all limit {_CHUNK}", [after],
            ):  # fmt: skip
                after = blocks[-1][0]
                self._walk(blocks, bar)
            self._events(f"position > {max(self.end, 0)}", bar)
        self._explain()
        if self.proof is not None:
            self._compare(self.proof, last)
        self.findings.sort(key=lambda finding: finding.position)
        return Verified(total, tuple(self.findings), self.unchecked, self.proof, self.more)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.cursor.execute(query, list(values)).fetchall()

    def _events(self, where: str, bar: Any, known: bool = False) -> dict[int, bytes]:
        """Position and hash of these events. Those that no append has put there are odd."""
        rows = self._rows(f"select position, {DIGEST} from events where {where} order by all")
        bar.update(len(rows))
        found = dict(rows)
        if len(found) < len(rows):
            times = Counter(position for position, _ in rows)
            self.odd |= {place: b"" for place, count in times.items() if count > 1}
        if not known:
            self.odd |= dict.fromkeys(found, b"")
        return found

    def _walk(self, blocks: list[tuple[int, bytes, bytes]], bar: Any) -> None:
        """Go through the entries of the chain, each with the events it speaks of."""
        there: dict[int, bytes] = {}
        read = self.end
        for n, (position, value, marks) in enumerate(blocks):
            first = position - len(marks) // _MARK + 1
            if not marks and self.end == 0 and not self.unchecked:
                # The log is older than its chain, which says nothing about what came before.
                self.unchecked = self.end = read = position
                self.value = self.value_at_proof = value
                continue
            if first <= self.end or not marks:
                self._found("chain", position, "", "one entry an append", "an entry too many")
                self.value = value
                continue
            if position > read:
                until = position
                for later in blocks[n : n + _CHUNK]:
                    if later[0] - read > _CHUNK:
                        break
                    until = max(until, later[0])
                there |= self._events(f"position > {read} and position <= {until}", bar, known=True)
                read = until
            digests = [there.pop(p, b"") for p in range(first, position + 1)]
            self._block(first, digests, marks, value)
            self.value, self.end = value, position
        self.odd |= dict.fromkeys(there, b"")

    def _block(self, first: int, digests: list[bytes], marks: bytes, value: bytes) -> None:
        if self.proof is not None and first <= self.proof.position < first + len(digests):
            upto = self.proof.position - first + 1
            self.value_at_proof = chained(self.value, digests[:upto])
        places = range(first, first + len(digests))
        alone = not self.odd or not any(place in self.odd for place in places)
        fits = chained(self.value, digests) == value and alone
        if fits and marks_of(digests) == marks:
            return
        wrong = []
        for n, (place, digest) in enumerate(zip(places, digests, strict=True)):
            mark = marks[_MARK * n : _MARK * n + _MARK]
            if digest[:_MARK] != mark or place in self.odd:
                wrong.append((place, digest, mark))
        if fits or not wrong:
            self._found("chain", first, "", "the chain to fit its events", "another entry in it")
            return
        for place, digest, mark in wrong:
            (self.odd if digest else self.lacking)[place] = mark

    def _found(self, *texts: Any) -> None:
        self.findings.append(Finding(*texts))

    def _explain(self) -> None:
        """Say of each odd or empty place what happened there, as far as it can be told."""
        places = sorted({**self.odd, **self.lacking})
        self.more, places = max(0, len(places) - _EXPLAINED), places[:_EXPLAINED]
        rows: dict[int, list[tuple[Any, ...]]] = {}
        for row in self._rows(
            "select position, event_id::varchar, aggregate_type, aggregate_id, "
            "sequence_number, event_type, event_version, event_data, metadata, occurred_at, "
            "recorded_at from events where position in (select unnest($1::bigint[]))", [places],
        ):  # fmt: skip
            rows.setdefault(row[0], []).append(row)
        marks = {p: mark for p in places if (mark := self.lacking.get(p) or self.odd.get(p))}
        moved = self._moved(marks, rows)
        used = {id(row) for row in moved.values()}
        for place in places:
            mark, here = marks.get(place), rows.get(place, [])
            text = f"the event stored there (hash {(mark or b'').hex()}...)"
            others = [row for row in here if id(row) not in used]
            if not mark:
                for row in others:
                    self._found("inserted", place, row[3], "nothing from outside", _short(row))
            elif place not in moved:
                if others:
                    self._found("changed", place, others[0][3], text, _short(others[0]))
                else:
                    self._found("removed", place, self._stream_of(place), text, "nothing of it")
            elif moved[place][0] != place:
                now = f"it at position {moved[place][0]}"
                self._found("moved", place, moved[place][3], text, now)
            else:
                for row in others:
                    self._found("inserted", place, row[3], "one event there", _short(row))

    def _moved(
        self, marks: dict[int, bytes], rows: dict[int, list[tuple[Any, ...]]]
    ) -> dict[int, tuple[Any, ...]]:
        """Place -> the row that was stored there and may stand elsewhere now."""
        if len(marks) > _MOVES:
            return {}
        return {
            place: row
            for group in rows.values()
            for row in group
            for place, mark in marks.items()
            if digest_of((place, *row[1:]))[:_MARK] == mark
        }

    def _stream_of(self, place: int) -> str:
        """The stream that lacks a number just there; empty where that cannot be told."""
        if not hasattr(self, "_gaps"):
            self._gaps = self._rows(
                "select aggregate_id, before, position from (select aggregate_id, position, "
                "sequence_number as n, lag(position, 1, 0) over s as before, "
                "lag(sequence_number, 1, 0) over s as m from events "
                "window s as (partition by aggregate_id order by sequence_number)) where n = m + 2"
            )
        around = [gap for gap in self._gaps if gap[1] < place < gap[2]]
        alone = [g for g in around if sum(g[1] < p < g[2] for p in self.lacking) == 1]
        return alone[0][0] if len(alone) == 1 else ""

    def _compare(self, proof: Proof, last: int) -> None:
        if proof.position > max(last, self.end):
            self._found(
                "cut", last + 1, "", f"a log up to position {proof.position}, as in the proof",
                f"one that ends at {last}",
            )  # fmt: skip
        elif proof.position < self.unchecked:
            self._found(
                "chain", proof.position, "", "a proof of this log",
                f"one of another: this log has a chain from position {self.unchecked} on",
            )  # fmt: skip
        elif self.value_at_proof != proof.hash and not any(
            finding.position <= proof.position for finding in self.findings
        ):
            self._found(
                "rewritten", proof.position, "", "the log of the proof, up to here",
                "another one, whose chain fits itself: rewritten, or another log",
            )  # fmt: skip


def _short(row: Sequence[Any]) -> str:
    return f"{row[5]} {row[7] if len(row[7]) <= 60 else row[7][:57] + '...'}"
