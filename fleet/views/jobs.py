"""Jobs: the list, one job as it moves, and cancelling."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from fleet.documents import job_document
from fleet.jobs import commands, retries, wishes
from fleet.jobs.live import job_sites
from fleet.jobs.snapshots import narrowed
from fleet.jobs.visibility import visible_jobs
from fleet.models import Job
from fleet.states import FINISHED, UNFINISHED, JobState, choices
from fleet.views.doors import Request, back, page, person, saying
from fleet.views.lists import listing

COLUMNS = {
    "title": ("Job", "title", ""),
    "state": ("State", "state", ""),
    "progress": ("Progress", "", ""),
    "by": ("Asked by", "requested_by__username", "wide-only"),
    "created": ("Asked", "created_at", "wide-only"),
    "finished": ("Finished", "finished_at", "wide-only"),
}
#: More than a chart has pixels.
CHART_POINTS = 1000
FILTERS = ("q", "state", "mine")


@page
@require_safe
def jobs(request: Request) -> HttpResponse:
    """Every job the person may see, the newest first."""
    found = visible_jobs(person(request)).select_related("requested_by").distinct()
    chosen = request.GET
    if text := chosen.get("q", "").strip():
        found = found.filter(title__icontains=text)
    if chosen.get("state") == "unfinished":
        found = found.filter(state__in=UNFINISHED)
    elif chosen.get("state"):
        found = found.filter(state=chosen["state"])
    if chosen.get("mine"):
        found = found.filter(requested_by=request.user.pk)
    rows = listing(request, found, columns=COLUMNS, default="-created", filters=FILTERS)
    template = "fleet/_job_list.html" if request.htmx else "fleet/jobs.html"
    return render(request, template, {"rows": rows, "states": choices(JobState)})


@page
@require_safe
def job(request: Request, pk: UUID) -> HttpResponse:
    """One job, complete as of now; live messages go on from here."""
    found = _seen(request, pk)
    document = narrowed(job_document(found), person(request), job_sites(found))
    context: dict[str, Any] = {
        "job": found,
        "document": document,
        "events": found.events.order_by("seq"),
        "samples": json.dumps(_course(found)),
        "finished": [state.value for state in FINISHED],
        "children": visible_jobs(person(request)).filter(parent=found).distinct().order_by("created_at", "id"),
    }
    return render(request, "fleet/job.html", context)


@page
@require_POST
def cancel(request: Request, pk: UUID) -> HttpResponse:
    """Ask for the end of a job; the guest stays where it is."""
    found = _seen(request, pk)
    with saying(request, "The job was asked to stop. The guest stays on its source."):
        commands.request(principal=person(request), job=found, kind="cancel")
    return back(request, f"/jobs/{pk}/")


@page
@require_POST
def retry(request: Request, pk: UUID) -> HttpResponse:
    """The same wish again, as a new job."""
    found = _seen(request, pk)
    with saying(request):
        pk = retries.again(principal=person(request), job=found).pk
    return redirect("job", pk)


#: What the page says when a wish is stored.
WISHES = {
    "bandwidth": "The new speed goes to the running copy.",
    "downtime": "The new longest pause goes to the running copy.",
    "post-copy": "The guest is about to go on at its destination.",
    "pause": "The guest is about to be stopped until the rest is there.",
}


@page
@require_POST
def steer(request: Request, pk: UUID, kind: str) -> HttpResponse:
    """Change a running move: its speed, its longest pause, post-copy, or pausing the guest to finish."""
    found = _seen(request, pk)
    if kind not in WISHES:
        raise Http404
    with saying(request, WISHES[kind]):
        commands.request(principal=person(request), job=found, kind=kind, arguments=_numbers(request, kind))
    return back(request, f"/jobs/{pk}/")


def _numbers(request: Request, kind: str) -> dict[str, Any]:
    """The number a form brings, as a number where it is one; what is wrong with it is for the flow to say."""
    if kind not in wishes.ARGUMENTS:
        return {}
    name = wishes.ARGUMENTS[kind][0]
    text = request.POST.get(name, "").strip()
    return {name: int(text) if text.isdecimal() else text}


def _course(found: Job) -> list[Any]:
    """The chart's points as (ms, bytes left, bytes/s, guest's bytes/s); long courses are thinned."""
    points = list(found.samples.values_list("elapsed_ms", "remaining_bytes", "rate_bytes_s", "dirty_rate_bytes_s"))
    return points[:: len(points) // CHART_POINTS + 1]


def _seen(request: Request, pk: UUID) -> Job:
    rows = visible_jobs(person(request)).for_documents().select_related("guest__host__site", "host__site")
    return get_object_or_404(rows.distinct(), pk=pk)
