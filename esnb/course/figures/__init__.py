"""The one visual grammar of the course: every function draws on a matplotlib `ax` and returns it.

    event       filled mark with a two-letter code, one shape and hue for each type
    command     hollow dashed arrow: it may be refused
    refusal     vermilion cross, and vermilion for nothing else
    state       grey rounded box: derived, so never a bright colour
    snapshot    bar across the line
    stream      line with time to the right, sequence numbers below
    read model  white table, with a checkpoint tick on the log; the gap to the end is the lag
    cursor      thin vertical line ("as of"); what comes later fades
    change      + added (blue), - removed (orange), ~ changed (both)

Shapes carry meaning, so that the grammar reads in grey as well: a circle begins a stream, a
triangle points up when something is added and down when it is taken away, an octagon stops, a
diamond is money in and a hexagon money back, a square is a parcel, a pentagon the house it goes to.

A figure has no ground of its own: it stands on a light page and on a dark one. Lines and free text
are of a grey in the middle (`INK`); text on a light fill is `DARK`.

`x` is counted in events: the event with number n stands at n, and what holds *after* it (a
snapshot, a checkpoint, a cursor) at n + 0.5. Colours: Okabe and Ito, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from esnb.course.figures.drawing import (
    arrow,
    changes,
    command,
    cursor_line,
    key,
    note,
    read_model,
    refusal,
    snapshot,
    state_box,
    stream,
)
from esnb.course.figures.grammar import (
    BLUE,
    CIRCLE,
    DARK,
    DIAMOND,
    DOWN,
    GREEN,
    GREY,
    HEXAGON,
    HOUSE,
    INK,
    MARKS,
    MONO,
    OCTAGON,
    ORANGE,
    PAPER,
    PURPLE,
    SANS,
    SIZE,
    SKY,
    SOFT,
    SQUARE,
    UP,
    VERMILION,
    YELLOW,
    Mark,
    mark,
)
from esnb.course.figures.ground import RC, canvas, chart, png, style
from esnb.course.figures.stories import compared, lanes, machine, story, whole_log

__all__ = [
    "BLUE",
    "CIRCLE",
    "DARK",
    "DIAMOND",
    "DOWN",
    "GREEN",
    "GREY",
    "HEXAGON",
    "HOUSE",
    "INK",
    "MARKS",
    "MONO",
    "OCTAGON",
    "ORANGE",
    "PAPER",
    "PURPLE",
    "RC",
    "SANS",
    "SIZE",
    "SKY",
    "SOFT",
    "SQUARE",
    "UP",
    "VERMILION",
    "YELLOW",
    "Mark",
    "arrow",
    "canvas",
    "changes",
    "chart",
    "command",
    "compared",
    "cursor_line",
    "key",
    "lanes",
    "machine",
    "mark",
    "note",
    "png",
    "read_model",
    "refusal",
    "snapshot",
    "state_box",
    "story",
    "stream",
    "style",
    "whole_log",
]
