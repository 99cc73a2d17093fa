"""The parent of moves that were asked for together: its row follows its children; no worker ever waits for them."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from fleet.jobs import lifecycle
from fleet.jobs.progress import tell
from fleet.models import Job
from fleet.states import FINISHED, JobState
from migrations_app.together import Child, standing


def follow(parent_id: UUID) -> None:
    """Bring the parent to what its children say; safe to call at any time, by anybody."""
    with transaction.atomic():
        # Locked, so that of two children that end at once the later one sees both.
        parent = Job.objects.select_for_update(no_key=True, of=("self",)).filter(pk=parent_id).first()
        if parent is None or parent.is_finished:
            return
        children = _children(parent_id)
        if not children:
            return
        now = standing(children)
        if parent.progress != now.progress:
            tell(parent_id, now.progress)
        if now.state is not JobState.QUEUED and parent.state == JobState.QUEUED and now.state is not JobState.CANCELLED:
            lifecycle.advance(parent_id, JobState.RUNNING, code="started", message="The first guest is on its way")
        if now.state in FINISHED:
            lifecycle.advance(
                parent_id, now.state, code=now.state.value, message=now.words, result=now.result, error=now.error
            )


def follow_child(job_id: UUID) -> None:
    """The same, for the parent of this job, if it has one."""
    parent_id = Job.objects.values_list("parent_id", flat=True).filter(pk=job_id).first()
    if parent_id:
        follow(parent_id)


def _children(parent_id: UUID) -> list[Child]:
    """The last try of each guest, in the order in which they were asked for."""
    rows = Job.objects.filter(parent=parent_id).order_by("created_at", "id")
    last: dict[str, Child] = {}
    for job in rows.only("id", "subject_name", "guest_id", "state", "progress", "error"):
        last[str(job.guest_id or job.subject_name)] = Child(
            job=str(job.pk),
            name=job.subject_name,
            state=JobState(job.state),
            percent=job.progress.get("percent") or 0,
            message=(job.error or {}).get("message", ""),
        )
    return list(last.values())
