"""Guests: the list, one guest, and what operators may set on it."""

from __future__ import annotations

import json
import uuid
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from fleet.inventory import guests as inventory
from fleet.inventory import policy_names
from fleet.models import Guest, Host, Site
from fleet.models.guest import GuestQuerySet
from fleet.states import GuestState, choices
from fleet.views.doors import Request, page, person, saying
from fleet.views.forms import words
from fleet.views.lists import listing

COLUMNS = {
    "name": ("Name", "name", ""),
    "state": ("State", "state", ""),
    "host": ("Host", "host__name", ""),
    "site": ("Site", "host__site__name", "wide-only"),
    "memory": ("Memory", "memory_mib", "num wide-only"),
    "vcpus": ("vCPUs", "vcpus", "num wide-only"),
    "cpu": ("CPU", "cpu_percent", "num wide-only"),
    "tags": ("Tags", "", "wide-only"),
    "job": ("Operation", "", ""),
}
FILTERS = ("q", "state", "host", "site", "tag")


@page
@require_safe
def guests(request: Request) -> HttpResponse:
    """Every guest the person may see."""
    principal = person(request)
    everything = principal.restrict(Guest.objects.all(), "host__site")
    rows = listing(
        request, _filtered(everything, request).for_documents(), columns=COLUMNS, default="name", filters=FILTERS
    )
    context: dict[str, Any] = {
        "rows": rows,
        "states": choices(GuestState),
        "hosts": principal.restrict(Host.objects.all(), "site"),
        "sites": principal.restrict(Site.objects.all(), "pk"),
        "may_move": principal.allows_somewhere("migration.submit"),
        "move_key": str(uuid.uuid4()),
    }
    return render(request, "fleet/_guest_list.html" if request.htmx else "fleet/guests.html", context)


@page
@require_safe
def guest(request: Request, pk: UUID) -> HttpResponse:
    """One guest: disks, cards, where it is, what happened to it."""
    found = _seen(request, pk)
    history = found.jobs.select_related("requested_by").order_by("-created_at")[:10]
    sightings = found.sightings.select_related("host").order_by("host__name")
    context = {
        "guest": found,
        "history": history,
        "sightings": sightings,
        "current": next(iter(found.unfinished_jobs), None),
        "policies": policy_names.names(),
    }
    return render(request, "fleet/guest.html", context)


@page
@require_POST
def change(request: Request, pk: UUID) -> HttpResponse:
    """Set tags, the pin and the migration policy."""
    found = _seen(request, pk)
    with saying(request, f"{found.name} is changed."):
        inventory.change_guest(
            principal=person(request),
            guest=found,
            tags=words(request.POST.get("tags", "")),
            pinned="pinned" in request.POST,
            watch_address=request.POST.get("watch_address", ""),
            policy=request.POST.get("policy"),
        )
    return redirect("guest", pk)


def _seen(request: Request, pk: UUID) -> Guest:
    rows = person(request).restrict(Guest.objects.for_documents(), "host__site")
    return get_object_or_404(rows, pk=pk)


def _filtered(rows: Any, request: Request) -> GuestQuerySet:
    chosen = request.GET
    if text := chosen.get("q", "").strip():
        rows = rows.filter(Q(name__icontains=text) | Q(host__name__icontains=text) | Q(tags__icontains=text))
    if state := chosen.get("state"):
        rows = rows.filter(state=state)
    if host := chosen.get("host"):
        rows = rows.filter(host__name=host)
    if site := chosen.get("site"):
        rows = rows.filter(host__site__slug=site)
    if tag := chosen.get("tag"):
        # Tags are a list of words in JSON; the quotes make it the whole word. SQLite keeps ü as \\u00fc.
        rows = rows.filter(Q(tags__icontains=f'"{tag}"') | Q(tags__icontains=json.dumps(tag)))
    return rows
