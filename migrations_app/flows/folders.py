"""Before a disk is copied: find out, at the hosts and now, whether both see the same folder after all.

The rows may be older than a pool or a host; a copy of a disk that is shared would be a needless second disk.
"""

from __future__ import annotations

from dataclasses import replace

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.interface import Hypervisor
from migrations_app.flows.errand import Errand
from migrations_app.preflight import Situation
from migrations_app.preflight.sharing import unsettled


def settled(errand: Errand, situation: Situation) -> Situation:
    """The situation with fresh markers in every folder of the guest's whose sharing nobody has settled yet."""
    pairs = unsettled(situation)
    if not pairs:
        return situation
    mark(errand.source, [here.name for here, _ in pairs], situation.source.facts.uuid)
    mark(errand.destination, [there.name for _, there in pairs], situation.destination.facts.uuid)
    return replace(
        situation,
        source=replace(situation.source, pools=errand.source.pools(refresh=True)),
        destination=replace(situation.destination, pools=errand.destination.pools(refresh=True)),
    )


def mark(host: Hypervisor, pools: list[str], host_uuid: str) -> None:
    """Our marker into these pools; one that takes none counts as not shared."""
    for pool in pools:
        try:
            host.place_marker(pool, host_uuid)
        except HostUnreachable:
            raise
        except HypervisorError:
            continue
