"""Doing a job once more: the apps above register how, so that this one knows none of them."""

from __future__ import annotations

from typing import Protocol

from django.utils.module_loading import import_string

from fleet.access.principal import Principal
from fleet.jobs.visibility import allows, places
from fleet.models import Job
from fleet.refusals import NotNow


class Retry(Protocol):
    """Stores the new job; raises Refused in words."""

    def __call__(self, *, principal: Principal, job: Job) -> Job:
        """The new job."""


_paths: dict[str, str] = {}


def register(kind: str, path: str) -> None:
    """Name the function ("package.module.function") that does a job of a kind once more."""
    _paths[kind] = path


def again(*, principal: Principal, job: Job) -> Job:
    """The job that does this one once more; raises Forbidden, NotNow and what its kind raises."""
    if not allows(principal, "retry", job):
        principal.require("job.retry", places(job)[0], what=job.title)
    if job.kind not in _paths:
        raise NotNow("This kind of job is not tried again as a whole.", code="not_retriable", remedy="Try its parts.")
    retry: Retry = import_string(_paths[job.kind])
    return retry(principal=principal, job=job)
