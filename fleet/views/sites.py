"""Sites: the list, and adding and changing one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fleet.inventory import sites as inventory
from fleet.models import Site
from fleet.refusals import Forbidden, Refused
from fleet.views.doors import Request, page, person, saying
from fleet.views.forms import SiteForm


@page
@require_safe
def sites(request: Request) -> HttpResponse:
    """Every site the person may see, with what stands there."""
    rows = person(request).restrict(Site.objects.all(), "pk")
    counted = rows.annotate(
        hosts_total=Count("hosts", distinct=True), guests_total=Count("hosts__guests", distinct=True)
    )
    return render(request, "fleet/sites.html", {"sites": counted})


@page
@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponse:
    """A new site."""
    person(request).require("site.change")
    return _form(request, None)


@page
@require_http_methods(["GET", "POST"])
def edit(request: Request, pk: UUID) -> HttpResponse:
    """Change a site."""
    site = _seen(request, pk)
    person(request).require("site.change", site.pk, what=site.name)
    return _form(request, site)


@page
@require_POST
def remove(request: Request, pk: UUID) -> HttpResponse:
    """Remove a site without hosts."""
    site = _seen(request, pk)
    with saying(request, f"{site.name} is removed."):
        inventory.remove_site(principal=person(request), site=site)
    return redirect("sites")


def _seen(request: Request, pk: UUID) -> Site:
    return get_object_or_404(person(request).restrict(Site.objects.all(), "pk"), pk=pk)


def _form(request: Request, site: Site | None) -> HttpResponse:
    initial = {name: getattr(site, name) for name in inventory.FIELDS} if site else None
    form = SiteForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            if site is None:
                site = inventory.add_site(principal=person(request), **form.cleaned_data)
            else:
                inventory.change_site(principal=person(request), site=site, **form.cleaned_data)
        except Forbidden:
            raise
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{site.name} is stored.")
            return redirect("sites")
    return render(request, "fleet/site_form.html", {"form": form, "site": site}, status=422 if form.errors else 200)
