"""Which jobs a person may see: those at their sites, by the guest's place or the host concerned."""

from __future__ import annotations

from django.db.models import Q

from fleet.access.principal import Principal
from fleet.models import Job
from fleet.models.job import JobQuerySet


def visible_jobs(principal: Principal) -> JobQuerySet:
    """Jobs the principal may see."""
    if principal.everywhere is not None:
        return Job.objects.all()
    sites = list(principal.at_sites)
    return Job.objects.filter(Q(guest__host__site__in=sites) | Q(host__site__in=sites))
