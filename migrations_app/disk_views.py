"""The page that moves a running guest's disks to another pool of its host: which, where to, and the press."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from fleet.models import Guest
from fleet.refusals import Busy, Forbidden, Refused
from fleet.views.doors import Request, page, person
from migrations_app.flows import situations
from migrations_app.flows.submit_storage import submit_storage
from migrations_app.flows.wishes import Wish
from migrations_app.models import Migration
from migrations_app.options import parse
from migrations_app.preflight import same_host


@page
@require_http_methods(["GET", "POST"])
def move_disks(request: Request, pk: UUID) -> HttpResponse:
    """Choose disks and a pool (GET), or start the move (POST)."""
    rows = person(request).restrict(Guest.objects.for_documents(), "host__site")
    guest = get_object_or_404(rows, pk=pk)
    if request.method == "GET":
        return _show(request, guest)
    try:
        submission = submit_storage(
            principal=person(request),
            guest=guest,
            wish=Wish(mode=Migration.Mode.STORAGE, options=parse(_document(request))),
            idempotency_key=request.POST.get("key", "")[:200],
        )
    except Forbidden:
        raise
    except Refused as refusal:
        return _show(request, guest, refusal)
    assert submission.job is not None  # noqa: S101 - only a dry run has no job
    return redirect("job", submission.job.pk)


def _document(request: Request) -> dict[str, Any]:
    """The form's words as options; disks nobody ticked stay where they are."""
    pool = request.POST.get("pool", "")
    return {
        "target_pool": pool,
        "disks": {target: {"pool": pool} for target in request.POST.getlist("disk")},
        "keep_source": "remove_source" not in request.POST,
    }


def _show(request: Request, guest: Guest, refusal: Refused | None = None) -> HttpResponse:
    host = situations.view(situations.place_of(guest))
    context = {
        "guest": guest,
        "disks": [disk for disk in guest.guest_facts().disks if same_host.can_move(disk)],
        "pools": same_host.pools_for(guest.guest_facts(), host),
        "chosen": request.POST.getlist("disk"),
        "pool": request.POST.get("pool", ""),
        # A refused form gets a new key, or the corrected wish would count as the old one with another body.
        "key": str(uuid.uuid4()),
        "refusal": refusal,
        "job_url": reverse("job", args=[refusal.job_id]) if isinstance(refusal, Busy) and refusal.job_id else "",
    }
    return render(request, "migrations/disks.html", context, status=refusal.status if refusal else 200)
