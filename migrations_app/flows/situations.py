"""Rows as the checks see them: hosts with what is promised there, guests with their facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from django.db.models import Sum

from fleet.hypervisor.interface import CpuVerdict
from fleet.inventory.gauging import LONG_S, SHORT_S
from fleet.models import Guest, Host, SiteLink
from fleet.planning.estimate import Forecast, forecast
from fleet.planning.score import Place, score
from fleet.refusals import Refused
from fleet.states import UNFINISHED, GuestState
from migrations_app.history import Past, experience
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.preflight import Findings, HostView, Situation, survey
from migrations_app.terms import Terms


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
            storage=storage,
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
        bytes_to_copy=_copied_bytes(findings),
    )
    return score(place, guest_memory_mib=guest.memory_mib)


def links_from(source: Host) -> dict[UUID, float]:
    """MiB/s that the link from the host's site to each other site carries."""
    rows = SiteLink.objects.filter(source=source.site_id).values_list("target", "bandwidth_mbps")
    return {target: mbps / 8 / 1.048576 for target, mbps in rows}


def carried_mib_s(source: Host, destination: Host, links: dict[UUID, float]) -> float | None:
    """What the narrowest known part of the way carries; None where nothing is known of it."""
    cards = [mbps_to_mib_s(host.migration_bandwidth_mbps) for host in (source, destination)]
    link = links.get(destination.site_id) if destination.site_id else None
    return min((rate for rate in (*cards, link) if rate), default=None)


def mbps_to_mib_s(mbps: int | None) -> float | None:
    """A network's figure as ours."""
    return mbps / 8 / 1.048576 if mbps else None


def foresee(
    guest: Guest,
    source: Host,
    destination: Host,
    findings: Findings,
    terms: Terms,
    links: dict[UUID, float],
    moves: Sequence[Past] = (),
) -> Forecast:
    """What the migration will cost, by what is measured of guest and way and what earlier moves taught."""
    disk_bytes = _copied_bytes(findings)
    carried = carried_mib_s(source, destination, links)
    known = experience(
        moves,
        guest=str(guest.pk),
        source=str(source.pk),
        destination=str(destination.pk),
        copies_disks=bool(disk_bytes),
    )
    return forecast(
        memory_mib=guest.memory_mib if guest.state in {GuestState.RUNNING, GuestState.PAUSED} else 0,
        disk_bytes=disk_bytes,
        link_mib_s=carried,
        limit_mib_s=limit_mib_s(terms, carried or known.rate_mib_s),
        writes=measured_writes(guest),
        used_mib=guest.memory_used_mib,
        max_pause_ms=terms.max_pause_ms,
        may_throttle=terms.may_throttle,
        experience=known,
    )


def limit_mib_s(terms: Terms, carried: float | None) -> float:
    """The limit that a move is given: its own, or its share of the way; 0: none."""
    share = carried * terms.bandwidth_share_percent / 100 if carried and terms.bandwidth_share_percent < 100 else 0.0
    limits = [limit for limit in (terms.bandwidth_mib_s, share) if limit]
    return min(limits, default=0.0)


def measured_writes(guest: Guest) -> tuple[tuple[float, float], ...]:
    """(seconds, bytes) that the guest was measured to write anew; empty where it never was."""
    found = ((SHORT_S, guest.dirty_bytes_s), (LONG_S, guest.dirty_set_bytes))
    return tuple((float(seconds), float(size)) for seconds, size in found if size is not None)


def _copied_bytes(findings: Findings) -> int:
    return sum(plan.disk.allocation_bytes for plan in findings.copies)
