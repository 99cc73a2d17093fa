"""The hosts that have no part in a move, as the watcher saw them last: who may run the guest, who sees its disks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import PurePosixPath

from django.db.models import Count, Min, Q
from django.utils import timezone

from fleet.hypervisor.facts import HostAddress
from fleet.models import Guest, Host, Sighting
from fleet.states import ACTIVE_GUEST_STATES
from migrations_app.flows.errand import Errand
from migrations_app.folders_seen import Folders, home_of, seen_at

#: Names of silent hosts that a sentence still holds.
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """A third host that was last said to have the guest active."""

    address: HostAddress


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A third host that sees a folder of the guest's and runs a guest with a file of such a name."""

    address: HostAddress
    #: The guest's files under the paths that this host would see.
    paths: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bystanders:
    """What the rows say of all other hosts."""

    suspects: tuple[Suspect, ...]
    neighbours: tuple[Neighbour, ...]
    #: Hosts that answer, and how old the oldest look at one of them is.
    watched: int
    oldest_look_s: float | None
    silent: tuple[str, ...]
    silent_count: int

    def words(self) -> str:
        """How far the rows reach, as the receipt says it."""
        if not self.watched and not self.silent_count:
            return "there are no other hosts"
        age = f", the oldest look {self.oldest_look_s:.0f} s ago" if self.oldest_look_s is not None else ""
        said = f"{self.watched} other host{'s' * (self.watched != 1)} by the watcher's looks{age}"
        if not self.silent_count:
            return said
        more = f" and {self.silent_count - len(self.silent)} more" if self.silent_count > len(self.silent) else ""
        return f"{said}; not reachable, so not asked: {', '.join(self.silent)}{more}"


def look(errand: Errand) -> Bystanders:
    """Four queries at most, however many hosts there are."""
    ends = [errand.source_row.pk, errand.destination_row.pk]
    others = Host.objects.exclude(pk__in=ends)
    up = others.filter(contact=Host.Contact.UP).order_by().aggregate(count=Count("pk"), oldest=Min("last_seen_at"))
    away = list(others.exclude(contact=Host.Contact.UP).order_by("name").values_list("name", flat=True))
    sightings = Sighting.objects.filter(guest__uuid=errand.uuid, state__in=ACTIVE_GUEST_STATES)
    suspects = sightings.exclude(host__in=ends).select_related("host").order_by("host__name")
    return Bystanders(
        suspects=tuple(Suspect(address=sighting.host.where()) for sighting in suspects),
        neighbours=_neighbours(errand),
        watched=up["count"],
        oldest_look_s=_age_s(up["oldest"]),
        silent=tuple(away[:_NAMED]),
        silent_count=len(away),
    )


def _neighbours(errand: Errand) -> tuple[Neighbour, ...]:
    """Hosts whose markers lie in the folders of the guest's disks and that run a guest with a file of such a name."""
    here = Folders(host_uuid=str(errand.source_row.hardware_uuid), pools=errand.source_row.pool_facts())
    homes = {path: home for path in own_files(errand) if (home := home_of(path, here.pools)) is not None}
    ends = {here.host_uuid, str(errand.destination_row.hardware_uuid)}
    sharers = {marker for home in homes.values() for marker in home.markers} - ends
    if not sharers:
        return ()
    names = [Q(facts__disks__icontains=PurePosixPath(path).name) for path in homes]
    using = Guest.objects.filter(reduce(or_, names), host__hardware_uuid__in=sharers, state__in=ACTIVE_GUEST_STATES)
    hosts = Host.objects.filter(pk__in=using.exclude(uuid=errand.uuid).order_by().values("host")).order_by("name")
    found: list[Neighbour] = []
    for host in hosts:
        there = Folders(host_uuid=str(host.hardware_uuid), pools=host.pool_facts())
        paths = frozenset(seen for path in homes for seen in seen_at(path, here, there))
        found.append(Neighbour(address=host.where(), paths=paths))
    return tuple(found)


def own_files(errand: Errand) -> set[str]:
    """Files that the guest alone may have open, as its row tells."""
    disks = errand.migration.guest.guest_facts().disks if errand.migration.guest else ()
    return {disk.source for disk in disks if disk.source and not disk.readonly and not disk.shareable}


def _age_s(moment: datetime | None) -> float | None:
    return None if moment is None else max((timezone.now() - moment).total_seconds(), 0.0)
