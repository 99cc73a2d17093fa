"""Over an open libvirt connection: who uses a file, what the agent says, which addresses are known, notes."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping

import libvirt

from fleet.hypervisor import pools
from fleet.hypervisor.disk_files import files_of
from fleet.hypervisor.domain_xml import parse
from fleet.hypervisor.facts import FileUser
from fleet.hypervisor.interface import AgentWord
from fleet.hypervisor.translate import NO_STORAGE_VOL, NO_SUPPORT

_AGENT = "devices/channel/target[@name='org.qemu.guest_agent.0']"
#: Errors with which libvirt says that it has no answer to give, rather than that asking went wrong.
_NO_ANSWER = frozenset(
    {
        NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    }
)


def guests_using(
    connection: libvirt.virConnect, paths: Collection[str], folders: Mapping[str, str], *, only_active: bool
) -> Iterator[FileUser]:
    """Guests with one of these files in a disk's chain; a guest that vanishes meanwhile uses nothing any more."""
    wanted = frozenset(paths)
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE if only_active else 0):
        try:
            used = wanted & files_of(domain.XMLDesc(), folders)
            active = bool(domain.isActive()) if used else False
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise
        for path in sorted(used):
            yield FileUser(path=path, kind="guest", name=domain.name(), uuid=domain.UUIDString(), active=active)


def volumes_using(connection: libvirt.virConnect, paths: Collection[str]) -> Iterator[FileUser]:
    """Volumes of the host's folder pools, freshly looked at, that are based on one of these files."""
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        facts = pools.pool_facts(pool.XMLDesc(), active=True)
        if facts.kind not in pools.FOLDERS:
            continue
        pool.refresh()
        for volume in pool.listAllVolumes():
            with _gone_is_fine():
                found = pools.volume_facts(volume.XMLDesc(), facts.name)
                if found.backing in paths:
                    yield FileUser(path=found.backing, kind="volume", name=found.path)


def agent(domain: libvirt.virDomain) -> AgentWord:
    """A sign of life of the agent. `getTime` is answered by the agent alone, and marks the guest with no taint."""
    channel = parse(domain.XMLDesc()).find(_AGENT)
    if channel is None:
        return AgentWord.NONE
    if channel.get("state") != "connected":
        return AgentWord.AWAY
    try:
        domain.getTime()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return AgentWord.SILENT
    return AgentWord.ANSWERS


def addresses(domain: libvirt.virDomain) -> tuple[str, ...]:
    """What the host's leases and its table of neighbours say."""
    found: list[str] = []
    for source in (
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    ):
        try:
            cards = domain.interfaceAddresses(source, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in _NO_ANSWER:
                raise
            continue
        found += [str(one["addr"]) for card in cards.values() for one in card.get("addrs") or ()]
    return tuple(dict.fromkeys(address for address in found if not address.startswith(("127.", "::1", "fe80:"))))


def place_note(connection: libvirt.virConnect, *, pool: str, name: str, text: str) -> str:
    """A text file as a volume: made, then filled through libvirt's own stream."""
    content = text.encode()
    place = connection.storagePoolLookupByName(pool)
    place.refresh()
    if name in place.listVolumes():
        place.storageVolLookupByName(name).delete()
    volume = place.createXML(pools.new_volume_xml(name=name, capacity_bytes=len(content), format="raw"))
    stream = connection.newStream(0)
    volume.upload(stream, 0, len(content), 0)
    stream.send(content)
    stream.finish()
    return str(volume.path())


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != NO_STORAGE_VOL:
            raise
