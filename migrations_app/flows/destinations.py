"""Every host as a destination for one guest: allowed or not, why, how good, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.models import Guest, Host
from fleet.planning.estimate import Forecast
from migrations_app import modes
from migrations_app.flows import maps, policies, situations
from migrations_app.flows.expectations import Expectations, past_moves
from migrations_app.flows.situations import Promised
from migrations_app.map_rules import MapRules
from migrations_app.options import Options
from migrations_app.preflight import Findings


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """One candidate."""

    host: Host
    #: "live", "offline" or "cold".
    mode: str
    score: int
    findings: Findings
    forecast: Forecast
    #: The map that holds for a move there.
    rules: MapRules

    @property
    def allowed(self) -> bool:
        """Whether nothing blocks."""
        return self.findings.allowed

    @property
    def checks(self) -> list[dict[str, Any]]:
        """The findings as documents, blocking ones first."""
        return [check.document() for check in self.findings.checks]

    @property
    def storage(self) -> str:
        """ "none", "copy" or "copy_incremental": what would happen to the disks."""
        return self.findings.storage

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "host": {"id": str(self.host.id), "name": self.host.name},
            "site": self.host.site.slug if self.host.site else None,
            "mode": self.mode,
            "allowed": self.allowed,
            "score": self.score,
            "storage": self.storage,
            "map": self.rules.name,
            "checks": self.checks,
            "forecast": self.forecast.document(),
        }


def destinations(
    *,
    guest: Guest,
    mode: str = "auto",
    storage: str = "auto",
    options: Options | None = None,
    only: Host | None = None,
) -> list[Destination]:
    """All other hosts (or that one), the best allowed one first; eight queries however many hosts there are.

    Raises Refused when no host knows the guest.
    """
    options = options or Options()
    mode = modes.resolve(mode, guest.state, options.route)
    source = situations.place_of(guest)
    rows = Host.objects.select_related("site").exclude(pk=source.pk)
    hosts = list(rows.filter(pk=only.pk) if only else rows)
    promised = situations.promised(host.id for host in hosts)
    held = policies.resolve(guest, source, options)
    expecting = Expectations(guest, source, held, situations.links_from(source), past_moves(guest))
    atlas = maps.atlas(source, options)
    found = [
        _candidate(
            expecting,
            host,
            mode,
            storage,
            options,
            promised.get(host.id, situations.NOTHING),
            atlas.to(host),
        )
        for host in hosts
    ]
    return sorted(found, key=lambda candidate: (not candidate.allowed, -candidate.score, candidate.host.name))


def _candidate(
    expecting: Expectations,
    host: Host,
    mode: str,
    storage: str,
    options: Options,
    promised: Promised,
    rules: MapRules,
) -> Destination:
    guest, source = expecting.guest, expecting.source
    findings = situations.check(
        guest=guest,
        source=source,
        destination=host,
        mode=mode,
        storage=storage,
        options=options,
        promised=promised,
        rules=rules,
    )
    return Destination(
        host=host,
        mode=mode,
        score=situations.rate(guest, source, host, findings, promised),
        findings=findings,
        forecast=expecting.of(host, findings, mode=mode),
        rules=rules,
    )
