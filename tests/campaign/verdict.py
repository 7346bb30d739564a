"""What a round of the campaign found, and the table of all rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Verdict:
    """What went wrong in a round; mostly nothing.

    `lost`: acknowledged events that are not there. `wrong`: answers that cannot be right.
    `unclear`: errors that are none of the package's own, and rounds that could not be judged.
    """

    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.wrong or self.unclear)


#: A round gets its seed and an empty folder.
Round = Callable[[int, Path], Verdict]


@dataclass
class Row:
    """All rounds of one fault."""

    fault: str
    rounds: int = 0
    lost: int = 0
    wrong: int = 0
    unclear: int = 0
    seeds: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, seed: int, verdict: Verdict) -> None:
        """Count a round."""
        self.rounds += 1
        self.seeds.append(seed)
        for name in ("lost", "wrong", "unclear"):
            found: list[str] = getattr(verdict, name)
            setattr(self, name, getattr(self, name) + bool(found))
            self.notes += [f"{self.fault}, seed {seed}: {name}: {text}" for text in found[:3]]


def table(rows: Iterable[Row]) -> str:
    """The rows as a table of Markdown, and below it what went wrong."""
    lines = ["| fault | rounds | lost | wrong | unclear | seeds |", "|---|--:|--:|--:|--:|---|"]
    notes = list[str]()
    for row in rows:
        span = f"{min(row.seeds)} to {max(row.seeds)}" if row.seeds else "not possible here"
        counts = (row.rounds, row.lost, row.wrong, row.unclear)
        lines.append(f"| {row.fault} | {' | '.join(map(str, counts))} | {span} |")
        notes += row.notes
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines)
