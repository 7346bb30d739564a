"""A short, seeded part of the campaign; `run` is proven by a reader that fails."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.campaign import mutated_imports
from tests.campaign.mutated_imports import READERS, attempt, run, run_crafted


def test_damaged_files_end_with_an_error_of_esnb_or_a_log() -> None:
    rows = run(rounds=450, seed=20260302)
    assert sum(row["rounds"] for row in rows) == 450
    assert {row["format"] for row in rows} == set(READERS)
    assert [row for row in rows if row["unclear"]] == []
    assert sum(row["read"] for row in rows) > 5
    assert sum(row["refused"] for row in rows) > 200


def test_crafted_files_end_soon() -> None:
    rows = run_crafted()
    assert [row for row in rows if row["unclear"]] == []
    assert len(rows) > 50


def test_the_campaign_finds_a_reader_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(path: Path) -> pd.DataFrame:
        raise RuntimeError("half a file")

    assert attempt(broken, tmp_path / "x")[0] == "raw RuntimeError"
    monkeypatch.setitem(mutated_imports.READERS, "csv", ("log.csv", broken))
    rows = run(rounds=45, seed=1)
    assert {row["format"] for row in rows if row["unclear"]} == {"csv"}
