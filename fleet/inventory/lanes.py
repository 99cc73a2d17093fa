"""Lanes: a few threads for errands to many hosts, where a host that hangs holds up nobody else.

An errand is a function of no arguments that returns the seconds until it shall run again, or None. It runs in one
thread at a time. A thread that is stuck in an errand for longer than PATIENCE_S no longer counts: another takes its
place.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable

logger = logging.getLogger(__name__)

Errand = Callable[[], float | None]

#: Seconds after which an errand's thread is replaced: when fifty hosts hang in one moment, each costs the others this
#: much of one thread, once. A look takes some milliseconds; one at a far host that takes longer waits for the network,
#: not for us, so that a thread more costs nothing.
PATIENCE_S = 0.1
#: Seconds until an errand that raised something unforeseen is tried again.
AFTER_A_BUG_S = 10.0
#: Seconds a thread without work sleeps at most.
LISTEN_S = 5.0
#: Due before any time on the clock.
AT_ONCE = 0.0


class Lane:
    """Runs errands when they are due; `width` threads, and up to `most` while some are stuck."""

    def __init__(self, name: str, *, width: int, most: int) -> None:
        self.name, self.width, self.most = name, width, most
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Hashable]] = []
        self._errands: dict[Hashable, Errand] = {}
        self._due: dict[Hashable, float] = {}
        self._busy: dict[Hashable, float] = {}
        #: Keys that were armed or rung while busy, and when they are due after that.
        self._rung: dict[Hashable, float] = {}
        self._numbers = itertools.count()
        self._threads = 0
        #: When the thread that watches the clock wakes up; the others wait for a word.
        self._alarm: float | None = None
        self._open = True

    def arm(self, key: Hashable, errand: Errand, *, in_s: float = 0.0) -> None:
        """Run `errand` in `in_s` seconds in place of what `key` stood for; if that is running now, after it."""
        with self._changed:
            self._errands[key] = errand
            if key in self._busy:
                self._rung[key] = time.monotonic() + in_s
            else:
                self._push(key, time.monotonic() + in_s)
                self._changed.notify()
            self._staff()

    def ring(self, key: Hashable, *, in_s: float = 0.0) -> None:
        """Run this errand in `in_s` at the latest; if it is running now, once more, as it may have looked too early.

        At once means before everything that is overdue: a lane with more to do than it can still hears bells.
        """
        due = time.monotonic() + in_s if in_s else AT_ONCE
        with self._changed:
            if key in self._busy:
                self._rung[key] = min(due, self._rung.get(key, due))
            elif key in self._errands and self._due.get(key, AT_ONCE) > due:
                self._push(key, due)
                self._changed.notify()

    def disarm(self, key: Hashable) -> None:
        """Forget the errand; one under way runs to its end."""
        with self._changed:
            self._errands.pop(key, None)
            self._due.pop(key, None)
            self._rung.pop(key, None)

    def close(self) -> None:
        """Start nothing more; threads end with what they do."""
        with self._changed:
            self._open = False
            self._errands.clear()
            self._heap.clear()
            self._changed.notify_all()

    def staff(self) -> None:
        """Replace threads that are stuck; to be called a few times a second."""
        with self._changed:
            self._staff()

    @property
    def stuck(self) -> int:
        """Errands that take longer than PATIENCE_S."""
        limit = time.monotonic() - PATIENCE_S
        return sum(began < limit for began in list(self._busy.values()))

    def _staff(self) -> None:
        wanted = min(self.width + self.stuck, self.most, len(self._errands) + len(self._busy))
        while self._open and self._threads < wanted:
            self._threads += 1
            name = f"{self.name}-{next(self._numbers)}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _push(self, key: Hashable, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._numbers), key))

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            key, errand = taken
            try:
                again_in_s = errand()
            except Exception:
                logger.exception("%s: an errand failed unexpectedly", self.name)
                again_in_s = AFTER_A_BUG_S
            with self._changed:
                self._done(key, again_in_s)

    def _take(self) -> tuple[Hashable, Errand] | None:
        """Wait for the next errand that is due; None when this thread is one too many."""
        with self._changed:
            while self._open and self._threads <= self.width + self.stuck:
                due = self._first_due()
                if due is not None and due <= time.monotonic():
                    return self._begin()
                self._wait(due)
            self._threads -= 1
            self._changed.notify()
            return None

    def _begin(self) -> tuple[Hashable, Errand]:
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._busy[key] = time.monotonic()
        if self._heap:
            self._changed.notify()
        return key, self._errands[key]

    def _wait(self, due: float | None) -> None:
        """One thread watches the clock, so that a herd does not wake for one errand."""
        if due is None or (self._alarm is not None and self._alarm <= due):
            self._changed.wait(LISTEN_S)
            return
        self._alarm = due
        self._changed.wait(max(due - time.monotonic(), 0))
        if self._alarm == due:
            self._alarm = None

    def _first_due(self) -> float | None:
        """When the first errand is due; entries that were armed anew or are gone fall out."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due and key not in self._busy:
                return due
            heapq.heappop(self._heap)
        return None

    def _done(self, key: Hashable, again_in_s: float | None) -> None:
        del self._busy[key]
        rung = self._rung.pop(key, None)
        if key not in self._errands:
            return
        if rung is not None:
            self._push(key, rung)
        elif again_in_s is not None:
            self._push(key, time.monotonic() + again_in_s)
        else:
            del self._errands[key]
