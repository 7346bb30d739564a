"""A log as a process: the paths that cases take, how often, and how long each step waits.

A *case* is a stream (one aggregate), an *activity* is an event type, a *variant* is the sequence of
activities of one case. The techniques are those of process mining; see W. van der Aalst, *Process
Mining: Data Science in Action*, 2nd edition, Springer 2016, chapters 5 to 9.

Rules, so that the numbers can be checked by hand:

1. Within a case, events are ordered by sequence number, never by clock time. So equal times are not
   ambiguous: the log says which event came first.
2. *a is directly followed by b* when b has the next sequence number after a in the same case.
   Activities that run side by side show up as edges in both directions; `back` counts the reverse.
3. Waiting time is the difference of the two `occurred_at`. Where the clocks ran backwards it is
   negative: it is kept as it is, and counted in `backwards`.
4. A case that has not ended yet looks like a case that ended at its latest event. Nothing in a log
   says "over" unless an event does: filter with `ending_with`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from esnb.errors import EsnbError, InvalidEventError
from esnb.model.aggregate import Foldable
from esnb.process.conformance import Conformance, conformance
from esnb.store.reader import Reader

ARROW = " > "


class ProcessError(EsnbError):
    """A question about a process that this log cannot answer; the message says why."""


class Process:
    """The cases of a store, or of a view of its past, as a process.

        p = Process(store, "ORDER")
        p.variants()                # the paths, and how many cases took each
        p.follows()                 # which activity comes directly after which, with waiting times
        p.only(top=5).follows()     # the same for the five most frequent paths

    `aggregate_type` may be left out where the log has one type only. Event types are those of today
    (after upcasting). The log is read once, when the object is made; a later event needs a new one.
    Raises `ProcessError` where no case is left to look at.
    """

    def __init__(self, reader: Reader, aggregate_type: str | None = None) -> None:
        self._reader = reader
        self.aggregate_type = aggregate_type or _the_only_type(reader)
        rows = reader.sql(
            "select aggregate_id, event_type, occurred_at from events_now "
            "where aggregate_type = ? order by aggregate_id, sequence_number, part",
            [self.aggregate_type],
        ).df()
        if rows.empty:
            raise ProcessError(
                f"No events of type {self.aggregate_type!r} here. "
                f"The log has: {', '.join(_types(reader)) or 'no events at all'}."
            )
        cases, self._names = pd.factorize(rows["aggregate_id"])
        kinds, activities = pd.factorize(rows["event_type"], sort=True)
        self._activities = np.asarray(activities, dtype=object)
        times = rows["occurred_at"].to_numpy().astype("datetime64[us]")
        self._log = _Log.of(cases.astype(np.int64), kinds.astype(np.int64), times)

    @classmethod
    def _over(cls, other: Process, log: _Log) -> Process:
        made = cls.__new__(cls)
        made._reader, made.aggregate_type = other._reader, other.aggregate_type
        made._names, made._activities, made._log = other._names, other._activities, log
        return made

    def __len__(self) -> int:
        return len(self._log.starts)

    def __repr__(self) -> str:
        return (
            f"<Process {self.aggregate_type}: {len(self)} cases, {len(self._log.kinds)} events, "
            f"{len(self._variants)} variants, {len(self.activities)} activities>"
        )

    @property
    def activities(self) -> list[str]:
        """The event types that occur, sorted."""
        return [self._activities[n] for n in np.unique(self._log.kinds)]

    def typical_order(self) -> list[str]:
        """The activities by their usual place in a case, from its beginning to its end."""
        log = self._log
        number = np.arange(len(log.cases)) - np.repeat(log.starts, log.lengths)
        last = np.maximum(1, np.repeat(log.lengths, log.lengths) - 1)
        frame = pd.DataFrame({"kind": log.kinds, "place": number / last})
        means = frame.groupby("kind")["place"].mean().sort_values(kind="stable")
        return [self._activities[n] for n in means.index]

    @property
    def cases(self) -> list[str]:
        """The ids of the cases."""
        return [self._names[n] for n in self._log.cases[self._log.starts]]

    # -- variants --------------------------------------------------------------------------

    @cached_property
    def _variants(self) -> list[tuple[tuple[int, ...], np.ndarray]]:
        """Each path with the numbers of its cases, the most frequent first; ties by their names."""
        paths: dict[bytes, list[int]] = {}
        kinds = self._log.kinds.astype(np.int32)
        bounds = [*self._log.starts.tolist(), len(kinds)]
        for case, (begin, end) in enumerate(itertools.pairwise(bounds)):
            paths.setdefault(kinds[begin:end].tobytes(), []).append(case)
        found = [
            (tuple(np.frombuffer(path, np.int32).tolist()), np.array(numbers))
            for path, numbers in paths.items()
        ]
        return sorted(found, key=lambda entry: (-len(entry[1]), entry[0]))

    def variants(self, top: int | None = None) -> pd.DataFrame:
        """One row per variant, the most frequent first.

        Columns: `variant` (the path as text), `steps`, `cases`, `share` and `cumulative` (of all
        cases, from 0 to 1), `median_seconds` (from the first event of a case to its last), and
        `example`, the id of one such case.
        """
        spans = self._log.spans
        rows = [
            (
                ARROW.join(self._activities[list(path)]),
                len(path),
                len(numbers),
                len(numbers) / len(self),
                float(np.median(spans[numbers])),
                self._names[self._log.cases[self._log.starts[numbers[0]]]],
            )
            for path, numbers in self._variants[:top]
        ]
        columns = ["variant", "steps", "cases", "share", "median_seconds", "example"]
        frame = pd.DataFrame(rows, columns=columns)
        frame.insert(4, "cumulative", frame["share"].cumsum())
        return frame

    # -- the graph -------------------------------------------------------------------------

    def follows(self) -> pd.DataFrame:
        """The directly-follows graph: one row per pair of activities, the most frequent first.

        Columns: `source`, `target`, `count`, `cases` (in how many it occurs), `back` (how often the
        pair occurs the other way round), `median_seconds`, `p90_seconds` and `total_seconds` of
        waiting, and `backwards`, the number of negative waits.
        """
        log, width = self._log, len(self._activities)
        inner = np.flatnonzero(log.cases[1:] == log.cases[:-1])
        pairs = log.kinds[inner] * width + log.kinds[inner + 1]
        waits = (log.times[inner + 1] - log.times[inner]) / np.timedelta64(1, "s")
        frame = pd.DataFrame({"pair": pairs, "wait": waits, "case": log.cases[inner]})
        grouped = frame.groupby("pair")
        edges = pd.DataFrame(
            {
                "count": grouped.size(),
                "cases": frame.drop_duplicates(["pair", "case"]).groupby("pair").size(),
                "median_seconds": grouped["wait"].median(),
                "p90_seconds": grouped["wait"].quantile(0.9),
                "total_seconds": grouped["wait"].sum(),
                "backwards": (frame["wait"] < 0).groupby(frame["pair"]).sum(),
            }
        ).reset_index()
        source, target = edges["pair"] // width, edges["pair"] % width
        counts = dict(zip(edges["pair"], edges["count"], strict=True))
        back = [counts.get(b * width + a, 0) for a, b in zip(source, target, strict=True)]
        edges.insert(0, "source", self._activities[source])
        edges.insert(1, "target", self._activities[target])
        edges.insert(5, "back", back)
        return edges.drop(columns="pair").sort_values(
            ["count", "source", "target"], ascending=[False, True, True], ignore_index=True
        )

    def waiting(self) -> pd.DataFrame:
        """The transitions by the time that all cases together spent waiting in them, longest first.

        Columns of `follows`, and `share` of all waiting.
        """
        edges = self.follows().sort_values("total_seconds", ascending=False, ignore_index=True)
        whole = edges["total_seconds"].sum()
        edges["share"] = edges["total_seconds"] / whole if whole else np.nan
        return edges

    def starts(self) -> pd.DataFrame:
        """With which activity cases begin: `activity`, `cases`, `share`."""
        return self._counted(self._log.kinds[self._log.starts])

    def ends(self) -> pd.DataFrame:
        """With which activity cases end (so far): `activity`, `cases`, `share`."""
        return self._counted(self._log.kinds[self._log.ends])

    def _counted(self, kinds: np.ndarray) -> pd.DataFrame:
        found = Counter(kinds.tolist())
        rows = [(self._activities[k], n, n / len(self)) for k, n in found.items()]
        frame = pd.DataFrame(rows, columns=["activity", "cases", "share"])
        return frame.sort_values(["cases", "activity"], ascending=[False, True], ignore_index=True)

    def rework(self) -> pd.DataFrame:
        """Activities that a case goes through more than once.

        Columns: `activity`, `cases` that repeat it, `share` of all cases, `repeats` (executions
        beyond the first of each case), `most` in one case.
        """
        frame = pd.DataFrame({"case": self._log.cases, "kind": self._log.kinds})
        sizes = frame.groupby(["case", "kind"]).size()
        again = sizes[sizes > 1].reset_index(name="times").groupby("kind")["times"]
        counted = pd.DataFrame({"cases": again.size(), "sum": again.sum(), "most": again.max()})
        counted = counted.reset_index()
        result = pd.DataFrame(
            {
                "activity": self._activities[counted["kind"].astype(int)],
                "cases": counted["cases"],
                "share": counted["cases"] / len(self),
                "repeats": counted["sum"] - counted["cases"],
                "most": counted["most"],
            }
        )
        return result.sort_values(
            ["repeats", "activity"], ascending=[False, True], ignore_index=True
        )

    # -- filters ---------------------------------------------------------------------------

    def only(
        self,
        *,
        top: int | None = None,
        variant: str | Collection[str] | None = None,
        containing: str | None = None,
        without: str | None = None,
        starting_with: str | None = None,
        ending_with: str | None = None,
    ) -> Process:
        """The cases that meet every condition given, whole, as a process of their own.

        `top` keeps the most frequent variants, `variant` one or several by their text as in
        `variants()`, the others go by an activity. A name that does not occur is a `ProcessError`.
        """
        for name in (containing, without, starting_with, ending_with):
            self._check_activity(name)
        wanted = None if variant is None else self._paths(variant)
        code = {name: n for n, name in enumerate(self._activities)}
        kept: list[np.ndarray] = []
        for path, numbers in self._variants[:top]:
            if (
                (wanted is None or path in wanted)
                and (containing is None or code[containing] in path)
                and (without is None or code[without] not in path)
                and (starting_with is None or path[0] == code[starting_with])
                and (ending_with is None or path[-1] == code[ending_with])
            ):
                kept.append(numbers)
        if not kept:
            raise ProcessError("No case meets all of these conditions. Leave one of them out.")
        return Process._over(self, self._log.kept(np.sort(np.concatenate(kept))))

    def _check_activity(self, name: str | None) -> None:
        if name is not None and name not in self._activities:
            raise ProcessError(
                f"No activity {name!r} in this log. There are: {', '.join(self._activities)}."
            )

    def _paths(self, variant: str | Collection[str]) -> set[tuple[int, ...]]:
        texts = [variant] if isinstance(variant, str) else list(variant)
        code = {name: n for n, name in enumerate(self._activities)}
        for text in texts:
            for name in text.split(ARROW):
                self._check_activity(name)
        return {tuple(code[name] for name in text.split(ARROW)) for text in texts}

    # -- rules -----------------------------------------------------------------------------

    def conformance(self, rules: type[Foldable]) -> Conformance:
        """Replay every case with your own class, and name the first event that its rules refuse.

        The model is the one you have. `rules.refuses(event)` gives a reason for an event that must
        not happen in the state reached, as `Order` does; an `apply` that raises is a refusal as
        well. After its first refusal a case is left: what follows would be judged by a state that
        never existed. A class without `refuses`, whose `apply` accepts everything, refuses nothing.
        """
        return conformance(self._reader, self.aggregate_type, self.cases, rules)


@dataclass(frozen=True, slots=True)
class _Log:
    """The events as columns, case by case: numbers of cases and activities, and times."""

    cases: np.ndarray
    kinds: np.ndarray
    times: np.ndarray
    starts: np.ndarray  # where each case begins

    @classmethod
    def of(cls, cases: np.ndarray, kinds: np.ndarray, times: np.ndarray) -> _Log:
        return cls(cases, kinds, times, np.flatnonzero(np.r_[True, cases[1:] != cases[:-1]]))

    @property
    def ends(self) -> np.ndarray:
        """Where the last event of each case is."""
        return np.r_[self.starts[1:], len(self.cases)] - 1

    @property
    def lengths(self) -> np.ndarray:
        """How many events each case has."""
        return np.diff(np.r_[self.starts, len(self.cases)])

    @property
    def spans(self) -> np.ndarray:
        """Seconds from the first event of each case to its last."""
        waits: np.ndarray = self.times[self.ends] - self.times[self.starts]
        return waits / np.timedelta64(1, "s")

    def kept(self, numbers: np.ndarray) -> _Log:
        """The cases with these numbers."""
        chosen = np.zeros(len(self.starts), dtype=bool)
        chosen[numbers] = True
        rows = np.repeat(chosen, self.lengths)
        return _Log.of(self.cases[rows], self.kinds[rows], self.times[rows])


def _types(reader: Reader) -> list[str]:
    rows: Iterable[tuple[str]] = reader.sql(
        "select distinct aggregate_type from events order by 1"
    ).fetchall()
    return [name for (name,) in rows]


def _the_only_type(reader: Reader) -> str:
    names = _types(reader)
    if len(names) == 1:
        return names[0]
    if not names:
        raise ProcessError("The log has no events yet, so there is no process to look at.")
    raise InvalidEventError(
        f"Say which aggregates are the cases: Process(store, {names[0]!r}). "
        f"The log has {', '.join(names)}."
    )
