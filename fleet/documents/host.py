"""A host as a document."""

from __future__ import annotations

from typing import Any

from fleet.documents.addresses import host_url
from fleet.documents.times import rfc3339
from fleet.models import Host


def host_document(host: Host) -> dict[str, Any]:
    """A host as programs and pages see it; load it with `Host.objects.for_documents()`."""
    return {
        "id": str(host.id),
        "url": host_url(host.id),
        "name": host.name,
        "address": host.address,
        "transport": host.transport,
        "port": host.port,
        "username": host.username,
        "site": host.site.slug if host.site else None,
        "migration_address": host.migration_address,
        "tags": host.tags,
        "max_moves_out": host.max_moves_out,
        "max_moves_in": host.max_moves_in,
        "migration_bandwidth_mbps": host.migration_bandwidth_mbps,
        "uuid": str(host.hardware_uuid),
        "state": host.state.value,
        "state_text": host.contact_text,
        "maintenance": host.maintenance,
        "cpus": host.cpus,
        "memory_mib": host.memory_mib,
        "memory_used_mib": host.memory_used_mib,
        "cpu_percent": host.cpu_percent,
        "versions": {
            "libvirt": host.facts.get("libvirt_version", ""),
            "hypervisor": host.facts.get("hypervisor_version", ""),
        },
        "cpu_model": host.facts.get("cpu_model", ""),
        "arch": host.facts.get("arch", ""),
        "pools": host.pools,
        "networks": host.facts.get("networks", []),
        "guests_count": host.guests_count,
        "last_seen_at": rfc3339(host.last_seen_at),
        "version": host.version,
    }
