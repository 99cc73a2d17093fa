"""The `Mirroring` family over libvirt: copies of a running guest's disk within one host."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import libvirt

from fleet.hypervisor import domain_xml
from fleet.hypervisor.interface import BlockJob
from fleet.hypervisor.libvirt_calls import LibvirtCalls, except_for

#: Ending a copy waits for the writes under way.
SLOW = 4


class LibvirtMirroring(LibvirtCalls):
    """See `interface.Mirroring`."""

    def block_copy(self, uuid: str, target: str, *, path: str, format: str, bandwidth_mib_s: int = 0) -> None:
        copy = f"<disk type='file'><driver type={quoteattr(format)}/><source file={quoteattr(path)}/></disk>"
        limit = {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: bandwidth_mib_s << 20} if bandwidth_mib_s else {}
        # The copy ends with the guest: were it restarted meanwhile, it must find its old disk.
        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB

        def begin(connection: libvirt.virConnect) -> None:
            connection.lookupByUUIDString(uuid).blockCopy(target, copy, limit, flags)

        self._ask(begin, slow=SLOW)

    def block_job(self, uuid: str, target: str) -> BlockJob | None:
        def look(_: libvirt.virConnect, domain: libvirt.virDomain) -> BlockJob | None:
            with except_for(libvirt.VIR_ERR_OPERATION_INVALID):  # switched off
                numbers = domain.blockJobInfo(target, 0)
                return job_of(domain.XMLDesc(0), target, numbers) if numbers else None
            return None

        return self._ask_guest_or_none(uuid, look)

    def set_block_bandwidth(self, uuid: str, target: str, mib_s: int) -> None:
        in_bytes = libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
        self._ask_guest(uuid, lambda _, domain: domain.blockJobSetSpeed(target, mib_s << 20, in_bytes))

    def block_pivot(self, uuid: str, target: str) -> None:
        pivot = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
        self._ask(lambda connection: connection.lookupByUUIDString(uuid).blockJobAbort(target, pivot), slow=SLOW)

    def block_abort(self, uuid: str, target: str) -> None:
        def give_up(connection: libvirt.virConnect) -> None:
            domain = connection.lookupByUUIDString(uuid)
            with except_for(libvirt.VIR_ERR_OPERATION_INVALID):  # switched off: the copy ended with it
                if domain.blockJobInfo(target, 0):
                    domain.blockJobAbort(target, 0)

        self._ask(give_up, slow=SLOW)


def job_of(xml: str, target: str, numbers: dict[str, int]) -> BlockJob | None:
    """Numbers and the document together: only the document says whether the copy may become the disk."""
    for disk in domain_xml.parse(xml).iterfind("devices/disk"):
        place, mirror = disk.find("target"), disk.find("mirror")
        if place is None or place.get("dev") != target or mirror is None:
            continue
        source = mirror.find("source")
        return BlockJob(
            path=source.get("file", "") if source is not None else mirror.get("file", ""),
            done_bytes=int(numbers.get("cur", 0)),
            total_bytes=int(numbers.get("end", 0)),
            ready=mirror.get("ready") == "yes",
            ending=mirror.get("ready") in {"pivot", "abort"},
        )
    return None
