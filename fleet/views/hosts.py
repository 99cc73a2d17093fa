"""Hosts: the list and one host."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import NullIf
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from fleet.jobs.visibility import visible_jobs
from fleet.models import Host, Site
from fleet.states import HostState
from fleet.views.doors import Request, page, person
from fleet.views.lists import listing

COLUMNS = {
    "name": ("Name", "name", ""),
    "state": ("State", "contact", ""),
    "site": ("Site", "site__name", "wide-only"),
    "cpu": ("CPU", "cpu_percent", ""),
    "memory": ("Memory", "memory_share", ""),
    "guests": ("Guests", "guests_total", "num"),
    "versions": ("QEMU", "", "num wide-only"),
    "seen": ("Last seen", "last_seen_at", "wide-only"),
}
STATES = {
    HostState.UP: Q(contact=Host.Contact.UP, maintenance=False),
    HostState.MAINTENANCE: Q(contact=Host.Contact.UP, maintenance=True),
    HostState.UNREACHABLE: Q(contact=Host.Contact.UNREACHABLE),
    HostState.POWERED_OFF: Q(contact=Host.Contact.POWERED_OFF),
}
FILTERS = ("q", "state", "site")


@page
@require_safe
def hosts(request: Request) -> HttpResponse:
    """Every host the person may see."""
    principal = person(request)
    found = _filtered(principal.restrict(Host.objects.for_documents(), "site"), request)
    found = found.annotate(memory_share=1.0 * F("memory_used_mib") / NullIf("memory_mib", 0))
    rows = listing(request, found, columns=COLUMNS, default="name", filters=FILTERS)
    sites = principal.restrict(Site.objects.all(), "pk")
    context = {"rows": rows, "states": [state.value for state in STATES], "sites": sites}
    return render(request, "fleet/_host_list.html" if request.htmx else "fleet/hosts.html", context)


@page
@require_safe
def host(request: Request, pk: UUID) -> HttpResponse:
    """One host: what it is, what it has, which guests it runs."""
    found = seen(request, pk)
    moves = visible_jobs(person(request)).filter(Q(host=found) | Q(guest__host=found)).select_related("requested_by")
    guests = found.guests.for_documents()
    context = {
        "host": found,
        "facts": found.facts,
        "guests": guests[:500],
        "moves": moves.distinct()[:8],
        "moves_out": settings.MAX_MOVES_OUT if found.max_moves_out is None else found.max_moves_out,
        "moves_in": settings.MAX_MOVES_IN if found.max_moves_in is None else found.max_moves_in,
    }
    return render(request, "fleet/host.html", context)


def seen(request: Request, pk: UUID) -> Host:
    """A host the person may see, or the page that says it is not there."""
    return get_object_or_404(person(request).restrict(Host.objects.for_documents(), "site"), pk=pk)


def _filtered(rows: QuerySet[Host], request: Request) -> QuerySet[Host]:
    chosen: Any = request.GET
    if text := chosen.get("q", "").strip():
        rows = rows.filter(Q(name__icontains=text) | Q(address__icontains=text))
    if chosen.get("state") in STATES:
        rows = rows.filter(STATES[HostState(chosen["state"])])
    if site := chosen.get("site"):
        rows = rows.filter(site__slug=site)
    return rows
