"""Which column of a table is what: a proposal for `from_frame`, with its reasons and its doubts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from esnb.interchange.csv_log import PathLike, read_table
from esnb.interchange.mapping import InterchangeError
from esnb.store.event_store import EventStore

_TIME_WORDS = (
    "occurred",
    "timestamp",
    "time",
    "datetime",
    "when",
    "at",
    "date",
    "start",
    "created",
)
_TYPE_WORDS = ("event", "activity", "action", "what", "type", "step", "task", "status", "concept")
_CASE_WORDS = ("case", "order", "patient", "ticket", "customer", "session", "trace", "id", "number")
_SOME_LOCAL = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}")


@dataclass(frozen=True)
class Guess:
    """A proposed call of `EventStore.from_frame`; `repr` shows it with reasons and doubts.

    `keywords` are its keywords: `EventStore.from_frame(frame, **guess.keywords)`.
    """

    keywords: dict[str, Any]
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def call(self) -> str:
        """The call as text, to paste and to correct."""
        inner = "".join(f"    {name}={value!r},\n" for name, value in self.keywords.items())
        return f"EventStore.from_frame(\n    frame,\n{inner})"

    def __repr__(self) -> str:
        lines = [self.call, "", "Because:", *(f"  {reason}" for reason in self.reasons)]
        if self.doubts:
            lines += ["Check first:", *(f"  {doubt}" for doubt in self.doubts)]
        return "\n".join(lines)


def guess_columns(frame: pd.DataFrame) -> Guess:
    """Propose which columns are the case, the event type, the time and the event's id.

    Nothing is loaded and nothing is changed. Raises `InterchangeError` when no column can
    be a time, or none is left for the case or the type; the message lists what the table has.
    """
    if frame.empty:
        raise InterchangeError("The table has no rows, so there is nothing to guess from.")
    reasons: list[str] = []
    doubts: list[str] = []
    time = _time_column(frame, reasons, doubts)
    ids = _unique_ids(frame, reasons)
    left = [str(name) for name in frame if name not in (time, ids)]
    case = _case_column(frame, left, reasons, doubts)
    left.remove(case)
    kind = _type_column(frame, left, case, reasons, doubts)
    word = re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?i)[ _:.-]*(id|no|nr|number|name)$", "", case))
    aggregate = word.strip("_").upper() or "CASE"
    keywords: dict[str, Any] = {
        "aggregate_id": case,
        "event_type": kind,
        "occurred_at": time,
        "aggregate_type": aggregate,
    }
    if ids:
        keywords["event_id"] = ids
    if _naive(frame[time]):
        keywords["timezone"] = "UTC"
        doubts.append(
            f"{time!r} has no zone. Where was the clock? Unless the times are UTC already, replace "
            f"timezone='UTC' by that place, such as 'Europe/Paris'."
        )
    _doubt_cases(frame, case, doubts)
    return Guess(keywords, reasons, doubts)


def _score(name: str, words: tuple[str, ...]) -> int:
    """How well a name fits: a hit on an early word counts more; 0 without any."""
    parts = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return max((len(words) - n for n, word in enumerate(words) if word in parts), default=0)


def _listed(frame: pd.DataFrame) -> str:
    return ", ".join(f"{name} ({dtype})" for name, dtype in frame.dtypes.items())


def _time_column(frame: pd.DataFrame, reasons: list[str], doubts: list[str]) -> str:
    found = [str(name) for name in frame if _is_time(frame[name])]
    if not found:
        local = [str(n) for n in frame if _texts(frame[n]).str.match(_SOME_LOCAL).any()]
        hint = (
            f" {local[0]!r} looks like local dates: read the file with read_table(), which finds "
            f"out whether the day or the month comes first."
            if local
            else ""
        )
        raise InterchangeError(f"No column holds times. There are: {_listed(frame)}.{hint}")
    best = max(found, key=lambda name: (frame[name].notna().sum(), _score(name, _TIME_WORDS)))
    reasons.append(f"occurred_at: {best!r} holds times")
    others = [name for name in found if name != best]
    if others:
        doubts.append(
            f"{len(found)} columns hold times: {', '.join(found)}. The time at which it happened "
            f"is wanted, not the time at which it was entered."
        )
    return best


def _is_time(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return True
    values = _texts(column)
    if values.empty or not values.str.match(r"\d{4}-\d\d-\d\d").all():
        return False
    return bool(pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True).notna().all())


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """The texts among the values of a column."""
    if column.dtype.kind in "biufcMm" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return pd.Series([], dtype=str)
    values = column.dropna()
    return values[values.map(lambda value: isinstance(value, str)).astype(bool)].astype(str)


def _naive(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return False
    if column.dtype.kind == "M":
        return True
    return not bool(_texts(column).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").all())


def _unique_ids(frame: pd.DataFrame, reasons: list[str]) -> str | None:
    pattern = r"(?i)[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
    for name in frame:
        values = _texts(frame[name])
        if len(values) == len(frame) and values.is_unique and values.str.fullmatch(pattern).all():
            reasons.append(f"event_id: {name!r} holds a different UUID in each row")
            return str(name)
    return None


def _type_column(
    frame: pd.DataFrame, names: list[str], case: str, reasons: list[str], doubts: list[str]
) -> str:
    most = max(12, len(frame) // 10)
    fits = {n: frame[n].nunique() for n in names if len(_texts(frame[n])) == frame[n].notna().sum()}
    fits = {name: count for name, count in fits.items() if 0 < count <= most}
    if not fits:
        raise InterchangeError(
            f"No text column with a few different values can be the type of the event. "
            f"There are: {_listed(frame)}."
        )
    # Steps change within a case; a place or a product tends to stay.
    changing = {name: frame.groupby(case)[name].nunique().sum() for name in fits}
    best = max(fits, key=lambda name: (_score(name, _TYPE_WORDS), changing[name], -fits[name]))
    reasons.append(f"event_type: {best!r} has {fits[best]} different values")
    if not _score(best, _TYPE_WORDS) and len(fits) > 1:
        doubts.append(
            f"{best!r} was taken as the type by its values, not by its name; "
            f"{', '.join(n for n in fits if n != best)} would do as well."
        )
    return best


def _case_column(
    frame: pd.DataFrame, names: list[str], reasons: list[str], doubts: list[str]
) -> str:
    fits = {}
    for name in names:
        different = frame[name].nunique()
        if frame[name].dtype.kind not in "fbmc" and 0 < different < len(frame):
            fits[name] = len(frame) / different
    floats = [n for n in names if frame[n].dtype.kind == "f" and (frame[n].dropna() % 1 == 0).all()]
    if not fits and not floats:
        raise InterchangeError(
            f"No column repeats, so none can say which events belong together. "
            f"There are: {_listed(frame)}."
        )
    candidates = fits or dict.fromkeys(floats, 0.0)
    best = max(
        candidates,
        key=lambda n: (
            _score(n, _CASE_WORDS),
            -_score(n, _TYPE_WORDS),
            frame[n].dtype.kind in "iu",
            frame[n].nunique(),
        ),
    )
    count = frame[best].nunique()
    reasons.append(f"aggregate_id: {best!r} has {count} values, {len(frame) / count:.1f} rows each")
    if not _score(best, _CASE_WORDS) and len(candidates) > 1:
        others = ", ".join(name for name in candidates if name != best)
        doubts.append(f"{best!r} was taken as the case by its values; {others} repeat as well.")
    return best


def _doubt_cases(frame: pd.DataFrame, case: str, doubts: list[str]) -> None:
    missing = int(frame[case].isna().sum())
    if missing:
        doubts.append(
            f"{missing} {'row has' if missing == 1 else 'rows have'} no {case!r}: refused, unless "
            f"on_bad='report' leaves them out and lists them."
        )
    if frame[case].dtype.kind == "f":
        doubts.append(
            f"{case!r} holds floats, as pandas makes of whole numbers with a gap. Read the file "
            f"with read_table(), or convert: frame[{case!r}].astype('Int64')."
        )


def from_csv(
    path: PathLike,
    database: PathLike | None = None,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    dayfirst: bool | None = None,
    **columns: Any,
) -> EventStore:
    """A store with the events of a CSV file, in memory or in a file at `database`.

    The file is read by `read_table`. `columns` are the keywords of `EventStore.from_frame`; where
    one of the four columns is not given, all four are guessed. Where the guess has a doubt,
    nothing is loaded: `InterchangeError` shows the proposed call, to correct and send again.
    """
    frame = read_table(
        path, separator=separator, encoding=encoding, decimal=decimal, dayfirst=dayfirst
    )
    needed = ("aggregate_id", "event_type", "occurred_at", "aggregate_type")
    if all(name in columns for name in needed):
        return EventStore.from_frame(frame, database, **columns)
    guess = guess_columns(frame)
    open_doubts = guess.doubts
    if "timezone" in columns:
        open_doubts = [doubt for doubt in open_doubts if "has no zone" not in doubt]
    if open_doubts:
        listed = "\n".join(f"  {doubt}" for doubt in open_doubts)
        raise InterchangeError(
            f"Some columns of {Path(path).name} could be guessed only with a doubt:\n{listed}\n"
            f"The guess was\n{guess.call}\nGive the columns to from_csv by these keywords."
        )
    return EventStore.from_frame(frame, database, **{**guess.keywords, **columns})
