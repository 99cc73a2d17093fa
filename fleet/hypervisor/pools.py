"""Pure: storage documents of libvirt -> pool and volume facts, and the markers that prove a folder shared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from fleet.hypervisor.domain_xml import Element, parse
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import PoolFacts, VolumeFacts

#: Pools that are folders: a marker file in them proves who shares them.
FOLDERS = frozenset({"dir", "fs", "netfs", "gluster", "vstorage"})
MARKER_BYTES = 512
_MARKER = re.compile(r"drover-host-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.marker")
#: Names a guest's file may have: never hidden, never an option, never another folder.
_VOLUME_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+:@=-]{0,200}")
_FORMATS = frozenset({"qcow2", "raw"})


def marker_name(host_uuid: str) -> str:
    """The marker volume's name of a host."""
    return f"drover-host-{host_uuid}.marker"


def markers(names: Iterable[str]) -> tuple[str, ...]:
    """UUIDs of the hosts whose markers are among these volume names."""
    found = (_MARKER.fullmatch(name) for name in names)
    return tuple(sorted(match.group(1) for match in found if match))


def pool_facts(xml: str, *, active: bool, volume_names: Iterable[str] = ()) -> PoolFacts:
    """A pool from its document; sizes are those of its last refresh."""
    root = parse(xml)
    kind = root.get("type", "")
    return PoolFacts(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        kind=kind,
        path=_text(root, "target/path"),
        active=active,
        capacity_bytes=int(_text(root, "capacity") or 0),
        available_bytes=int(_text(root, "available") or 0),
        source=_source(kind, root.find("source")),
        markers=markers(volume_names),
    )


def volume_facts(xml: str, pool: str) -> VolumeFacts:
    """A volume from its document."""
    root = parse(xml)
    form = root.find("target/format")
    return VolumeFacts(
        path=_text(root, "target/path"),
        pool=pool,
        name=_text(root, "name"),
        format=form.get("type", "") if form is not None else "",
        capacity_bytes=int(_text(root, "capacity") or 0),
        allocation_bytes=int(_text(root, "allocation") or 0),
        backing=_text(root, "backingStore/path"),
    )


def is_volume_name(name: str) -> bool:
    """Whether Drover makes volumes of this name."""
    return _VOLUME_NAME.fullmatch(name) is not None


def changed_at(xml: str) -> str:
    """When a volume's file was last written, in the host's own words; "" where libvirt does not tell."""
    return _text(parse(xml), "target/timestamps/mtime")


def new_volume_xml(*, name: str, capacity_bytes: int, format: str, backing: str = "", backing_format: str = "") -> str:
    """A thin volume's description, over a backing file where one is named.

    Raises HypervisorError for a name or format no guest of ours has.
    """
    if not is_volume_name(name):
        raise HypervisorError(f"'{name}' cannot be a volume's name: letters, digits and . _ + : @ = - only")
    if format not in _FORMATS:
        raise HypervisorError(f"Volumes are made as qcow2 or raw, not as '{format}'")
    compat = "<compat>1.1</compat>" if format == "qcow2" else ""
    return (
        f"<volume><name>{escape(name)}</name><capacity unit='bytes'>{capacity_bytes:d}</capacity>"
        f"<allocation unit='bytes'>0</allocation><target><format type='{format}'/>{compat}</target>"
        f"{_backing_xml(format, backing, backing_format)}</volume>"
    )


def _backing_xml(format: str, backing: str, backing_format: str) -> str:
    if not backing:
        return ""
    # Important: a backing file without a named format would be probed, and a guest can write any header it likes.
    if format != "qcow2" or backing_format not in _FORMATS:
        raise HypervisorError(f"A {format} volume over a '{backing_format}' backing file is not made")
    return f"<backingStore><path>{escape(backing)}</path><format type='{backing_format}'/></backingStore>"


def _source(kind: str, source: Element | None) -> str:
    """Where a network pool's data really is, as "kind://server/path"."""
    host = source.find("host") if source is not None else None
    if source is None or host is None:
        return ""
    folder, device, form = source.find("dir"), source.find("device"), source.find("format")
    name = _text(source, "name")
    path = folder.get("path", "") if folder is not None else device.get("path", "") if device is not None else ""
    scheme = form.get("type", kind) if form is not None and kind == "netfs" else kind
    port = f":{host.get('port')}" if host.get("port") else ""
    return f"{scheme}://{host.get('name', '')}{port}/{'/'.join(part.strip('/') for part in (name, path) if part)}"


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
