"""Colours, sizes and marks: what a figure and a widget draw alike."""

from __future__ import annotations

import re
import zlib
from typing import Any, NamedTuple

# A figure has no ground of its own. INK, for lines and free text, is in the middle between a white
# page (4.6 to 1) and JupyterLab's dark one (4.1 to 1). DARK is for text on a light fill.
INK, DARK, PAPER, GREY, SOFT = "#757575", "#1a1a1a", "#ffffff", "#e4e4e4", "#8a8a8a"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, PURPLE, VERMILION = "#0072b2", "#cc79a7", "#d55e00"
SIZE, SANS, MONO = 13, "DejaVu Sans", "DejaVu Sans Mono"  # points: readable from the last row


class Mark(NamedTuple):
    """How one event type is drawn: code, a matplotlib marker, and the fill."""

    code: str
    shape: Any
    hue: str


CIRCLE, UP, DOWN, OCTAGON, SQUARE, HOUSE, DIAMOND, HEXAGON = "o", "^", "v", "8", "s", "p", "D", "H"

MARKS: dict[str, Mark] = {
    "OrderPlaced": Mark("OP", CIRCLE, SKY),
    "ItemAdded": Mark("IA", UP, GREEN),
    "ItemRemoved": Mark("IR", DOWN, PURPLE),
    "PaymentReceived": Mark("PR", DIAMOND, YELLOW),
    "OrderShipped": Mark("OS", SQUARE, ORANGE),
    "OrderDelivered": Mark("OD", HOUSE, BLUE),
    "OrderCancelled": Mark("OC", OCTAGON, PURPLE),
    "RefundIssued": Mark("RI", HEXAGON, YELLOW),
    "AccountOpened": Mark("AO", CIRCLE, BLUE),
    "CreditAdded": Mark("CA", UP, YELLOW),
    "CreditSpent": Mark("CS", DOWN, ORANGE),
    "CreditReversed": Mark("CR", HEXAGON, ORANGE),
    "FlightScheduled": Mark("FS", CIRCLE, GREEN),
    "FlightDeparted": Mark("FD", UP, SKY),
    "FlightArrived": Mark("FA", DOWN, BLUE),
    "FlightCancelled": Mark("FC", OCTAGON, ORANGE),
    "AircraftDeparted": Mark("AD", UP, PURPLE),
    "AircraftArrived": Mark("AA", DOWN, GREEN),
}


def mark(event_type: str) -> Mark:
    """The mark of an event type; one that is not in `MARKS` gets its mark from its name."""
    if event_type in MARKS:
        return MARKS[event_type]
    words = re.findall(r"[A-Z][^A-Z]*|[^\W_]+", event_type) or ["?"]
    code = (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()
    number = zlib.crc32(event_type.encode("utf-8", "replace"))
    hues = (SKY, GREEN, YELLOW, ORANGE, PURPLE, BLUE)
    return Mark(code, "P" if number % 2 else "d", hues[number // 2 % len(hues)])
