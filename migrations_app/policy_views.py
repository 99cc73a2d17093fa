"""The policies' pages: what each promises, and the form that changes it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fleet.models import Site
from fleet.refusals import Forbidden, Refused
from fleet.views.doors import Request, page, person, saying
from migrations_app import promises
from migrations_app.flows import policies as flows
from migrations_app.models import MigrationPolicy
from migrations_app.policy_form import PolicyForm


@page
@require_safe
def policies(request: Request) -> HttpResponse:
    """Every policy with its promise in a sentence."""
    rows = [
        {"policy": row, "promise": promises.sentence(row.terms()), "sites": [site.name for site in row.sites.all()]}
        for row in MigrationPolicy.objects.prefetch_related("sites")
    ]
    return render(request, "migrations/policies.html", {"rows": rows})


@page
@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponse:
    """A new policy."""
    person(request).require("policy.change")
    return _form(request, None)


@page
@require_http_methods(["GET", "POST"])
def edit(request: Request, pk: UUID) -> HttpResponse:
    """Change a policy."""
    policy = get_object_or_404(MigrationPolicy, pk=pk)
    person(request).require("policy.change", what=policy.name)
    return _form(request, policy)


@page
@require_POST
def make_default(request: Request, pk: UUID) -> HttpResponse:
    """Let it hold for every guest that has none of its own."""
    policy = get_object_or_404(MigrationPolicy, pk=pk)
    with saying(request, f"{policy.name} holds from now on wherever no other policy does."):
        flows.make_default(principal=person(request), policy=policy)
    return redirect("policies")


@page
@require_POST
def remove(request: Request, pk: UUID) -> HttpResponse:
    """Remove a policy that nothing uses."""
    policy = get_object_or_404(MigrationPolicy, pk=pk)
    with saying(request, f"{policy.name} is removed."):
        flows.remove(principal=person(request), policy=policy)
    return redirect("policies")


def _form(request: Request, policy: MigrationPolicy | None) -> HttpResponse:
    sites = person(request).restrict(Site.objects.all(), "pk")
    form = PolicyForm(request.POST or None, sites=sites, policy=policy)
    if request.method == "POST" and form.is_valid():
        try:
            policy = _stored(request, policy, form.cleaned_data)
        except Forbidden:
            raise
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{policy.name} is stored. Moves under way keep the terms they began with.")
            return redirect("policies")
    context = {"form": form, "policy": policy}
    return render(request, "migrations/policy_form.html", context, status=422 if form.errors else 200)


def _stored(request: Request, policy: MigrationPolicy | None, fields: dict[str, Any]) -> MigrationPolicy:
    if policy is None:
        return flows.add(principal=person(request), **fields)
    return flows.change(principal=person(request), policy=policy, **fields)
