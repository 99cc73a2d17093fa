"""Pools and volumes over an open libvirt connection."""

from __future__ import annotations

import contextlib
import os.path
from collections.abc import Iterator

import libvirt

from fleet.hypervisor import pools
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import PoolFacts, VolumeFacts
from fleet.hypervisor.translate import NO_STORAGE_VOL


def pool_facts(pool: libvirt.virStoragePool, *, refresh: bool) -> PoolFacts:
    """A pool; a refresh that fails (somebody writes a volume just now) leaves the older numbers."""
    active = bool(pool.isActive())
    if refresh and active:
        with contextlib.suppress(libvirt.libvirtError):
            pool.refresh()
    xml = pool.XMLDesc()
    bare = pools.pool_facts(xml, active=active)
    if not active or bare.kind not in pools.FOLDERS:
        return bare
    return pools.pool_facts(xml, active=active, volume_names=pool.listVolumes())


def find(connection: libvirt.virConnect, path: str) -> libvirt.virStorageVol | None:
    """The volume with this path; a folder that changed behind libvirt's back is looked at again."""
    with _none_if(NO_STORAGE_VOL):
        return connection.storageVolLookupByPath(path)
    for pool in _active(connection):
        facts = pools.pool_facts(pool.XMLDesc(), active=True)
        if facts.kind in pools.FOLDERS and facts.path.rstrip("/") == os.path.dirname(path):
            pool.refresh()
            with _none_if(NO_STORAGE_VOL):
                return connection.storageVolLookupByPath(path)
    return None


def facts_of(volume: libvirt.virStorageVol) -> VolumeFacts:
    """A volume as libvirt sees it now."""
    return pools.volume_facts(volume.XMLDesc(), volume.storagePoolLookupByVolume().name())


def create(
    connection: libvirt.virConnect,
    *,
    pool: str,
    name: str,
    capacity_bytes: int,
    format: str,
    backing: str = "",
    backing_format: str = "",
) -> VolumeFacts:
    """A thin volume; libvirt refuses to overwrite one that it knows, so its folder is looked at first."""
    xml = pools.new_volume_xml(
        name=name, capacity_bytes=capacity_bytes, format=format, backing=backing, backing_format=backing_format
    )
    place = connection.storagePoolLookupByName(pool)
    with contextlib.suppress(libvirt.libvirtError):
        place.refresh()
    return facts_of(place.createXML(xml))


def place_marker(connection: libvirt.virConnect, *, pool: str, host_uuid: str, host: str) -> None:
    """Put this host's marker volume there unless it is there already."""
    place = connection.storagePoolLookupByName(pool)
    kind = pools.pool_facts(place.XMLDesc(), active=True).kind
    if kind not in pools.FOLDERS:
        raise HypervisorError(f"Pool '{pool}' of {host} is no folder ({kind}), so it takes no marker", host=host)
    name = pools.marker_name(host_uuid)
    place.refresh()
    if name not in place.listVolumes():
        place.createXML(pools.new_volume_xml(name=name, capacity_bytes=pools.MARKER_BYTES, format="raw"))


def folders(connection: libvirt.virConnect) -> dict[str, str]:
    """Pool name -> folder, of active pools."""
    return {
        facts.name: facts.path for facts in (pools.pool_facts(p.XMLDesc(), active=True) for p in _active(connection))
    }


def _active(connection: libvirt.virConnect) -> list[libvirt.virStoragePool]:
    return list(connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE))


@contextlib.contextmanager
def _none_if(code: int) -> Iterator[None]:
    """Swallow one libvirt error code."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != code:
            raise
