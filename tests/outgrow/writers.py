"""Processes that race for the streams of one shared store: `python -m tests.outgrow.writers`.

Arguments: address, schema, processes, rounds. Each process writes, at random moments, at a version
that may be stale (a rollback), at any version, with a condition, and several events at once. Some
wait in the middle of a transaction, where a number would have been taken and not committed.
Prints a line `stream version event-id` for each event that was acknowledged.
"""

from __future__ import annotations

import os
import random
import sys
import time

from esnb import ANY, AppendCondition, ConcurrencyError, EventStore, new_event


def write(url: str, schema: str, number: int, rounds: int) -> None:
    chance = random.Random(number)
    with EventStore.connect(url, schema=schema) as store:
        log = store._log
        insert = log.insert

        def slowly(*arguments: object) -> None:
            time.sleep(chance.choice([0, 0, 0.001, 0.004]))  # it has its positions by now
            insert(*arguments)  # type: ignore[arg-type]

        log.insert = slowly  # type: ignore[method-assign]
        said = []
        for turn in range(rounds):
            stream = chance.choice(["shared-1", "shared-2", f"own-{number}"])
            events = [
                new_event("Raced", by=number, turn=turn) for _ in range(chance.choice([1, 3]))
            ]
            expected = ANY if chance.random() < 0.4 else store.version(stream)
            seat = AppendCondition("Raced", {"by": number, "turn": turn})
            try:
                store.append(stream, events, expected_version=expected, aggregate_type="T",
                             condition=seat if chance.random() < 0.2 else None)  # fmt: skip
            except ConcurrencyError:
                said.append("conflict")
                continue
            said += [f"{stream} {event.event_id}" for event in events]
        sys.stdout.write("\n".join(said) + "\n")
        sys.stdout.flush()


def main() -> None:
    url, schema, processes, rounds = sys.argv[1:]
    children = []
    for number in range(int(processes)):
        # Forked after the imports, which are most of the work, and before anything is opened.
        if (pid := os.fork()) == 0:
            try:
                write(url, schema, number, int(rounds))
            except BaseException as error:
                print(f"failed {error!r}", flush=True)
                os._exit(1)
            os._exit(0)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
