"""Which host a guest goes to: the one that was named, or the best that takes it; refused in words otherwise."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from fleet.access.principal import Principal
from fleet.models import Guest, Host
from fleet.refusals import Refused
from migrations_app.flows.destinations import Destination, destinations
from migrations_app.options import Options


def choose(
    *,
    principal: Principal,
    guest: Guest,
    destination: Host | None,
    mode: str,
    storage: str,
    options: Options,
    avoid: Collection[UUID] = (),
) -> Destination:
    """The destination, allowed or not where it was named; raises Refused. Hosts to `avoid` are not thought of."""
    found = destinations(guest=guest, mode=mode, storage=storage, options=options, only=destination)
    if destination is not None:
        return found[0] if found else _refuse_same(guest, destination)
    if guest.pinned:
        raise Refused(
            f"{guest.name} is pinned to its host.",
            code="guest_pinned",
            remedy="Name the destination yourself, or unpin the guest.",
        )
    reachable = [
        one for one in found if one.host.pk not in avoid and principal.allows("migration.submit", one.host.site_id)
    ]
    if not reachable:
        raise Refused("There is no other host to move to.", code="no_destination", remedy="Add a host first.")
    if not reachable[0].allowed:
        raise Refused(
            f"No host can take {guest.name} now.",
            code="no_destination",
            remedy="See the reasons for each host.",
            checks=[check.document() for one in reachable for check in one.findings.blocking()],
        )
    return reachable[0]


def _refuse_same(guest: Guest, destination: Host) -> Destination:
    raise Refused(
        f"{guest.name} is on {destination.name} already.",
        code="same_host",
        field="destination",
        remedy="Choose another host.",
    )


def refusal(guest: Guest, chosen: Destination) -> Refused:
    """Why this destination does not take the guest."""
    blocking = chosen.findings.blocking()
    return Refused(
        f"{guest.name} cannot move to {chosen.host.name}: {' '.join(check.message for check in blocking)}",
        code="checks_failed",
        remedy=" ".join(dict.fromkeys(check.remedy for check in blocking if check.remedy)),
        checks=chosen.checks,
    )
