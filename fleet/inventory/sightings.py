"""Sightings into rows: what one host says of its guests, and where each guest is by what all hosts say.

Only what differs from the rows is written. A guest that no host knows any more keeps its row with no host and state
"unknown"; `prune` removes it after a while unless jobs, tags or a pin hang on it, so that an undefine followed by a
define of the same UUID loses nothing.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone

from fleet.hypervisor import facts
from fleet.inventory.whereabouts import Place, Seen, place
from fleet.models import Guest, Host, Job, Sighting
from fleet.states import UNFINISHED

logger = logging.getLogger(__name__)

#: Minutes a guest that nobody knows keeps its row: longer than any undefine-and-define by hand.
FORGET_AFTER_MINUTES = 10
#: Rows in one INSERT.
BATCH = 100


@dataclass
class Changes:
    """What a write changed: ids for the live messages, and what wants a second look."""

    hosts: set[UUID] = field(default_factory=set)
    guests: set[UUID] = field(default_factory=set)
    #: Guest id to the hosts that claim to run it, all of which answer.
    doubled: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    #: UUIDs of guests whose host is now the one that was stored: their facts want a fresh look.
    arrived: set[str] = field(default_factory=set)
    #: Every guest whose place was weighed, changed or not.
    weighed: set[UUID] = field(default_factory=set)
    #: How often each host's version was counted up: whoever remembers versions can tell its own writes from others'.
    counted: Counter[UUID] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.hosts or self.guests)

    def add(self, other: Changes) -> None:
        """Take in what another write changed."""
        self.hosts |= other.hosts
        self.guests |= other.guests
        self.doubled |= other.doubled
        self.arrived |= other.arrived
        self.weighed |= other.weighed
        self.counted += other.counted


def glimpses_of(guests: Iterable[facts.GuestFacts]) -> tuple[facts.GuestGlimpse, ...]:
    """Glimpses out of full descriptions; these do not tell the reason of a state."""
    return tuple(
        facts.GuestGlimpse(uuid=guest.uuid, name=guest.name, state=guest.state, persistent=guest.persistent)
        for guest in guests
    )


@transaction.atomic
def store_guests(
    *,
    host_id: UUID,
    glimpses: Sequence[facts.GuestGlimpse],
    details: Mapping[str, facts.GuestFacts] | None = None,
    complete: bool = True,
) -> Changes:
    """Make the rows say what `host_id` says now.

    `details` are full descriptions by libvirt UUID, of guests in `glimpses` or seen here before; `complete` means that
    a guest not in `glimpses` is not there.
    """
    stored = _stored(host_id)
    fresh = [glimpse for glimpse in glimpses if _differs(glimpse, stored.get(glimpse.uuid))]
    here = {glimpse.uuid for glimpse in glimpses}
    # A description may be older than the last look: it never brings back a guest that was seen gone.
    details = {uuid: detail for uuid, detail in (details or {}).items() if uuid in here or uuid in stored}
    gone = [row.guest_id for uuid, row in stored.items() if complete and uuid not in here]
    wanted = {glimpse.uuid for glimpse in fresh} | set(details)
    if not wanted and not gone:
        return Changes()
    guests = _guests(wanted, glimpses, details)
    _write_sightings(host_id, fresh, guests)
    if gone:
        Sighting.objects.filter(host_id=host_id, guest_id__in=gone).delete()
    names = {glimpse.uuid: glimpse.name for glimpse in glimpses}
    return settle_guests([guest.id for guest in guests.values()] + gone, seen_by=host_id, details=details, names=names)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the rows hold of one guest on one host."""

    guest_id: UUID
    name: str
    state: str
    reason: str
    persistent: bool


def _stored(host_id: UUID) -> dict[str, Stored]:
    rows = Sighting.objects.filter(host_id=host_id).values_list(
        "guest__uuid", "guest_id", "guest__name", "state", "reason", "persistent"
    )
    return {
        str(uuid): Stored(guest_id=guest_id, name=name, state=state, reason=reason, persistent=persistent)
        for uuid, guest_id, name, state, reason, persistent in rows
    }


def _differs(glimpse: facts.GuestGlimpse, stored: Stored | None) -> bool:
    if stored is None:
        return True
    if (stored.name, stored.state, stored.persistent) != (glimpse.name, glimpse.state, glimpse.persistent):
        return True
    return bool(glimpse.reason) and glimpse.reason != stored.reason


def _guests(
    uuids: set[str], glimpses: Sequence[facts.GuestGlimpse], details: Mapping[str, facts.GuestFacts]
) -> dict[str, Guest]:
    """Rows of these guests; unknown ones are made (two watchers may both try: the database keeps one)."""
    names = {glimpse.uuid: glimpse.name for glimpse in glimpses}
    known = {str(uuid) for uuid in Guest.objects.filter(uuid__in=uuids).values_list("uuid", flat=True)}
    new = [_new_guest(uuid, names.get(uuid, uuid), details.get(uuid)) for uuid in sorted(uuids - known)]
    if new:
        Guest.objects.bulk_create(new, ignore_conflicts=True, batch_size=BATCH)
    return {str(guest.uuid): guest for guest in Guest.objects.filter(uuid__in=uuids).only("id", "uuid")}


def _new_guest(uuid: str, name: str, detail: facts.GuestFacts | None) -> Guest:
    return Guest(uuid=UUID(uuid), name=name, **(fact_columns(detail) if detail else {}))


def fact_columns(detail: facts.GuestFacts) -> dict[str, Any]:
    """The columns of a guest that come from its description."""
    return {"memory_mib": detail.memory_mib, "vcpus": detail.vcpus, "facts": plain(facts.dump(detail))}


