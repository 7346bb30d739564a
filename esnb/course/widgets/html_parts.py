"""Pieces of HTML that the widgets share: marks, an event's card, tables with + ~ - marks.

Everything that comes from an event or a state passes `text`, which escapes it: data is shown, never
run. Styles are inline and take JupyterLab's colours, with fallbacks for other places.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from esnb.course import figures
from esnb.events import Event
from esnb.model.state import Diff, diff_states

INK = "var(--jp-ui-font-color1, currentColor)"
SOFT = "var(--jp-ui-font-color2, currentColor)"
GROUND = "var(--jp-layout-color2, rgba(127, 127, 127, 0.12))"
LINE = "var(--jp-border-color1, rgba(127, 127, 127, 0.5))"
CODE = "var(--jp-code-font-family, monospace)"

Sign = Literal["", "+", "~", "-"]
WORDS: Mapping[str, str] = {"+": "+ added", "~": "~ changed", "-": "- removed", "": ""}
# The bar at the left edge says the same as the sign, for who sees it: blue came, orange went.
_BARS: Mapping[str, str] = {
    "+": f"6px solid {figures.BLUE}",
    "-": f"6px solid {figures.ORANGE}",
    "~": f"6px double {figures.BLUE}",
    "": "6px solid transparent",
}

MAX_TEXT, MAX_DATA, MAX_ROWS = 80, 4000, 60


def text(value: object, most: int | None = None) -> str:
    """A value as text that is safe inside HTML, cut after `most` characters."""
    written = value if isinstance(value, str) else repr(value)
    if most is not None and len(written) > most:
        written = f"{written[: most - 1]}…"
    return html.escape(written)


def moment(when: datetime | None) -> str:
    """A time to read: 2026-03-02 15:00:00 UTC; fractions only where there are some."""
    if when is None:
        return "no time"
    fraction = f".{when.microsecond // 1000:03d}" if when.microsecond else ""
    return f"{when:%Y-%m-%d %H:%M:%S}{fraction} {when.tzname() or ''}".strip()


def span(length: timedelta) -> str:
    """A length of time to read: 4 min 1 s, 2 d 3 h, at most two units."""
    seconds = round(abs(length.total_seconds()), 3)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole, parts = int(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if count := whole // size:
            parts.append(f"{count} {unit}")
            whole %= size
    return " ".join(parts[:2])


# Marks ------------------------------------------------------------------------------------------

# The shapes of figures.MARKS, in a box of 24 by 24.
POLYGONS: Mapping[Any, str] = {
    figures.UP: "12,1 23,22 1,22",
    figures.DOWN: "1,2 23,2 12,23",
    figures.OCTAGON: "8,2 16,2 22,8 22,16 16,22 8,22 2,16 2,8",
    figures.SQUARE: "3,3 21,3 21,21 3,21",
    figures.HOUSE: "12,1 23,9.5 19,22 5,22 1,9.5",
    figures.DIAMOND: "12,1 23,12 12,23 1,12",
    figures.HEXAGON: "12,1 22,6.5 22,17.5 12,23 2,17.5 2,6.5",
    "P": "8,2 16,2 16,8 22,8 22,16 16,16 16,22 8,22 8,16 2,16 2,8 8,8",
    "d": "12,1 20,12 12,23 4,12",
}
LETTERS: Mapping[Any, float] = {figures.UP: 19, figures.DOWN: 12}


def mark(event_type: str, size: float = 22, faded: bool = False) -> str:
    """An event type as the mark of the visual grammar: shape, hue and two letters (SVG)."""
    code, shape, hue = figures.mark(event_type)
    look = f'fill="{hue}" stroke="{INK}" stroke-width="1.4"'
    body = (
        f'<polygon points="{POLYGONS[shape]}" {look}/>'
        if shape in POLYGONS
        else f'<circle cx="12" cy="12" r="10.5" {look}/>'
    )
    ink = "#ffffff" if hue == figures.BLUE else "#000000"
    return (
        f'<svg width="{size}" height="{size}" viewBox="0 0 24 24" role="img" '
        f'aria-label="{text(event_type)}" style="vertical-align:middle;'
        f'opacity:{0.25 if faded else 1}"><title>{text(event_type)}</title>{body}'
        f'<text x="12" y="{LETTERS.get(shape, 15.5)}" font-size="9" font-weight="bold" '
        f'text-anchor="middle" fill="{ink}">{text(code)}</text></svg>'
    )


def strip(events: Sequence[Event], number: int) -> str:
    """The events as marks in a row, with the cursor after `number`; what comes later fades."""
    cursor = f'<span style="border-left:2px solid {INK};height:30px;margin:0 3px"></span>'
    marks = []
    for n, event in enumerate(events):
        marks.append(cursor if n == number else "")
        marks.append(f'<span style="margin:1px">{mark(event.event_type, 22, n >= number)}</span>')
    marks.append(cursor if number == len(events) else "")
    return (
        '<div aria-hidden="true" style="display:flex;flex-wrap:wrap;align-items:center;'
        f'min-height:32px">{"".join(marks)}</div>'
    )


def bars(counts: Sequence[int], at: int) -> str:
    """Counts as a row of bars, with the cursor after bar number `at` (0: before all)."""
    most = max(counts, default=0) or 1
    cells = []
    for n, count in enumerate(counts, start=1):
        height = 0 if not count else max(2, round(30 * count / most))
        edge = f"2px solid {INK}" if n == at else "2px solid transparent"
        cells.append(
            f'<span style="flex:1 1 0;min-width:1px;height:32px;display:flex;align-items:flex-end;'
            f'border-right:{edge}"><span style="width:100%;height:{height}px;background:{SOFT};'
            f'opacity:{0.25 if n > at else 0.8}"></span></span>'
        )
    return (
        f'<div aria-hidden="true" style="display:flex;height:32px;border-bottom:1px solid {LINE}">'
        f"{''.join(cells)}</div>"
    )


# Tables -----------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One row of a table: its sign, its cells (plain values), and which cells changed."""

    sign: Sign
    cells: tuple[object, ...]
    changed: frozenset[int] = frozenset()


