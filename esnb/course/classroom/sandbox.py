"""An answer kept apart from its judge: the learner's code runs in a process of its own.

In one process nothing is safe: code can patch `check`, the module behind it, or Python itself. So
the judge never runs a line of the learner's. The cells run in a child process, and what the judge
holds in its hands is a stand-in: a call to it goes over a pipe, and its value comes back as plain
data. The child may send what it likes: to be right it has to send what a right answer would.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esnb.course.exercises.engine.time_limit import slowness

from .log import ClassroomError
from .peer import Elsewhere, Gone, Peer, message_in
from .stand_ins import StandIn

__all__ = ["LIMIT", "Apart", "Elsewhere", "Gone", "StandIn"]

LIMIT = 20.0  # seconds of work for a cell, and for all calls of one check together
PATIENCE = 8  # times the limit by the clock: a busy machine is slow, and a sleeper does no work
MEMORY = 6 * 2**30  # bytes of address space; libraries reserve more of it than they use
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LARGEST = 20_000_000  # characters of one message
_PRINTS = 2_000
_PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "USERPROFILE",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)


# --- the child --------------------------------------------------------------------------------


def _bind_to_the_judge() -> None:
    """The child ends with the judge, however that ends (Linux), and has only so much memory.

    What the learner's code starts is killed by `Apart.close`; it outlives only a killed judge.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # If the judge ended before the kernel was told, the pipe is closed: that is the end as well.


def _child() -> None:
    """Run cells, and answer the judge: the main function of the learner's process."""
    _bind_to_the_judge()
    inward, outward = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)

    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = InteractiveShell.instance()

    def send(text: str) -> None:
        outward.write(text + "\n")
        outward.flush()

    class Child(Peer):
        def serve(self, kind: str, fields: Mapping[str, Any]) -> Any:
            if kind == "run":
                return run(fields["source"])
            if kind == "method":  # with the lists of its class as they are over there
                thing, lists = self.kept(fields["ref"]), fields["kwargs"]
                own = {name: getattr(thing, name) for name in lists}
                for name, value in lists.items():
                    own[name][:] = value
                getattr(thing, fields["name"])(*fields["args"])
                for name, value in lists.items():
                    value[:] = own[name]
                return None
            if kind == "answer":
                return eval(fields["source"], shell.user_ns)  # the teacher's text, not data
            return super().serve(kind, fields)

    def run(source: str) -> list[str]:
        prints = io.StringIO()
        with contextlib.redirect_stdout(prints), contextlib.redirect_stderr(prints):
            result = shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, MemoryError):
            error = MemoryError(f"this needs more than the {MEMORY / 2**30:g} GB that there are")
        return [prints.getvalue()[:_PRINTS], f"{type(error).__name__}: {error}" if error else ""]

    peer = Child(send, inward.readline)
    peer.is_child = True
    while line := inward.readline():
        send(json.dumps(peer.served(message_in(line))))
        verdict, peer.verdict = peer.verdict, None
        if verdict is not None and not isinstance(verdict, Gone):
            return  # the learner's code wants to end the process


# --- the judge --------------------------------------------------------------------------------


class Apart:
    """A child process with the cells of one submission in it, held by the judge.

        with Apart() as child:
            child.run("def buy(store, buyer): ...")
            buy = child.answer("buy")       # a stand-in: what it does happens in the child
            check("03-2", buy)

    The child may work for `limit` seconds at a time, on a slow machine for longer, and every wait
    ends after `PATIENCE` times that by the clock. Then the child is killed, with all that it
    started, and `Gone` says so.
    """

    def __init__(self, limit: float | None = None) -> None:
        self.limit = LIMIT if limit is None else limit
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)
        group: dict[str, Any] = {"start_new_session": True} if os.name != "nt" else {}
        # The teacher's tokens and passwords do not concern the learner's code.
        environ = {k: v for k, v in os.environ.items() if k.upper() in _PASSED}
        environ |= {"IPYTHONDIR": self._folder.name, "MPLBACKEND": "agg", "PYTHONSAFEPATH": "1"}
        # What Python says when it cannot start; later on, nothing is written there.
        words = Path(self._folder.name, "words.txt")
        with words.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import _child; _child()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environ,
                cwd=self._folder.name,
                **group,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.peer = Peer(self._send, self._receive)
        # The first wait is for Python and IPython to start, on a machine that may be busy.
        self._deadline = time.monotonic() + self.limit * PATIENCE + 60
        self._work_until = math.inf
        try:
            self.run("pass")
        except Gone:
            last = words.read_text(errors="replace").strip().splitlines()[-1:]
            self.close()
            raise ClassroomError(
                f"The process for the learner's code did not start: {''.join(last) or 'no reason'}"
            ) from None

    def run(self, source: str) -> tuple[str, str]:
        """Run a cell; returns what it printed and the error it ended with, or empty texts."""
        printed, error = self._checked(self.peer.ask("run", source=source))
        return str(printed)[:_PRINTS], str(error)[:_PRINTS]

    def answer(self, expression: str) -> Any:
        """The value of an expression in the child: plain data, or a stand-in."""
        self.wind_up()
        return self.peer.ask("answer", source=expression)

    def wind_up(self) -> None:
        """Give the child its whole time again."""
        self._deadline = time.monotonic() + self.limit * PATIENCE
        self._work_until = self._work() + self.limit * slowness()

    def _work(self) -> float:
        """The seconds of work of the child so far; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _checked(self, value: Any) -> list[Any]:
        self.wind_up()
        if not (isinstance(value, list) and len(value) == 2):
            raise Gone("The learner's process sent something that is not a message.")
        return value

    def _send(self, text: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise Gone("The learner's process has ended.") from None

    def _receive(self) -> str:
        line = None
        while line is None:
            left = self._deadline - time.monotonic()
            # Looked at before each answer too: a child may never stop asking.
            if left <= 0 or self._work() > self._work_until:
                self.close()
                raise Gone(f"No end after {self.limit:g} s, so it was stopped.", endless=True)
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=min(left, 0.1))
        if not line.endswith("\n"):
            self.close()
            raise Gone("The learner's process has ended, or sent more than can be read.")
        return line

    def _read(self) -> None:
        assert self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            while line := self._process.stdout.readline(_LARGEST):
                self._lines.put(line)
                if not line.endswith("\n"):
                    break
        self._lines.put("")

    def alive(self) -> bool:
        """Whether the child can still be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """Kill the child and everything it started."""
        with contextlib.suppress(OSError):
            if os.name != "nt":
                os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe:
                    pipe.close()
        self._folder.cleanup()

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
