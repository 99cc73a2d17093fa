"""The ledger: the one thread of a watcher that writes rows, so that errands to hosts never wait for the database.

What an errand found out about a host is put in; found out again before it is written, the newer takes the older's
place, so that an outage of the database costs memory for one entry per host and nothing is written twice.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from fleet.hypervisor.facts import GuestFacts, GuestGlimpse, HostFacts, PoolFacts
from fleet.inventory import alarm, collect, gauging, samples, sightings
from fleet.inventory.outage import Outage
from fleet.inventory.watched import Watched, picture

logger = logging.getLogger(__name__)

#: Hosts written before the queue is looked at again, some 10 ms each: how long an event waits behind a thousand hosts
#: that are read for the first time.
AT_ONCE = 8


@dataclass(slots=True)
class Entry:
    """What was found out about one host and is not written yet."""

    watched: Watched
    contact: tuple[str, str] | None = None
    glimpses: Sequence[GuestGlimpse] | None = None
    details: dict[str, GuestFacts] = field(default_factory=dict)
    host_facts: HostFacts | None = None
    pools: Sequence[PoolFacts] | None = None
    load: dict[str, Any] = field(default_factory=dict)
    guest_cpus: dict[str, float | None] = field(default_factory=dict)
    writing: dict[str, gauging.Writing] = field(default_factory=dict)
    #: Something happened just now; the others are first looks, inventories and samples, of which there may be many.
    urgent: bool = False

    def rank(self) -> tuple[bool, bool, bool]:
        """What people wait for sorts first: events, then contact, then guests, then numbers."""
        return not self.urgent, self.contact is None, self.glimpses is None

    def under(self, newer: Entry) -> Entry:
        """This, with what `newer` knows on top."""
        return Entry(
            self.watched,
            contact=newer.contact or self.contact,
            glimpses=self.glimpses if newer.glimpses is None else newer.glimpses,
            details=self.details | newer.details,
            host_facts=newer.host_facts or self.host_facts,
            pools=self.pools if newer.pools is None else newer.pools,
            load=self.load | newer.load,
            guest_cpus=self.guest_cpus | newer.guest_cpus,
            writing=self.writing | newer.writing,
            urgent=self.urgent or newer.urgent,
        )


class Ledger(threading.Thread):
    """Writes entries host by host, each in one short transaction, and tells the pages what changed.

    `still_ours` says which of some hosts this watcher may write about; `after` is told what each write changed.
    """

    def __init__(
        self,
        *,
        still_ours: Callable[[Sequence[UUID]], set[UUID]],
        after: Callable[[Watched, sightings.Changes], None],
    ) -> None:
        super().__init__(name="ledger", daemon=True)
        self._still_ours, self._after = still_ours, after
        self._changed = threading.Condition()
        self._entries: dict[UUID, Entry] = {}
        self._running_twice: dict[UUID, tuple[str, ...]] = {}
        self._open, self._writing = True, False
        self._outage = Outage("the database")
        #: Writes that changed a row; for the bench.
        self.written = 0

    def put(
        self,
        watched: Watched,
        *,
        details: Iterable[GuestFacts] = (),
        load: Mapping[str, Any] | None = None,
        guest_cpus: Mapping[str, float | None] | None = None,
        writing: Mapping[str, gauging.Writing] | None = None,
        **newest: Any,
    ) -> None:
        """Have this written soon; `newest` are the other fields of an Entry."""
        with self._changed:
            entry = self._entries.setdefault(watched.host_id, Entry(watched))
            for name, value in newest.items():
                setattr(entry, name, value)
            entry.details |= {detail.uuid: detail for detail in details}
            entry.load |= load or {}
            entry.guest_cpus |= guest_cpus or {}
            entry.writing |= writing or {}
            self._changed.notify()

    def runs_twice(self, guest_id: UUID, hosts: tuple[str, ...]) -> None:
        """Two hosts, both just asked, run this guest."""
        with self._changed:
            self._running_twice[guest_id] = hosts
            self._changed.notify()

    def run(self) -> None:
        """Write until closed; an outage of the database only makes it wait."""
        try:
            while (taken := self._take()) is not None:
                self._write_all(*taken)
        finally:
            connection.close()

    def close(self, *, wait_s: float) -> None:
        """Write what is there and end."""
        with self._changed:
            self._open = False
            self._changed.notify()
        if self.is_alive():
            self.join(wait_s)

    def settle(self, *, wait_s: float) -> bool:
        """Wait until everything put in so far is written."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries and not self._writing, wait_s)

    def _take(self) -> tuple[dict[UUID, Entry], dict[UUID, tuple[str, ...]]] | None:
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._entries or self._running_twice or not self._open)
            if not self._entries and not self._running_twice:
                return None
            first = heapq.nsmallest(AT_ONCE, self._entries.values(), key=Entry.rank)
            entries = {entry.watched.host_id: self._entries.pop(entry.watched.host_id) for entry in first}
            twice, self._running_twice = self._running_twice, {}
            self._writing = True
            return entries, twice

    def _write_all(self, entries: dict[UUID, Entry], twice: dict[UUID, tuple[str, ...]]) -> None:
        try:
            ours = self._still_ours(list(entries))
            for guest_id, hosts in twice.items():
                alarm.sound(guest_id, hosts)
            for entry in entries.values():
                if entry.watched.host_id in ours and not entry.watched.ended:
                    self._write_or_drop(entry)
            self._outage.over()
        except (OperationalError, InterfaceError) as error:
            self._away(error, entries)
        except Exception:
            logger.exception("what was found out about %s hosts could not be written", len(entries))

    def _write_or_drop(self, entry: Entry) -> None:
        try:
            self._write(entry)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # For example a host that is just being removed. Compare it with its rows at the next look.
            logger.exception("%s: what was found out could not be written", entry.watched.address.name)
            entry.watched.stored = None

    def _write(self, entry: Entry) -> None:
        watched = entry.watched
        with transaction.atomic():
            changes = self._store(entry)
            collect.announce(changes)
        if entry.contact is not None:
            watched.row_contact = entry.contact
        if entry.glimpses is not None:
            watched.stored = picture(entry.glimpses)
        self.written += bool(changes)
        self._after(watched, changes)

    def _store(self, entry: Entry) -> sightings.Changes:
        host_id, changes = entry.watched.host_id, sightings.Changes()
        if entry.contact is not None:
            contact, text = entry.contact
            changes.add(collect.change_host_row(host_id, {"contact": contact, "contact_text": text}))
            changes.add(sightings.settle_shared(host_id))
        if entry.host_facts is not None or entry.pools is not None:
            changes.add(collect.store_host(host_id=host_id, host_facts=entry.host_facts, pools=entry.pools))
        if entry.glimpses is not None or entry.details:
            changes.add(
                sightings.store_guests(
                    host_id=host_id,
                    glimpses=entry.glimpses or (),
                    details=entry.details,
                    complete=entry.glimpses is not None,
                )
            )
        changes.add(collect.change_host_row(host_id, entry.load))
        if entry.guest_cpus:
            changes.add(samples.store_guest_cpus(host_id, entry.guest_cpus))
        if entry.writing:
            changes.add(gauging.store(host_id, entry.writing))
        if changes.weighed:
            alarm.silence(changes.weighed - set(changes.doubled))
        return changes

    def _away(self, error: Exception, entries: dict[UUID, Entry]) -> None:
        """Put back what was not written, under what has been found out since, and wait."""
        pause_s = self._outage.failed(error)
        connection.close()
        with self._changed:
            for host_id, older in entries.items():
                newer = self._entries.get(host_id)
                self._entries[host_id] = older.under(newer) if newer else older
            self._changed.wait_for(lambda: not self._open, pause_s)
            if not self._open:
                self._entries.clear()