def table(
    headers: Sequence[str], rows: Iterable[Row], *, caption: str = "", signs: bool = True
) -> str:
    """A table with a sign for each row. Without styles (on GitHub, in print) it still reads."""
    style = "padding:2px 10px 2px 6px;text-align:left;vertical-align:top;white-space:pre-wrap"
    head = "".join(f'<th scope="col" style="{style}">{text(h)}</th>' for h in headers)
    sign_head = f'<th scope="col" style="{style}">change</th>' if signs else ""
    lines = []
    for row in rows:
        cells = []
        for n, cell in enumerate(row.cells):
            looks = f"{style};font-family:{CODE}"
            looks += ";font-weight:bold" if n in row.changed else ""
            looks += ";text-decoration:line-through" if row.sign == "-" and n else ""
            looks += f";border-left:{_BARS[row.sign]}" if n == 0 else ""
            cells.append(f'<td style="{looks}">{text(cell, MAX_TEXT)}</td>')
        sign = f'<td style="{style}">{WORDS[row.sign]}</td>' if signs else ""
        lines.append(f"<tr>{''.join(cells)}{sign}</tr>")
    title = f'<caption style="text-align:left;color:{SOFT}">{text(caption)}</caption>'
    return (
        f'<table style="border-collapse:collapse;color:{INK};line-height:1.35">'
        f"{title if caption else ''}<thead><tr>{head}{sign_head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def state_rows(before: Mapping[str, Any], now: Mapping[str, Any], only_changes: bool) -> list[Row]:
    """A row a field of two states: field, before, now. Changed fields are never cut away."""
    difference = diff_states(dict(before), dict(now))
    held = diff_states({}, dict(now)).added | difference.removed
    rows = []
    for path in held:
        sign = _sign(path, difference)
        if (not sign and only_changes) or _only_a_shell(path, held):
            continue
        old = "" if sign == "+" else repr(difference.changed.get(path, (held[path],))[0])
        new = "" if sign == "-" else repr(held[path])
        rows.append(Row(sign, (path, old, new), frozenset({2} if sign else ())))
    return rows


def _sign(path: str, difference: Diff) -> Sign:
    if path in difference.added:
        return "+"
    if path in difference.removed:
        return "-"
    return "~" if path in difference.changed else ""


def _only_a_shell(path: str, held: Mapping[str, Any]) -> bool:
    # An empty dict that gets its first key is "removed" as a leaf. To a reader it is still there.
    return held[path] in ({}, []) and any(p.startswith((f"{path}.", f"{path}[")) for p in held)


def state_table(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    headers: Sequence[str],
    only_changes: bool = False,
) -> str:
    """Two states side by side, with the marks of the visual grammar."""
    rows = state_rows(before, now, only_changes)
    if not rows:
        return f'<p style="color:{SOFT}">no field changed</p>'
    signs = [row for row in rows if row.sign]
    shown = rows if len(rows) <= MAX_ROWS else (signs + [r for r in rows if not r.sign])[:MAX_ROWS]
    more = len(rows) - len(shown)
    left = f'<p style="color:{SOFT}">and {more} more fields</p>' if more else ""
    return table(headers, shown) + left


def sentence(difference: Diff) -> str:
    """What changed, in one line of plain text: "status 'PENDING' -> 'PAID'; paid 0 -> 2690"."""
    shells = {p for p, v in difference.removed.items() if v in ({}, [])}
    lines = [f"{p} {a!r} -> {b!r}" for p, (a, b) in difference.changed.items()]
    lines += [f"+ {p} {v!r}" for p, v in difference.added.items()]
    lines += [f"- {p} {v!r}" for p, v in difference.removed.items() if p not in shells]
    if not lines:
        return "no field changed"
    return "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")


