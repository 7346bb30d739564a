"""Damaged and crafted files for the importers: each ends soon, as a log or with an error of esnb.

rows = run(rounds=20_000, seed=7)      # a row a format and kind of damage, for a table
python -m tests.campaign.mutated_imports 20000 7
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from esnb import EsnbError, EventStore, LessonClock, interchange
from esnb.shop import first_orders

#: How long a file may take, in seconds of this process's own time.
LIMIT = 5.0

Read = Callable[[Path], pd.DataFrame]

READERS: dict[str, tuple[str, Read]] = {
    "jsonl": ("log.jsonl", interchange.read_jsonl),
    "jsonl.gz": ("log.jsonl.gz", interchange.read_jsonl),
    "csv": ("log.csv", interchange.read_csv),
    "parquet": ("log.parquet", interchange.read_parquet),
    "cloudevents": ("log.ce", interchange.read_cloudevents),
    "batch": ("log.json", interchange.read_cloudevents),
    "xes": ("log.xes", interchange.read_xes),
    "xes.gz": ("log.xes.gz", interchange.read_xes),
    "ocel": ("log.jsonocel", lambda path: interchange.read_ocel(path, "order")),
}

XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0"><string key="origin" value="by hand"/>
 <trace><string key="concept:name" value="case 1"/><int key="budget" value="7"/>
  <event><string key="concept:name" value="submit"/>
   <date key="time:timestamp" value="2020-01-02T10:00:00.123+01:00"/>
   <float key="cost" value="1.5"/><boolean key="ok" value="true"/></event>
  <event><string key="concept:name" value="pay"/>
   <date key="time:timestamp" value="2020-01-03T10:00:00Z"/></event></trace></log>
"""
OCEL: dict[str, Any] = {
    "objectTypes": [{"name": "order", "attributes": []}],
    "objects": [{"id": "o1", "type": "order"}, {"id": "i1", "type": "item"}],
    "events": [
        {"id": f"e{n}", "type": "place", "time": f"2026-03-02T10:00:0{n}Z",
         "attributes": [{"name": "n", "value": n}], "relationships": [{"objectId": "o1"}]}
        for n in range(5)
    ],
}  # fmt: skip
# What is put into a file at a random place: what parsers stumble over.
PIECES = [
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"NaN", b"1e999", b"9" * 30, b"9" * 5000,
    b"{", b"[", b"}", b"]", b'"', b"'", b",", b":", b"\n", b"\r", b"<", b">", b"</trace>",
    b"<trace>", b"<event/>", b"&amp;", b"&x;", b"<!DOCTYPE a>", b"<![CDATA[", b"-->", b"<!--",
    b"0001-01-01T00:00:00+09:00", b"9999-12-31T23:59:59-09:00", b"+99999-01-01", b"[" * 2000,
    b"<a>" * 2000, b"PAR1", b"\x1f\x8b", b'encoding="utf-7"', b"null", b"true", b"{}",
    b'"a":1,"a":2,',
]  # fmt: skip


def samples(folder: Path) -> dict[str, bytes]:
    """A good file of each format."""
    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        interchange.write_jsonl(store, folder / "log.jsonl")
        interchange.write_csv(store, folder / "log.csv")
        interchange.write_parquet(store, folder / "log.parquet")
        interchange.write_cloudevents(store, folder / "log.ce")
        interchange.write_cloudevents(store, folder / "log.json", batch=True)
    (folder / "log.xes").write_text(XES, "utf-8")
    (folder / "log.jsonocel").write_text(json.dumps(OCEL), "utf-8")
    found = {}
    for name, (file, _) in READERS.items():
        packed = file.endswith(".gz")
        raw = (folder / file.removesuffix(".gz")).read_bytes()
        found[name] = gzip.compress(raw, mtime=0) if packed else raw
    return found


