"""The page of disks in quarantine, with their two buttons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from fleet.views.doors import Request, page, person, saying
from fleet.views.lists import listing
from migrations_app.flows import quarantine
from migrations_app.models import QuarantinedDisk

COLUMNS = {
    "path": ("File", "path", ""),
    "host": ("Host", "host_name", ""),
    "size": ("Size", "size_bytes", "num"),
    "guest": ("Was a disk of", "guest_name", "wide-only"),
    "since": ("Since", "since", "wide-only"),
    "expires": ("Deleted after", "expires_at", ""),
    "does": ("", "", ""),
}
FILTERS = ("q", "state")
_DONE = {
    "restore": "A worker takes {path} out of quarantine; the file stays.",
    "delete": "A worker deletes {path} if nobody uses it.",
}


@page
@require_safe
def disks(request: Request) -> HttpResponse:
    """What is kept (or what was), the newest first."""
    found = quarantine.visible(person(request))
    state = request.GET.get("state", "")
    found = found.filter(state=state) if state in QuarantinedDisk.State.values else found.filter(state="kept")
    if text := request.GET.get("q", "").strip():
        found = found.filter(path__icontains=text) | found.filter(guest_name__icontains=text)
    context: dict[str, Any] = {
        "rows": listing(request, found, columns=COLUMNS, default="-since", filters=FILTERS),
        "states": QuarantinedDisk.State.choices,
        "state": state or "kept",
    }
    return render(request, "quarantine/_list.html" if request.htmx else "quarantine/disks.html", context)


@page
@require_POST
def ask(request: Request, pk: UUID, wish: str) -> HttpResponse:
    """Restore or delete one."""
    if wish not in _DONE:
        raise Http404
    disk = get_object_or_404(quarantine.visible(person(request)), pk=pk)
    with saying(request, _DONE[wish].format(path=disk.path)):
        quarantine.ask_for(principal=person(request), disk=disk, wish=wish)
    return redirect("quarantine")
