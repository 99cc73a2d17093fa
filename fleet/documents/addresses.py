"""REST addresses of things; the contract fixes them, so a worker need not load the URL configuration for them."""

from __future__ import annotations

from uuid import UUID

BASE = "/api/v1"


def job_url(job_id: UUID | str) -> str:
    """Where a job is found."""
    return f"{BASE}/jobs/{job_id}/"


def host_url(host_id: UUID | str) -> str:
    """Where a host is found."""
    return f"{BASE}/hosts/{host_id}/"


def guest_url(guest_id: UUID | str) -> str:
    """Where a guest is found."""
    return f"{BASE}/guests/{guest_id}/"
