"""The log that the benchmarks of read models share: a simulated shop of any length, built once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from esnb import EventStore
from esnb.shop import simulate

PIECE = 1_000_000  # events of one simulation, which lasts 56 days


def build(folder: Path, events: int) -> Path:
    """A store of so many events: one simulated shop after the other, with orders of its own."""
    path = folder / f"shop-{events}.duckdb"
    if path.exists():
        return path
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with EventStore(half) as store:
        while store.position < events:
            number = store.position // PIECE
            left = min(PIECE, events - store.position)
            print(f"building {path.name}: {store.position:,} events", flush=True)
            with EventStore() as part:
                start = datetime(2020, 1, 6, tzinfo=UTC) + timedelta(days=56 * number)
                simulate(part, orders=left * 10 // 39 + 400, seed=11 + number, start=start)
                frame = part.df().head(left)
            frame["aggregate_id"] = f"{number}-" + frame["aggregate_id"]
            store.append_frame(
                frame, aggregate_type="aggregate_type", aggregate_id="aggregate_id",
                event_type="event_type", data="event_data", metadata="metadata",
                occurred_at="occurred_at",
            )  # fmt: skip
    for file in folder.glob(f"{half.name}*"):
        file.rename(folder / file.name.replace(half.name, path.name))
    return path
