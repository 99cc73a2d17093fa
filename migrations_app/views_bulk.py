"""The guests' page: move those that were selected, as one job."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from fleet.models import Guest, Host
from fleet.refusals import Busy, Forbidden, Refused
from fleet.views.doors import Request, back, page, person
from migrations_app.api_bodies import MAX_ITEMS
from migrations_app.flows.bulk import Item, submit_together
from migrations_app.flows.submit import Wish


@page
@require_POST
def move_guests(request: Request) -> HttpResponse:
    """Each to its best host, or all to the one chosen; a refusal of one is told with its name, and none moves."""
    try:
        wish = Wish.of({"destination": _destination(request)})
        items = [Item(guest=guest, wish=wish) for guest in _selected(request)]
        key = request.POST.get("key", "")[:200]
        done = submit_together(principal=person(request), items=items, idempotency_key=key)
    except Forbidden:
        raise
    except Refused as refusal:
        job = reverse("job", args=[refusal.job_id]) if isinstance(refusal, Busy) and refusal.job_id else ""
        messages.error(request, f"{refusal.text} No guest was moved.", extra_tags=f"{refusal.remedy}|{job}")
        return back(request, reverse("guests"))
    return redirect("job", done.parent.pk)


def _selected(request: Request) -> list[Guest]:
    """In the order of their names; raises Refused for none and for too many."""
    wanted = _ids(request.POST.getlist("guest"))
    if not 0 < len(wanted) <= MAX_ITEMS:
        raise Refused(
            f"{len(wanted) or 'No'} guests were selected.", code="selection", remedy=f"Select 1 to {MAX_ITEMS} of them."
        )
    rows = person(request).restrict(Guest.objects.select_related("host__site"), "host__site")
    return list(rows.filter(pk__in=wanted).order_by("name", "pk"))


def _destination(request: Request) -> Host | None:
    wanted = _ids([request.POST.get("destination", "")])
    if not wanted:
        return None
    host = person(request).restrict(Host.objects.select_related("site"), "site").filter(pk__in=wanted).first()
    if host is None:
        raise Refused("That host is not part of the fleet any more.", remedy="Choose another destination.")
    return host


def _ids(words: list[str]) -> set[UUID]:
    found = set()
    for word in words:
        try:
            found.add(UUID(word))
        except ValueError:
            continue
    return found
