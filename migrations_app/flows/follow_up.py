"""What follows the end of a move: the next in the queue begin, another host is tried, the parent is told."""

from __future__ import annotations

from uuid import UUID

from fleet.models import Job
from fleet.states import UNFINISHED, JobState
from migrations_app.flows import admit, parents, retry


def ended(job_id: UUID) -> None:
    """A move has ended, however; whoever waited for it is let in."""
    if Job.objects.filter(state__in=UNFINISHED, kind=Job.Kind.MIGRATION).exists():
        admit.tidy()
    job = Job.objects.get(pk=job_id)
    if job.state == JobState.FAILED:
        retry.elsewhere(job)
    if job.parent_id:
        parents.follow(job.parent_id)
