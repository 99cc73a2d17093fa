"""Pure: just enough domain XML for fake guests."""

from __future__ import annotations

import dataclasses
from xml.sax.saxutils import escape, quoteattr

from fleet.hypervisor import domain_xml as real
from fleet.hypervisor.facts import DiskFacts, GuestFacts, InterfaceFacts


def domain_xml(guest: GuestFacts) -> str:
    """A domain document that says what the facts say."""
    devices = "".join([*map(_disk, guest.disks), *map(_interface, guest.interfaces), *map(_console, guest.listens)])
    return (
        f"<domain type={quoteattr(guest.domain_type)}><name>{escape(guest.name)}</name><uuid>{guest.uuid}</uuid>"
        f"<memory unit='KiB'>{guest.memory_mib * 1024}</memory><vcpu>{guest.vcpus}</vcpu>"
        f"<os><type arch={quoteattr(guest.arch)} machine={quoteattr(guest.machine)}>hvm</type></os>"
        f"{guest.cpu_xml}<devices>{devices}</devices></domain>"
    )


def _disk(disk: DiskFacts) -> str:
    return (
        f"<disk type='file' device={quoteattr(disk.device)}><driver name='qemu' type={quoteattr(disk.format)}/>"
        f"<source file={quoteattr(disk.source)}/>"
        f"<target dev={quoteattr(disk.target)} bus={quoteattr(disk.bus)}/></disk>"
    )


def _interface(card: InterfaceFacts) -> str:
    return (
        f"<interface type={quoteattr(card.kind)}><mac address={quoteattr(card.mac)}/>"
        f"<source {card.kind}={quoteattr(card.source)}/><model type={quoteattr(card.model)}/></interface>"
    )


def _console(address: str) -> str:
    return f"<graphics type='vnc' listen={quoteattr(address)}/>"


def cpu_model(cpu_xml: str) -> str:
    """The model named in a <cpu> element, or ""."""
    return (real.parse(cpu_xml).findtext("model") or "") if cpu_xml else ""


def as_described(guest: GuestFacts, xml: str) -> GuestFacts:
    """The guest with the disks and cards of the XML it was sent with; "" leaves all as it was."""
    if not xml:
        return guest
    told = real.guest_facts(xml)
    before = {disk.target: disk for disk in guest.disks}
    disks = tuple(
        dataclasses.replace(
            disk,
            capacity_bytes=before[disk.target].capacity_bytes if disk.target in before else 0,
            allocation_bytes=before[disk.target].allocation_bytes if disk.target in before else 0,
        )
        for disk in told.disks
    )
    return dataclasses.replace(guest, disks=disks, interfaces=told.interfaces, listens=told.listens, xml=xml)
