"""A guess names columns, reasons and doubts; from_csv loads only what it does not doubt."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from esnb import EventStore
from esnb.interchange import InterchangeError, from_csv, guess_columns, read_table

MESSY = """
Patient;Was;Wann;Betrag;Station
17;Aufnahme;03.02.2026 10:00;1.234,50;A
17;Visite;13.02.2026 11:30;0,00;A
18;Visite;14.02.2026 09:15;12,00;B
18;Entlassung;15.02.2026 08:00;;B
"""


def test_the_guess_is_a_call_that_works(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text(MESSY, encoding="utf-8")
    frame = read_table(path)
    guess = guess_columns(frame)
    assert guess.keywords == {
        "aggregate_id": "Patient", "event_type": "Was", "occurred_at": "Wann",
        "aggregate_type": "PATIENT", "timezone": "UTC",
    }  # fmt: skip
    store: EventStore = eval(guess.call, {"EventStore": EventStore, "frame": frame})  # our own text
    assert [e.event_type for e in store.events("17")] == ["Aufnahme", "Visite"]
    assert store.events("17")[0].data == {"Betrag": 1234.5, "Station": "A"}
    text = repr(guess)
    assert text.startswith(guess.call)
    assert "'Wann' has no zone" in text


def test_doubts_are_named() -> None:
    times = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True)
    frame = pd.DataFrame(
        {
            "case_id": [1.0, None, 1.0],
            "activity": ["a", "b", "c"],
            "occurred": times,
            "booked": times,
        }
    )
    guess = guess_columns(frame)
    assert guess.keywords["occurred_at"] == "occurred"
    assert guess.keywords["aggregate_type"] == "CASE"
    assert "timezone" not in guess.keywords
    doubts = " ".join(guess.doubts)
    assert "2 columns hold times: occurred, booked" in doubts
    assert "1 row has no 'case_id'" in doubts
    assert "'case_id' holds floats" in doubts


def test_what_cannot_be_guessed_is_said() -> None:
    times = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    with pytest.raises(InterchangeError, match=r"No column holds times.*'day' looks like local"):
        guess_columns(pd.DataFrame({"id": ["x", "x"], "day": ["01.02.2026", "02.02.2026"]}))
    with pytest.raises(InterchangeError, match="No column repeats"):
        guess_columns(pd.DataFrame({"at": times, "id": ["x", "y"]}))
    with pytest.raises(InterchangeError, match="No text column"):
        guess_columns(pd.DataFrame({"at": times, "id": ["x", "x"], "n": [1, 2]}))
    with pytest.raises(InterchangeError, match="no rows"):
        guess_columns(pd.DataFrame())


def test_a_log_without_doubts_loads_in_one_call(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("case_id,activity,time\nx,a,2026-01-01T10:00:00Z\nx,b,2026-01-02T10:00:00Z\n")
    assert [e.event_type for e in from_csv(path).events("x")] == ["a", "b"]
    path.write_text(MESSY, encoding="utf-8")
    with pytest.raises(InterchangeError, match=r"'Was' was taken as the type(.|\n)*from_csv"):
        from_csv(path, timezone="Europe/Berlin")
    store = from_csv(
        path, tmp_path / "visits.duckdb", timezone="Europe/Berlin", aggregate_id="Patient",
        event_type="Was", occurred_at="Wann", aggregate_type="PATIENT",
    )  # fmt: skip
    assert str(store.events("17")[0].occurred_at) == "2026-02-03 09:00:00+00:00"
    store.close()
