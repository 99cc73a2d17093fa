"""Pure: a libvirt domain document -> `GuestFacts`; read with entities, DTDs and the network switched off."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping

from lxml import etree

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import DeviceFacts, DiskFacts, GuestFacts, InterfaceFacts

Element = etree._Element

#: Attribute of <source> that says where a disk of each type lies.
SOURCE_ATTRIBUTE = {
    "file": "file",
    "block": "dev",
    "dir": "dir",
    "volume": "volume",
    "network": "name",
    "nvme": "namespace",
}
#: Files beside the disks that a guest needs to start.
BOOT_FILES = ("os/kernel", "os/initrd", "os/dtb", "os/loader", "os/acpi/table", "os/nvram")
#: Addresses that every host has: a console may go on listening there.
_EVERYWHERE = frozenset({"", "127.0.0.1", "0.0.0.0", "::", "::1", "localhost"})  # noqa: S104 - read, never bound
_KIB_PER_UNIT = {"b": 1 / 1024, "bytes": 1 / 1024, "kb": 1000 / 1024, "k": 1, "kib": 1, "mb": 1e6 / 1024, "m": 1024}
_KIB_PER_UNIT |= {
    "mib": 1024,
    "gb": 1e9 / 1024,
    "g": 1024**2,
    "gib": 1024**2,
    "tb": 1e12 / 1024,
    "t": 1024**3,
    "tib": 1024**3,
}
#: Devices that every guest may have and that move without anybody thinking of them.
_PLAIN_DEVICES = frozenset(
    {"emulator", "disk", "interface", "controller", "input", "serial", "console", "channel", "parallel", "graphics"}
    | {"video", "sound", "audio", "memballoon", "rng", "watchdog", "panic", "hub", "smartcard", "redirdev"}
    | {"redirfilter", "iommu", "crypto", "pstore"}
)


class UnsafeXml(HypervisorError):
    """A document with a DTD or entities, or no XML at all: nobody reads it further."""

    code = "unsafe_xml"


def parse(xml: str) -> Element:
    """The root element; raises UnsafeXml for a DOCTYPE, an entity or something that is not XML."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise UnsafeXml(f"The guest's description is not valid XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None or any(
        isinstance(node, etree._Entity) for node in root.iter()
    ):
        raise UnsafeXml("The guest's description has a DOCTYPE or entities, which no libvirt writes; it was not read")
    return root


def guest_facts(
    xml: str,
    *,
    state: str = "unknown",
    persistent: bool = True,
    autostart: bool = False,
    snapshots: int = 0,
    managed_save: bool = False,
    pools: Mapping[str, str] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    leases: Mapping[str, tuple[str, ...]] | None = None,
) -> GuestFacts:
    """What the document says, with what only libvirt's calls know.

    `pools` maps pool name -> folder, `sizes` disk target -> (capacity, allocation) in bytes, `leases` MAC -> addresses.
    """
    root = parse(xml)
    cpu = root.find("cpu")
    kind = root.find("os/type")
    return GuestFacts(
        uuid=_text(root, "uuid"),
        name=_text(root, "name"),
        state=state,
        persistent=persistent,
        autostart=autostart,
        memory_mib=_memory_mib(root),
        vcpus=int(_text(root, "vcpu") or 1),
        domain_type=root.get("type", ""),
        arch=kind.get("arch", "") if kind is not None else "",
        machine=kind.get("machine", "") if kind is not None else "",
        cpu_mode=_cpu_mode(cpu),
        cpu_model=_text(cpu, "model") if cpu is not None else "",
        cpu_xml=etree.tostring(cpu, encoding="unicode", with_tail=False) if cpu is not None else "",
        title=_text(root, "title"),
        description=_text(root, "description"),
        disks=tuple(_disk(disk, pools or {}, sizes or {}) for disk in root.iterfind("devices/disk")),
        interfaces=tuple(_interface(card, leases or {}) for card in root.iterfind("devices/interface")),
        devices=tuple(_devices(root)),
        boot_files=tuple(_boot_files(root)),
        listens=_listens(root),
        console_networks=tuple(each.get("network", "") for each in root.iterfind("devices/graphics/listen[@network]")),
        snapshots=snapshots,
        managed_save=managed_save,
        xml=xml,
    )


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _cpu_mode(cpu: Element | None) -> str:
    if cpu is None:
        return ""
    return cpu.get("mode") or ("custom" if cpu.find("model") is not None else "")


