"""Group commit: what several threads want to write at once is written by one of them.

A commit waits for the disk. While one thread waits, others arrive; the next commit takes all of
them along, and the disk is asked once for the whole group. A thread that is alone loses nothing: it
finds nobody at work, and goes ahead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

_MOST = 500  # in a group


class Turn:
    """What one thread wants to have written."""

    def __init__(self) -> None:
        self.is_done = False
        self.leads = False
        self.wake = threading.Event()


class CommitQueue:
    """Those who want to write, in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[Turn] = []
        self._leader: int | None = None

    def take_turn(self, turn: Turn, work: Callable[[Sequence[Turn]], None]) -> None:
        """Have the turn done, by this thread or another one; `work` does those of a group.

        It sets `is_done` of each. Those that it leaves, because of an error, are tried again.
        """
        me = threading.get_ident()
        if self._leader == me:  # called in the middle of its own work
            work([turn])
            return
        with self._guard:
            self._waiting.append(turn)
            if self._leader is None:
                self._leader, turn.leads = me, True
        if not turn.leads:
            try:
                turn.wake.wait()
            except BaseException:  # Ctrl-C
                self._leave(turn)
                raise
            if turn.is_done:
                return
        self._lead(me, turn, work)

    def _lead(self, me: int, turn: Turn, work: Callable[[Sequence[Turn]], None]) -> None:
        with self._guard:
            self._leader = me
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        try:
            work(group)
        finally:
            with self._guard:
                left = [each for each in group if not each.is_done and each is not turn]
                self._waiting = left + self._waiting
                self._pass_on()
            for each in group:
                if each.is_done and each is not turn:
                    each.wake.set()

    def _pass_on(self) -> None:
        self._leader = None
        if self._waiting:
            self._leader = 0  # somebody who is about to wake up
            self._waiting[0].leads = True
            self._waiting[0].wake.set()

    def _leave(self, turn: Turn) -> None:
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                if turn.leads:
                    self._pass_on()
