"""A disk that gets full: what was acknowledged is there, and the store goes on when there is room.

A small disk of its own needs Linux and root; elsewhere the rounds are left out.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esnb import ANY, Event, EventStore, StoreFullError, new_event
from tests.campaign.verdict import Verdict


@contextmanager
def small_disk(folder: Path, size: str = "20m") -> Iterator[Path | None]:
    """A disk of its own; None where that is not possible."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not (is_root and sys.platform == "linux" and shutil.which("mount")):
        yield None
        return
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def is_possible(folder: Path) -> bool:
    """Whether there can be a small disk."""
    with small_disk(folder) as disk:
        return disk is not None


def full_disk(seed: int, folder: Path) -> Verdict:
    """One round: full, some room, and the last append again."""
    verdict, chance = Verdict(), random.Random(seed)
    with small_disk(folder) as disk:
        if disk is None:
            return verdict
        filler = disk / "filler"
        filler.write_bytes(b"x" * chance.randrange(15_500_000, 17_500_000))
        store, path, ids = EventStore(disk / "s.duckdb"), disk / "s.duckdb", list[str]()
        last = list[Event]()
        try:
            for n in range(20_000):
                text = chance.randbytes(chance.choice((40, 400, 4000))).hex()
                last = [
                    new_event("Noted", n=n, k=k, text=text) for k in range(chance.choice((1, 4)))
                ]
                store.append("a", last, expected_version=ANY, aggregate_type="NOTE")
                ids += [str(event.event_id) for event in last]
            verdict.unclear.append("the disk did not get full")
        except StoreFullError:
            pass
        except Exception as error:
            verdict.unclear.append(f"{type(error).__name__}: {error}")
        filler.unlink()
        store.close()
        try:
            with EventStore(path) as store:
                found = [str(event.event_id) for event in store.read_all()]
                if found[: len(ids)] != ids:
                    verdict.lost.append(f"{len(found)} of {len(ids)} events")
                store.append("a", last, expected_version=ANY, aggregate_type="NOTE")
                if [str(e.event_id) for e in store.read_all()] != ids + [
                    str(e.event_id) for e in last
                ]:
                    verdict.wrong.append("the last append again is not stored exactly once")
        except Exception as error:
            verdict.unclear.append(f"{type(error).__name__}: {error}")
    return verdict
