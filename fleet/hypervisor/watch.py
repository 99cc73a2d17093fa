"""libvirt's events of one connection -> `GuestEvent`s for all who subscribed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import libvirt

from fleet.hypervisor import codes
from fleet.hypervisor.facts import GuestEvent

log = logging.getLogger(__name__)
OnEvent = Callable[[GuestEvent], None]


class Watch:
    """Subscribers of one connection. Callbacks run in the event thread: they must be quick and never call libvirt."""

    def __init__(self, connection: libvirt.virConnect) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._subscribers: list[OnEvent] = []
        self._callbacks: list[int] = []
        self._closed = False

    def add(self, on_event: OnEvent) -> Callable[[], None]:
        """Subscribe; the first one makes libvirt send events. Returns what ends it."""
        with self._lock:
            if not self._callbacks:
                self._callbacks = self._register()
            self._subscribers.append(on_event)
        return lambda: self._remove(on_event)

    def tell(self, event: GuestEvent) -> None:
        """Hand an event to everybody; one subscriber's error does not keep it from the others."""
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("A subscriber failed on %s", event)

    def end(self, reason: str) -> None:
        """Tell everybody, once, that nothing more will come."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self.tell(GuestEvent(kind="closed", reason=reason))
        with self._lock:
            self._subscribers.clear()

    def deregister(self) -> None:
        """Make libvirt forget us: each callback keeps the connection open. May block on a hung host."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(callback)

    def _remove(self, on_event: OnEvent) -> None:
        with self._lock:
            if on_event in self._subscribers:
                self._subscribers.remove(on_event)

    def _register(self) -> list[int]:
        wanted = (
            (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, True),
            (libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, self._on_iteration, False),
            (libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, self._on_job_completed, False),
        )
        registered = []
        for number, callback, needed in wanted:
            try:
                registered.append(self._connection.domainEventRegisterAny(None, number, callback, None))
            except libvirt.libvirtError:
                if needed:
                    raise
        return registered

    def _on_lifecycle(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        what, why = codes.lifecycle(event, detail)
        self.tell(_about(domain, kind="lifecycle", detail=what, reason=why))

    def _on_iteration(self, _connection: Any, domain: Any, iteration: int, _opaque: Any) -> None:
        self.tell(_about(domain, kind="iteration", iteration=iteration))

    def _on_job_completed(self, _connection: Any, domain: Any, _statistics: Any, _opaque: Any) -> None:
        self.tell(_about(domain, kind="job_completed"))


def _about(domain: Any, **values: Any) -> GuestEvent:
    return GuestEvent(uuid=domain.UUIDString(), name=domain.name(), **values)
