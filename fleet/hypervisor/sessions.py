"""The open connections to one host, lent to one caller at a time.

Important: two threads never use one libvirt connection. While one waits for a long answer (a migration), an answer for
the other is noticed only at the next keepalive message (libvirt 9.0, TLS and ssh: calls of 1 ms took 3 s), and the
client library may crash (CVE-2024-4418, unfixed in Debian 12). So even closing waits until a hanging call has returned.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import libvirt

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.deadline import Bulkhead, GivenUp
from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import GuestEvent, HostAddress
from fleet.hypervisor.session import Session, open_session, translated

Answer = TypeVar("Answer")

#: Connections kept warm besides the one that listens for events.
WARM = 2
#: After an opening that waited in vain, everybody else is told so at once for this long.
COOL_DOWN_S = 3.0


class Loan:
    """A connection lent to one caller; libvirt objects got from it are used within the loan only."""

    def __init__(self, session: Session, *, host: str, bulkhead: Bulkhead, deadline_s: float) -> None:
        self.session = session
        self._host, self._bulkhead, self._deadline_s = host, bulkhead, deadline_s

    def ask(self, work: Callable[[libvirt.virConnect], Answer], *, slow: int = 1) -> Answer:
        """The answer of `work` within the call deadline (times `slow`), errors translated."""

        def translating() -> Answer:
            try:
                return work(self.session.connection)
            except libvirt.libvirtError as error:
                raise translated(error, self._host) from error

        return self._bulkhead.call(
            translating, deadline_s=self._deadline_s * slow, late=lambda _answer: self.session.close()
        )


class Sessions:
    """All connections of this process to one host."""

    def __init__(self, address: HostAddress, config: EdgeConfig) -> None:
        self.bulkhead = Bulkhead(address.name)
        self._address, self._config = address, config
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._idle: list[Session] = []
        self._listening: Session | None = None
        self._failure: HypervisorError | None = None
        self._failed_at = self._cold_until = 0.0
        #: Counts `close`: connections lent before it are not taken back.
        self._generation = 0

    @property
    def alive(self) -> bool:
        """Whether an open connection is at hand or listens."""
        with self._lock:
            return any(session.alive for session in (*self._idle, self._listening) if session is not None)

    @contextmanager
    def lend(self, *, for_long: bool = False) -> Iterator[Loan]:
        """A connection nobody else uses, opened if need be.

        One that is kept `for_long` is never the one that hears events. HostUnreachable ends the connection; one with
        a call that still hangs in it is closed by that call's thread.
        """
        session = self._take(for_long)
        loan = Loan(session, host=self._address.name, bulkhead=self.bulkhead, deadline_s=self._config.call_deadline_s)
        try:
            yield loan
        except GivenUp as error:
            self._forget(session)
            session.retire(error.text)
            raise
        except HostUnreachable as error:
            self._forget(session)
            session.give_up(error.text)
            raise
        except BaseException:
            self._give_back(session)
            raise
        self._give_back(session)

    def listener(self) -> Session | None:
        """The connection that hears events, if one does."""
        with self._lock:
            return self._listening if self._listening is not None and self._listening.alive else None

    def listen(self, loan: Loan, on_event: Callable[[GuestEvent], None]) -> Callable[[], None]:
        """Subscribe on a lent connection, which from now on is the one that hears events."""
        end = loan.ask(lambda _connection: loan.session.watch.add(on_event))
        with self._lock:
            self._listening = loan.session
        return end

    def close(self) -> None:
        """Give up everything; what is lent out ends when it comes back, its listeners are told now."""
        with self._lock:
            self._generation += 1
            gone, self._idle = self._idle, []
            listening, self._listening = self._listening, None
        for session in gone:
            session.give_up("client")
        if listening is not None:
            listening.retire("client")

    def _take(self, for_long: bool) -> Session:
        """Callers that come while one opens share its failure."""
        self.bulkhead.refuse_if_hung()
        if (session := self._take_idle(for_long)) is not None:
            return session
        came = time.monotonic()
        self._refuse_while_cold(came)
        if not self._opening.acquire(timeout=self._config.open_deadline_s * 2):
            raise HostUnreachable(f"{self._address.name} is still being connected to", host=self._address.name)
        began = time.monotonic()
        try:
            if (session := self._take_idle(for_long)) is not None:
                return session
            self._refuse_while_cold(came)
            session = open_session(self._address, self._config, self.bulkhead)
            session.generation = self._generation
            return session
        except HypervisorError as error:
            self._note_failure(error, began)
            raise
        finally:
            self._opening.release()

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
            self._forget(session)
            session.give_up(session.lost)

    def _refuse_while_cold(self, came: float) -> None:
        if self._failure is not None and (self._failed_at > came or time.monotonic() < self._cold_until):
            raise copy.copy(self._failure)

    def _note_failure(self, error: HypervisorError, began: float) -> None:
        now = time.monotonic()
        if error is not self._failure:
            self._failure, self._failed_at = copy.copy(error), now
        if now - began > COOL_DOWN_S:
            self._cold_until = now + COOL_DOWN_S

    def _give_back(self, session: Session) -> None:
        """Keep it warm for the next call; what is too many, lost or from before `close` is given up."""
        usable = session.usable()
        with self._lock:
            spare = [known for known in self._idle if known is not self._listening]
            wanted = session is self._listening or len(spare) < WARM
            keep = usable and wanted and session.generation == self._generation
            if keep:
                self._idle.append(session)
        if not keep:
            self._forget(session)
            session.give_up(session.lost or "client")

    def _forget(self, session: Session) -> None:
        with self._lock:
            if self._listening is session:
                self._listening = None
