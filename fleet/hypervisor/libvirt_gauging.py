"""Over libvirt: measurements that cost the guest or the host something (dirty rate, migration abilities)."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import libvirt

from fleet.hypervisor.errors import JobBusy
from fleet.hypervisor.facts import DirtyRate
from fleet.hypervisor.libvirt_calls import LibvirtCalls, except_for
from fleet.hypervisor.translate import NO_DOMAIN

#: Important: never the dirty bitmap, which ends the QEMU process (7.2) of a guest that runs without KVM.
_MODE = libvirt.VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING
_MIB = 1 << 20


class LibvirtGauging(LibvirtCalls):
    """See `interface.Gauging`."""

    def start_dirty_rate(self, uuid: str, seconds: int) -> None:
        def start(_: libvirt.virConnect, domain: libvirt.virDomain) -> None:
            if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                raise JobBusy(f"{domain.name()} has a job", host=self.address.name)
            domain.startDirtyRateCalc(seconds, _MODE)

        self._ask_guest(uuid, start)

    def dirty_rates(self, uuids: Sequence[str]) -> tuple[DirtyRate, ...]:
        def read(connection: libvirt.virConnect) -> tuple[DirtyRate, ...]:
            domains = []
            for uuid in uuids:
                with except_for(NO_DOMAIN):
                    domains.append(connection.lookupByUUIDString(uuid))
            if not domains:
                return ()
            flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
            found = connection.domainListGetStats(domains, libvirt.VIR_DOMAIN_STATS_DIRTYRATE, flags)
            rates = [dirty_rate(domain.UUIDString(), statistics) for domain, statistics in found]
            return tuple(rate for rate in rates if rate is not None)

        return self._ask(read)


def dirty_rate(uuid: str, statistics: Mapping[str, Any]) -> DirtyRate | None:
    """What the bulk statistics tell of a measurement; None while it runs or when there was none."""
    if statistics.get("dirtyrate.calc_status") != libvirt.VIR_DOMAIN_DIRTYRATE_MEASURED:
        return None
    return DirtyRate(
        uuid=uuid,
        seconds=int(statistics["dirtyrate.calc_period"]),
        bytes_s=int(statistics["dirtyrate.megabytes_per_second"]) * _MIB,
    )
