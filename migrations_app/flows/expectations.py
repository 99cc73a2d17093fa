"""What a move will cost, by what is measured of guest and way and what earlier moves taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Q

from fleet.inventory.gauging import LONG_S, SHORT_S
from fleet.models import Guest, Host
from fleet.planning.estimate import Forecast, forecast
from fleet.planning.precopy import believed
from migrations_app import modes
from migrations_app.flows import situations
from migrations_app.history import Past, experience
from migrations_app.models import ForecastError
from migrations_app.preflight import Findings
from migrations_app.terms import Terms

#: Moves that are read: those of the guest itself, and the newest of the fleet.
NEWEST = 200


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the forecasts for all destinations of one guest share."""

    guest: Guest
    source: Host
    terms: Terms
    #: MiB/s that the links from the source's site carry, by site.
    links: Mapping[UUID, float]
    #: Earlier moves, the newest first.
    moves: Sequence[Past] = ()

    def of(self, destination: Host, findings: Findings, *, mode: str = modes.LIVE) -> Forecast:
        """What the move there will cost."""
        disk_bytes = situations.copied_bytes(findings)
        if mode == modes.COLD:
            return replace(self._cost(destination, 0, disk_bytes), downtime_ms=0, converges=True)
        memory_mib = self.guest.memory_mib
        if mode == modes.OFFLINE:
            # It stands still while its memory moves, and writes nothing meanwhile.
            still = self._cost(destination, memory_mib, 0, writing=False)
            whole = self._cost(destination, memory_mib, disk_bytes, writing=False)
            return replace(whole, downtime_ms=round(1000 * still.duration_s), converges=True)
        return self._cost(destination, memory_mib, disk_bytes)

    def _cost(self, destination: Host, memory_mib: int, disk_bytes: int, *, writing: bool = True) -> Forecast:
        carried = carried_mib_s(self.source, destination, self.links)
        known = experience(
            self.moves,
            guest=str(self.guest.pk),
            source=str(self.source.pk),
            destination=str(destination.pk),
            copies_disks=bool(disk_bytes),
        )
        return forecast(
            memory_mib=memory_mib,
            disk_bytes=disk_bytes,
            link_mib_s=carried,
            limit_mib_s=limit_mib_s(self.terms, carried or known.rate_mib_s),
            writes=believed(measured_writes(self.guest), known.writes) if writing else ((1.0, 0.0),),
            used_mib=self.guest.memory_used_mib,
            max_pause_ms=self.terms.max_pause_ms,
            may_throttle=self.terms.may_throttle,
            experience=known,
        )


def carried_mib_s(source: Host, destination: Host, links: Mapping[UUID, float]) -> float | None:
    """What the narrowest known part of the way carries; None where nothing is known of it."""
    cards = [_mib_s(host.migration_bandwidth_mbps) for host in (source, destination)]
    link = links.get(destination.site_id) if destination.site_id else None
    return min((rate for rate in (*cards, link) if rate), default=None)


def _mib_s(mbps: int | None) -> float | None:
    return mbps / 8 / 1.048576 if mbps else None


def limit_mib_s(terms: Terms, carried: float | None) -> float:
    """The limit that a move is given: its own, or its share of the way; 0: none."""
    share = carried * terms.bandwidth_share_percent / 100 if carried and terms.bandwidth_share_percent < 100 else 0.0
    limits = [limit for limit in (terms.bandwidth_mib_s, share) if limit]
    return min(limits, default=0.0)


def measured_writes(guest: Guest) -> tuple[tuple[float, float], ...]:
    """(seconds, bytes) that the guest was measured to write anew; empty where it never was."""
    found = ((SHORT_S, guest.dirty_bytes_s), (LONG_S, guest.dirty_set_bytes))
    return tuple((float(seconds), float(size)) for seconds, size in found if size is not None)


def past_moves(guest: Guest) -> list[Past]:
    """What forecasts for this guest may learn from, the newest first; one query."""
    columns = ("guest_id", "source_id", "destination_id", "copied_disks", "taught")
    newest = ForecastError.objects.order_by("-at").values("pk")[:NEWEST]
    rows = ForecastError.objects.filter(Q(guest=guest) | Q(pk__in=newest)).order_by("-at")
    return [_past(*row) for row in rows.values_list(*columns)[:NEWEST]]


def _past(guest: Any, source: Any, destination: Any, copied_disks: bool, taught: dict[str, Any]) -> Past:
    writes = tuple((float(seconds), float(size)) for seconds, size in taught.get("writes", ()))
    known = ("fixed_s", "rate_mib_s", "hand_over_ms", "hand_over_seen_ms", "memory_share", "correction")
    return Past(
        guest=str(guest),
        source=str(source),
        destination=str(destination),
        copied_disks=copied_disks,
        writes=writes,
        **{name: taught.get(name) for name in known},
    )
