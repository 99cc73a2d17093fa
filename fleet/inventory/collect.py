"""Facts into rows: what a host says of itself; a round in which nothing changed writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fleet.documents import guest_document
from fleet.hypervisor import facts
from fleet.inventory.sightings import Changes, plain
from fleet.jobs import live
from fleet.models import Guest, Host

#: Free space of a pool is written when it moved by this part of the pool: thin disks grow all the time.
POOL_GRAIN = 0.01
#: More changed guests than this are loaded together for the live messages.
FEW = 4


def host_columns(host_facts: facts.HostFacts, pools: Sequence[facts.PoolFacts]) -> dict[str, Any]:
    """The columns of a host that come from its facts."""
    return {
        "hardware_uuid": UUID(host_facts.uuid),
        "cpus": host_facts.cpus,
        "memory_mib": host_facts.memory_mib,
        "facts": plain(facts.dump(host_facts)),
        "pools": [plain(facts.dump(pool)) for pool in pools],
    }


@transaction.atomic
def store_host(
    *, host_id: UUID, host_facts: facts.HostFacts | None = None, pools: Sequence[facts.PoolFacts] | None = None
) -> Changes:
    """Make the host's row say what the host says; parts left out stay. The hardware UUID is never changed here."""
    host = Host.objects.select_for_update().filter(pk=host_id).first()
    if host is None:
        return Changes()
    fresh: dict[str, Any] = {}
    if host_facts is not None:
        fresh |= {"cpus": host_facts.cpus, "memory_mib": host_facts.memory_mib}
        fresh["facts"] = plain(facts.dump(host_facts))
    if pools is not None:
        fresh["pools"] = settled_pools(host.pools, [plain(facts.dump(pool)) for pool in pools])
    return change_host_row(host_id, {key: value for key, value in fresh.items() if getattr(host, key) != value})


def change_host_row(host_id: UUID, columns: dict[str, Any]) -> Changes:
    """Write these columns and count the version up; nothing given, nothing written."""
    if not columns:
        return Changes()
    Host.objects.filter(pk=host_id).update(version=F("version") + 1, updated_at=timezone.now(), **columns)
    return Changes(hosts={host_id}, counted=Counter({host_id: 1}))


def settled_pools(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pools as they shall be stored: a wiggle of free space below POOL_GRAIN keeps the old numbers."""
    known = {pool.get("uuid"): pool for pool in before}
    return [_settled_pool(known.get(pool["uuid"]), pool) for pool in sorted(after, key=lambda pool: pool["name"])]


def _settled_pool(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    if before is None or before.get("capacity_bytes") != after["capacity_bytes"]:
        return after
    moved = abs(before.get("available_bytes", 0) - after["available_bytes"])
    if moved > POOL_GRAIN * after["capacity_bytes"]:
        return after
    return after | {"available_bytes": before["available_bytes"]}


def announce(changes: Changes) -> None:
    """Tell the pages, after this transaction."""
    for host_id in changes.hosts:
        live.host_changed(host_id)
    if len(changes.guests) > FEW:
        transaction.on_commit(partial(_send_guests, frozenset(changes.guests)))
        return
    for guest_id in changes.guests:
        live.guest_changed(guest_id)


def _send_guests(guest_ids: frozenset[UUID]) -> None:
    """Many guests with the queries of one."""
    for guest in Guest.objects.for_documents().filter(pk__in=guest_ids):
        site = guest.host.site_id if guest.host else None
        live.send_document("guest", guest_document(guest), [str(site)] if site else [])
