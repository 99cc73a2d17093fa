"""Operators' wishes for a job: stored, delivered with the worker's next report, settled with an outcome."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle
from fleet.models import Job, JobCommand
from fleet.refusals import NotNow
from fleet.states import JobState


def request(*, principal: Principal, job: Job, kind: str, arguments: dict[str, Any] | None = None) -> JobCommand | None:
    """Wish something of a job; None when it could be done on the spot (a queued job is cancelled at once).

    Raises Forbidden, and NotNow where it cannot work any more. Asking twice is one wish.
    """
    principal.require(f"job.{kind}", _site(job), what=job.title)
    if kind == JobCommand.Kind.CANCEL and _cancelled_while_queued(principal, job):
        return None
    job.refresh_from_db()
    if job.is_finished:
        raise NotNow(f"The job is already {job.state}.", code="job_finished", remedy="Nothing is left to do.")
    try:
        with transaction.atomic():
            command = JobCommand.objects.create(
                job=job, kind=kind, arguments=arguments or {}, requested_by=principal.user
            )
            lifecycle.record(job.pk, code=f"{kind}.requested", message=f"{_who(principal)} asked to {kind} this job")
            audit.record(principal=principal, verb=f"job.{kind}", subject=job, outcome="accepted", job=job)
    except IntegrityError:
        return JobCommand.objects.filter(job=job, kind=kind, handled_at__isnull=True).first()
    return command


def _cancelled_while_queued(principal: Principal, job: Job) -> bool:
    if JobState(job.state) is not JobState.QUEUED:
        return False
    with transaction.atomic():
        done = lifecycle.advance(
            job.pk,
            JobState.CANCELLED,
            code="cancelled",
            message=f"{_who(principal)} cancelled the job before it began; nothing was touched",
            only_from=JobState.QUEUED,
        )
        if done:
            audit.record(principal=principal, verb="job.cancel", subject=job, outcome="cancelled", job=job)
    return done


def _site(job: Job) -> Any:
    host = job.guest.host if job.guest else job.host
    return host.site_id if host else None


def _who(principal: Principal) -> str:
    return principal.user.get_username() if principal.user else "Drover"
