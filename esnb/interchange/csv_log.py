"""A CSV file of unknown origin as a table: separator, encoding, numbers and times found out.

What a file does not say is derived from its content, and what the content leaves open is refused,
with the two rows that could not decide: a day taken for a month is worse than an error.
"""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from esnb.interchange.mapping import InterchangeError
from esnb.interchange.opening import opened

PathLike = str | os.PathLike[str]

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 200  # lines that decide about the separator
_MISSING = ("", "NA", "N/A", "n/a", "null", "NULL", "None", "NaN", "nan", "-")

_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_DOT = re.compile(r"[+-]?(?:\d+\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:\d+,\d+|\d{1,3}(?:\.\d{3})+(?:,\d+)?)(?:[eE][+-]?\d+)?")
_EITHER = re.compile(r"[+-]?\d{1,3}[.,]\d{3}")  # 1.234: a thousand, or a bit more than one

_CLOCK = r"(?:[T ,]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?)?"
_ZONE = r"\s*(Z|UTC|[+-]\d\d:?\d\d)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_CLOCK}{_ZONE}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_CLOCK}{_ZONE}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found out about a file; `str()` says it in one paragraph."""

    encoding: str
    separator: str
    decimal: str | None
    times: dict[str, str] = field(default_factory=dict)
    skipped_lines: int = 0

    def __str__(self) -> str:
        names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
        parts = [f"encoding {self.encoding}", f"separator {names.get(self.separator)}"]
        if self.decimal:
            parts.append(f"decimal {names.get(self.decimal, 'point')}")
        parts += [f"{name}: {how}" for name, how in self.times.items()]
        if self.skipped_lines:
            parts.append(f"{self.skipped_lines} blank lines at the top skipped")
        return "; ".join(parts)


def read_table(
    path: PathLike,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    dayfirst: bool | None = None,
) -> pd.DataFrame:
    """Read a CSV file whose conventions are not known.

    `frame.attrs["reading"]` says what was found. Columns of whole numbers become Int64 (a gap does
    not turn ids into floats), numbers with leading zeros stay text, times become datetimes: aware
    when the file gives a zone, naive when it does not. `separator`, `encoding`, `decimal` ("." or
    ",") and `dayfirst` overrule what would be found.

    Raises `InterchangeError` for an empty file, an encoding that does not fit, rows of different
    length (each with the line), and for dates or numbers that can be read in two ways: the message
    names the rows and the keyword that decides.
    """
    with opened(path) as file:
        content = file.read_all()
    text, used = _decoded(content, encoding, Path(path).name)
    body = text.lstrip("\r\n \t\ufeff")
    skipped = text[: len(text) - len(body)].count("\n")
    if not body.strip():
        raise InterchangeError(f"{Path(path).name} is empty: there is no row to read.")
    mark = separator or _separator(body)
    frame = _rows(body, mark, skipped, Path(path).name)
    columns, times, chosen = _typed(frame, decimal, dayfirst)
    result = pd.DataFrame(columns)
    result.attrs["reading"] = Reading(used, mark, chosen, times, skipped)
    return result


def _typed(
    frame: pd.DataFrame, decimal: str | None, dayfirst: bool | None
) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """The columns as times, numbers or text; how each time was read; the decimal sign."""
    times: dict[str, str] = {}
    decimals: set[str] = set()
    undecided: list[str] = []
    columns: dict[str, Any] = {}
    for name in frame:
        column = frame[name].where(~frame[name].isin(_MISSING))
        found = _as_times(column, str(name), dayfirst)
        if found is not None:
            columns[str(name)], times[str(name)] = found
            continue
        columns[str(name)] = column
        kind = _number_kind(column)
        if kind in (".", ","):
            decimals.add(kind)
        elif kind == "?":
            undecided.append(str(name))
    chosen = decimal or _one_decimal(decimals, undecided, frame)
    for name, column in columns.items():
        if name not in times:
            columns[name] = _as_numbers(column, chosen)
    return columns, times, chosen


# -- text ------------------------------------------------------------------------------------


