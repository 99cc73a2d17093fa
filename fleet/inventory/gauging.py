"""How much memory guests write: whose turn it is to be measured, and what is kept of the answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import DirtyRate, GuestStatistics
from fleet.hypervisor.interface import Hypervisor
from fleet.inventory.sightings import Changes
from fleet.models import Guest

logger = logging.getLogger(__name__)

#: Seconds of the two measurements: what a guest writes in a short pass, and the set that it writes again and again.
SHORT_S, LONG_S = 1, 8
#: Seconds until a guest is measured again.
EVERY_S = 300.0
#: Measurements begun at a host in one round; each is two small questions to one guest's QEMU.
LEAST, MOST = 2, 8
#: Two answers closer than this are one guest in two moments, and sampling is coarse: their mean is kept.
ALIKE = 3.0
#: A change below this part shows on no page.
GRAIN = 0.1


@dataclass(frozen=True, slots=True)
class Gauged:
    """The last measurement of a guest that was begun: monotonic seconds, and over how many."""

    at: float
    seconds: int


@dataclass(frozen=True, slots=True)
class Writing:
    """What is known of a guest now."""

    rate: DirtyRate
    memory_used_mib: int | None


def due(
    running: Iterable[str],
    *,
    busy: AbstractSet[str],
    gauged: Mapping[str, Gauged],
    now: float,
    round_s: float,
) -> dict[str, int]:
    """Whose turn it is, with the seconds to measure: at first both lengths in a row, then one every few minutes."""
    running = set(running)
    most = min(max(math.ceil(2 * len(running) * round_s / EVERY_S), LEAST), MOST)

    def waited(uuid: str) -> float:
        last = gauged.get(uuid)
        return math.inf if last is None else now - last.at

    def is_due(uuid: str) -> bool:
        last = gauged.get(uuid)
        return last is None or last.seconds == SHORT_S or now - last.at >= EVERY_S

    first = sorted((uuid for uuid in running - busy if is_due(uuid)), key=lambda uuid: (-waited(uuid), uuid))[:most]
    return {uuid: _next_length(gauged.get(uuid)) for uuid in first}


def _next_length(last: Gauged | None) -> int:
    return LONG_S if last is not None and last.seconds == SHORT_S else SHORT_S


def read(
    host: Hypervisor, gauged: Mapping[str, Gauged], since: float, used: Sequence[GuestStatistics]
) -> list[Writing]:
    """The answers of the measurements that were begun after `since`."""
    begun = sorted(uuid for uuid, one in gauged.items() if one.at > since)
    rates = host.dirty_rates(begun) if begun else ()
    memory = {one.uuid: one.memory_used_mib for one in used}
    return [Writing(rate, memory.get(rate.uuid)) for rate in rates if rate.seconds == gauged[rate.uuid].seconds]


def begin(host: Hypervisor, wanted: Mapping[str, int], now: float) -> dict[str, Gauged]:
    """Begin these; a guest that cannot be measured just now waits for its next turn. Raises HostUnreachable."""
    for uuid, seconds in wanted.items():
        try:
            host.start_dirty_rate(uuid, seconds)
        except HostUnreachable:
            raise
        except HypervisorError as error:
            logger.debug("%s: %s is not measured: %s", host.address.name, uuid, error.text)
    return {uuid: Gauged(now, seconds) for uuid, seconds in wanted.items()}


@transaction.atomic(savepoint=False)
def store(host_id: UUID, found: Mapping[str, Writing]) -> Changes:
    """Write what was measured into the rows of guests that are on this host."""
    columns = ("id", "uuid", "memory_mib", "dirty_bytes_s", "dirty_set_bytes", "memory_used_mib")
    changes = Changes()
    for guest in Guest.objects.filter(uuid__in=found, host_id=host_id).order_by("pk").only(*columns):
        fresh = _columns(guest, found[str(guest.uuid)])
        rows = Guest.objects.filter(pk=guest.pk)
        if any(_shows(getattr(guest, name), value) for name, value in fresh.items()):
            now = timezone.now()
            rows.update(**fresh, dirty_measured_at=now, updated_at=now, version=F("version") + 1)
            changes.guests.add(guest.pk)
        else:
            rows.update(dirty_measured_at=timezone.now())
    return changes


def _columns(guest: Guest, found: Writing) -> dict[str, int]:
    rate = found.rate
    fresh: dict[str, int] = {}
    if rate.seconds == SHORT_S:
        fresh["dirty_bytes_s"] = _settled(guest.dirty_bytes_s, rate.bytes_s * rate.seconds)
    else:
        fresh["dirty_set_bytes"] = _settled(guest.dirty_set_bytes, rate.bytes_s * rate.seconds)
    if found.memory_used_mib is not None:
        fresh["memory_used_mib"] = min(found.memory_used_mib, guest.memory_mib)
    return fresh


def _settled(before: int | None, now: int) -> int:
    if before and now and 1 / ALIKE <= now / before <= ALIKE:
        return (before + now) // 2
    return now


def _shows(before: int | None, now: int) -> bool:
    return before is None or abs(now - before) > GRAIN * max(before, now)
