"""How every call to one libvirt host is made: lent a connection, within a deadline, errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import libvirt

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HostUnreachable, NoJob
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.sessions import Loan, Sessions
from fleet.hypervisor.translate import NO_DOMAIN

Answer = TypeVar("Answer")

#: Calls to one host side by side; libvirtd serves no more for one client at once.
SIDE_BY_SIDE = 5


class LibvirtCalls:
    """The connections to one host; the families of calls build on it."""

    def __init__(self, address: HostAddress, config: EdgeConfig) -> None:
        self.address = address
        self._config = config
        self._sessions = Sessions(address, config)
        self._slots = threading.BoundedSemaphore(SIDE_BY_SIDE)
        self._subscribing = threading.Lock()
        self._known_folders: tuple[float, dict[str, str]] = (0.0, {})

    @contextmanager
    def _lent(self) -> Iterator[Loan]:
        if not self._slots.acquire(timeout=self._config.call_deadline_s):
            raise HostUnreachable(f"{self.address.name} is busy with other slow calls", host=self.address.name)
        try:
            with self._sessions.lend() as loan:
                yield loan
        finally:
            self._slots.release()

    def _ask(self, work: Callable[[libvirt.virConnect], Answer], *, slow: int = 1) -> Answer:
        with self._lent() as loan:
            return loan.ask(work, slow=slow)

    def _ask_guest(self, uuid: str, work: Callable[[libvirt.virConnect, libvirt.virDomain], Answer]) -> Answer:
        return self._ask(lambda connection: work(connection, connection.lookupByUUIDString(uuid)))

    def _ask_guest_or_none(
        self, uuid: str, work: Callable[[libvirt.virConnect, libvirt.virDomain], Answer]
    ) -> Answer | None:
        def ask(connection: libvirt.virConnect) -> Answer | None:
            with except_for(NO_DOMAIN):
                return work(connection, connection.lookupByUUIDString(uuid))
            return None

        return self._ask(ask)

    def _steer(self, uuid: str, work: Callable[[libvirt.virDomain], object]) -> None:
        """Do something to a running job only; libvirt itself would also set the numbers for later."""

        def steer(_: libvirt.virConnect, domain: libvirt.virDomain) -> None:
            if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
                raise NoJob(f"No migration of {domain.name()} is running", host=self.address.name)
            work(domain)

        self._ask_guest(uuid, steer)


@contextmanager
def except_for(code: int) -> Iterator[None]:
    """Swallow one libvirt error code."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != code:
            raise
