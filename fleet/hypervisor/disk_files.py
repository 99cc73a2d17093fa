"""Pure: every file that a domain document's disks are made of, with what they are based on or copied to."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.hypervisor.domain_xml import SOURCE_ATTRIBUTE, Element, parse

#: Elements of a disk that hold another <source>: what it is based on, and where a copy job is writing to.
_LAYERS = ("backingStore", "mirror")


def files_of(xml: str, folders: Mapping[str, str]) -> frozenset[str]:
    """Absolute paths; `folders` maps pool name -> folder for disks that name a volume."""
    found: set[str] = set()
    for disk in parse(xml).iterfind("devices/disk"):
        _collect(disk, folders, found)
    return frozenset(found)


def own_files(xml: str, folders: Mapping[str, str]) -> frozenset[str]:
    """Of these, the uppermost file of each disk that is neither read-only nor shared: open once in the world."""
    found: set[str] = set()
    for disk in parse(xml).iterfind("devices/disk"):
        source = disk.find("source")
        if source is not None and disk.find("readonly") is None and disk.find("shareable") is None:
            found.add(_path(disk.get("type", ""), source, folders))
    return frozenset(path for path in found if path.startswith("/"))


def _collect(layer: Element, folders: Mapping[str, str], found: set[str]) -> None:
    source = layer.find("source")
    if source is not None:
        path = _path(layer.get("type", ""), source, folders)
        if path.startswith("/"):
            found.add(path)
    for name in _LAYERS:
        for below in layer.iterfind(name):
            _collect(below, folders, found)


def _path(kind: str, source: Element, folders: Mapping[str, str]) -> str:
    if kind == "volume":
        folder = folders.get(source.get("pool", ""), "").rstrip("/")
        return f"{folder}/{source.get('volume', '')}" if folder else ""
    return source.get(SOURCE_ATTRIBUTE.get(kind, ""), "")