def _write_sightings(host_id: UUID, fresh: Sequence[facts.GuestGlimpse], guests: Mapping[str, Guest]) -> None:
    rows = [
        Sighting(
            host_id=host_id,
            guest_id=guests[glimpse.uuid].id,
            state=glimpse.state,
            reason=glimpse.reason[:40],
            persistent=glimpse.persistent,
        )
        for glimpse in fresh
    ]
    Sighting.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["host", "guest"],
        update_fields=["state", "reason", "persistent", "changed_at"],
        batch_size=BATCH,
    )


@transaction.atomic(savepoint=False)
def settle_guests(
    guest_ids: Sequence[UUID],
    *,
    seen_by: UUID | None = None,
    details: Mapping[str, facts.GuestFacts] | None = None,
    names: Mapping[str, str] | None = None,
) -> Changes:
    """Put each guest where the sightings say it is; `seen_by` is the host that `details` and `names` come from."""
    details, names, changes = details or {}, names or {}, Changes()
    # Locked in one order, so that two watchers settling the same guests wait for each other instead of dead-locking.
    rows = Guest.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=guest_ids).order_by("pk")
    guests = list(rows if details else rows.defer("facts"))
    claims = _claims(guest_ids)
    busy = set(Job.objects.filter(guest_id__in=guest_ids, state__in=UNFINISHED).values_list("guest_id", flat=True))
    for guest in guests:
        found = place(
            claims[guest.id], current=str(guest.host_id) if guest.host_id else None, job_open=guest.id in busy
        )
        if found.doubled:
            changes.doubled[guest.id] = tuple(UUID(host) for host in found.running_on)
        changed = _new_place(guest, found, seen_by, changes)
        if seen_by is not None and guest.host_id in {seen_by, None}:
            changed |= _new_description(guest, names.get(str(guest.uuid)), details.get(str(guest.uuid)))
        if changed:
            _write_guest(guest, changed)
            changes.guests.add(guest.id)
    changes.weighed |= set(guest_ids)
    if changes.hosts:
        Host.objects.filter(pk__in=changes.hosts).update(version=F("version") + 1, updated_at=timezone.now())
        changes.counted.update(changes.hosts)
    return changes


def _claims(guest_ids: Sequence[UUID]) -> dict[UUID, list[Seen]]:
    claims: dict[UUID, list[Seen]] = defaultdict(list)
    rows = Sighting.objects.filter(guest_id__in=guest_ids).values_list(
        "guest_id", "host_id", "state", "reason", "persistent", "host__contact"
    )
    for guest_id, host_id, state, reason, persistent, contact in rows:
        reachable = contact == Host.Contact.UP
        claims[guest_id].append(
            Seen(host=str(host_id), state=state, reason=reason, persistent=persistent, reachable=reachable)
        )
    return claims


def _new_place(guest: Guest, found: Place, seen_by: UUID | None, changes: Changes) -> set[str]:
    before, after = guest.host_id, UUID(found.host) if found.host else None
    changed: set[str] = set()
    if before != after:
        guest.host_id = after
        changes.hosts |= {host for host in (before, after) if host}
        changed.add("host_id")
        if after == seen_by:
            changes.arrived.add(str(guest.uuid))
    if guest.state != found.state:
        guest.state = found.state.value
        changed.add("state")
        if after == seen_by:
            # A started guest has a live description: addresses, the CPU it really got.
            changes.arrived.add(str(guest.uuid))
    return changed


def _new_description(guest: Guest, name: str | None, detail: facts.GuestFacts | None) -> set[str]:
    changed: set[str] = set()
    if name and guest.name != name:
        guest.name = name
        changed.add("name")
    if detail:
        columns = fact_columns(detail)
        # The state has its own column and its own, quicker, way here.
        columns["facts"]["state"] = guest.facts.get("state", detail.state)
        for column, value in columns.items():
            if getattr(guest, column) != value:
                setattr(guest, column, value)
                changed.add(column)
    return changed


def plain(value: Any) -> Any:
    """Tuples as the lists that come back from the database, so that equal facts compare equal."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _write_guest(guest: Guest, columns: set[str]) -> None:
    # One plain UPDATE each: Django's bulk_update spends more on its CASE WHEN than SQLite on the writing.
    values = {column: getattr(guest, column) for column in columns}
    Guest.objects.filter(pk=guest.pk).update(version=F("version") + 1, updated_at=timezone.now(), **values)


def settle_shared(host_id: UUID) -> Changes:
    """After a host's contact changed: weigh anew the guests that other hosts know too."""
    shared = (
        Guest.objects.filter(sightings__host_id=host_id)
        .annotate(claims=Count("sightings__guest__sightings", distinct=True))
        .filter(claims__gt=1)
    )
    ids = list(shared.values_list("pk", flat=True))
    return settle_guests(ids) if ids else Changes()


def prune() -> list[UUID]:
    """Forget guests that nobody has known for a while and that nothing hangs on; returns their ids."""
    limit = timezone.now() - timedelta(minutes=FORGET_AFTER_MINUTES)
    lost = Guest.objects.filter(host=None, sightings=None, jobs=None, pinned=False, updated_at__lt=limit)
    ids = [guest.pk for guest in lost.only("id", "tags") if not guest.tags]
    return forget(ids)


def forget(guest_ids: Sequence[UUID]) -> list[UUID]:
    """Delete these guests if still nobody knows them and no job hangs on them; returns the ids that went."""
    if not guest_ids:
        return []
    with transaction.atomic():
        rows = Guest.objects.select_for_update(of=("self",)).filter(pk__in=guest_ids, sightings=None, jobs=None)
        ids = list(rows.values_list("pk", flat=True))
        Guest.objects.filter(pk__in=ids).delete()
    return ids
