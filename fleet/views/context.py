"""What the frame of every page shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from fleet.access.principal import Principal
from fleet.jobs import snapshots
from fleet.jobs.visibility import visible_jobs

#: Banners that still help.
MAX_ALARMS = 5


def page(request: HttpRequest) -> dict[str, Any]:
    """Version, who is looking, how many jobs run, and guests that run twice: two queries, none for strangers."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        return {"version": settings.VERSION, "principal": None}
    role = principal.best_role
    return {
        "version": settings.VERSION,
        "principal": principal,
        "role": role.value if role else "no role",
        "running_twice": snapshots.visible_alarms(principal)[:MAX_ALARMS],
        "unfinished_jobs": visible_jobs(principal).unfinished().count(),
    }
