"""Pure: a `MigrationOrder` -> the destination's URI, flags and parameters of virDomainMigrateToURI3; jobs -> samples.

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainMigrateFlags; always peer-to-peer, so that a migration
outlives the worker that started it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Any

from fleet.hypervisor import codes, uris
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import JobSample
from fleet.hypervisor.interface import MigrationOrder


class Flag(IntFlag):
    """virDomainMigrateFlags, as far as Drover uses them."""

    LIVE = 1
    PEER2PEER = 2
    PERSIST_DEST = 8
    UNDEFINE_SOURCE = 16
    NON_SHARED_DISK = 64
    NON_SHARED_INC = 128
    UNSAFE = 512
    OFFLINE = 1024
    COMPRESSED = 2048
    ABORT_ON_ERROR = 4096
    AUTO_CONVERGE = 8192
    POSTCOPY = 32768
    TLS = 65536
    PARALLEL = 131072
    POSTCOPY_RESUME = 524288


def flags(order: MigrationOrder) -> Flag:
    """What libvirt shall do."""
    if order.definition_only:
        # libvirt's "offline" is a shut-off guest's definition; it takes none of the flags about memory and disks.
        return Flag.OFFLINE | Flag.PEER2PEER | Flag.PERSIST_DEST | Flag.UNDEFINE_SOURCE
    wanted = {
        Flag.LIVE: order.live,
        Flag.UNDEFINE_SOURCE: order.undefine_source,
        # libvirt refuses both at once; a disk without a backing file is whole either way.
        Flag.NON_SHARED_DISK: bool(order.copy_disks) and not order.incremental,
        Flag.NON_SHARED_INC: bool(order.copy_disks) and order.incremental,
        Flag.UNSAFE: order.proven_shared,
        Flag.COMPRESSED: bool(order.compression),
        Flag.AUTO_CONVERGE: order.auto_converge,
        Flag.POSTCOPY: order.post_copy,
        Flag.POSTCOPY_RESUME: order.resume_post_copy,
        Flag.TLS: order.tls,
        Flag.PARALLEL: order.parallel_connections > 0,
    }
    # Soft errors (a disk that cannot be written) end the migration instead of being carried along.
    chosen = Flag.PEER2PEER | Flag.PERSIST_DEST | Flag.ABORT_ON_ERROR
    for flag, on in wanted.items():
        chosen |= flag if on else Flag(0)
    return chosen


def parameters(order: MigrationOrder) -> dict[str, Any]:
    """Typed parameters by libvirt's names; only those that say something."""
    destination = order.destination
    if order.definition_only:
        return {"destination_xml": order.persistent_xml} if order.persistent_xml else {}
    # Memory and disks go to one address on ports the destination picks, never where its own name points.
    chosen: dict[str, Any] = {"migrate_uri": uris.migrate_uri(destination)}
    if destination.migration_address and uris.is_ip_literal(destination.migration_address):
        chosen["listen_address"] = destination.migration_address
    if order.tls and destination.migration_address:
        # The certificate names the host, not the network its guests arrive through.
        chosen["tls.destination"] = destination.address
    optional: dict[str, Any] = {
        "migrate_disks": list(order.copy_disks),
        "destination_xml": order.destination_xml,
        "persistent_xml": order.persistent_xml,
        "bandwidth": order.bandwidth_mib_s,
        "parallel.connections": order.parallel_connections,
        "compression": order.compression,
    }
    if order.auto_converge:
        optional["auto_converge.initial"] = order.throttle_first_percent
        optional["auto_converge.increment"] = order.throttle_step_percent
    return chosen | {name: value for name, value in optional.items() if value}


def destination_uri(order: MigrationOrder, config: EdgeConfig) -> str:
    """What the source's libvirt opens; raises HypervisorError for a combination libvirt would refuse later."""
    if order.compression not in {"", "xbzrle"}:
        raise HypervisorError(f"Compression '{order.compression}' is unknown; only xbzrle is used")
    return uris.peer_uri(order.destination, config)


def job_sample(statistics: Mapping[str, Any]) -> JobSample:
    """What virDomainGetJobStats gave."""

    def number(name: str) -> int:
        return int(statistics.get(name) or 0)

    def maybe(name: str) -> int | None:
        return int(statistics[name]) if name in statistics else None

    return JobSample(
        kind=codes.word(codes.JOB_KINDS, number("type"), "unbounded"),
        operation=codes.word(codes.JOB_OPERATIONS, number("operation"), ""),
        elapsed_ms=number("time_elapsed"),
        downtime_ms=maybe("downtime"),
        downtime_net_ms=maybe("downtime_net"),
        setup_ms=maybe("setup_time"),
        data_total_bytes=number("data_total"),
        data_processed_bytes=number("data_processed"),
        data_remaining_bytes=number("data_remaining"),
        memory_total_bytes=number("memory_total"),
        memory_processed_bytes=number("memory_processed"),
        memory_remaining_bytes=number("memory_remaining"),
        memory_rate_bytes_s=number("memory_bps"),
        memory_dirty_rate_pages_s=number("memory_dirty_rate"),
        memory_page_size=number("memory_page_size") or 4096,
        memory_constant_pages=number("memory_constant"),
        iteration=number("memory_iteration"),
        disk_total_bytes=number("disk_total"),
        disk_processed_bytes=number("disk_processed"),
        disk_remaining_bytes=number("disk_remaining"),
        disk_rate_bytes_s=number("disk_bps"),
        auto_converge_throttle=number("auto_converge_throttle"),
        error=str(statistics.get("errmsg") or ""),
    )
