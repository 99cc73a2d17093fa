"""The fleet at a glance: what needs a person, what is moving, where everything stands."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from fleet.access.principal import Principal
from fleet.jobs.visibility import visible_jobs
from fleet.models import Guest, Host, Job, Sighting
from fleet.states import UNFINISHED, GuestState, HostState, JobState
from fleet.views.doors import Request, page, person

#: A wall of more cards says nothing; the list of hosts has pages.
MOST_CARDS = 120
FAILURES_FROM = timedelta(hours=24)


@page
@require_safe
def home(request: Request) -> HttpResponse:
    """The first page."""
    principal = person(request)
    hosts = list(principal.restrict(Host.objects.for_documents(), "site").order_by("site__name", "name"))
    jobs = visible_jobs(principal).select_related("guest", "requested_by")
    return render(
        request,
        "fleet/home.html",
        {
            "sites": _by_site(hosts[:MOST_CARDS]),
            "more_hosts": len(hosts) - MOST_CARDS,
            "totals": _totals(hosts),
            "unreachable": [host for host in hosts if host.state is HostState.UNREACHABLE],
            "doubled": doubled(principal),
            "troubled": _troubled(jobs),
            "running": jobs.filter(state__in=UNFINISHED),
            "recent": jobs.exclude(state__in=UNFINISHED).order_by("-finished_at")[:6],
            "suggestion": _suggestion(principal, hosts),
        },
    )


def doubled(principal: Principal) -> list[Guest]:
    """Guests that two answering hosts both claim to run, outside a migration: the alarm of alarms."""
    claims = (
        Sighting.objects.filter(state=GuestState.RUNNING, host__contact=Host.Contact.UP)
        .values("guest")
        .annotate(hosts=Count("host"))
        .filter(hosts__gt=1)
        .values("guest")
    )
    guests = principal.restrict(Guest.objects.filter(pk__in=claims), "host__site")
    busy = Job.objects.unfinished().filter(guest__isnull=False).values("guest")
    return list(guests.exclude(pk__in=busy).prefetch_related("sightings__host"))


def _by_site(hosts: list[Host]) -> list[tuple[Any, list[Host]]]:
    return [(site, list(rows)) for site, rows in groupby(hosts, key=lambda host: host.site)]


def _totals(hosts: list[Host]) -> dict[str, Any]:
    return {
        "hosts": len(hosts),
        "up": sum(host.contact == Host.Contact.UP for host in hosts),
        "guests": sum(host.guests_count for host in hosts),
        "memory_mib": sum(host.memory_mib for host in hosts),
        "memory_used_mib": sum(host.memory_used_mib for host in hosts),
    }


def _troubled(jobs: Any) -> list[Job]:
    """Unknown jobs, and failures of the last day that no later success has made good."""
    since = timezone.now() - FAILURES_FROM
    found = jobs.filter(Q(state=JobState.UNKNOWN) | Q(state=JobState.FAILED, finished_at__gte=since))[:20]
    repaired = dict(
        Job.objects.filter(state=JobState.SUCCEEDED, finished_at__gte=since, guest__in=[job.guest_id for job in found])
        .order_by("finished_at")
        .values_list("guest", "finished_at")
    )
    return [
        job
        for job in found
        if not (job.finished_at and job.guest_id in repaired and repaired[job.guest_id] > job.finished_at)
    ]


def _suggestion(principal: Principal, hosts: list[Host]) -> Guest | None:
    """A guest to try a move with: a small running one on the fullest host, when there is a second host to go to."""
    open_hosts = [host for host in hosts if host.state is HostState.UP]
    if len(open_hosts) < 2:
        return None
    places = [host.pk for host in open_hosts if principal.allows("migration.submit", host.site_id)]
    busy = Job.objects.unfinished().filter(guest__isnull=False).values("guest")
    movable = Guest.objects.filter(host__in=places, state=GuestState.RUNNING, pinned=False).exclude(pk__in=busy)
    return movable.annotate(crowd=Count("host__guests")).order_by("-crowd", "memory_mib", "name").first()
