"""Kill -9 at a random moment: what was acknowledged is there, and nothing is there in part."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from esnb import EsnbError, EventStore, Projector
from esnb.shop.by_handler import OrderSummaryByHandler
from tests.campaign.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]


def killed(kind: str, path: Path, seed: int) -> list[list[str]]:
    """Let a victim work, kill it with its children; returns the appends that it acknowledged."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:  # a killed process cannot tidy up
        victim = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.victim", kind, str(path), str(seed)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env=os.environ | {"TMPDIR": temporary},
        )  # fmt: skip
        assert victim.stdout is not None
        assert victim.stderr is not None
        said = b""
        for _ in range(chance.randint(1, 60)):  # so many appends, however fast the machine is
            said += victim.stdout.readline()
        threading.Event().wait(chance.uniform(0, 0.05))  # and somewhere in the next one
        with contextlib.suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL)
        said += victim.stdout.read()
        error = victim.stderr.read().decode(errors="replace")
        victim.wait()
        victim.stdout.close()
        victim.stderr.close()
    if "Error" in error:
        raise RuntimeError(f"the victim ended by itself: {error.strip().splitlines()[-1]}")
    whole = said[: said.rfind(b"\n") + 1].decode()
    return [line.split() for line in whole.splitlines()]


def judge(path: Path, acknowledged: list[list[str]]) -> Verdict:
    """Compare a store with the appends that were acknowledged."""
    verdict = Verdict()
    with EventStore(path) as store:
        log = [(e.position, str(e.event_id), e.aggregate_id, e.sequence_number)
               for e in store.read_all()]  # fmt: skip
        places = {event_id: position for position, event_id, _, _ in log}
        if [row[0] for row in log] != list(range(1, len(log) + 1)):
            verdict.wrong.append("positions have a gap or are double")
        if len(places) < len(log):
            verdict.wrong.append("an event is stored twice")
        versions: dict[str, int] = {}
        for _, _, name, number in log:
            versions[name] = versions.get(name, 0) + 1
            if number != versions[name]:
                verdict.wrong.append(f"{name}: {number} follows {versions[name] - 1}")
        for position, *ids in acknowledged:
            found = [places.get(each) for each in ids]
            if None in found:
                verdict.lost.append(f"{found.count(None)} of {len(ids)} up to {position}")
            elif found != list(range(int(position) - len(ids) + 1, int(position) + 1)):
                verdict.wrong.append(f"acknowledged at {position}, stored at {found}")
        if not store.verify(store.proof).ok:
            verdict.wrong.append("the chain does not fit")
        judge_backups(path, places, verdict)
        if path.with_name("read.duckdb").exists():
            projector = Projector(
                store, OrderSummaryByHandler, database=path.with_name("read.duckdb")
            )
            projector.catch_up()
            if not projector.verify():
                verdict.wrong.append("the read model differs from one made afresh")
            projector.close()
    return verdict


def judge_backups(path: Path, places: dict[str, int], verdict: Verdict) -> None:
    """A backup that has its name is whole."""
    for each in path.parent.glob("*.backup"):
        with EventStore(each) as copy:
            ids = [str(event.event_id) for event in copy.read_all()]
            if [places.get(event_id) for event_id in ids] != list(range(1, len(ids) + 1)):
                verdict.wrong.append(f"{each.name} is not a beginning of the log")
            if not copy.verify(copy.proof).ok:
                verdict.wrong.append(f"{each.name}: the chain does not fit")


def kill(kind: str, seed: int, folder: Path) -> Verdict:
    """One round: two kills of the same store, the second after a restart."""
    path = folder / "s.duckdb"
    acknowledged: list[list[str]] = []
    verdict = Verdict()
    for turn in range(2):
        try:
            acknowledged += killed(kind, path, seed * 2 + turn)
            verdict = judge(path, acknowledged)
        except EsnbError as error:
            verdict.lost.append(f"{type(error).__name__}: {error}")
        except Exception as error:
            verdict.unclear.append(f"{type(error).__name__}: {error}")
        if not verdict.is_clean:
            break
    return verdict
