"""Operators' wishes for a job: stored, delivered with the worker's next report, settled with an outcome."""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle
from fleet.jobs.visibility import allows, places
from fleet.models import Job, JobCommand
from fleet.refusals import NotNow
from fleet.states import FINISHED, JobState


def request(*, principal: Principal, job: Job, kind: str, arguments: dict[str, Any] | None = None) -> JobCommand | None:
    """Wish something of a job; None when it could be done on the spot (a queued job is cancelled at once).

    Raises Forbidden, and NotNow where it cannot work any more. Asking twice is one wish.
    """
    if not allows(principal, kind, job):
        principal.require(f"job.{kind}", places(job)[0], what=job.title)
    if job.kind == Job.Kind.MOVES:
        _pass_on(principal, job, kind)
        return None
    if kind == JobCommand.Kind.CANCEL and _cancelled_while_queued(principal, job):
        return None
    with transaction.atomic():
        # Locked, so that the job cannot end between this look and the wish, which nobody would ever settle then.
        state = Job.objects.select_for_update(no_key=True).values_list("state", flat=True).get(pk=job.pk)
        if JobState(state) in FINISHED:
            raise NotNow(f"The job is already {state}.", code="job_finished", remedy="Nothing is left to do.")
        pending = JobCommand.objects.filter(job=job, kind=kind, handled_at__isnull=True).first()
        if pending is not None:
            return pending
        command = JobCommand.objects.create(job=job, kind=kind, arguments=arguments or {}, requested_by=principal.user)
        lifecycle.record(job.pk, code=f"{kind}.requested", message=f"{principal.name} asked to {kind} this job")
        audit.record(principal=principal, verb=f"job.{kind}", subject=job, outcome="accepted", job=job)
    return command


def _pass_on(principal: Principal, parent: Job, kind: str) -> None:
    """What is wished of a parent is wished of each child that has not ended; the parent ends by itself after them."""
    if parent.is_finished:
        raise NotNow(f"The job is already {parent.state}.", code="job_finished", remedy="Nothing is left to do.")
    lifecycle.record(parent.pk, code=f"{kind}.requested", message=f"{principal.name} asked to {kind} all that is left")
    audit.record(principal=principal, verb=f"job.{kind}", subject=parent, outcome="accepted", job=parent)
    # Those that wait first: else the end of a running one lets in another that is to be cancelled anyway.
    children = Job.objects.unfinished().filter(parent=parent).select_related("guest__host", "host", "origin")
    for child in sorted(children, key=lambda child: child.state != JobState.QUEUED):
        # One that has just ended, or that cannot any more, keeps nobody from asking the others.
        with contextlib.suppress(NotNow):
            request(principal=principal, job=child, kind=kind)


def _cancelled_while_queued(principal: Principal, job: Job) -> bool:
    if JobState(job.state) is not JobState.QUEUED:
        return False
    with transaction.atomic():
        done = lifecycle.advance(
            job.pk,
            JobState.CANCELLED,
            code="cancelled",
            message=f"{principal.name} cancelled the job before it began; nothing was touched",
            only_from=JobState.QUEUED,
        )
        if done:
            audit.record(principal=principal, verb="job.cancel", subject=job, outcome="cancelled", job=job)
    return done
