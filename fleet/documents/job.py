"""A job and its log as documents."""

from __future__ import annotations

from typing import Any

from fleet.documents.addresses import guest_url, host_url, job_url
from fleet.documents.times import rfc3339
from fleet.models import Job, JobEvent, JobStep
from fleet.states import UNFINISHED, JobState


def job_document(job: Job) -> dict[str, Any]:
    """A job as programs and pages see it; load it with `Job.objects.for_documents()` to keep the queries constant."""
    return {
        "id": str(job.id),
        "url": job_url(job.id),
        "kind": job.kind,
        "state": job.state,
        "stage": job.stage,
        "title": job.title,
        "subject": _subject(job),
        "waiting": job.waiting,
        "progress": job.progress,
        "steps": [_step(step) for step in job.steps.all()],
        "error": job.error,
        "result": job.result,
        "requested_by": job.requested_by.get_username() if job.requested_by else None,
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at),
        "finished_at": rfc3339(job.finished_at),
        "parent": str(job.parent_id) if job.parent_id else None,
        "retry_of": str(job.retry_of_id) if job.retry_of_id else None,
        "children": [str(child.id) for child in job.children.all()],
        "seq": job.seq,
        "permitted_actions": possible_actions(job),
    }


def possible_actions(job: Job) -> list[str]:
    """What could be asked of this job now; the doors leave out what their caller may not do."""
    state = JobState(job.state)
    if state in UNFINISHED:
        steering = job.progress.get("steering") or {}
        return list(steering["can"]) if state is JobState.RUNNING and steering else ["cancel"]
    # Its guest may be gone by then; a parent's children are tried again one by one.
    lost = state in {JobState.FAILED, JobState.CANCELLED}
    return ["retry"] if lost and job.kind == Job.Kind.MIGRATION and job.guest_id else []


def why_impossible(job: Job, action: str) -> str:
    """Why this cannot be asked of the job now, as its worker last said; "" when it can."""
    if action in possible_actions(job):
        return ""
    reasons = (job.progress.get("steering") or {}).get("why_not") or {}
    return reasons.get(action) or "nothing is being moved yet"


def event_document(event: JobEvent) -> dict[str, Any]:
    """A line of a job's log."""
    return {
        "job": str(event.job_id),
        "seq": event.seq,
        "at": rfc3339(event.at),
        "level": event.level,
        "code": event.code,
        "message": event.message,
        "data": event.data,
    }


def _subject(job: Job) -> dict[str, Any] | None:
    if job.guest_id:
        return {
            "kind": "guest",
            "id": str(job.guest_id),
            "name": job.subject_name,
            "url": guest_url(job.guest_id),
        }
    if job.host_id and job.kind != Job.Kind.MOVES:
        return {
            "kind": "host",
            "id": str(job.host_id),
            "name": job.subject_name,
            "url": host_url(job.host_id),
        }
    return {"kind": "", "id": None, "name": job.subject_name, "url": None}


def _step(step: JobStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "title": step.title,
        "state": step.state,
        "detail": step.detail,
        "started_at": rfc3339(step.started_at),
        "finished_at": rfc3339(step.finished_at),
    }
