"""What happens once a job has ended: the apps above register theirs, so that this one knows none of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils.module_loading import import_string

from fleet.models import Job

logger = logging.getLogger(__name__)

Ending = Callable[[UUID], None]

_paths: dict[str, str] = {}
_sweeps: list[str] = []


def register(kind: str, path: str) -> None:
    """Name the function ("package.module.function") that is called after a job of a kind has ended."""
    _paths[kind] = path


def register_sweep(path: str) -> None:
    """Name a function that every sweep calls: what an ending left undone, because its process died, is done there."""
    if path not in _sweeps:
        _sweeps.append(path)


def follow(job_id: UUID | str) -> None:
    """After this transaction, do what follows a job's end; whatever goes wrong then, the sweep does later."""
    transaction.on_commit(partial(_follow, job_id))


def sweep() -> None:
    """Do what endings left undone."""
    for path in _sweeps:
        try:
            import_string(path)()
        except Exception:
            logger.exception("%s broke; the next sweep tries again", path)


def _follow(job_id: UUID | str) -> None:
    try:
        kind = Job.objects.values_list("kind", flat=True).filter(pk=job_id).first()
        if kind in _paths:
            ending: Ending = import_string(_paths[kind])
            ending(UUID(str(job_id)))
    except Exception:
        logger.exception("job %s has ended, but what follows broke; the sweep will see to it", job_id)