def event_card(
    event: Event | None, number: int, count: int, previous: Event | None, drawn: bool = True
) -> str:
    """One event as a reader sees it: type, number, times, who and why, and its data as text.

    `drawn=False` leaves the mark out: of a drawing, an untrusted notebook shows only the letters.
    """
    frame = f"border:1px solid {LINE};padding:6px 10px;line-height:1.4;color:{INK}"
    if event is None:
        return f'<div style="{frame}"><b>Before anything happened</b><br>no event yet</div>'
    after = ""
    if previous is not None and event.occurred_at and previous.occurred_at:
        gap = event.occurred_at - previous.occurred_at
        after = f" ({'-' if gap < timedelta(0) else '+'}{span(gap)})"
    lines = [f"occurred {moment(event.occurred_at)}{after}"]
    if event.recorded_at and event.occurred_at and event.recorded_at != event.occurred_at:
        lines.append(f"recorded {moment(event.recorded_at)}")
    known = {name: event.metadata[name] for name in ("actor", "reason") if name in event.metadata}
    lines += [f"{name}: {value}" for name, value in known.items()]
    lines += [f"{name}: {value}" for name, value in event.metadata.items() if name not in known]
    if event.event_version != 1:
        lines.append(f"event version {event.event_version}")
    drawing = f"{mark(event.event_type)} " if drawn else ""
    data = json.dumps(event.event_data, indent=2, ensure_ascii=False, default=repr)
    return (
        f'<div style="{frame}">{drawing}<b>{text(event.event_type)}</b> '
        f'<span style="color:{SOFT}">event {number} of {count}</span><br>'
        f"{'<br>'.join(text(line, 200) for line in lines)}"
        f'<pre style="background:{GROUND};color:{INK};font-family:{CODE};font-size:0.9em;'
        f'margin:6px 0 0;padding:4px 8px;white-space:pre-wrap">{text(data, MAX_DATA)}</pre></div>'
    )
