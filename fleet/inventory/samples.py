"""Samples of load: from counters to what is worth a write."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fleet.hypervisor.facts import GuestStatistics, HostLoad
from fleet.inventory.sightings import Changes
from fleet.models import Guest

#: A change below these keeps the old number in the rows: bars on a page do not show it, and each write is a message to
#: every open page. In percent of the host's CPUs, in percent of its memory, in CPUs of a guest.
HOST_CPU_GRAIN = 2.0
HOST_MEMORY_GRAIN = 1.0
GUEST_CPU_GRAIN = 0.05


def cpu_percent(before: HostLoad | None, now: HostLoad) -> float | None:
    """How busy the host's CPUs were between two samples; None when the counters cannot tell."""
    total = now.cpu_total_ns - before.cpu_total_ns if before else 0
    idle = now.cpu_idle_ns - before.cpu_idle_ns if before else 0
    return round(100.0 * (total - idle) / total, 1) if total > 0 and 0 <= idle <= total else None


#: What a host's row was last told: percent of its CPUs (None before the second sample) and MiB used.
Told = tuple[float | None, int]


def worth_telling_of_host(told: Told | None, *, percent: float | None, used_mib: int, memory_mib: int) -> Told | None:
    """The numbers to write; None when both moved by less than their grain."""
    if told is None:
        return percent, used_mib
    known = told[0]
    percent = known if percent is None else percent
    moved = percent != known and (percent is None or known is None or abs(percent - known) >= HOST_CPU_GRAIN)
    if not moved and abs(used_mib - told[1]) <= memory_mib * HOST_MEMORY_GRAIN / 100:
        return None
    return percent, used_mib


def guest_cpus(
    before: Mapping[str, tuple[float, int]], statistics: tuple[GuestStatistics, ...], now: float
) -> dict[str, float]:
    """CPUs' worth of work of each guest since the last sample, by libvirt UUID."""
    cpus = {}
    for one in statistics:
        at, used_ns = before.get(one.uuid, (now, 0))
        if now > at and one.cpu_time_ns >= used_ns:
            cpus[one.uuid] = (one.cpu_time_ns - used_ns) / 1e9 / (now - at)
    return cpus


def worth_telling(told: Mapping[str, float], cpus: Mapping[str, float]) -> dict[str, float | None]:
    """What moved by more than its grain; None for guests that no longer run."""
    moved: dict[str, float | None] = {
        uuid: value for uuid, value in cpus.items() if uuid not in told or abs(told[uuid] - value) > GUEST_CPU_GRAIN
    }
    return moved | dict.fromkeys(set(told) - set(cpus))


@transaction.atomic(savepoint=False)
def store_guest_cpus(host_id: UUID, cpus: Mapping[str, float | None]) -> Changes:
    """Write `Guest.cpu_percent` (percent of its own virtual CPUs) of guests that are on this host."""
    rows = (
        Guest.objects.filter(uuid__in=cpus, host_id=host_id).order_by("pk").only("id", "uuid", "vcpus", "cpu_percent")
    )
    changes = Changes()
    for guest in rows:
        value = cpus[str(guest.uuid)]
        percent = None if value is None else round(min(100.0 * value / max(guest.vcpus, 1), 100.0), 1)
        if percent != guest.cpu_percent:
            Guest.objects.filter(pk=guest.pk).update(
                cpu_percent=percent, version=F("version") + 1, updated_at=timezone.now()
            )
            changes.guests.add(guest.pk)
    return changes
