"""Operators' wishes for a job: stored, delivered with the worker's next report, settled with an outcome."""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.documents.job import why_impossible
from fleet.jobs import lifecycle, wishes
from fleet.jobs.visibility import allows, places
from fleet.models import Job, JobCommand
from fleet.refusals import NotNow
from fleet.states import FINISHED, JobState

#: What helps where a wish cannot work now.
_REMEDIES = {
    "cancel": "Wait for its end; the rest of the memory is on its way.",
    "pause": "Try again when the first pass over memory is done.",
}


def require(principal: Principal, kind: str, job: Job) -> None:
    """Raises Forbidden unless the principal may wish `kind` of this job."""
    if not allows(principal, kind, job):
        principal.require(f"job.{kind}", places(job)[0], what=job.title)


def request(*, principal: Principal, job: Job, kind: str, arguments: dict[str, Any] | None = None) -> JobCommand | None:
    """Wish something of a job; None when it could be done on the spot (a queued job is cancelled at once).

    Raises Forbidden, Refused for wrong arguments, and NotNow where it cannot work now. Asking twice is one wish; with
    another number, the newer replaces the one that is still waiting.
    """
    require(principal, kind, job)
    wanted = wishes.checked(kind, arguments)
    if job.kind == Job.Kind.MOVES:
        _pass_on(principal, job, kind, wanted)
        return None
    if kind == JobCommand.Kind.CANCEL and _cancelled_while_queued(principal, job):
        return None
    with transaction.atomic():
        # Locked, so that the job cannot end between this look and the wish, which nobody would ever settle then.
        locked = Job.objects.select_for_update(no_key=True).only("id", "state", "progress").get(pk=job.pk)
        if JobState(locked.state) in FINISHED:
            raise NotNow(f"The job is already {locked.state}.", code="job_finished", remedy="Nothing is left to do.")
        if reason := why_impossible(locked, kind):
            raise NotNow(f"Not now: {reason}.", code="not_now", remedy=_REMEDIES.get(kind, ""))
        waiting = JobCommand.objects.filter(job=job, kind=kind, handled_at__isnull=True)
        pending = waiting.first()
        if pending is not None and pending.arguments == wanted:
            return pending
        # Important: settled, not changed, so that a worker which has just read the old one does not settle the new one.
        waiting.update(handled_at=Now(), outcome="replaced by a newer wish")
        command = JobCommand.objects.create(job=job, kind=kind, arguments=wanted, requested_by=principal.user)
        lifecycle.record(job.pk, code=f"{kind}.requested", message=f"{principal.name} asked {_words(kind, wanted)}")
        audit.record(principal=principal, verb=f"job.{kind}", subject=job, outcome="accepted", after=wanted, job=job)
    return command


def _words(kind: str, wanted: dict[str, int]) -> str:
    return {
        "bandwidth": f"for {wanted.get('mib_s')} MiB/s" if wanted.get("mib_s") else "for full speed",
        "downtime": f"for a pause of up to {wanted.get('ms')} ms",
        "post-copy": "to switch this job to post-copy",
        "pause": "to pause the guest until the rest is there",
    }.get(kind, f"to {kind} this job")


def _pass_on(principal: Principal, parent: Job, kind: str, wanted: dict[str, int]) -> None:
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
            request(principal=principal, job=child, kind=kind, arguments=wanted)


def _cancelled_while_queued(principal: Principal, job: Job) -> bool:
    if JobState(job.state) is not JobState.QUEUED:
        return False
    where = job.origin.name if job.origin else ""
    text = "Cancelled before it began; nothing was touched."
    with transaction.atomic():
        done = lifecycle.advance(
            job.pk,
            JobState.CANCELLED,
            code="cancelled",
            message=f"{principal.name} cancelled the job before it began; nothing was touched",
            only_from=JobState.QUEUED,
            error={"code": "cancelled", "message": text, "hint": "", "guest_is_on": where},
        )
        if done:
            audit.record(principal=principal, verb="job.cancel", subject=job, outcome="cancelled", job=job)
    return done
