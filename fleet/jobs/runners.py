"""Which function does which kind of job; the apps above register theirs, so that this one knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.utils.module_loading import import_string

from fleet.models import Job

Runner = Callable[[UUID], None]

_paths: dict[str, str] = {}


def register(kind: str, path: str) -> None:
    """Name the function ("package.module.function") that runs jobs of a kind; imported at the first job."""
    _paths[kind] = path


def load() -> None:
    """Import them all, so that the first job of each kind does not wait for that."""
    for path in _paths.values():
        import_string(path)


def run(job_id: UUID | str) -> None:
    """Run a job with its kind's function; a job that is gone or finished is left alone."""
    job = Job.objects.unfinished().filter(pk=job_id).only("id", "kind").first()
    if job is not None:
        runner: Runner = import_string(_paths[job.kind])
        runner(job.pk)
