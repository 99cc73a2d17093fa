"""Pure: a guest's XML as the destination shall have it: other disk paths, other networks, a free listen address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from fleet.hypervisor.domain_xml import BOOT_FILES, listens_on_its_own, parse

#: What a card is plugged into: libvirt's word ("network" or "bridge") and the name.
Plug = tuple[str, str]


def rewrite(
    xml: str,
    *,
    disk_sources: Mapping[str, str] | None = None,
    cards: Mapping[str, Plug] | None = None,
    files: Mapping[str, str] | None = None,
    networks: Mapping[str, str] | None = None,
    listen: str = "",
    emptied: Iterable[str] = (),
) -> str:
    """The same guest with new file paths ({target: path}) and cards plugged in elsewhere ({MAC address: plug}).

    `files` are paths of boot files, old to new; `networks` are names of networks that consoles listen on, old to new.
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
    for card in root.iterfind("./devices/interface"):
        mac = card.find("mac")
        if mac is not None and (plug := (cards or {}).get(mac.get("address", ""))):
            _plug_in(card, plug)
    for place in BOOT_FILES:
        for element in root.iterfind(place):
            element.text = (files or {}).get((element.text or "").strip(), element.text)
    for graphics in root.iterfind("./devices/graphics"):
        _listen_at(graphics, listen, networks or {})
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


def _plug_in(card: etree._Element, plug: Plug) -> None:
    """`portid` and `bridge` are what the source's network driver handed out; the destination hands out its own."""
    kind, name = plug
    source = card.find("source")
    if source is None:
        source = etree.SubElement(card, "source")
    card.set("type", kind)
    source.attrib.clear()
    source.set(kind, name)
    if kind == "network":
        # How to join the switch is the network's own affair there.
        for port in card.findall("virtualport"):
            card.remove(port)


def _listen_at(graphics: etree._Element, address: str, networks: Mapping[str, str]) -> None:
    of_networks = [element for element in graphics.findall("listen") if element.get("network")]
    for element in of_networks:
        if (there := networks.get(element.get("network", ""))) is not None:
            element.set("network", there)
            # The address that the source's network had; libvirt finds the destination's.
            for one, name in ((element, "address"), (graphics, "listen")):
                if name in one.attrib:
                    del one.attrib[name]
    if not address or of_networks:
        return
    for element in (graphics, *graphics.findall("listen")):
        for name in ("listen", "address"):
            if listens_on_its_own(element.get(name, "")):
                element.set(name, address)
