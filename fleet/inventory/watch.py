"""The watcher: keeps the rows of its share of the hosts true until it is told to stop."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now

from fleet.hypervisor import connect
from fleet.inventory import alarm, sightings
from fleet.inventory.contact import Contact
from fleet.inventory.ledger import Ledger
from fleet.inventory.outage import Outage
from fleet.inventory.rounds import Rounds
from fleet.inventory.shares import RENEW_S, Shares
from fleet.inventory.watched import Watched
from fleet.jobs import live
from fleet.models import Guest, Host, Job

logger = logging.getLogger(__name__)

#: Seconds between writes of `Host.last_seen_at`, one UPDATE for all hosts: pages show it in words, not in seconds.
SEEN_EVERY_S = 10.0
#: Seconds between looks for guests to forget.
PRUNE_EVERY_S = 60.0
#: Seconds between audits of all rows for guests that run twice, whatever the events have told.
AUDIT_EVERY_S = 60.0
#: Seconds between looks for stuck threads.
STAFF_EVERY_S = 0.05
#: Seconds that a clean end may take for each of: writing what is known, sending what was told.
END_S = 3.0


class Watcher:
    """One watcher process; several share the hosts. Only `run` and its ledger thread touch the database."""

    def __init__(self, name: str = "") -> None:
        self.name = name or f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.shares = Shares(self.name)
        self.ledger = Ledger(still_ours=self.shares.still_ours, after=self._after)
        self.rounds = Rounds(self.ledger)
        self.hosts: dict[UUID, Watched] = {}
        self._outage = Outage("the database")
        self._began = False
        self._seen_at = self._pruned_at = self._audited_at = time.monotonic()

    def run(self, stop: threading.Event, *, until: Callable[[], bool] = lambda: False) -> None:
        """Watch until `stop` is set or `until()` says so (asked every STAFF_EVERY_S)."""
        logger.info("watcher %s begins", self.name)
        self.ledger.start()
        next_duty = 0.0
        try:
            while not stop.is_set() and not until():
                if time.monotonic() >= next_duty:
                    next_duty = time.monotonic() + self._duty()
                self.rounds.staff()
                stop.wait(STAFF_EVERY_S)
        finally:
            self._end()

    def once(self, stop: threading.Event, *, deadline_s: float = 60.0) -> bool:
        """One full round over all hosts of our share; False when some did not answer or time ran out."""
        deadline = time.monotonic() + deadline_s

        def done() -> bool:
            each = list(self.hosts.values())
            answered = all(one.failures or (one.looks and one.inventories) for one in each)
            return (self._began and answered) or time.monotonic() > deadline

        self.run(stop, until=done)
        return not any(one.failures or not one.inventories for one in self.hosts.values())

    def _duty(self) -> float:
        """What is due every few seconds; returns the seconds until the next time. A lost database is waited for."""
        try:
            self._take_hosts(self.shares.renew())
            self._write_last_seen()
            self._prune()
            self._audit()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            return self._outage.failed(error)
        self._outage.over()
        self._began = True
        return RENEW_S

    # -- which hosts --------------------------------------------------------------------------------------------------

    def _take_hosts(self, ours: frozenset[UUID]) -> None:
        """Begin, go on with, or let go of hosts, as the leases and the rows say."""
        rows = {host.pk: host for host in Host.objects.filter(pk__in=ours).defer("facts", "pools", "tags").order_by()}
        for host_id in set(self.hosts) - set(rows):
            self._let_go(host_id)
        for host_id, host in rows.items():
            watched = self.hosts.get(host_id)
            if watched is not None and watched.address != host.where():
                self._let_go(host_id)
                watched = None
            if watched is None:
                self._begin(host)
            else:
                _read_again(watched, host)
        busy = Job.objects.unfinished().filter(guest__isnull=False).values_list("guest__uuid", flat=True)
        uuids = frozenset(str(uuid) for uuid in busy)
        for watched in self.hosts.values():
            watched.busy = uuids

    def _begin(self, host: Host) -> None:
        watched = Watched(
            host_id=host.pk,
            hardware_uuid=str(host.hardware_uuid),
            address=host.where(),
            version=host.version,
            # A host that was silent is called up only once it answers, and one that was up gets its grace.
            contact=Contact(up=host.contact == Host.Contact.UP),
            row_contact=(host.contact, host.contact_text),
            memory_mib=host.memory_mib,
        )
        self.hosts[host.pk] = watched
        self.rounds.begin(watched)

    def _let_go(self, host_id: UUID) -> None:
        watched = self.hosts.pop(host_id)
        self.rounds.end(watched)
        connect.drop(watched.address)

    # -- duties -------------------------------------------------------------------------------------------------------

    def _write_last_seen(self) -> None:
        now = time.monotonic()
        if now - self._seen_at < SEEN_EVERY_S:
            return
        answered = [one.host_id for one in self.hosts.values() if one.answered_at > self._seen_at]
        Host.objects.filter(pk__in=answered).update(last_seen_at=Now())
        self._seen_at = now

    def _prune(self) -> None:
        now = time.monotonic()
        if now - self._pruned_at < PRUNE_EVERY_S:
            return
        for guest_id in sightings.prune():
            live.gone("guest", guest_id)
        self._pruned_at = now

    def _audit(self) -> None:
        """The double-run watchdog: an event may be lost and a second look may fail, so all rows are weighed anew."""
        now = time.monotonic()
        if now - self._audited_at < AUDIT_EVERY_S:
            return
        for guest_id, hosts in alarm.suspects():
            self._confirm(guest_id, hosts)
        self._audited_at = now

    def _after(self, watched: Watched, changes: sightings.Changes) -> None:
        """In the ledger's thread: what a write calls for."""
        for host_id, count in changes.counted.items():
            counted = self.hosts.get(host_id)
            if counted is not None:
                counted.counted += count
        if changes.arrived:
            self.rounds.describe(watched, changes.arrived)
        for guest_id, hosts in changes.doubled.items():
            self._confirm(guest_id, hosts)

    def _confirm(self, guest_id: UUID, hosts: Sequence[UUID]) -> None:
        guest = Guest.objects.only("uuid").filter(pk=guest_id).first()
        if guest is not None:
            addresses = {host.name: host.where() for host in Host.objects.filter(pk__in=hosts)}
            self.rounds.confirm(guest_id, str(guest.uuid), addresses)

    def _end(self) -> None:
        """Write what is known, let the hosts go at once, and leave nobody waiting for a host that hangs."""
        self.rounds.close()
        self.ledger.close(wait_s=END_S)
        try:
            self.shares.release()
        except (OperationalError, InterfaceError) as error:
            logger.warning("leases not released, others take over when they run out: %s", str(error).strip())
        connect.close_all()
        live.flush(END_S)
        connection.close()
        logger.info("watcher %s ended", self.name)


def _read_again(watched: Watched, host: Host) -> None:
    """Take over what others wrote; the guests are compared with their rows when it was not only us."""
    if host.version - watched.version != watched.counted:
        watched.stored = None
        watched.told_load, watched.told_cpu = None, {}
        watched.row_contact = (host.contact, host.contact_text)
    watched.version, watched.counted, watched.memory_mib = host.version, 0, host.memory_mib
