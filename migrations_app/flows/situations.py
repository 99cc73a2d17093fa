"""Rows as the checks see them: hosts with what is promised there, guests with their facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from django.db.models import Sum

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


def reserved_mib(hosts: Iterable[UUID], *, without: UUID | None = None) -> dict[UUID, int]:
    """Memory promised at each host to guests of unfinished migrations; `without` leaves one job out."""
    moving = Migration.objects.filter(destination__in=hosts, job__state__in=UNFINISHED).exclude(job=without)
    rows = moving.values_list("destination").annotate(promised=Sum("memory_mib")).order_by()
    return {host: promised for host, promised in rows if host is not None}


def view(host: Host, reserved: int = 0) -> HostView:
    """A host row as the checks see it."""
    return HostView(
        id=str(host.id),
        name=host.name,
        state=host.state,
        facts=host.host_facts(),
        pools=host.pool_facts(),
        memory_free_mib=max(host.memory_mib - host.memory_used_mib, 0),
        reserved_mib=reserved,
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
    reserved: int,
    rules: MapRules,
    mode: str = modes.LIVE,
    cpu: CpuVerdict | None = None,
) -> Findings:
    """All findings for one destination, from rows."""
    return survey(
        Situation(
            # The state is known at once from events and rounds; the facts are as old as the last inventory.
            guest=replace(guest.guest_facts(), state=guest.state),
            source=view(source),
            destination=view(destination, reserved),
            options=options,
            mode=mode,
            storage=storage,
            map=rules,
            cpu_verdict=cpu,
        )
    )


def rate(guest: Guest, source: Host, destination: Host, findings: Findings, reserved: int) -> int:
    """The destination's score for this guest."""
    place = Place(
        memory_mib=destination.memory_mib,
        memory_free_mib=destination.memory_mib - destination.memory_used_mib - reserved,
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
