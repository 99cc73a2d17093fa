"""Pure: a guest's XML as the destination shall have it: other disk paths, another network, a free listen address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from fleet.hypervisor.domain_xml import parse

#: Addresses that every host has: a console may go on listening there.
_EVERYWHERE = frozenset({"", "127.0.0.1", "0.0.0.0", "::", "::1", "localhost"})  # noqa: S104 - read, never bound


def rewrite(
    xml: str,
    *,
    disk_sources: Mapping[str, str] | None = None,
    network: str = "",
    listen: str = "",
    emptied: Iterable[str] = (),
) -> str:
    """The same guest with new file paths ({target: path}) and, where given, all its cards on `network`.

    Drives in `emptied` (targets) lose their medium.
    With `listen`, consoles that listen on an address of the source host alone listen there instead.

    libvirt refuses a migration whose XML differs in anything a guest can see, so nothing else is touched.
    A disk that gets a new file loses its backing chain: the copy arrives whole.
    Raises `domain_xml.UnsafeXml` for XML with entities, KeyError for a target the guest does not have.
    """
    root = parse(xml)
    for target, path in (disk_sources or {}).items():
        _point_at(_disk(root, target), path)
    for target in emptied:
        _empty(_disk(root, target))
    if network:
        for card in root.iterfind("./devices/interface"):
            if card.get("type") in {"network", "bridge"}:
                _connect(card, network)
    if listen:
        for element in (*root.iterfind("./devices/graphics"), *root.iterfind("./devices/graphics/listen")):
            _listen_at(element, listen)
    return etree.tostring(root, encoding="unicode")


def _disk(root: etree._Element, target: str) -> etree._Element:
    for disk in root.iterfind("./devices/disk"):
        place = disk.find("target")
        if place is not None and place.get("dev") == target:
            return disk
    raise KeyError(target)


def _point_at(disk: etree._Element, path: str) -> None:
    source = disk.find("source")
    if source is None:
        raise KeyError(path)
    for name in ("pool", "volume", "dev", "index"):
        if name in source.attrib:
            del source.attrib[name]
    source.set("file", path)
    disk.set("type", "file")
    for chain in disk.findall("backingStore"):
        disk.remove(chain)


def _empty(drive: etree._Element) -> None:
    """An open tray, as when somebody took the medium out; the drive itself stays where the guest sees it."""
    for medium in (*drive.findall("source"), *drive.findall("backingStore")):
        drive.remove(medium)


def _connect(card: etree._Element, network: str) -> None:
    """`portid` and `bridge` are what the source's network driver handed out; the destination hands out its own."""
    source = card.find("source")
    if source is None:
        source = etree.SubElement(card, "source")
    card.set("type", "network")
    source.attrib.clear()
    source.set("network", network)


def _listen_at(element: etree._Element, address: str) -> None:
    for name in ("listen", "address"):
        if element.get(name, "") not in _EVERYWHERE:
            element.set(name, address)