def flip(raw: bytes, rng: random.Random) -> bytes:
    """Some bits of a file are other ones."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(raw: bytes, rng: random.Random) -> bytes:
    """A part of a file is missing."""
    start = rng.randrange(len(raw))
    return raw[:start] + raw[start + rng.randrange(1, len(raw)) :]


def double(raw: bytes, rng: random.Random) -> bytes:
    """A part of a file comes several times."""
    start = rng.randrange(len(raw))
    end = min(len(raw), start + rng.randrange(1, 400))
    return raw[:end] + raw[start:end] * rng.choice((1, 2, 50)) + raw[end:]


def put(raw: bytes, rng: random.Random) -> bytes:
    """Something is in a file that does not belong there."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(raw) + 1)
        raw = raw[:at] + rng.choice(PIECES) + raw[at:]
    return raw


def swap(raw: bytes, rng: random.Random) -> bytes:
    """Two parts of a file have changed places."""
    a, b, c = sorted(rng.randrange(len(raw) + 1) for _ in range(3))
    return raw[:a] + raw[b:c] + raw[a:b] + raw[c:]


DAMAGES = (flip, cut, double, put, swap)


def attempt(read: Read, path: Path) -> tuple[str, float]:
    """How reading a file ended ("read", "refused", or a raw error by name), and its CPU time."""
    start = time.process_time()
    try:
        frame = read(path)
        how = "read"
        # What passes is stored, or refused by the checks of a log, and never half of it.
        interchange.restore(frame).close()
    except EsnbError:
        how = "refused"
    except Exception as error:
        how = f"raw {type(error).__name__}"
    return how, time.process_time() - start


