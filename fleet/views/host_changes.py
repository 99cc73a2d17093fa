"""Adding, changing and steering a host from its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from fleet.inventory import maintenance, refresh, register
from fleet.models import Host, Site
from fleet.refusals import Forbidden, Refused
from fleet.views.doors import Request, page, person, saying
from fleet.views.forms import HostForm
from fleet.views.hosts import seen

UNAPPROVED = {"host_key_unknown", "host_key_changed"}


@page
@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponse:
    """Connect to a host and take it in."""
    principal = person(request)
    if not principal.allows_somewhere("host.add"):
        principal.require("host.add")

    def save(values: dict[str, Any]) -> Host:
        return register.add_host(principal=principal, **values)

    return _form(request, None, save)


@page
@require_http_methods(["GET", "POST"])
def edit(request: Request, pk: UUID) -> HttpResponse:
    """Change what is said about a host."""
    principal, host = person(request), seen(request, pk)
    principal.require("host.change", host.site_id, what=host.name)

    def save(values: dict[str, Any]) -> Host:
        # Empty means "as approved before", never "forget the key".
        if not values["ssh_host_key"]:
            del values["ssh_host_key"]
        return register.change_host(principal=principal, host=host, **values)

    return _form(request, host, save)


@page
@require_POST
def refresh_now(request: Request, pk: UUID) -> HttpResponse:
    """Read the host anew."""
    host = seen(request, pk)
    with saying(request, f"{host.name} answered; what it said is shown here."):
        refresh.refresh_host(principal=person(request), host=host)
    return redirect("host", pk)


@page
@require_POST
def maintain(request: Request, pk: UUID) -> HttpResponse:
    """Enter or leave maintenance."""
    host, on = seen(request, pk), request.POST.get("action") == "enter"
    done = f"{host.name} is in maintenance and gets no new guests." if on else f"{host.name} takes guests again."
    with saying(request, done):
        maintenance.set_maintenance(principal=person(request), host=host, on=on)
    return redirect("host", pk)


@page
@require_POST
def remove(request: Request, pk: UUID) -> HttpResponse:
    """Forget a host whose name was typed as proof of intent."""
    host = seen(request, pk)
    try:
        if request.POST.get("name", "").strip() != host.name:
            raise Refused("That is not the host's name; nothing was removed.", remedy=f"Type {host.name} to remove it.")
        register.remove_host(principal=person(request), host=host)
    except Refused as refusal:
        messages.error(request, refusal.text, extra_tags=f"{refusal.remedy}|")
        return redirect("host-edit", pk)
    messages.success(request, f"Drover has forgotten {host.name}. Nothing on the host itself was touched.")
    return redirect("hosts")


def _form(request: Request, host: Host | None, save: Callable[[dict[str, Any]], Host]) -> HttpResponse:
    sites = person(request).restrict(Site.objects.all(), "pk")
    form = HostForm(request.POST or None, sites=sites, host=host)
    unapproved: Refused | None = None
    if request.method == "POST" and form.is_valid():
        try:
            saved = save(form.cleaned_data)
        except Forbidden:
            raise
        except Refused as refusal:
            if refusal.code in UNAPPROVED and refusal.data.get("key"):
                unapproved = refusal
            else:
                form.refuse(refusal)
        else:
            messages.success(request, f"{saved.name} answered and is {'changed' if host else 'part of the fleet'}.")
            return redirect("host", saved.pk)
    status = 422 if form.errors or unapproved else 200
    return render(
        request, "fleet/host_form.html", {"form": form, "host": host, "unapproved": unapproved}, status=status
    )
