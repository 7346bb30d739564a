"""XES files, written by hand."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from esnb import EventStore, InvalidEventError, interchange
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
    many = "".join(trace.replace("case 1", f"case {n}") for n in range(6000))
    path = tmp_path / "log.xes"
    path.write_text(head + many + "</log>", "utf-8")
    with opened(path) as file:
        reader = XesReader("CASE", Bad("log.xes"))
        assert next(iter(reader.rows(file)))[1]["aggregate_id"] == "case 0"
        assert file.tell() < path.stat().st_size / 2
    assert len(interchange.read_xes(path)) == 12000


def xes(body: str, encoding: str = "UTF-8") -> bytes:
    text = f'<?xml version="1.0" encoding="{encoding}"?><log>{body}</log>'
    return text.encode(encoding)


def one_event(*attributes: str, case: str = '<string key="concept:name" value="c"/>') -> str:
    usual = {
        "concept:name": '<string key="concept:name" value="submit"/>',
        "time:timestamp": '<date key="time:timestamp" value="2020-01-02T10:00:00Z"/>',
    }
    given = "".join(attributes)
    rest = "".join(text for key, text in usual.items() if key not in given)
    return f"<trace>{case}<event>{rest}{given}</event></trace>"


def only(path: Path, raw: bytes, **options: Any) -> dict[str, Any]:
    path.write_bytes(raw)
    frame = interchange.read_xes(path, **options)
    assert len(frame) == 1
    return dict(frame.iloc[0]) | {
        "lost": frame.attrs["lost"], "data": json.loads(frame["event_data"][0]),
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["GBK", "GB2312", "gb18030", "Big5", "EUC-KR", "Shift_JIS",
                                      "EUC-JP", "ISO-2022-JP", "windows-1252", "ISO-8859-15",
                                      "KOI8-R", "UTF-16", "utf-8"])  # fmt: skip
def test_xes_in_the_encoding_that_it_declares(encoding: str, tmp_path: Path) -> None:
    text = {
        "GBK": "提交订单", "GB2312": "提交订单", "gb18030": "提交订单", "Big5": "提交訂單",
        "EUC-KR": "주문",
        "Shift_JIS": "注文", "EUC-JP": "注文", "ISO-2022-JP": "注文", "KOI8-R": "заказ",
    }.get(encoding, "Größe")  # fmt: skip
    # The long attribute makes a character cross the border of two parts.
    filler = f'<string key="x" value="{"a" * 1_048_300}{text * 100}"/>'
    event = one_event(f'<string key="concept:name" value="{text}"/>', filler)
    found = only(tmp_path / "log.xes", xes(event, encoding))
    assert found["event_type"] == text
    assert found["data"]["x"].endswith(text * 100)


@pytest.mark.parametrize("encoding", ["utf-7", "rot13", "zlib_codec", "punycode", "nothing"])
def test_xes_in_an_encoding_that_nobody_knows(encoding: str, tmp_path: Path) -> None:
    raw = xes(one_event()).replace(b"UTF-8", encoding.encode())
    (tmp_path / "log.xes").write_bytes(raw)
    with pytest.raises(InterchangeError, match=f"the encoding '{encoding}', which is not known"):
        interchange.read_xes(tmp_path / "log.xes")
    (tmp_path / "log.xes").write_bytes(xes(one_event(), "GBK")[:-3] + b"\xff\xff\xff")
    with pytest.raises(InterchangeError, match=r"is not XML .*gbk"):
        interchange.read_xes(tmp_path / "log.xes")


def test_xes_with_numbers_for_names_and_flags(tmp_path: Path) -> None:
    case = '<int key="concept:name" value="17"/>'
    event = one_event('<boolean key="a" value="1"/><boolean key="b" value="0"/>', case=case)
    found = only(tmp_path / "log.xes", xes(event))
    assert found["aggregate_id"] == "17"
    assert exactly(found["data"]) == exactly({"a": True, "b": False})


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int", "1_000"), ("int", "١"), ("int", "1.0"), ("int", ""), ("float", "1_0.5"),
     ("float", "0x1"), ("float", "١.٥"), ("boolean", "yes"), ("float", "infinite")],
)  # fmt: skip
def test_xes_values_that_are_not_of_their_kind(kind: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "log.xes").write_bytes(xes(one_event(f'<{kind} key="k" value="{text}"/>')))
    with pytest.raises(InterchangeError, match=f"'k' is not a valid {kind}"):
        interchange.read_xes(tmp_path / "log.xes")


@pytest.mark.parametrize("text", ["NaN", "INF", "-INF"])
def test_xes_numbers_that_json_does_not_have(text: str, tmp_path: Path) -> None:
    path, raw = tmp_path / "log.xes", xes(one_event(f'<float key="k" value="{text}"/>'))
    path.write_bytes(raw)
    with pytest.raises(InterchangeError, match="not_finite='null' or 'text'"):
        interchange.read_xes(path)
    assert only(path, raw, not_finite="text")["data"] == {"k": text}
    found = only(path, raw, not_finite="null")
    assert found["data"] == {"k": None}
    assert found["lost"] == ("1 number(s) NaN or INF, kept as null",)
    with pytest.raises(InvalidEventError, match="not_finite is"):
        interchange.read_xes(path, not_finite="0")  # type: ignore[arg-type]


def test_xes_times_without_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    raw = xes(one_event('<date key="time:timestamp" value="2020-07-01T10:00:00"/>'))
    with pytest.raises(InterchangeError, match="has no zone"):
        only(path, raw)
    found = only(path, raw, timezone="Europe/Berlin")
    assert found["occurred_at"] == pd.Timestamp("2020-07-01T08:00:00Z")
    aware = xes(one_event())
    assert only(path, aware, timezone="Asia/Tokyo")["occurred_at"].hour == 10
    for text, words in (
        ("2026-10-25T02:30:00", "came twice"),
        ("2026-03-29T02:30:00", "not exist"),
    ):
        raw = xes(one_event(f'<date key="time:timestamp" value="{text}"/>'))
        with pytest.raises(InterchangeError, match=f"{words} in Europe/Berlin"):
            only(path, raw, timezone="Europe/Berlin")
    with pytest.raises(InvalidEventError, match="not an IANA zone"):
        interchange.read_xes(path, timezone="Mars")


def test_xes_without_names_or_times(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    bare = xes("<trace><event/><event/></trace><trace><event/></trace>")
    path.write_bytes(bare)
    with pytest.raises(InterchangeError, match="default_id="):
        interchange.read_xes(path)
    with pytest.raises(InterchangeError, match="default_type="):
        interchange.read_xes(path, default_id="case")
    with pytest.raises(InterchangeError, match="default_time="):
        interchange.read_xes(path, default_id="case", default_type="step")
    frame = interchange.read_xes(
        path, default_id="case", default_type="step", default_time="2020-01-01T00:00:00Z"
    )
    assert list(zip(frame["aggregate_id"], frame["sequence_number"], strict=True)) == [
        ("case 1", 1), ("case 1", 2), ("case 2", 1),
    ]  # fmt: skip
    assert set(frame["event_type"]) == {"step"}


def test_xes_counts_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    event = one_event().removeprefix("<trace>").removesuffix("</trace>")
    loose = event.replace('<string key="concept:name" value="c"/>', "", 1)
    nested = '<string key="k" value="v"><int key="n" value="1"/></string>'
    listed = '<list key="l"><int key="n" value="1"/><int key="m" value="1"/></list>'
    path.write_bytes(xes(loose * 2 + one_event(nested, listed) + "<trace/>"
                         "<trace><string key='concept:name' value='empty'/></trace>"
                         "<extension/><global/>").replace(b"<trace/>", b""))  # fmt: skip
    frame = interchange.read_xes(path)
    assert frame.attrs["lost"] == (
        "1 <list> element(s)",
        "1 trace(s) without events",
        "2 element(s) that belong to the whole log",
        "2 event(s) outside of all traces; loose_id=... keeps them",
        "3 attribute(s) of attributes, and in lists",
    )
    assert len(frame) == 1
    kept = interchange.read_xes(path, loose_id="loose")
    assert list(kept["aggregate_id"]) == ["loose", "loose", "c"]
    assert not [words for words in kept.attrs["lost"] if "outside" in words]


def test_a_piece_without_an_end_is_refused_in_time(tmp_path: Path) -> None:
    path, long = tmp_path / "log.xes", "v" * 30_000_000
    for raw in (one_event(f'<string key="k" value="{long}"/>'), f"<!--{long}-->", f"<x {long}"):
        path.write_bytes(xes(raw))
        with pytest.raises(InterchangeError, match=r"line 1: .* more than 16,777,216 bytes"):
            interchange.read_xes(path)
    path.write_bytes(xes(one_event(f'<string key="k" value="{long[:15_000_000]}"/>')))
    assert len(interchange.read_xes(path)["event_data"][0]) > 15_000_000
