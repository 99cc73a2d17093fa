"""A guest as a document."""

from __future__ import annotations

from typing import Any

from fleet.documents.addresses import guest_url, job_url
from fleet.documents.times import rfc3339
from fleet.models import Guest


def guest_document(guest: Guest) -> dict[str, Any]:
    """A guest as programs and pages see it; load it with `Guest.objects.for_documents()`."""
    jobs = guest.unfinished_jobs
    return {
        "id": str(guest.id),
        "url": guest_url(guest.id),
        "uuid": str(guest.uuid),
        "name": guest.name,
        "title": guest.facts.get("title", ""),
        "description": guest.facts.get("description", ""),
        "host": {"id": str(guest.host.id), "name": guest.host.name} if guest.host else None,
        "site": guest.host.site.slug if guest.host and guest.host.site else None,
        "state": guest.state,
        "memory_mib": guest.memory_mib,
        "vcpus": guest.vcpus,
        "cpu_percent": guest.cpu_percent,
        "memory_used_mib": guest.memory_used_mib,
        "dirty_mib_s": _mib(guest.dirty_bytes_s),
        "dirty_set_mib": _mib(guest.dirty_set_bytes),
        "dirty_measured_at": rfc3339(guest.dirty_measured_at),
        "machine": guest.facts.get("machine", ""),
        "disks": guest.disks,
        "interfaces": guest.interfaces,
        "tags": guest.tags,
        "pinned": guest.pinned,
        "watch_address": guest.watch_address,
        "runs_twice_on": guest.runs_twice_on,
        "runs_twice_since": rfc3339(guest.runs_twice_since),
        "policy": guest.policy,
        "current_job": job_url(jobs[0].id) if jobs else None,
        "version": guest.version,
    }


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else round(size_bytes / 2**20, 1)
