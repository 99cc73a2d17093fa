"""The pages of maps: the list, and adding, changing and removing one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fleet.models import Host, Site
from fleet.refusals import Forbidden, Refused
from fleet.views.doors import Request, page, person, saying
from migrations_app.flows import map_changes
from migrations_app.map_forms import MapForm
from migrations_app.models import TargetMap


@page
@require_safe
def maps(request: Request) -> HttpResponse:
    """Every map the person may see, with what it says."""
    return render(request, "migrations/maps.html", {"maps": map_changes.visible(person(request))})


@page
@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponse:
    """A new map."""
    person(request).require("map.change")
    return _form(request, None)


@page
@require_http_methods(["GET", "POST"])
def edit(request: Request, pk: UUID) -> HttpResponse:
    """Change a map."""
    row = get_object_or_404(map_changes.visible(person(request)), pk=pk)
    person(request).require("map.change", what=row.name)
    return _form(request, row)


@page
@require_POST
def remove(request: Request, pk: UUID) -> HttpResponse:
    """Remove a map; moves that were decided already keep its rules."""
    row = get_object_or_404(map_changes.visible(person(request)), pk=pk)
    with saying(request, f"{row.name} is removed."):
        map_changes.remove(principal=person(request), row=row)
    return redirect("maps")


def _form(request: Request, row: TargetMap | None) -> HttpResponse:
    sites = person(request).restrict(Site.objects.all(), "pk")
    form = MapForm(request.POST if request.method == "POST" else None, sites=sites, row=row)
    name = row.name if row else ""
    more = "more" in request.POST
    if not more and form.is_valid():
        try:
            if row is None:
                row = map_changes.add(principal=person(request), **form.wish())
            else:
                row = map_changes.change(principal=person(request), row=row, **form.wish())
        except Forbidden:
            raise
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{row.name} is stored.")
            return redirect("maps")
    context = {"form": form, "row": row, "name": name, "known": _known(request)}
    return render(request, "migrations/map_form.html", context, status=422 if form.errors and not more else 200)


def _known(request: Request) -> dict[str, list[str]]:
    """Names that the hosts told, to choose from while typing."""
    hosts = person(request).restrict(Host.objects.all(), "site")
    found: dict[str, set[str]] = {"networks": set(), "pools": set(), "paths": set()}
    for facts, pools in hosts.values_list("facts", "pools"):
        networks = facts.get("networks", [])
        found["networks"] |= {f"network:{one['name']}" for one in networks if one["kind"] == "network"}
        found["networks"] |= {f"bridge:{one['bridge']}" for one in networks if one["bridge"]}
        found["pools"] |= {one["name"] for one in pools}
        found["paths"] |= {one["path"] for one in pools if one.get("path")}
    return {part: sorted(names) for part, names in found.items()}
