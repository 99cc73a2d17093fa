"""Keys for programs: made and shown once, listed, ended."""

from __future__ import annotations

from datetime import UTC, datetime, time
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from fleet.access import token_flows
from fleet.models import Site
from fleet.refusals import Refused
from fleet.states import Role
from fleet.views.doors import Request, page, person, saying
from fleet.views.forms import TokenForm


@page
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: Request) -> HttpResponse:
    """The person's tokens (everybody's for an admin), and a form for a new one whose text is shown this once."""
    principal, text = person(request), ""
    sites = principal.restrict(Site.objects.all(), "pk")
    form = TokenForm(request.POST or None, sites=sites)
    if request.method == "POST" and form.is_valid() and (text := _issue(request, form)):
        form = TokenForm(sites=sites)
    context = {"form": form, "rows": token_flows.visible(principal), "text": text}
    return render(request, "fleet/tokens.html", context, status=422 if form.errors else 200)


@page
@require_POST
def revoke(request: Request, pk: UUID) -> HttpResponse:
    """End a token at once."""
    token = get_object_or_404(token_flows.visible(person(request)), pk=pk)
    with saying(request, f"The token {token} is worthless now."):
        token_flows.revoke(principal=person(request), token=token)
    return redirect("tokens")


def _issue(request: Request, form: TokenForm) -> str:
    chosen = form.cleaned_data
    last_day = chosen["expires_at"]
    try:
        _, text = token_flows.issue(
            principal=person(request),
            role=Role(chosen["role"]),
            site=chosen["site"],
            name=chosen["name"],
            expires_at=datetime.combine(last_day, time.max, UTC) if last_day else None,
        )
    except Refused as refusal:
        form.refuse(refusal)
        return ""
    return text
