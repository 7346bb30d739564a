"""Run a learner's code: in a thread of its own, for a limited time, with its prints kept.

What counts is the work of the answer's own thread in one call of the answer, measured by that
thread's clock: a busy machine does not make an answer late, and a slow one is given more. One that
sleeps is told apart. A thread can be told from outside to stop (`PyThreadState_SetAsyncExc`), on
every system; a loop that swallows the message is told again, a query in the database is
interrupted, and a call that never comes back to Python is left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import linecache
import os
import random
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esnb.course.exercises.engine.interrupting import interrupt_queries, opened_meanwhile

#: Seconds of work that one call of an answer may take, on a machine like the one of the authors.
LIMIT = 4.0
ALL_CALLS = 10  # times as much for the calls of one check together
IDLE = 10.0  # seconds by the clock in which hardly any work is done: it sleeps
PATIENCE = 40  # times the limit, by the clock, whatever happens
STUBBORN = 5.0  # seconds to insist on the end of a loop that swallows exceptions
SILENCE = 2.0  # seconds of one call until the learner is told that the check is still at work
PRINTS = 2_000  # characters of a learner's prints that are kept

_OURS = str(Path(__file__).resolve().parents[3])
_PATHS = sysconfig.get_paths()
_NOT_THEIRS = (_OURS, *{_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})
real_sleep = time.sleep


class Stopped(SystemExit):
    """The time was up. No Exception, so that `except Exception` of a learner lets it through."""


@dataclass(slots=True)
class Run:
    """What became of it: a value or an error; whether it had to be stopped, whether it did stop.

    `why` says what it was doing when it had to be stopped: "" (working) or "asleep".
    """

    value: Any = None
    error: BaseException | None = None
    endless: bool = False
    left_behind: bool = False
    printed: str = ""
    why: str = ""


class _Meter:
    """The work of one thread, since it began and since it last began to call the answer."""

    def __init__(self) -> None:
        self.clock: int | None = None
        self.asked = False
        self.ready = threading.Event()
        self.first = self.began = 0.0
        self.since = time.monotonic()

    def start(self) -> None:
        """Called in the thread that is measured."""
        with contextlib.suppress(AttributeError, OSError):  # not on every system
            self.clock = time.pthread_getcpuclockid(threading.get_ident())
        self.first = self.now()
        self.lap()
        self.ready.set()

    def now(self) -> float:
        """Seconds of work so far; of the whole process where a thread has no clock."""
        if self.clock is not None:
            try:
                return time.clock_gettime(self.clock)
            except OSError:  # the thread has ended
                return self.began
        return time.process_time()

    def lap(self) -> None:
        """The answer is called now."""
        self.began, self.since = self.now(), time.monotonic()


_meters = threading.local()


def lap() -> None:
    """Begin to count anew: the answer is called now. Does nothing outside of `run`."""
    meter = getattr(_meters, "meter", None)
    if meter is not None:
        meter.asked = True
        meter.lap()


@functools.cache
def slowness() -> float:
    """How many times slower than the authors' machine this one works; at least 1."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        sum(n & 7 for n in range(60_000))
        times.append(time.thread_time() - began)
    return max(1.0, min(times) / 0.003)


