"""Rows as the checks see them: hosts with what is promised there, guests with their facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from fleet.hypervisor.facts import PoolFacts
from fleet.hypervisor.interface import CpuVerdict
from fleet.models import Guest, Host, SiteLink
from fleet.planning.score import Place, score
from fleet.refusals import Refused
from fleet.states import UNFINISHED
from migrations_app import modes
from migrations_app.map_rules import MapRules
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.preflight import Findings, HostView, Situation, survey


@dataclass(frozen=True, kw_only=True, slots=True)
class Promised:
    """What guests that are on their way to a host will take there: memory, and bytes in its pools by their names."""

    memory_mib: int = 0
    pool_bytes: Mapping[str, int] = field(default_factory=dict)


NOTHING = Promised()


def promised(hosts: Iterable[UUID], *, without: UUID | None = None) -> dict[UUID, Promised]:
    """What is promised at each host to unfinished migrations, queued ones too; `without` leaves one job out."""
    moving = Migration.objects.filter(destination__in=hosts, job__state__in=UNFINISHED).exclude(job=without)
    found: dict[UUID, Promised] = {}
    for host, memory_mib, pools in moving.values_list("destination", "memory_mib", "pool_bytes"):
        if host is not None:
            before = found.get(host, NOTHING)
            found[host] = Promised(
                memory_mib=before.memory_mib + memory_mib,
                pool_bytes=Counter(before.pool_bytes) + Counter(pools),
            )
    return found


def pool_bytes(findings: Findings) -> dict[str, int]:
    """What the copies of these findings will write, by the destination's pool."""
    room: Counter[str] = Counter()
    for plan in findings.copies:
        room[plan.pool] += plan.disk.allocation_bytes
    return dict(room)


def left(pools: Iterable[PoolFacts], promised: Promised) -> tuple[PoolFacts, ...]:
    """The pools with only that free which is promised to nobody; what is half written already counts as promised."""
    return tuple(
        replace(pool, available_bytes=max(pool.available_bytes - promised.pool_bytes.get(pool.name, 0), 0))
        for pool in pools
    )


def view(host: Host, promised: Promised = NOTHING) -> HostView:
    """A host row as the checks see it."""
    return HostView(
        id=str(host.id),
        name=host.name,
        state=host.state,
        facts=host.host_facts(),
        pools=left(host.pool_facts(), promised),
        memory_free_mib=max(host.memory_mib - host.memory_used_mib, 0),
        reserved_mib=promised.memory_mib,
        site=host.site.slug if host.site else "",
        address=host.migration_address or host.address,
    )


def place_of(guest: Guest) -> Host:
    """The host a guest is on; raises Refused when no host knows it."""
    if guest.host is None:
        raise Refused(
            f"No host knows {guest.name} any more.",
            code="guest_gone",
            remedy="Refresh the host it was on; the guest was undefined or its host was removed.",
        )
    return guest.host


def check(
    *,
    guest: Guest,
    source: Host,
    destination: Host,
    storage: str,
    options: Options,
    rules: MapRules,
    promised: Promised = NOTHING,
    mode: str = modes.LIVE,
    cpu: CpuVerdict | None = None,
) -> Findings:
    """All findings for one destination, from rows."""
    return survey(
        Situation(
            # The state is known at once from events and rounds; the facts are as old as the last inventory.
            guest=replace(guest.guest_facts(), state=guest.state),
            source=view(source),
            destination=view(destination, promised),
            options=options,
            mode=mode,
            storage=storage,
            map=rules,
            cpu_verdict=cpu,
        )
    )


def rate(guest: Guest, source: Host, destination: Host, findings: Findings, promised: Promised) -> int:
    """The destination's score for this guest."""
    place = Place(
        memory_mib=destination.memory_mib,
        memory_free_mib=destination.memory_mib - destination.memory_used_mib - promised.memory_mib,
        cpu_percent=destination.cpu_percent,
        same_site=source.site_id == destination.site_id,
        bytes_to_copy=copied_bytes(findings),
    )
    return score(place, guest_memory_mib=guest.memory_mib)


def links_from(source: Host) -> dict[UUID, float]:
    """MiB/s that the link from the host's site to each other site carries."""
    rows = SiteLink.objects.filter(source=source.site_id).values_list("target", "bandwidth_mbps")
    return {target: mbps / 8 / 1.048576 for target, mbps in rows}


def copied_bytes(findings: Findings) -> int:
    """What the disks take that have to be copied."""
    return sum(plan.disk.allocation_bytes for plan in (*findings.copies, *findings.brought))
