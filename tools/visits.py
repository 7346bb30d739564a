"""Write `data/visits/visits.csv` again: an invented clinic's export, as messy as real ones.

    python -m tools.visits

Semicolons, decimal commas, local times without a zone, the day before the month, some rows without
a patient. The same seed gives the same bytes; a test compares them. The README's map of the
visits is drawn from it as well.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "data" / "visits" / "visits.csv"
PICTURE = ROOT / "notebooks" / "images" / "process.png"
HEAD = "patient;what;at;ward;cost"


def lines(seed: int = 7, patients: int = 60) -> list[str]:
    """The rows of the export, in the order of their times."""
    chance = random.Random(seed)
    found: list[tuple[datetime, str]] = []
    for number in range(1, patients + 1):
        at = datetime(2026, 1, 5, 7) + timedelta(minutes=chance.randrange(60 * 24 * 56))
        ward = chance.choice(["A", "B", "C"])
        for what in _stay(chance):
            cost = f"{chance.randrange(900, 240_000) / 100:.2f}".replace(".", ",")
            lost = chance.random() < 0.02
            who = "" if lost else str(1000 + number)
            found.append((at, f"{who};{what};{at:%d.%m.%Y %H:%M};{ward};{cost}"))
            at += timedelta(minutes=chance.randrange(15, 60 * 30))
    return [HEAD, *(row for _, row in sorted(found))]


def _stay(chance: random.Random) -> list[str]:
    stay = ["admitted", "examined"]
    while chance.random() < 0.45:
        stay.append(chance.choice(["scanned", "operated", "examined"]))
    if chance.random() < 0.12:
        stay.append("transferred")
    if chance.random() < 0.9:
        stay.append("discharged")
        if chance.random() < 0.15:
            stay += ["admitted", "examined", "discharged"]
    return stay


def draw() -> None:
    """Write the map of the visits for the README."""
    import matplotlib as mpl

    mpl.use("agg")
    from esnb.course.process_figure import process_map
    from esnb.interchange import from_csv
    from esnb.process import Process

    store = from_csv(
        FILE, aggregate_id="patient", event_type="what", occurred_at="at",
        aggregate_type="PATIENT", timezone="Europe/Paris", on_bad="report",
    )  # fmt: skip
    ax = process_map(Process(store), least=0.08)
    ax.figure.savefig(PICTURE, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8", newline="\n")
    draw()
    print(f"{FILE.name}: {len(lines()) - 1} rows; {PICTURE.name}")
