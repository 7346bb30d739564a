"""XES files, written by hand."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from esnb import EventStore, interchange
from esnb.interchange import (
    COLUMNS,
    InterchangeError,
    restore,
)
from esnb.interchange.mapping import Bad
from esnb.interchange.opening import opened
from esnb.interchange.xes import XesReader
from tests.support import exactly

# -- process mining ---------------------------------------------------------------------------

XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
 <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
 <global scope="event"><string key="concept:name" value="__INVALID__"/></global>
 <string key="origin" value="by hand"/>
 <trace>
  <string key="concept:name" value="case 1"/><int key="budget" value="7"/>
  <event>
   <string key="concept:name" value="sub&amp;mit"/>
   <date key="time:timestamp" value="2020-01-02T10:00:00.123+01:00"/>
   <float key="cost" value="1.5"/><boolean key="ok" value="true"/>
   <string key="org:resource" value="Zoë"><int key="nested" value="1"/></string>
  </event>
  <event><string key="concept:name" value="pay"/>
   <date key="time:timestamp" value="2020-01-03T10:00:00Z"/></event>
 </trace>
 <trace>
  <string key="concept:name" value="case 2"/>
  <event><string key="concept:name" value="submit"/>
   <date key="time:timestamp" value="2020-01-02T12:00:00Z"/></event>
 </trace>
</log>
"""


@pytest.mark.parametrize("name", ["log.xes", "log.xes.gz"])
def test_xes(name: str, tmp_path: Path) -> None:
    raw = XES.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    frame = interchange.read_xes(tmp_path / name, "CLAIM")
    with restore(frame) as store:
        events = list(store.read_all())
    assert [(e.aggregate_id, e.sequence_number, e.event_type) for e in events] == [
        ("case 1", 1, "sub&mit"), ("case 2", 1, "submit"), ("case 1", 2, "pay"),
    ]  # fmt: skip
    first = events[0]
    assert first.aggregate_type == "CLAIM"
    assert exactly(first.data) == exactly({"cost": 1.5, "ok": True, "org:resource": "Zoë"})
    assert first.metadata == {"case": {"budget": 7}}
    assert events[2].metadata == {}
    assert first.occurred_at == datetime(2020, 1, 2, 9, 0, 0, 123000, tzinfo=UTC)
    assert frame.attrs["lost"] == (
        "1 attribute(s) of attributes, and in lists", "4 element(s) that belong to the whole log",
    )  # fmt: skip
    with EventStore() as other:
        assert other.append_frame(frame, **COLUMNS).position == 3


BOMB = (
    '<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<log ", BOMB + "<log ", "line 2: a document type declaration is refused"),
        ("<log ", '<!DOCTYPE log SYSTEM "http://127.0.0.1:9/x.dtd"><log ', "is refused"),
        ("by hand", "&undefined;", "is not XML"),
        ("</log>", "", "is not XML"),
        ("Zoë", "\x01", "is not XML"),
        ("case 2", "case 1", "line 17: the trace .case 1. comes twice"),
        ('value="pay"', 'value=""', "line 14: event_type is missing"),
        ('value="1.5"', 'value="much"', "line 11: 'cost' is not a valid float: 'much'"),
        ('value="1.5"', 'value="NaN"', "line 11: .*'NaN'; not_finite="),
        ('value="true"', 'value="maybe"', "line 11: 'ok' is not a valid boolean"),
        ("2020-01-03T10:00:00Z", "2020-01-03T10:00:00", "line 14: .* no zone"),
        ('key="ok"', 'key="cost"', "line 8: the key 'cost' comes twice"),
        ('"case 2"/>', '"case 2"/><string key="concept:name" value="x"/>', "line 17: the key"),
    ],
)
def test_bad_xes(old: str, new: str, reason: str, tmp_path: Path) -> None:
    assert old in XES
    (tmp_path / "log.xes").write_text(XES.replace(old, new, 1), "utf-8")
    with pytest.raises(InterchangeError, match=reason):
        interchange.read_xes(tmp_path / "log.xes")


def test_xes_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "log.xes").write_text("<html><trace/></html>")
    with pytest.raises(InterchangeError, match="is not XES, it begins with <html>"):
        interchange.read_xes(tmp_path / "log.xes")


def test_xes_is_read_as_a_stream(tmp_path: Path) -> None:
    head, rest = XES.split(" <trace>", 1)
    trace = " <trace>" + rest.split(" <trace>")[0]
    many = "".join(trace.replace("case 1", f"case {n}") for n in range(2000))
    path = tmp_path / "log.xes"
    path.write_text(head + many + "</log>", "utf-8")
    with opened(path) as file:
        reader = XesReader("CASE", Bad("log.xes"))
        assert next(iter(reader.rows(file)))[1]["aggregate_id"] == "case 0"
        assert file.tell() < path.stat().st_size / 2
    assert len(interchange.read_xes(path)) == 4000