def run(rounds: int, seed: int) -> list[dict[str, Any]]:
    """Read damaged files; a row for each format and kind of damage, with what went wrong in it."""
    rng = random.Random(seed)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        good = samples(folder)
        for n in range(rounds):
            kind = list(READERS)[n % len(READERS)]
            damage = DAMAGES[n // len(READERS) % len(DAMAGES)]
            file, read = READERS[kind]
            raw = damage(good[kind], rng)
            if kind.endswith(".gz") and n % 2:  # damage inside, in a package that is whole
                raw = gzip.compress(damage(gzip.decompress(good[kind]), rng), 1, mtime=0)
            (folder / file).write_bytes(raw)
            how, seconds = attempt(read, folder / file)
            row = rows.setdefault(
                (kind, damage.__name__),
                {"format": kind, "damage": damage.__name__, "seed": seed, "rounds": 0, "read": 0,
                 "refused": 0, "unclear": [], "slowest": 0.0},
            )  # fmt: skip
            row["rounds"] += 1
            row["slowest"] = max(row["slowest"], seconds)
            if how in ("read", "refused"):
                row[how] += 1
            else:
                row["unclear"].append(f"round {n}: {how}")
            if seconds > LIMIT:
                row["unclear"].append(f"round {n}: {seconds:.1f} s")
    return list(rows.values())


def crafted(size: int = 1) -> Iterator[tuple[str, str, bytes]]:
    """Files made to cost time or memory: (name, format, content); `size` makes them larger."""
    deep, keys = 40_000 * size, 60_000 * size
    event = b'<event><string key="concept:name" value="x"/>'
    yield (
        "deep elements",
        "xes",
        b"<log><trace>" + b"<a>" * deep + b"</a>" * deep + b"</trace></log>",
    )
    yield "open elements", "xes", b"<log>" + b"<trace>" * deep
    attributes = b"".join(b'<string key="k%d" value="v"/>' % n for n in range(keys))
    attributes += b'<string key="k%d" value="v"/>' % (keys - 1)
    yield (
        "many keys, the last twice",
        "xes",
        (b"<log><trace>" + event + attributes + b"</event></trace></log>"),
    )
    long = b'<string key="k" value="' + b"v" * (20_000_000 * size)
    yield "a long attribute", "xes", b"<log><trace>" + event + long + b'"/></event></trace></log>'
    yield "a long attribute without an end", "xes", b"<log><trace>" + event + long
    yield (
        "many attributes of a tag",
        "xes",
        (b"<log " + b" ".join(b'a%d="1"' % n for n in range(keys)) + b"></log>"),
    )
    yield "an endless comment", "xes", b"<log><!--" + b"-" * (5_000_000 * size)
    for encoding in (
        "utf-7",
        "punycode",
        "zlib_codec",
        "rot13",
        "nothing",
        "idna",
        "hex",
        "x" * 900,
    ):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        yield f"encoding {encoding[:12]}", "xes", head + XES.split("?>")[1].encode()
    object_ = b"{" + b",".join(b'"k%d":1' % n for n in range(keys)) + b',"k%d":2}' % (keys - 1)
    line = b'{"aggregate_type":"T","aggregate_id":"a","event_type":"X","event_data":%s,'
    line += b'"occurred_at":"2026-03-02T10:00:00Z"}\n'
    yield "many keys, the last twice", "jsonl", line % object_
    yield "many keys, the last twice", "cloudevents", object_
    for kind in ("jsonl", "cloudevents", "ocel"):
        yield "deep lists", kind, b"[" * deep
        yield "deep objects", kind, b'{"a":' * deep
        yield "deep lists that end", kind, line % (b'{"a":' + b"[" * deep + b"]" * deep + b"}")
        yield "many small lists", kind, b"[" + b"[]," * (10_000_000 * size) + b"[]]"
        yield "a long number", kind, b'{"a":' + b"9" * (1_000_000 * size) + b"}"
        yield "a long text", kind, b'{"a":"' + b"x" * (20_000_000 * size)
        yield "quotes", kind, b'"' * (1_000_000 * size)
        yield "escapes", kind, b'"' + b"\\" * (1_000_000 * size)
        yield "spaces", kind, b" " * (20_000_000 * size)
    yield "one cell without an end", "csv", b'a,b\n"' + b"x" * (20_000_000 * size)
    yield (
        "many columns, the last twice",
        "csv",
        b",".join(b"c%d" % (n % keys) for n in range(keys + 1)),
    )
    yield "many columns of one name", "csv", b"a," * keys
    yield "only separators", "csv", b"," * (1_000_000 * size)
    yield "only line breaks", "csv", b"\n" * (1_000_000 * size)
    yield "quotes", "csv", b'"' * (1_000_000 * size)
    for kind in ("jsonl.gz", "xes.gz"):
        for what, unit in (("zeros", b"\0"), ("spaces", b" "), ("lines", b"{}\n")):
            raw = unit * (100_000_000 * size // len(unit))
            yield f"a bomb of {what}", kind, gzip.compress(raw, 9, mtime=0)
        yield "not packed", kind, b"{}"
        yield "cut", kind, gzip.compress(b"{}\n" * 1000, mtime=0)[:-9]
    for what, raw in (("marks only", b"PAR1PAR1"), ("a wrong length", b"PAR1\xff\xff\xff\x7fPAR1")):
        yield what, "parquet", raw


def run_crafted(size: int = 1) -> list[dict[str, Any]]:
    """Read the crafted files; a row each."""
    rows = []
    with TemporaryDirectory() as name:
        for what, kind, raw in crafted(size):
            file, read = READERS[kind]
            path = Path(name) / file
            path.write_bytes(raw)
            how, seconds = attempt(read, path)
            clear = how in ("read", "refused") and seconds <= LIMIT
            rows.append({"format": kind, "damage": what, "how": how, "seconds": seconds,
                         "unclear": [] if clear else [f"{how}, {seconds:.1f} s"]})  # fmt: skip
    return rows


if __name__ == "__main__":
    table = pd.DataFrame([*run(int(sys.argv[1]), int(sys.argv[2])), *run_crafted()])
    print(table.to_string())
    sys.exit(bool(table["unclear"].map(len).sum()))
