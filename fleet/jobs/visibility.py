"""Which jobs are a person's business: those at their sites, by where the guest is and was, and the host concerned."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from fleet.access.principal import Principal
from fleet.jobs.live import job_sites
from fleet.models import Job
from fleet.models.job import JobQuerySet


def visible_jobs(principal: Principal) -> JobQuerySet:
    """Jobs the principal may see."""
    if principal.everywhere is not None:
        return Job.objects.all()
    sites = list(principal.at_sites)
    return Job.objects.filter(Q(guest__host__site__in=sites) | Q(host__site__in=sites) | Q(origin__site__in=sites))


def places(job: Job) -> list[UUID | None]:
    """The sites of a job, in order; [None] where it belongs to no site."""
    return [UUID(site) for site in job_sites(job)] or [None]


def allows(principal: Principal, kind: str, job: Job) -> bool:
    """Whether the principal may wish `kind` of a job: whoever operates one of its ends may stop it."""
    return any(principal.allows(f"job.{kind}", place) for place in places(job))
