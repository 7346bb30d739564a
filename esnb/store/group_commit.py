"""Group commit: what several threads want to write at once is written by one of them.

A commit waits for the disk. While one thread waits, others arrive; the next commit takes all of
them along, and the disk is asked once for the whole group. A thread that is alone loses nothing: it
finds nobody at work, and goes ahead.

Ctrl-C can strike between any two lines of this module. So no thread relies on being woken: whoever
has waited for a while takes the lock itself, and either leads, or finds that its turn is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

_MOST = 500  # in a group
_PATIENCE = 0.2  # seconds; longer than most commits


class Turn:
    """What one thread wants to have written."""

    def __init__(self) -> None:
        self.is_done = False
        self.wake: threading.Event | None = None


Work = Callable[[Sequence[Turn]], None]


class CommitQueue:
    """Those who want to write, in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._leading = threading.RLock()  # held while a group is written
        self._waiting: list[Turn] = []
        self._is_busy = False  # a hint: whoever finds it wrong waits longer than needed, no more

    def take_turn(self, turn: Turn, work: Work) -> None:
        """Have the turn done, by this thread or another one; `work` does those of a group.

        It sets `is_done` of each. Those that it leaves, because of an error, are tried again.
        """
        try:
            with self._guard:
                if self._is_busy:
                    turn.wake = threading.Event()
                self._is_busy = True
                self._waiting.append(turn)
            if turn.wake is not None:
                turn.wake.wait(_PATIENCE)
            if not turn.is_done:
                with self._leading:
                    if not turn.is_done:
                        self._lead(turn, work)
        except BaseException:
            self._leave(turn)
            raise

    def _lead(self, turn: Turn, work: Work) -> None:
        with self._guard:
            if turn not in self._waiting[:_MOST]:  # many wait, or its leader was interrupted
                self._waiting = [turn, *(each for each in self._waiting if each is not turn)]
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        try:
            work(group)
        finally:
            with self._guard:
                left = [each for each in group if not each.is_done and each is not turn]
                self._waiting = left + self._waiting
                self._wake_next()
            for each in group:
                if each.is_done and each.wake is not None:
                    each.wake.set()

    def _wake_next(self) -> None:
        self._is_busy = bool(self._waiting)
        if self._waiting and (wake := self._waiting[0].wake):
            wake.set()

    def _leave(self, turn: Turn) -> None:
        with self._guard:
            if turn in self._waiting:
                first = self._waiting[0] is turn
                self._waiting.remove(turn)
                if first:
                    self._wake_next()
