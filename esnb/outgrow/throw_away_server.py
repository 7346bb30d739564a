"""A PostgreSQL server for a while: in a temporary folder, unprivileged, gone when it is left.

Tests and the class lab start one. It uses the server programs of the system, and listens on a
socket in its folder only, unless it is given an address.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from esnb.errors import StoreUnavailableError

OWNER = "esnb"


def server_programs() -> Path | None:
    """The folder of initdb and pg_ctl, if PostgreSQL is installed."""
    if os.name == "nt":
        return None
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "pg_ctl").exists()), None)


def why_no_server() -> str:
    """Why no server can be started here, or "" when one can."""
    if server_programs() is None:
        return "no PostgreSQL server (initdb) on this machine"
    if os.geteuid() == 0 and _user() is None:
        return "run by root, and there is no user 'postgres' to run the server"
    return ""


class ThrowAwayServer:
    """`with ThrowAwayServer() as server: EventStore.connect(server.url)`.

    `settings` are those of postgresql.conf; `listen` is an address such as "127.0.0.1" and `port`
    its port; `access` are lines for pg_hba.conf, without which everybody on this machine is let in.
    Raises `StoreUnavailableError` where no server can be started.
    """

    def __init__(
        self, *, listen: str = "", port: int = 5432, access: str = "", **settings: str
    ) -> None:
        self.listen, self.port, self.access = listen, port, access
        self.settings = {"fsync": "off", **settings}
        self.folder = Path()

    @property
    def url(self) -> str:
        """How its owner connects on this machine."""
        return f"postgresql://{OWNER}@/postgres?host={self.folder}&port={self.port}"

    def __enter__(self) -> Self:
        if why := why_no_server():
            raise StoreUnavailableError(f"Cannot start a PostgreSQL server: {why}.")
        # Short: the path of a socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="esnb-pg-"))
        try:
            if user := _user():
                shutil.chown(self.folder, user)
            self._run("initdb", "-A", "trust", "-U", OWNER, "-E", "UTF8", "--locale=C", "--no-sync")
            if self.access:
                (self.folder / "data" / "pg_hba.conf").write_text(self.access, encoding="utf-8")
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def start(self) -> None:
        """Start it (again, after `stop`)."""
        given = {
            "listen_addresses": self.listen,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            **self.settings,
        }
        words = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", words, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: "fast" as an administrator would, "immediate" as a crash does."""
        self._run("pg_ctl", "-w", "-m", how, "stop")

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        try:
            if (self.folder / "data" / "postmaster.pid").exists():
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        place = server_programs()
        assert place is not None
        # A server refuses to run as root, which is who runs in a container.
        user = _user()
        other: dict[str, Any] = {} if user is None else {
            "user": user, "group": user, "extra_groups": [],
        }  # fmt: skip
        # No pipe: the server keeps it open, and the run would wait for its end.
        with (self.folder / "said").open("w", encoding="utf-8") as said:
            done = subprocess.run(
                [str(place / program), "-D", str(self.folder / "data"), *arguments],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, cwd=self.folder,
                **other,
            )  # fmt: skip
        if done.returncode != 0:
            words = (self.folder / "said").read_text(encoding="utf-8")
            raise StoreUnavailableError(f"PostgreSQL could not be started or stopped: {words}")


def _user() -> str | None:
    """The user who runs the server in place of root."""
    import pwd  # not on Windows

    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None
