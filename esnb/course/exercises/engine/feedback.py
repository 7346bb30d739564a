"""What a learner reads after a check or for a hint, as text and as HTML.

The words carry the meaning; the mark and the line at the side repeat it. Colours are those of the
page, so that it reads in the dark theme as well. All data is escaped.
"""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["not yet", "not quite", "right"]
NOT_YET: Final = "not yet"
NOT_QUITE: Final = "not quite"
RIGHT: Final = "right"

#: What stands before each outcome.
MARKS: dict[str, str] = {NOT_YET: "○", NOT_QUITE: "◐", RIGHT: "●"}
_SIDES = {NOT_YET: "dotted #999999", NOT_QUITE: "dashed #e69f00", RIGHT: "solid #56b4e9"}
_BOX = (
    "border-left:5px {side};padding:4px 0 4px 12px;margin:4px 0;max-width:52em;"
    "color:var(--jp-content-font-color1,inherit)"
)
_PRE = (
    "margin:0;padding:0;background:transparent;color:inherit;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font-size:0.95em"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A place to go to: words, and an address relative to the folder of the exercises."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """The answer of `check`: one of three outcomes, what was seen, and where to go on.

    `points` is the share reached, from 0 to 1, and `worth` what the whole is worth. `details` are
    pairs of a title and lines: the events that were given, what came back, the first difference.
    `mistake` is the key of the mistake that was recognised. `others` are other solutions to compare
    with, as a title and the code: folded in HTML, only named in text. While nbgrader grades, the
    text of a feedback is the bare number of points.
    """

    exercise: str
    outcome: Outcome
    message: str
    mistake: str | None = None
    points: float = 0.0
    worth: float = 1.0
    details: tuple[tuple[str, tuple[str, ...]], ...] = ()
    links: tuple[tuple[str, Link], ...] = ()
    after: str = ""
    others: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        if is_graded():
            return f"{round(self.points * self.worth, 4):g}"
        head = f"{MARKS[self.outcome]} {self.exercise}: {self.outcome}. {self.message}"
        rows = [
            f"  {name:<17}{line}"
            for title, lines in self.details
            for name, line in zip((title, *[""] * len(lines)), lines, strict=False)
        ]
        rows += [f"  {word} {link.text} ({link.address})" for word, link in self.links]
        return "\n".join([head, *rows, *([f"  {self.after}"] if self.after else [])])

    def _repr_html_(self) -> str | None:
        if is_graded():
            return None
        rows = "".join(
            '<tr style="background:transparent;color:inherit">'
            '<td style="text-align:left;vertical-align:top;padding:1px 12px 1px 0;'
            f'white-space:nowrap">{html.escape(title)}</td>'
            '<td style="text-align:left;padding:1px 0">'
            f'<pre style="{_PRE}">{html.escape(chr(10).join(lines))}</pre></td></tr>'
            for title, lines in self.details
        )
        table = (
            f'<table style="border:none;margin:4px 0;color:inherit">{rows}</table>' if rows else ""
        )
        links = "".join(
            f"<div>{html.escape(word)} "
            f'<a href="{html.escape(link.address)}">{html.escape(link.text)}</a></div>'
            for word, link in self.links
        )
        after = f"<div>{_code(self.after)}</div>" if self.after else ""
        return (
            f'<div style="{_BOX.format(side=_SIDES[self.outcome])}"><div>'
            f"<b>{MARKS[self.outcome]} {html.escape(self.exercise)}: {self.outcome}.</b> "
            f"{_code(self.message)}</div>{table}{_folded(self.others)}{links}{after}</div>"
        )


def _folded(others: tuple[tuple[str, str], ...]) -> str:
    return "".join(
        f"<details><summary>{html.escape(title)}</summary>"
        f'<pre style="{_PRE};margin:4px 0">{html.escape(code)}</pre></details>'
        for title, code in others
    )


@dataclass(frozen=True, slots=True)
class Hint:
    """One step of help: which one it is, of how many, and what it says."""

    exercise: str
    step: int
    steps: int
    text: str
    link: Link | None = None

    def __repr__(self) -> str:
        link = f" {self.link.text} ({self.link.address})" if self.link else ""
        return f"{self.exercise}, hint {self.step} of {self.steps}: {self.text}{link}"

    def _repr_html_(self) -> str:
        link = (
            f' <a href="{html.escape(self.link.address)}">{html.escape(self.link.text)}</a>'
            if self.link
            else ""
        )
        lines = self.text.split("\n")
        first, code = lines[0], "\n".join(lines[1:])
        block = f'<pre style="{_PRE};margin:4px 0">{html.escape(code)}</pre>' if code else ""
        return (
            f'<div style="{_BOX.format(side="dotted #999999")}"><b>{html.escape(self.exercise)}, '
            f"hint {self.step} of {self.steps}:</b> {_code(first)}{block}{link}</div>"
        )


def is_graded() -> bool:
    """Whether nbgrader runs this cell."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def _code(text: str) -> str:
    """Escape a text; what stands between backticks becomes code, between stars emphasised."""
    parts = html.escape(text).split("`")
    if len(parts) % 2 == 0:  # an odd backtick: leave them all as they are
        return "`".join(parts)
    return "".join(
        f"<code>{part}</code>" if n % 2 else re.sub(r"\*(\w[^*]*)\*", r"<em>\1</em>", part)
        for n, part in enumerate(parts)
    )
