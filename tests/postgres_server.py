"""A PostgreSQL server for the tests that need one, in a temporary folder, on a socket in it.

Where there is no `initdb`, they are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, if PostgreSQL is installed."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of its own, with logical decoding; how to connect to it."""
    place = programs()
    if place is None or os.name == "nt":
        pytest.skip("no PostgreSQL server (initdb) on this machine")
    # It refuses to run as root, which is who runs in a container.
    user: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="esnb-pg-"))  # short: a socket's path may have 107 bytes
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres")
        except LookupError:
            shutil.rmtree(folder)
            pytest.skip("run by root, and there is no user 'postgres' to run the server")
        user = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": folder}

    def run(program: str, *arguments: str) -> None:
        # No pipe: the server keeps it open, and the run would wait for its end.
        with (folder / "said").open("w") as said:
            done = subprocess.run(
                [str(place / program), "-D", str(folder / "data"), *arguments],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, **user,
            )  # fmt: skip
        assert done.returncode == 0, (folder / "said").read_text()

    try:
        run("initdb", "-A", "trust", "-U", "esnb", "--no-sync")
        settings = f"-c listen_addresses='' -c wal_level=logical -c fsync=off -k {folder}"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield f"host={folder} user=esnb dbname=postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