def _decoded(content: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    if encoding is not None:
        try:
            return content.decode(encoding), encoding
        except LookupError:
            raise InterchangeError(f"{name}: Python knows no encoding {encoding!r}.") from None
        except UnicodeDecodeError as error:
            raise InterchangeError(
                f"{name} is not {encoding}: byte {error.start} does not fit. Leave encoding out to "
                f"have it found, or try 'cp1252', the usual one of older spreadsheets."
            ) from None
    for mark, codec in (
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
        (b"\xef\xbb\xbf", "utf-8-sig"),
    ):
        if content.startswith(mark):
            return _decoded(content, codec, name)
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes  # here, since few files need it

    best = from_bytes(content).best()
    if best is None:
        raise InterchangeError(
            f"{name}: the encoding could not be found. Say it: encoding='cp1252' (Western Europe), "
            f"'shift_jis', 'gbk', 'big5', 'euc_kr', ..."
        )
    return str(best), best.encoding


def _separator(body: str) -> str:
    lines = io.StringIO(body).readlines()[:_SAMPLE]
    scores = {}
    for mark in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=mark) if row]
        usual = max(set(widths), key=widths.count)
        scores[mark] = (usual > 1) * (widths.count(usual) / len(widths) * 100 + usual)
    return max(_SEPARATORS, key=lambda mark: scores[mark])


def _rows(body: str, mark: str, skipped: int, name: str) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=mark, strict=True)
    try:
        heads = [head.strip() for head in next(reader)]
        twice = sorted({head for head in heads if heads.count(head) > 1})
        if twice:
            raise InterchangeError(f"{name}: two columns have the same name, {twice[0]!r}.")
        rows = []
        for row in reader:
            if not row or row == [""]:
                continue
            if len(row) != len(heads):
                raise InterchangeError(
                    f"{name}, line {skipped + reader.line_num}: {len(row)} values, and the first "
                    f"line names {len(heads)} columns. A separator inside a value needs quotes."
                )
            rows.append([value.strip() for value in row])
    except csv.Error as error:
        line = skipped + reader.line_num
        raise InterchangeError(f"{name}, line {line}: {error}. Is a quote not closed?") from None
    return pd.DataFrame(rows, columns=heads, dtype=object)


# -- numbers ---------------------------------------------------------------------------------


def _number_kind(column: pd.Series[Any]) -> str:
    """Whole numbers: "i"; the decimal sign: "." or ","; either sign: "?"; no numbers: ""."""
    values = column.dropna().unique().tolist()
    if not values:
        return ""
    if all(map(_INTEGER.fullmatch, values)):
        return "i"
    plain = [v for v in values if not _INTEGER.fullmatch(v)]
    if all(map(_EITHER.fullmatch, plain)):
        return "?"
    if all(map(_DOT.fullmatch, plain)):
        return "."
    return "," if all(map(_COMMA.fullmatch, plain)) else ""


def _one_decimal(decimals: set[str], undecided: list[str], frame: pd.DataFrame) -> str | None:
    if len(decimals) > 1:
        raise InterchangeError(
            "Some columns have a decimal point and some a decimal comma. Say which counts: "
            "decimal='.' or decimal=','; the other columns stay text."
        )
    if decimals or not undecided:
        return next(iter(decimals), None)
    column = frame[undecided[0]]
    row = next(n for n, value in enumerate(column) if _EITHER.fullmatch(value))
    raise InterchangeError(
        f"Column {undecided[0]!r}, row {row}: {column.iloc[row]!r} can be a thousand or a "
        f"fraction, and no other number of the file decides. Say decimal='.' or decimal=','."
    )


def _as_numbers(column: pd.Series[Any], decimal: str | None) -> pd.Series[Any]:
    kind = _number_kind(column)
    if kind == "i":
        return column.astype("Int64")
    fits = {".": _DOT, ",": _COMMA}
    if kind == "" or decimal is None or kind not in ("?", decimal):
        return column.astype("str") if column.notna().any() else column
    other = "," if decimal == "." else "."
    values = column.dropna().unique().tolist()
    if not all(_INTEGER.fullmatch(v) or fits[decimal].fullmatch(v) for v in values):
        return column.astype("str")
    plain = column.str.replace(other, "", regex=False).str.replace(decimal, ".", regex=False)
    return pd.to_numeric(plain)


