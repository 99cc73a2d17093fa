"""Every host as a destination for one guest: allowed or not, why, how good, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.models import Guest, Host
from fleet.planning.estimate import Forecast
from migrations_app import terms
from migrations_app.flows import foresight, situations
from migrations_app.history import Past
from migrations_app.options import Options
from migrations_app.preflight import Findings


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """One candidate."""

    host: Host
    score: int
    findings: Findings
    forecast: Forecast

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
        """ "none" or "copy": what would happen to the disks."""
        return self.findings.storage

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "host": {"id": str(self.host.id), "name": self.host.name},
            "site": self.host.site.slug if self.host.site else None,
            "allowed": self.allowed,
            "score": self.score,
            "storage": self.storage,
            "checks": self.checks,
            "forecast": self.forecast.document(),
        }


def destinations(
    *, guest: Guest, storage: str = "auto", options: Options | None = None, only: Host | None = None
) -> list[Destination]:
    """All other hosts (or that one), the best allowed one first; five queries however many hosts there are.

    Raises Refused when no host knows the guest.
    """
    options = options or Options()
    source = situations.place_of(guest)
    rows = Host.objects.select_related("site").exclude(pk=source.pk)
    hosts = list(rows.filter(pk=only.pk) if only else rows)
    reserved = situations.reserved_mib(host.id for host in hosts)
    links = situations.links_from(source)
    expecting = _Expecting(terms.resolve(options, terms.Terms()), links, foresight.past_moves(guest))
    found = [_candidate(guest, source, host, storage, options, reserved.get(host.id, 0), expecting) for host in hosts]
    return sorted(found, key=lambda candidate: (not candidate.allowed, -candidate.score, candidate.host.name))


@dataclass(frozen=True, slots=True)
class _Expecting:
    """What forecasts for all candidates share."""

    terms: terms.Terms
    links: dict[Any, float]
    moves: list[Past]


def _candidate(
    guest: Guest, source: Host, host: Host, storage: str, options: Options, reserved: int, expecting: _Expecting
) -> Destination:
    findings = situations.check(
        guest=guest, source=source, destination=host, storage=storage, options=options, reserved=reserved
    )
    return Destination(
        host=host,
        score=situations.rate(guest, source, host, findings, reserved),
        findings=findings,
        forecast=situations.foresee(guest, source, host, findings, expecting.terms, expecting.links, expecting.moves),
    )
