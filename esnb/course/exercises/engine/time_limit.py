"""Run a learner's code: in a thread of its own, for a limited time, with its prints kept.

A thread can be told from outside to stop (`PyThreadState_SetAsyncExc`), on every system; a loop
that swallows the message is told again, and a call that never comes back to Python is left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import linecache
import random
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: How long a check may take: seconds of the processor, and of the clock for one that sleeps.
LIMIT = 4.0
PATIENCE = 5  # times the limit, by the clock
STUBBORN = 5.0  # seconds to insist on the end of a loop that swallows exceptions
PRINTS = 2_000  # characters of a learner's prints that are kept

_OURS = str(Path(__file__).resolve().parents[3])
_PATHS = sysconfig.get_paths()
_NOT_THEIRS = (_OURS, *{_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class Stopped(SystemExit):
    """The time was up. No Exception, so that `except Exception` of a learner lets it through."""


@dataclass(slots=True)
class Run:
    """What became of it: a value or an error; whether it had to be stopped, whether it did stop."""

    value: Any = None
    error: BaseException | None = None
    endless: bool = False
    left_behind: bool = False
    printed: str = ""


class _Prints(io.TextIOBase):
    """Keeps the beginning of what is printed: an endless loop may print for ever."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if len(self.text) < PRINTS:
            self.text = (self.text + text)[:PRINTS]
        return len(text)


def run(work: Callable[[], Any], limit: float | None = None) -> Run:
    """Do the work, at most `limit` seconds; nothing it raises or prints gets out of here."""
    done, prints = Run(), _Prints()

    def target() -> None:
        try:
            done.value = work()
        except Stopped:
            done.endless = True
        except BaseException as error:  # SystemExit of the learner as well
            done.error = error

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stdout(prints))
        stack.enter_context(contextlib.redirect_stderr(prints))
        stack.enter_context(_no_word_of_stopping())
        thread = threading.Thread(target=target, name="esnb-exercise", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a Python without threads, in a browser
            target()
        else:
            seconds = LIMIT if limit is None else limit
            # The reader's stop button counts as if the time were up.
            with contextlib.suppress(KeyboardInterrupt):
                _wait(thread, seconds)
            if thread.is_alive():
                done.endless = True
                _stop(thread)
                done.left_behind = thread.is_alive()
    done.printed = prints.text
    return done


@contextlib.contextmanager
def _no_word_of_stopping() -> Iterator[None]:
    """Python reports an exception that ends a thread, or a finaliser: but not this one."""
    before, before_thread = sys.unraisablehook, threading.excepthook

    def hook(report: sys.UnraisableHookArgs) -> None:
        if report.exc_type is not Stopped:
            before(report)

    def thread_hook(report: threading.ExceptHookArgs) -> None:
        if report.exc_type is not Stopped:
            before_thread(report)

    sys.unraisablehook, threading.excepthook = hook, thread_hook
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before, before_thread


def _wait(thread: threading.Thread, seconds: float) -> None:
    # A slow or busy machine gives the process little time, and the learner is not to blame.
    worked, began = time.process_time() + seconds, time.monotonic() + seconds * PATIENCE
    while thread.is_alive() and time.process_time() < worked and time.monotonic() < began:
        thread.join(0.02)


def _stop(thread: threading.Thread) -> None:
    # At uneven moments: between two of them the loop is also outside of its own try.
    # A thousand times a second, which needs threads to take turns more often than they do.
    pauses, end = random.Random(0), time.monotonic() + STUBBORN
    ident, turn = ctypes.c_ulong(thread.ident or 0), sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        while thread.is_alive() and time.monotonic() < end:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Stopped))
            thread.join(pauses.uniform(0, 0.001))
    finally:
        sys.setswitchinterval(turn)


def is_theirs(file: str) -> bool:
    """Whether a line of this file was written by the learner: not by us, Python or a package."""
    return not file.startswith(_NOT_THEIRS) and not file.startswith("<frozen")


def place_of(error: BaseException) -> tuple[int, str] | None:
    """Number and text of the learner's line that the error passed through last."""
    theirs = [
        (line, text)
        for frame, line in traceback.walk_tb(error.__traceback__)
        # Code without a text was generated, such as the methods of a dataclass.
        if is_theirs(file := frame.f_code.co_filename)
        and (text := linecache.getline(file, line).strip())
    ]
    return theirs[-1] if theirs else None
