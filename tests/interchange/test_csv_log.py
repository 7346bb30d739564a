"""Files of unknown conventions, written by this test in every combination, and read back."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb.interchange import InterchangeError, read_table

WAYS = {
    "%Y-%m-%d %H:%M:%S": None, "%Y/%m/%d %H:%M": None, "%d.%m.%Y %H:%M:%S": True,
    "%d/%m/%Y %H:%M": True, "%m/%d/%Y %I:%M %p": False, "%m-%d-%Y %H:%M": False,
}  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.integers(0, 10**12),
        st.integers(-(10**6), 10**6),
        st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31)),
        st.text("abcäöüßéñ;,|\t\"' ", min_size=1, max_size=9).filter(lambda t: t.strip() == t),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60)
@given(
    ROWS,
    st.sampled_from(",;\t|"),
    st.sampled_from(".,"),
    st.sampled_from(list(WAYS)),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.integers(0, 3),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, datetime, str]],
    mark: str,
    sign: str,
    way: str,
    encoding: str,
    blank: int,
) -> None:
    path = tmp_path_factory.mktemp("csv") / "log.csv"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator="\n")
    writer.writerow(["number", "amount", "at", "text"])
    anchor = (1, 5, datetime(2026, 3, 25, 10, 30), "x y")  # decides about day and month
    every = [anchor, *rows]
    for number, cents, at, text in every:
        amount = f"{cents / 100:.2f}".replace(".", sign)
        writer.writerow([number, amount, at.strftime(way), text])
    path.write_bytes(("\n" * blank + out.getvalue()).encode(encoding))
    frame = read_table(path)
    reading = frame.attrs["reading"]
    assert (reading.separator, reading.decimal, reading.skipped_lines) == (mark, sign, blank)
    assert frame["number"].to_list() == [row[0] for row in every]
    assert frame["amount"].to_list() == pytest.approx([row[1] / 100 for row in every])
    wanted = [datetime.strptime(row[2].strftime(way), way) for row in every]
    assert frame["at"].to_list() == [pd.Timestamp(at) for at in wanted]
    missing = {"-"}
    assert [t for t in frame["text"] if not pd.isna(t)] == [
        row[3].strip() for row in every if row[3].strip() not in missing
    ]


def wrote(folder: Path, text: str | bytes) -> Path:
    path = folder / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_day_that_could_be_a_month_is_refused_with_the_rows(tmp_path: Path) -> None:
    path = wrote(tmp_path, "id,at\n1,03.02.2026\n2,04.05.2026\n")
    with pytest.raises(InterchangeError, match=r"row 0 \('03.02.2026'\) and row 1.*dayfirst="):
        read_table(path)
    days = read_table(path, dayfirst=True)["at"].to_list()
    assert days == [pd.Timestamp("2026-02-03"), pd.Timestamp("2026-05-04")]
    months = read_table(path, dayfirst=False)["at"].to_list()
    assert months == [pd.Timestamp("2026-03-02"), pd.Timestamp("2026-04-05")]
    path = wrote(tmp_path, "id,at\n1,13.02.2026\n2,04.25.2026\n")
    with pytest.raises(InterchangeError, match=r"mixes two orders: row 0 .* row 1"):
        read_table(path)
    with pytest.raises(InterchangeError, match=r"row 1: '04.25.2026' has a month beyond 12"):
        read_table(path, dayfirst=True)


def test_a_thousand_that_could_be_a_fraction_is_refused(tmp_path: Path) -> None:
    path = wrote(tmp_path, "id;amount\n1;1.234\n2;2.500\n")
    with pytest.raises(InterchangeError, match=r"'amount', row 0: '1.234'.*decimal="):
        read_table(path)
    assert read_table(path, decimal=".")["amount"].to_list() == [1.234, 2.5]
    assert read_table(path, decimal=",")["amount"].to_list() == [1234, 2500]
    path = wrote(tmp_path, "id;amount\n1;1.234\n2;2,5\n")
    assert read_table(path)["amount"].to_list() == [1234, 2.5]


def test_ids_stay_what_they_are(tmp_path: Path) -> None:
    frame = read_table(wrote(tmp_path, "id,code,at\n7,007,2026-01-01\n,012,2026-01-02\n"))
    assert frame["id"].dtype == "Int64"
    assert frame["id"].isna().to_list() == [False, True]
    assert frame["code"].to_list() == ["007", "012"]


@pytest.mark.parametrize("codec", ["cp1252", "shift_jis", "gbk", "big5", "euc_kr"])
def test_an_encoding_can_be_said_and_a_wrong_one_is_refused(tmp_path: Path, codec: str) -> None:
    word = {"cp1252": "Größe café", "shift_jis": "注文が届いた", "gbk": "订单已付款",
            "big5": "訂單已付款", "euc_kr": "주문이 결제됨"}[codec]  # fmt: skip
    path = wrote(tmp_path, f"id,what\n1,{word}\n".encode(codec))
    assert read_table(path, encoding=codec)["what"].to_list() == [word]
    with pytest.raises(InterchangeError, match=r"is not utf-8: byte \d+"):
        read_table(path, encoding="utf-8")
    with pytest.raises(InterchangeError, match="no encoding 'utf-99'"):
        read_table(path, encoding="utf-99")


def test_zones_make_a_column_aware_and_a_mixture_is_refused(tmp_path: Path) -> None:
    path = wrote(tmp_path, "id,at\n1,2026-03-01T10:00:00+01:00\n2,2026-03-01T10:00:00Z\n")
    assert read_table(path)["at"].to_list() == [
        pd.Timestamp("2026-03-01T09:00Z"), pd.Timestamp("2026-03-01T10:00Z"),
    ]  # fmt: skip
    path = wrote(tmp_path, "id,at\n1,2026-03-01T10:00:00\n2,2026-03-01T10:00:00Z\n")
    with pytest.raises(InterchangeError, match="row 0 has none"):
        read_table(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,a\n1,2,3\n", "same name, 'a'"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 values.*2 columns"),
        ('a,b\n1,"2\n', "line 2.*quote"),
        ("id,at\n1,31.02.2026\n", "row 0: '31.02.2026' is not a day"),
        ("id,at\n1,2026-01-25 13:00 pm\n", "no such hour"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InterchangeError, match=message):
        read_table(wrote(tmp_path, text))