def _memory_mib(root: Element) -> int:
    memory = root.find("memory")
    if memory is None or not (memory.text or "").strip().isdigit():
        return 0
    return int(int(str(memory.text)) * _KIB_PER_UNIT.get(memory.get("unit", "KiB").lower(), 1) // 1024)


def _disk(disk: Element, pools: Mapping[str, str], sizes: Mapping[str, tuple[int, int]]) -> DiskFacts:
    source, target, driver = disk.find("source"), disk.find("target"), disk.find("driver")
    name = target.get("dev", "") if target is not None else ""
    kind = disk.get("type", "") if source is not None else ""
    where = _source_text(kind, source)
    pool, volume = _pool_of(kind, where, source, pools)
    capacity, allocation = sizes.get(name, (0, 0))
    backing, *deeper = _chain(disk) or [""]
    return DiskFacts(
        target=name,
        bus=target.get("bus", "") if target is not None else "",
        device=disk.get("device", "disk"),
        kind=kind,
        source=where,
        format=driver.get("type", "") if driver is not None else "",
        pool=pool,
        volume=volume,
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        readonly=disk.find("readonly") is not None,
        shareable=disk.find("shareable") is not None,
        cache=driver.get("cache", "") if driver is not None else "",
        backing=backing,
        deeper=tuple(deeper),
        serial=_text(disk, "serial"),
    )


def _chain(disk: Element) -> list[str]:
    """The files under a disk, from top to bottom."""
    found: list[str] = []
    store = disk.find("backingStore")
    while store is not None and store.find("source") is not None:
        found.append(_source_text(store.get("type", ""), store.find("source")))
        store = store.find("backingStore")
    return found


def _source_text(kind: str, source: Element | None) -> str:
    if source is None:
        return ""
    text = source.get(SOURCE_ATTRIBUTE.get(kind, ""), "")
    if kind == "network":
        hosts = ",".join(host.get("name", host.get("socket", "")) for host in source.iterfind("host"))
        return f"{source.get('protocol', '')}://{hosts}/{text}"
    return f"{source.get('pool', '')}/{text}" if kind == "volume" else text


def _pool_of(kind: str, where: str, source: Element | None, pools: Mapping[str, str]) -> tuple[str, str]:
    if kind == "volume" and source is not None:
        return source.get("pool", ""), source.get("volume", "")
    folder, name = os.path.split(where) if where.startswith("/") else ("", "")
    pool = next((pool for pool, path in sorted(pools.items()) if path and folder == path.rstrip("/")), "")
    return (pool, name) if pool else ("", "")


def _interface(card: Element, leases: Mapping[str, tuple[str, ...]]) -> InterfaceFacts:
    mac, model, source = card.find("mac"), card.find("model"), card.find("source")
    address = mac.get("address", "") if mac is not None else ""
    # A running guest's card on a bridged libvirt network is shown as a bridge that names its network.
    kind = "network" if source is not None and source.get("network") else card.get("type", "")
    names = ("network", "bridge", "dev", "path", "name", "portgroup")
    return InterfaceFacts(
        mac=address,
        model=model.get("type", "") if model is not None else "",
        kind=kind,
        source=next((source.get(name, "") for name in names if source.get(name)), "") if source is not None else "",
        addresses=leases.get(address.lower(), ()),
    )


def _devices(root: Element) -> Iterator[DeviceFacts]:
    for device in root.iterfind("devices/*"):
        if device.tag not in _PLAIN_DEVICES:
            yield DeviceFacts(kind=str(device.tag), name=_device_name(device))
        elif device.tag in {"smartcard", "redirdev"}:
            yield DeviceFacts(kind=str(device.tag), name=device.get("type", ""))
    if root.find("os/nvram") is not None:
        yield DeviceFacts(kind="nvram", name=_text(root, "os/nvram"))
    for kind in ("launchSecurity", "memoryBacking", "idmap"):
        found = root.find(kind)
        if found is not None:
            yield DeviceFacts(kind=kind, name=found.get("type", "") or ",".join(str(child.tag) for child in found))
    if root.find("{*}commandline") is not None:
        yield DeviceFacts(kind="qemu:commandline", name="arguments outside libvirt's control")


def _device_name(device: Element) -> str:
    source = device.find("source")
    address = source.find("address") if source is not None else None
    if address is not None:
        return " ".join(map(str, address.attrib.values()))
    words = [device.get("type", ""), device.get("model", ""), device.get("name", "")]
    words += map(str, source.attrib.values()) if source is not None else []
    backend = device.find("backend")
    words += [backend.get("type", "")] if backend is not None else []
    return re.sub(r"\s+", " ", " ".join(words)).strip()


def _boot_files(root: Element) -> Iterator[str]:
    for path in BOOT_FILES:
        text = _text(root, path)
        if text.startswith("/") and path != "os/nvram":
            yield text


def listens_on_its_own(address: str) -> bool:
    """Whether a console's address is one of its host alone."""
    return address not in _EVERYWHERE


def _listens(root: Element) -> tuple[str, ...]:
    """Addresses of the host alone that consoles listen on; one on a network of libvirt's gets its address from that."""
    found: list[str] = []
    for graphics in root.iterfind("devices/graphics"):
        listens = graphics.findall("listen")
        if not any(listen.get("network") for listen in listens):
            found += [graphics.get("listen", ""), *(listen.get("address", "") for listen in listens)]
    return tuple(dict.fromkeys(address for address in found if listens_on_its_own(address)))
