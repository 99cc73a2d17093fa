"""The open connections to one host: each is used by one call at a time.

Important: two threads on one libvirt connection do not get along. While one waits for a long answer (a migration), an
answer for the other one is noticed only at the next keepalive message (seen with libvirt 9.0 over TLS and ssh: calls
of 1 ms took 3 s each). So a call borrows a connection, and a migration has one for itself.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.deadline import Bulkhead
from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import GuestEvent, HostAddress
from fleet.hypervisor.session import Session, open_session

#: Calls to one host side by side; libvirtd serves no more for one client at once.
SIDE_BY_SIDE = 5
#: Connections kept warm besides the one that listens for events.
WARM = 2


class Sessions:
    """Borrow with `take`, and afterwards either `give_back` or `discard`."""

    def __init__(self, address: HostAddress, config: EdgeConfig, bulkhead: Bulkhead) -> None:
        self._address, self._config, self._bulkhead = address, config, bulkhead
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._idle: list[Session] = []
        self._listening: Session | None = None
        self._failure: tuple[float, HypervisorError] | None = None
        #: Counts `close`: connections lent before it are not taken back.
        self._generation = 0

    @property
    def alive(self) -> bool:
        """Whether an open connection is at hand or listens."""
        with self._lock:
            return any(session.alive for session in (*self._idle, self._listening) if session is not None)

    def take(self, *, for_long: bool = False) -> Session:
        """An open connection nobody else uses; opened if need be, callers that come meanwhile share a failure.

        One that is kept `for_long` is never the one that hears events.
        """
        if (session := self._take_idle(for_long)) is not None:
            return session
        came = time.monotonic()
        if not self._opening.acquire(timeout=self._config.open_deadline_s * 2):
            raise HostUnreachable(f"{self._address.name} is still being connected to", host=self._address.name)
        try:
            if (session := self._take_idle(for_long)) is not None:
                return session
            if self._failure is not None and self._failure[0] > came:
                raise copy.copy(self._failure[1])
            session = open_session(self._address, self._config, self._bulkhead)
            session.generation = self._generation
            return session
        except HypervisorError as error:
            self._failure = (time.monotonic(), error)
            raise
        finally:
            self._opening.release()

    def give_back(self, session: Session) -> None:
        """Keep it warm for the next call; what is too many, lost or from before `close` is given up."""
        usable = session.usable()
        with self._lock:
            spare = [known for known in self._idle if known is not self._listening]
            wanted = session is self._listening or len(spare) < WARM
            keep = usable and wanted and session.generation == self._generation
            if keep:
                self._idle.append(session)
        if not keep:
            self.discard(session, session.lost or "client")

    def discard(self, session: Session, reason: str) -> None:
        """Never use it again."""
        with self._lock:
            if self._listening is session:
                self._listening = None
        session.give_up(reason)

    def listener(self) -> Session | None:
        """The connection that hears events, if one does."""
        with self._lock:
            return self._listening if self._listening is not None and self._listening.alive else None

    def listen(self, session: Session, on_event: Callable[[GuestEvent], None]) -> Callable[[], None]:
        """Subscribe on a borrowed connection, which from now on is the one that hears events."""
        end = session.watch.add(on_event)
        with self._lock:
            self._listening = session
        return end

    def close(self) -> None:
        """Give up everything; what is lent out ends when it comes back."""
        with self._lock:
            self._generation += 1
            gone, self._idle = self._idle, []
            if self._listening is not None and self._listening not in gone:
                gone.append(self._listening)
            self._listening = None
        for session in gone:
            session.give_up("client")

    def _take_idle(self, for_long: bool) -> Session | None:
        while True:
            with self._lock:
                fit = [known for known in self._idle if not for_long or known is not self._listening]
                if not fit:
                    return None
                session = fit[-1]
                self._idle.remove(session)
            if session.usable():
                return session
            self.discard(session, session.lost)
