"""Damaged files: a store opens whole, or says that it cannot; it is never shorter in silence."""

from __future__ import annotations

import random
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from esnb import EsnbError, EventStore, new_event
from tests.campaign.kills import killed
from tests.campaign.verdict import Verdict

Content = dict[str, bytes]


@cache
def templates() -> list[tuple[Content, Content, list[str]]]:
    """Files of a store, those of an earlier moment, and its events: after a crash, and closed."""
    found = []
    for crash in (True, False):
        folder = Path(mkdtemp())
        path = folder / "s.duckdb"
        with EventStore(path) as store:
            for n in range(12):
                event = new_event("Noted", n=n, text="x" * 40)
                store.append("a", [event], expected_version=n, aggregate_type="NOTE")
        earlier = read(folder)
        if crash:
            killed("writer", path, 1)
        else:
            with EventStore(path) as store:
                store.append("a", [new_event("Noted")], expected_version=12)
        now = read(folder)
        with EventStore(path) as store:
            events = list(map(repr, store.read_all()))
        found.append((now, earlier, events))
        shutil.rmtree(folder)
    return found


def read(folder: Path) -> Content:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def flip(content: Content, name: str, chance: random.Random) -> None:
    """A few bits are other ones."""
    raw = bytearray(content[name])
    for _ in range(chance.choice((1, 1, 3))):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    content[name] = bytes(raw)


def cut(content: Content, name: str, chance: random.Random) -> None:
    """The end is missing."""
    content[name] = content[name][: chance.randrange(len(content[name]))]


def blank(content: Content, name: str, chance: random.Random) -> None:
    """A block of zeros."""
    raw = bytearray(content[name])
    start = chance.randrange(len(raw))
    raw[start : start + 4096] = bytes(len(raw[start : start + 4096]))
    content[name] = bytes(raw)


DAMAGES = {"flipped bits": flip, "a cut file": cut, "zeros": blank}


def judge(folder: Path, events: list[str], least: int | None = None) -> Verdict:
    """All events, or an error of esnb; those after `least` were perhaps not acknowledged."""
    verdict = Verdict()
    try:
        with EventStore(folder / "s.duckdb") as store:
            found = list(map(repr, store.read_all()))
            least = len(events) if least is None else least
            if found != events[: max(least, len(found))]:
                kind = verdict.lost if found == events[: len(found)] else verdict.wrong
                kind.append(f"{len(found)} of {len(events)} events, and no error")
    except EsnbError:
        pass  # said
    except Exception as error:
        verdict.unclear.append(f"{type(error).__name__}: {error}")
    return verdict


def damaged(kind: str, seed: int, folder: Path) -> Verdict:
    """One round: a copy of the files, one of them damaged."""
    chance = random.Random(seed)
    now, earlier, events = templates()[seed % 2]
    content = dict(now)
    # The kill may have come after a commit and before its acknowledgement.
    least = int(now["s.duckdb.head"].split()[0])
    names = [name for name in content if content[name]]
    if kind == "missing or older files":
        for name in chance.sample(names, chance.randint(1, len(names) - 1)):
            if name in earlier and chance.random() < 0.5:
                content[name] = earlier[name]
            else:
                del content[name]
        if "s.duckdb" not in content and not content.keys() & {"s.duckdb.wal", "s.duckdb.head"}:
            return Verdict()  # nothing is left that could tell
        if alone_and_closed(content, earlier):
            least = 12  # an older whole copy: nobody can know of more
    else:
        DAMAGES[kind](content, chance.choice(names), chance)
    for name, raw in content.items():
        (folder / name).write_bytes(raw)
    return judge(folder, events, least)


def alone_and_closed(content: Content, earlier: Content) -> bool:
    """Whether what is left is exactly what a backup of the earlier moment would be."""
    head = content.get("s.duckdb.head")
    return (
        content.get("s.duckdb") == earlier["s.duckdb"]
        and head in (None, earlier["s.duckdb.head"])
        and "s.duckdb.wal" not in content
    )
