"""Host and guest facts over an open libvirt connection, in as few round trips as libvirt allows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import libvirt

from fleet.hypervisor import codes, guests, host_facts
from fleet.hypervisor.domain_xml import guest_facts
from fleet.hypervisor.facts import GuestFacts, GuestGlimpse, GuestStatistics, HostFacts, HostLoad, NetworkFacts
from fleet.hypervisor.translate import NO_SUPPORT

#: Skip guests whose QEMU is busy instead of waiting for it.
_NO_WAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
_COUNTERS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
)


def read_host(connection: libvirt.virConnect) -> HostFacts:
    """Identity and abilities; the first time a libvirtd is asked for them it tries out every QEMU it has."""
    capabilities = connection.getCapabilities()
    documents = {}
    for kind in host_facts.domain_types(capabilities):
        with contextlib.suppress(libvirt.libvirtError):  # a host without working KVM still runs "qemu" guests
            documents[kind] = connection.getDomainCapabilities(None, None, None, kind)
    return host_facts.host_facts(
        capabilities=capabilities,
        domain_capabilities=documents,
        hypervisor=connection.getType(),
        hostname=connection.getHostname(),
        libvirt_version=connection.getLibVersion(),
        hypervisor_version=connection.getVersion(),
        cpus=connection.getInfo()[2],
        memory_mib=_memory_mib(connection),
        networks=read_networks(connection),
    )


def read_load(connection: libvirt.virConnect) -> HostLoad:
    """Cumulative CPU time of the host and the memory that could be had; zeros where a driver does not tell."""
    cpu: dict[str, int] = _supported(lambda: connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS), {})
    memory: dict[str, int] = _supported(lambda: connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS), {})
    # Buffers and cache are given up when a guest needs the memory.
    free_kib = sum(memory.get(name, 0) for name in ("free", "buffers", "cached"))
    return HostLoad(
        cpu_idle_ns=cpu.get("idle", 0) + cpu.get("iowait", 0),
        cpu_total_ns=sum(cpu.values()),
        memory_free_mib=free_kib // 1024,
    )


def read_networks(connection: libvirt.virConnect) -> list[NetworkFacts]:
    """libvirt's networks, and the bridges that no network of it owns."""
    found = [host_facts.network_facts(net.XMLDesc(), active=bool(net.isActive())) for net in _networks(connection)]
    owned = {network.bridge for network in found}
    names: list[str] = _supported(connection.listInterfaces, [])
    for name in sorted(set(names) - owned):
        with contextlib.suppress(libvirt.libvirtError):
            if "type='bridge'" in connection.interfaceLookupByName(name).XMLDesc():
                found.append(NetworkFacts(name=name, kind="bridge", bridge=name, active=True))
    return found


def glimpses(connection: libvirt.virConnect) -> tuple[GuestGlimpse, ...]:
    """Every guest's state in two round trips."""
    states = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, _NO_WAIT)
    persistent = {
        domain.UUIDString() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
    }
    return tuple(
        guests.glimpse(
            uuid=domain.UUIDString(),
            name=domain.name(),
            persistent=domain.UUIDString() in persistent,
            statistics=statistics,
        )
        for domain, statistics in states
    )


def glimpse(domain: libvirt.virDomain) -> GuestGlimpse:
    """One guest's state."""
    state, reason = domain.state()
    return GuestGlimpse(
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=codes.state(state),
        persistent=bool(domain.isPersistent()),
        reason=codes.reason(state, reason),
    )


def counters(connection: libvirt.virConnect) -> tuple[GuestStatistics, ...]:
    """Counters of every running guest in one round trip."""
    flags = _NO_WAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
    found = connection.getAllDomainStats(_COUNTERS, flags)
    return tuple(guests.counters(domain.UUIDString(), statistics) for domain, statistics in found)


Found = tuple[libvirt.virDomain, dict[str, Any]]


class Surroundings:
    """What all guests of one host share when their documents are read: pools, leases, bulk answers."""

    def __init__(self, connection: libvirt.virConnect, folders: dict[str, str]) -> None:
        self.folders = folders
        self.leases = _leases(connection)
        self.autostart = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
        self.persistent = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
        self.snapshots = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
        self.saved = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)


def all_domains(connection: libvirt.virConnect) -> list[Found]:
    """Every guest with state and disk sizes, in one round trip; a busy guest's sizes are missing."""
    wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BLOCK
    return list(connection.getAllDomainStats(wanted, _NO_WAIT))


def read_guests(found: Sequence[Found], around: Surroundings) -> list[GuestFacts]:
    """One round trip per guest for its document; a guest that vanished meanwhile is left out."""
    facts = []
    for domain, statistics in found:
        uuid = domain.UUIDString()
        try:
            xml = domain.XMLDesc()
            snapshots = domain.snapshotNum() if uuid in around.snapshots else 0
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise
        facts.append(
            guest_facts(
                xml,
                state=codes.state(int(statistics.get("state.state", 0))),
                persistent=uuid in around.persistent,
                autostart=uuid in around.autostart,
                snapshots=snapshots,
                managed_save=uuid in around.saved,
                pools=around.folders,
                sizes=guests.disk_sizes(statistics),
                leases=around.leases,
            )
        )
    return facts


def read_guest(connection: libvirt.virConnect, domain: libvirt.virDomain, folders: dict[str, str]) -> GuestFacts:
    """One guest in full."""
    wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BLOCK
    # A guest that is just leaving is left out here; what is asked next says that it is gone.
    found = connection.domainListGetStats([domain], wanted, _NO_WAIT)
    statistics = found[0][1] if found else {}
    return guest_facts(
        domain.XMLDesc(),
        state=codes.state(int(statistics.get("state.state", 0))),
        persistent=bool(domain.isPersistent()),
        autostart=bool(domain.autostart()) if domain.isPersistent() else False,
        snapshots=_supported(domain.snapshotNum, 0),
        managed_save=bool(_supported(domain.hasManagedSaveImage, 0)),
        pools=folders,
        sizes=guests.disk_sizes(statistics),
        leases=_leases(connection),
    )


def _memory_mib(connection: libvirt.virConnect) -> int:
    memory: dict[str, int] = _supported(lambda: connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS), {})
    return memory["total"] // 1024 if memory.get("total") else int(connection.getInfo()[1])


def _networks(connection: libvirt.virConnect) -> Iterable[libvirt.virNetwork]:
    return _supported(connection.listAllNetworks, [])


def _leases(connection: libvirt.virConnect) -> dict[str, tuple[str, ...]]:
    """MAC -> addresses that libvirt's own DHCP servers gave out."""
    given: dict[str, tuple[str, ...]] = {}
    for network in _networks(connection):
        with contextlib.suppress(libvirt.libvirtError):
            for lease in network.DHCPLeases() if network.isActive() else []:
                mac = str(lease["mac"]).lower()
                given[mac] = (*given.get(mac, ()), str(lease["ipaddr"]))
    return given


def _uuids(connection: libvirt.virConnect, flag: int) -> set[str]:
    return {domain.UUIDString() for domain in connection.listAllDomains(flag)}


def _supported(ask: Any, otherwise: Any) -> Any:
    """The answer, or `otherwise` from a driver that does not know the question."""
    try:
        return ask()
    except libvirt.libvirtError as error:
        if error.get_error_code() == NO_SUPPORT:
            return otherwise
        raise