class _Prints(io.TextIOBase):
    """Keeps the beginning of what is printed: an endless loop may print without end."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if len(self.text) < PRINTS:
            self.text = (self.text + text)[:PRINTS]
        return len(text)


def run(work: Callable[[], Any], limit: float | None = None) -> Run:
    """Do the work, each call of the answer for at most `limit` seconds of work.

    Nothing that it raises or prints gets out of here.
    """
    done, prints, meter = Run(), _Prints(), _Meter()

    def target() -> None:
        meter.start()
        _meters.meter = meter
        try:
            done.value = work()
        except Stopped:
            done.endless = True
        except BaseException as error:  # SystemExit of the learner as well
            done.error = error

    with contextlib.ExitStack() as stack:
        say = stack.enter_context(_sign_of_life())
        opened = stack.enter_context(opened_meanwhile())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stdout(prints))
        stack.enter_context(contextlib.redirect_stderr(prints))
        stack.enter_context(_no_word_of_stopping())
        thread = threading.Thread(target=target, name="esnb-exercise", daemon=True)
        stack.enter_context(_light_sleep(thread))
        try:
            thread.start()
        except RuntimeError:  # a Python without threads, in a browser
            target()
        else:
            # The reader's stop button counts as if the time were up.
            with contextlib.suppress(KeyboardInterrupt):
                done.why = _wait(thread, meter, LIMIT if limit is None else limit, say)
            if thread.is_alive():
                done.endless = True
                _stop(thread, opened)
                done.left_behind = thread.is_alive()
    done.printed = prints.text
    return done


@contextlib.contextmanager
def _sign_of_life() -> Iterator[Callable[[str], None]]:
    """Something to call with a sentence: it is shown while the check runs, and taken away then."""
    screen, said = sys.stdout, False

    def say(text: str) -> None:
        nonlocal said
        if not said and not os.environ.get("NBGRADER_EXECUTION"):
            said = True
            screen.write(text + "\n")
            screen.flush()

    try:
        yield say
    finally:
        if said and "ipykernel" in sys.modules:
            from IPython.display import clear_output

            clear_output(wait=True)  # type: ignore[no-untyped-call]


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


@contextlib.contextmanager
def _light_sleep(thread: threading.Thread) -> Iterator[None]:
    """While it lasts, that thread sleeps in short naps, between which it can be told to stop."""

    def nap(seconds: float) -> None:
        if threading.current_thread() is not thread or not seconds > 0.05:
            real_sleep(seconds)
            return
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            real_sleep(min(0.05, left))

    time.sleep = nap  # type: ignore[assignment]
    try:
        yield
    finally:
        time.sleep = real_sleep


def _wait(
    thread: threading.Thread, meter: _Meter, seconds: float, say: Callable[[str], None]
) -> str:
    """Wait until the thread ends, or has worked or slept too long; "asleep" for one that slept."""
    allowed, idle = seconds * slowness(), max(IDLE, seconds)
    until = time.monotonic() + seconds * PATIENCE
    meter.ready.wait(seconds)  # before that, its clock is another one
    worked, woke, others = meter.now(), time.monotonic(), time.process_time()
    while thread.is_alive() and time.monotonic() < until:
        thread.join(0.02)
        now, clock = meter.now(), time.monotonic()
        if now - worked > 0.02 * idle:
            worked, woke, others = now, clock, time.process_time()
        if now - meter.began > allowed or now - meter.first > allowed * ALL_CALLS:
            return ""
        if clock - woke > idle:
            # A query may be at work in the threads of the database, while this one waits for it.
            working = time.process_time() - others > max(0.05, 0.05 * idle)
            return "" if working else "asleep"
        silent, busy = clock - meter.since, now - meter.began
        # Not for a thread that others keep from its work: it is neither busy nor asleep.
        if meter.asked and silent > SILENCE and not 0.05 * silent < busy < SILENCE / 2:
            say("Still trying your answer. It is stopped if it does not come to an end.")
    return ""


def _stop(thread: threading.Thread, opened: Sequence[Any]) -> None:
    # At uneven moments: between two of them the loop is also outside of its own try.
    # A thousand times a second, which needs threads to take turns more often than they do.
    pauses, end = random.Random(0), time.monotonic() + STUBBORN
    ident, turn = ctypes.c_ulong(thread.ident or 0), sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        rounds = 0
        while thread.is_alive() and time.monotonic() < end:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Stopped))
            if rounds % 20 == 0:
                interrupt_queries(thread.ident or 0, opened)
            rounds += 1
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


_in_lesson_time: set[int] = set()


def is_lesson_time() -> bool:
    """Whether this thread is inside `lesson_time`."""
    return threading.get_ident() in _in_lesson_time


@contextlib.contextmanager
def lesson_time() -> Iterator[None]:
    """While it lasts, time passes for this thread only as it looks at a clock, and as it sleeps.

    So it does not depend on the machine whether an answer with a deadline of its own is in time.
    """
    own, clocks = threading.get_ident(), ("monotonic", "perf_counter", "time", "sleep")
    outer = own in _in_lesson_time
    before = {name: getattr(time, name) for name in clocks}
    passed = 0.0

    def clock(name: str) -> Callable[[], float]:
        start = before[name]()

        def look() -> float:
            nonlocal passed
            if threading.get_ident() != own:
                return float(before[name]())
            passed += 0.0001
            return float(start + passed)

        return look

    def sleep(seconds: float) -> None:
        nonlocal passed
        if threading.get_ident() != own:
            before["sleep"](seconds)
        passed += max(0.0, seconds)

    try:
        for name in clocks:
            setattr(time, name, sleep if name == "sleep" else clock(name))
        _in_lesson_time.add(own)
        yield
    finally:
        if not outer:
            _in_lesson_time.discard(own)
        for name in clocks:
            setattr(time, name, before[name])
