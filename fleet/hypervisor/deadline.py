"""Deadlines from outside: a call that hangs is left behind in its thread, and its host is not asked again too soon.

libvirt calls cannot be interrupted. Each guarded call therefore runs in a daemon thread that is used again and again;
when the deadline passes, the caller gets HostUnreachable and the thread stays with the call until that returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

from fleet.hypervisor.errors import HostUnreachable

Answer = TypeVar("Answer")

#: Stuck threads per host, beyond which nobody asks it any more.
STUCK_AT_MOST = 3
#: A thread stuck for this long is no more counted, so that a host that lost power can come back: 3 threads per 15 min.
FORGET_AFTER_S = 900.0
#: Idle threads kept for all hosts together.
IDLE_AT_MOST = 32


class GivenUp(HostUnreachable):
    """The deadline passed, and the call is still under way in its thread."""


class _Task(Generic[Answer]):
    """One call on its way through a worker."""

    __slots__ = ("answer", "done", "error", "finished", "late", "quiet_s", "since", "work")

    def __init__(
        self, work: Callable[[], Answer], quiet_s: float, late: Callable[[Answer | None], None] | None
    ) -> None:
        self.work, self.quiet_s, self.late = work, quiet_s, late
        self.done = threading.Lock()
        self.done.acquire()
        self.finished = False
        self.since = 0.0
        self.answer: Answer | None = None
        self.error: BaseException | None = None


class _Worker(threading.Thread):
    """A thread that runs one task after the other; daemon, so that a stuck call never keeps the process alive."""

    def __init__(self) -> None:
        super().__init__(name="libvirt-call", daemon=True)
        self.inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self) -> None:
        while (work := self.inbox.get()) is not None:
            work()
            del work  # an idle thread keeps no connection alive
            with _idle_lock:
                if len(_idle) >= IDLE_AT_MOST:
                    return
                _idle.append(self)


_idle: list[_Worker] = []
_idle_lock = threading.Lock()


def in_background(work: Callable[[], None]) -> None:
    """Run `work` in a worker thread and forget it; it must not raise."""
    with _idle_lock:
        worker = _idle.pop() if _idle else None
    if worker is None:
        worker = _Worker()
        worker.start()
    worker.inbox.put(work)


class Bulkhead:
    """All guarded calls to one host; what hangs here slows no other host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._lock = threading.Lock()
        self._stuck: list[_Task[Any]] = []

    @property
    def stuck(self) -> int:
        """Threads that hang in calls to this host now."""
        return len(self._stuck)

    def call(
        self,
        work: Callable[[], Answer],
        *,
        deadline_s: float,
        quiet_s: float = 12.0,
        late: Callable[[Answer | None], None] | None = None,
    ) -> Answer:
        """The answer of `work`, or HostUnreachable at the deadline.

        If `work` hangs, other calls are refused at once until it returns or `quiet_s` have passed: by then keepalive
        has ended every call on a dead connection, so what hangs longer hangs alone. `late` gets the answer that nobody
        waited for (None for an error) in the call's own thread.
        """
        self.refuse_if_hung()
        task = _Task(work, quiet_s, late)
        in_background(lambda: self._run(task))
        if not task.done.acquire(timeout=deadline_s) and self._abandon(task):
            raise GivenUp(f"{self.host} did not answer within {deadline_s:g} s", host=self.host)
        if task.error is not None:
            raise task.error
        return cast(Answer, task.answer)

    def _run(self, task: _Task[Answer]) -> None:
        try:
            task.answer = task.work()
        except BaseException as error:  # raised again in the thread that waits
            task.error = error
        with self._lock:
            task.finished = True
            abandoned = task in self._stuck or task.since > 0
            if task in self._stuck:
                self._stuck.remove(task)
        task.done.release()
        if abandoned and task.late is not None:
            task.late(task.answer)

    def _abandon(self, task: _Task[Any]) -> bool:
        """False when the answer came in the last moment after all."""
        with self._lock:
            if task.finished:
                return False
            task.since = time.monotonic()
            self._stuck.append(task)
            return True

    def refuse_if_hung(self) -> None:
        """Raises HostUnreachable while calls hang that are young, or too many."""
        if not self._stuck:
            return
        now = time.monotonic()
        with self._lock:
            self._stuck = [task for task in self._stuck if now - task.since < FORGET_AFTER_S]
            waiting = self._stuck
            if not waiting:
                return
            oldest = min(task.since for task in waiting)
            recent = any(now - task.since < task.quiet_s for task in waiting)
        if recent or len(waiting) >= STUCK_AT_MOST:
            since = datetime.fromtimestamp(time.time() - (now - oldest), tz=UTC).strftime("%H:%M:%S UTC")
            text = f"{self.host} has not answered since {since} (calls still waiting: {len(waiting)})"
            raise HostUnreachable(text, host=self.host)
