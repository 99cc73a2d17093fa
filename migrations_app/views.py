"""The migrate page: where a guest can go and why, what will happen, and the press that starts it."""

from __future__ import annotations

import json
import uuid
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from fleet.models import Guest, Host
from fleet.refusals import Busy, Forbidden, Refused
from fleet.views.doors import Request, page, person
from migrations_app import choices, xml_difference
from migrations_app.flows import map_changes
from migrations_app.flows.destinations import Destination, destinations
from migrations_app.flows.submit import submit
from migrations_app.forms import OptionsForm
from migrations_app.modes import MODES, STORAGES
from migrations_app.options import Options, parse


@page
@require_http_methods(["GET", "POST"])
def migrate(request: Request, pk: UUID) -> HttpResponse:
    """Choose a destination (GET, also for htmx as choices change), or start the migration (POST)."""
    rows = person(request).restrict(Guest.objects.for_documents(), "host__site")
    guest = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        return _start(request, guest)
    return _show(request, guest, request.GET)


def _start(request: Request, guest: Guest) -> HttpResponse:
    form = OptionsForm(request.POST)
    if not form.is_valid():
        return _show(request, guest, request.POST, status=422)
    try:
        submission = submit(
            principal=person(request),
            guest=guest,
            destination=_host(request, request.POST.get("destination")),
            mode=request.POST.get("mode", "auto"),
            storage=request.POST.get("storage", "auto"),
            options=parse(_options(form, request.POST)),
            idempotency_key=request.POST.get("key", "")[:200],
            expected_host=_host(request, request.POST.get("source")),
        )
    except Forbidden:
        raise
    except Refused as refusal:
        return _show(request, guest, request.POST, refusal=refusal, status=refusal.status)
    assert submission.job is not None  # noqa: S101 - only a dry run has no job
    if submission.replayed:
        messages.info(request, "This was started already; here it is.")
    return redirect("job", submission.job.pk)


def _show(
    request: Request, guest: Guest, chosen: Any, *, refusal: Refused | None = None, status: int = 200
) -> HttpResponse:
    form = OptionsForm(chosen if "storage" in chosen else None)
    mode, storage, options = chosen.get("mode", "auto"), chosen.get("storage", "auto"), _options(form, chosen)
    found, why_none = _candidates(request, guest, mode, storage, options)
    pick = _picked(found, chosen.get("destination"))
    difference = xml_difference.planned(guest.guest_facts().xml, pick.findings) if pick else []
    # Important: a refused form gets a new key, or the corrected wish would count as the old one with another body.
    context = {
        "guest": guest,
        "form": form,
        "found": found,
        "pick": pick,
        "mode": mode,
        "modes": choices.modes_offered(guest.state),
        "storage": storage,
        "storages": choices.STORAGES,
        "disks": choices.disks(pick, chosen),
        "media": choices.media(found, chosen.get("media", "")),
        "what": choices.what_happens(pick, options),
        "key": str(uuid.uuid4()),
        "refusal": refusal or why_none,
        "job_url": reverse("job", args=[refusal.job_id]) if isinstance(refusal, Busy) and refusal.job_id else "",
        "maps": map_changes.visible(person(request)),
        "policies": choices.policies(guest, form.document().get("policy", "")),
        "difference": difference,
        "changed_lines": xml_difference.count(difference),
        "current": next(iter(guest.unfinished_jobs), None),
        "curl": _curl(request, guest, pick, {"mode": mode, "storage": storage}, options),
    }
    template = "migrations/_choice.html" if request.htmx else "migrations/migrate.html"
    return render(request, template, context, status=200 if request.htmx else status)


def _options(form: OptionsForm, chosen: Any) -> dict[str, Any]:
    """The chosen options as the API takes them, those of disks and media among them."""
    return form.document() | choices.options(chosen)


def _candidates(
    request: Request, guest: Guest, mode: str, storage: str, chosen: dict[str, Any]
) -> tuple[list[Destination], Refused | None]:
    """Only hosts the person may send guests to; a choice that is wrong in itself says so and shows the defaults."""
    principal, trouble = person(request), None
    try:
        options = parse(chosen)
    except Refused as refusal:
        options, trouble = Options(), refusal
    mode, storage = mode if mode in MODES else "auto", storage if storage in STORAGES else "auto"
    try:
        found = destinations(guest=guest, mode=mode, storage=storage, options=options)
    except Refused as refusal:
        return [], refusal
    return [one for one in found if principal.allows("fleet.view", one.host.site_id)], trouble


def _picked(found: list[Destination], wanted: str | None) -> Destination | None:
    """The chosen one while it is allowed, else the best."""
    allowed = [one for one in found if one.allowed]
    return next((one for one in allowed if str(one.host.pk) == wanted), allowed[0] if allowed else None)


def _host(request: Request, text: str | None) -> Host | None:
    """A visible host by its id; None when none was named. Raises Refused for one that is gone."""
    if not text:
        return None
    try:
        rows = person(request).restrict(Host.objects.select_related("site"), "site")
        return rows.get(pk=UUID(text))
    except (ValueError, Host.DoesNotExist):
        raise Refused("That host is not part of the fleet any more.", remedy="Choose another destination.") from None


def _curl(
    request: Request, guest: Guest, pick: Destination | None, words: dict[str, str], options: dict[str, Any]
) -> str:
    """The same wish as a call of the REST API."""
    body: dict[str, Any] = {"guest": str(guest.pk)}
    if pick:
        body["destination"] = str(pick.host.pk)
    body |= {name: word for name, word in words.items() if word != "auto"}
    if options:
        body["options"] = options
    return "\n".join(
        [
            f"curl -X POST {request.build_absolute_uri('/api/v1/migrations/')} \\",
            '  -H "Authorization: Bearer $DROVER_TOKEN" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d '{json.dumps(body)}'",
        ]
    )
