"""The only writer of a job's state: compare and swap, with an event row for every change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from fleet.jobs import endings, live
from fleet.jobs.lease import Lease
from fleet.models import Guest, Job, JobCommand, JobEvent, JobStep
from fleet.states import FINISHED, MOVES, JobState, StepState


def advance(
    job_id: UUID | str,
    to: JobState,
    *,
    code: str,
    message: str,
    lease: Lease | None = None,
    only_from: JobState | None = None,
    error: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    quietly: bool = False,
) -> bool:
    """Move a job to `to` if its present state allows it and, where a lease is given, the lease still holds.

    False means that somebody else was first; nothing was changed then. `quietly` leaves it to the caller, who goes on
    writing in the same transaction, to tell the pages.
    """
    before = [state for state, following in MOVES.items() if to in following and only_from in {None, state}]
    with transaction.atomic():
        changes: dict[str, Any] = {"state": to.value, "seq": F("seq") + 1, "error": error, "waiting": None}
        if to is JobState.RUNNING:
            changes["started_at"] = Coalesce(F("started_at"), Now())
        if to in FINISHED:
            changes |= {"finished_at": Now(), "lease_owner": "", "lease_expires_at": None}
        if result is not None:
            changes["result"] = result
        held = Q(lease_number=lease.number, lease_owner=lease.owner) if lease else Q()
        if not Job.objects.filter(held, pk=job_id, state__in=before).update(**changes):
            return False
        level = _level(to)
        record(job_id, code=code, message=message, level=level, data=data or {})
        if to in FINISHED:
            pending = JobCommand.objects.filter(job_id=job_id, handled_at__isnull=True)
            pending.update(handled_at=Now(), outcome=f"the job was already {to.value}")
            # A job that never began, or ended half way, leaves no step that still looks as if it would come.
            never_entered = JobStep.objects.filter(job_id=job_id, state=StepState.WAITING)
            never_entered.update(state=StepState.SKIPPED, finished_at=Now())
            # The guest's document names its unfinished job, so it changes too.
            Guest.objects.filter(jobs__pk=job_id).update(version=F("version") + 1)
        if not quietly:
            live.job_changed(job_id, with_guest=True)
        if to in FINISHED:
            endings.follow(job_id)
    return True


def record(
    job_id: UUID | str,
    *,
    code: str,
    message: str,
    level: str = JobEvent.Level.INFO,
    data: dict[str, Any] | None = None,
) -> JobEvent:
    """Write one line into a job's log, announce it after the caller's transaction, and return it.

    Lines are numbered from 1 without gaps, so that whoever follows the log sees that one is missing.
    """
    with transaction.atomic():
        # The job's row is the lock under which its lines are numbered.
        Job.objects.select_for_update(no_key=True).values_list("pk").get(pk=job_id)
        last = JobEvent.objects.filter(job_id=job_id).order_by("-seq").values_list("seq", flat=True).first()
        event = JobEvent.objects.create(
            job_id=job_id, seq=(last or 0) + 1, code=code, message=message, level=level, data=data or {}
        )
    transaction.on_commit(lambda: live.event_written(event))
    return event


def _level(state: JobState) -> JobEvent.Level:
    if state is JobState.FAILED:
        return JobEvent.Level.ERROR
    return JobEvent.Level.WARNING if state in {JobState.UNKNOWN, JobState.CANCELLED} else JobEvent.Level.INFO
