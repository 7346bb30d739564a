"""A campaign against the store: faults in turn, until the time is over, and a table of the rounds.

    python run.py campaign --minutes 10

writes benchmarks/campaign.md. A round is named by its seed: `--fault NAME --seed N` repeats it.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tests.campaign import mutated_imports
from tests.campaign.damage import DAMAGES, damaged
from tests.campaign.full_disk import full_disk, is_possible
from tests.campaign.histories import race
from tests.campaign.kills import ROOT, kill
from tests.campaign.verdict import Round, Row, Verdict, table
from tests.campaign.victim import KINDS

PAGE = ROOT / "benchmarks" / "campaign.md"


def mutated(seed: int, _: Path) -> Verdict:
    """Damaged files for every importer."""
    rows = mutated_imports.run(rounds=len(mutated_imports.READERS) * 5, seed=seed)
    return Verdict(unclear=[f"{row['format']}: {text}" for row in rows for text in row["unclear"]])


FAULTS: dict[str, Round] = {
    **{f"kill -9: {kind}": partial(kill, kind) for kind in KINDS},
    "concurrent histories": race,
    **{f"damage: {kind}": partial(damaged, kind) for kind in (*DAMAGES, "missing or older files")},
    "a full disk": full_disk,
    "mutated imports (45 files a round)": mutated,
}


def run(faults: dict[str, Round], first_seed: int, seconds: float, rounds: int = 0) -> list[Row]:
    """Faults in turn, each with one seed after the other, until time or number is reached."""
    rows = {name: Row(name) for name in faults}
    with tempfile.TemporaryDirectory() as name:
        if "a full disk" in faults and not is_possible(Path(name)):
            faults = {n: fault for n, fault in faults.items() if n != "a full disk"}
    spent, end = dict.fromkeys(faults, 0.0), time.monotonic() + seconds
    while faults and time.monotonic() < end:
        fault = min(faults, key=spent.__getitem__)  # each gets the same share of the time
        if rounds and rows[fault].rounds >= rounds:
            break
        seed, start = first_seed + rows[fault].rounds, time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            verdict = faults[fault](seed, Path(name))
        rows[fault].add(seed, verdict)
        spent[fault] += time.monotonic() - start
    return list(rows.values())


def page(rows: list[Row], minutes: float) -> str:
    """What the campaign found, as a page."""
    return f"""# The campaign against the store

Written by `python run.py campaign --minutes {minutes:g}` on {datetime.now(UTC):%Y-%m-%d}, with
Python {platform.python_version()} and DuckDB {version("duckdb")} on {platform.system()}. Do not
edit.

*Lost*: rounds in which an acknowledged event was missing. *Wrong*: rounds with an answer that
cannot be right. *Unclear*: rounds that ended with an error that is not one of esnb. A round of
the same seed is run by `python run.py campaign --fault NAME --seed N`; the moment at which a
process is killed is not the same each time. What a round does is in `tests/campaign`; the checker
of histories is proven there against stores that are broken on purpose.

{table(rows)}
"""


def main() -> int:
    """Run it; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="run.py campaign")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--fault", help="only this fault, and only the round of this seed")
    chosen = parser.parse_args()
    if chosen.fault:
        rows = run({chosen.fault: FAULTS[chosen.fault]}, chosen.seed, float("inf"), rounds=1)
    else:
        rows = run(FAULTS, chosen.seed, chosen.minutes * 60)
        PAGE.write_text(page(rows, chosen.minutes), encoding="utf-8")
    print(table(rows))
    return int(any(row.notes for row in rows))


if __name__ == "__main__":
    sys.exit(main())