# -- times -----------------------------------------------------------------------------------


def _as_times(
    column: pd.Series[Any], name: str, dayfirst: bool | None
) -> tuple[pd.Series[Any], str] | None:
    """The column as times with the way it was read, or None where it holds something else."""
    values = column.dropna()
    if values.empty:
        return None
    if values.map(lambda v: bool(_YEAR_FIRST.fullmatch(v))).all():
        return _parsed(column, name, _YEAR_FIRST, (0, 2, 3)), "year first"
    if not values.map(lambda v: bool(_YEAR_LAST.fullmatch(v))).all():
        return None
    parts = values.str.extract(_YEAR_LAST)
    first, third = parts[0].astype(int), parts[2].astype(int)
    days, months = values[first > 12], values[third > 12]
    if len(days) and len(months) and dayfirst is None:
        raise InterchangeError(
            f"Column {name!r} mixes two orders: row {days.index[0]} ({days.iloc[0]!r}) has the day "
            f"first, row {months.index[0]} ({months.iloc[0]!r}) the month. Clean the column first."
        )
    if dayfirst is None and not len(days) and not len(months):
        two = [f"row {row} ({value!r})" for row, value in values.iloc[[0, -1]].items()]
        raise InterchangeError(
            f"Column {name!r}: {' and '.join(dict.fromkeys(two))} can be day.month or month.day, "
            f"and no row of the column decides. Say dayfirst=True or dayfirst=False."
        )
    day_first = bool(len(days)) if dayfirst is None else dayfirst
    order = (4, 3, 1) if day_first else (4, 1, 3)
    wrong = months if day_first else days
    if len(wrong):
        raise InterchangeError(
            f"Column {name!r}, row {wrong.index[0]}: {wrong.iloc[0]!r} has a month beyond 12 when "
            f"it is read with dayfirst={dayfirst}."
        )
    decided = "as told"
    if dayfirst is None:
        decided = f"row {(days if day_first else months).index[0]} decides"
    way = f"{'day' if day_first else 'month'} first ({decided})"
    return _parsed(column, name, _YEAR_LAST, tuple(n - 1 for n in order)), way


def _parsed(
    column: pd.Series[Any], name: str, pattern: re.Pattern[str], order: tuple[int, ...]
) -> pd.Series[Any]:
    texts: list[str | None] = []
    zoned = 0
    for row, value in column.items():
        if not isinstance(value, str):
            texts.append(None)
            continue
        groups = pattern.fullmatch(value).groups()  # type: ignore[union-attr]
        year, month, day = (groups[n] for n in order)
        hour, minute, second, fraction, half, zone = groups[4:]
        hour = int(hour or 0)
        if half is not None:
            if not 1 <= hour <= 12:
                raise InterchangeError(f"Column {name!r}, row {row}: {value!r} has no such hour.")
            hour = hour % 12 + 12 * (half.lower() == "pm")
        zoned += zone is not None
        texts.append(
            f"{year}-{int(month):02}-{int(day):02}T{hour:02}:{minute or '00'}:{second or '00'}"
            f".{(fraction or '0')[:6]}{'+00:00' if zone in ('Z', 'UTC') else zone or ''}"
        )
    if zoned and zoned < sum(text is not None for text in texts):
        some = next(
            row for row, t in zip(column.index, texts, strict=True) if t and t[-6] not in "+-"
        )
        raise InterchangeError(
            f"Column {name!r} mixes times with and without a zone; row {some} has none. Give all "
            f"of them a zone, or none and say timezone= when you load them."
        )
    for row, text in zip(column.index, texts, strict=True):
        if text is not None:
            try:
                pd.Timestamp(text)
            except ValueError:
                raise InterchangeError(
                    f"Column {name!r}, row {row}: {column[row]!r} is not a day of the calendar."
                ) from None
    return pd.to_datetime(pd.Series(texts, index=column.index), utc=bool(zoned), format="ISO8601")
