"""A short, seeded part of the campaign, and the proof that its judges find broken stores."""

from __future__ import annotations

import itertools
import sys
from functools import partial
from pathlib import Path

import pytest

from esnb import ANY, ConcurrencyError, EventStore, new_event
from tests.campaign import kills
from tests.campaign.__main__ import FAULTS, main, page, run
from tests.campaign.damage import damaged, judge
from tests.campaign.histories import play
from tests.campaign.verdict import Row, Verdict, table

SHORT = {
    "kill -9: writer": 1,
    "kill -9: rebuild": 1,
    "concurrent histories": 6,
    "damage: flipped bits": 6,
    "damage: a cut file": 4,
    "damage: zeros": 4,
    "damage: missing or older files": 8,
    "a full disk": 1,
}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("fault", SHORT)
def test_a_short_part_of_the_campaign_finds_nothing(fault):
    (row,) = run({fault: FAULTS[fault]}, 20260302, float("inf"), rounds=SHORT[fault])
    assert (row.notes, row.lost, row.wrong, row.unclear) == ([], 0, 0, 0)
    assert row.rounds == SHORT[fault] or fault == "a full disk"


# -- stores that are broken on purpose -----------------------------------------------------------


class SkipsConditions(EventStore):
    """Two may use one voucher."""

    def append(self, *arguments, condition=None, **more):
        return super().append(*arguments, **more)


class StalePolls(EventStore):
    """A poll may end before what was acknowledged."""

    def read_all(self, after=0, limit=None, *, upcast=True):
        return iter(list(super().read_all(after, limit, upcast=upcast))[:-1])


class SkippingPolls(EventStore):
    """A poll may leave out an event, as one that reads by uncommitted positions does."""

    def read_all(self, after=0, limit=None, *, upcast=True):
        return iter(list(super().read_all(after, limit, upcast=upcast))[1:])


class LosesOne(EventStore):
    """Every ninth append is acknowledged, and gone."""

    turn = itertools.count()

    def append(self, name, events, **more):
        if next(self.turn) % 9 or self.version(name) == 0:
            return super().append(name, events, **more)
        with EventStore() as elsewhere:
            more["expected_version"] = ANY
            more.pop("condition", None)
            return elsewhere.append(name, events, **more)


class IgnoresVersions(EventStore):
    """The expected version is not looked at."""

    def append(self, name, events, *, expected_version, **more):
        return super().append(name, events, expected_version=ANY, **more)


class StoresTwice(EventStore):
    """A retry is a new append."""

    def append(self, name, events, **more):
        again = [new_event(e.event_type, e.event_data) for e in events]
        done = super().append(name, events, **more)
        return super().append(name, again, **more) if done.duplicate else done


class StoresAndRefuses(EventStore):
    """Every ninth append is stored, and its caller told that it was not."""

    turn = itertools.count()

    def append(self, name, events, **more):
        done = super().append(name, events, **more)
        if next(self.turn) % 9 == 0:
            raise ConcurrencyError(name, 0, done.version, [])
        return done


class TearsStreamsApart(EventStore):
    """append_all is several appends."""

    def append_all(self, events, *, expected_version, **more):
        return {
            name: self.append(name, batch, expected_version=expected_version[name], **more)
            for name, batch in events.items()
        }


BROKEN = [
    SkipsConditions, StalePolls, SkippingPolls, LosesOne, IgnoresVersions, StoresTwice,
    StoresAndRefuses, TearsStreamsApart,
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_the_checker_finds_a_broken_store(broken):
    for seed in range(40):
        with broken() as store:
            verdict = play(store, seed)
        if verdict.lost or verdict.wrong:
            break
    else:
        pytest.fail("nothing was found in 40 histories")
    assert bool(verdict.lost) == (broken is LosesOne)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_the_judge_of_kills_finds_a_lost_and_a_moved_event(tmp_path):
    path = tmp_path / "s.duckdb"
    said = kills.killed("writer", path, 3)
    assert kills.judge(path, said).is_clean
    lost = kills.judge(path, [*said, ["7", "00000000-0000-4000-8000-000000000000"]])
    assert lost.lost == ["1 of 1 up to 7"]
    position, *ids = said[0]
    moved = kills.judge(path, [[str(int(position) + 1), *ids]])
    assert len(moved.wrong) == 1
    assert not moved.lost


def test_the_judge_of_damage_finds_a_shorter_and_another_log(tmp_path):
    with EventStore(tmp_path / "s.duckdb") as store:
        for n in range(3):
            store.append("a", [new_event("Noted")], expected_version=n, aggregate_type="T")
        events = list(map(repr, store.read_all()))
    assert judge(tmp_path, events).is_clean
    assert judge(tmp_path, [*events, "one more"]).lost == ["3 of 4 events, and no error"]
    assert judge(tmp_path, ["another", *events[1:]]).wrong == ["3 of 3 events, and no error"]


def test_the_table_counts_rounds_and_says_what_was_found():
    row = Row("a fault")
    row.add(5, Verdict())
    row.add(6, Verdict(lost=["x", "y"], unclear=["z"]))
    text = table([row, Row("never")])
    assert "| a fault | 2 | 1 | 0 | 1 | 5 to 6 |" in text
    assert "| never | 0 | 0 | 0 | 0 | not possible here |" in text
    assert "- a fault, seed 6: lost: y" in text
    assert text in page([row, Row("never")], 2.5)
    assert "--minutes 2.5" in page([row], 2.5)


def test_one_round_can_be_repeated(monkeypatch, capsys):
    def bad(seed: int, folder: Path) -> Verdict:
        return Verdict(wrong=[f"seed {seed}, {len(list(folder.iterdir()))} files"])

    monkeypatch.setitem(FAULTS, "bad", bad)
    monkeypatch.setattr(sys, "argv", ["campaign", "--fault", "bad", "--seed", "41"])
    assert main() == 1
    assert "bad, seed 41: wrong: seed 41, 0 files" in capsys.readouterr().out


def test_a_damaged_round_is_the_same_for_the_same_seed(tmp_path):
    files = []
    for n in range(2):
        folder = tmp_path / str(n)
        folder.mkdir()
        partial(damaged, "flipped bits")(8, folder)
        files.append((folder / "s.duckdb.wal").read_bytes())
    assert files[0] == files[1]
