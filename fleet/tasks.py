"""Celery tasks: each takes one id, is safe to run twice, and leaves its result in the rows."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from fleet.jobs import endings, lease, runners
from fleet.models import Job
from fleet.states import JobState

logger = logging.getLogger(__name__)

#: A queued job this old was not taken: its message was lost or the workers were away.
FORGOTTEN_AFTER_S = 3
#: Sweeps of one process are at least so far apart.
SWEEPS_APART_S = 1.0

_last_sweep_s = float("-inf")


@shared_task
def run_job(job_id: str) -> None:
    """Do the job with this id, or leave it to whoever holds it."""
    runners.run(job_id)


@shared_task
def sweep() -> None:
    """Sweep now, unless it was done a moment ago: sweeps that piled up while no worker ran are one sweep."""
    global _last_sweep_s  # noqa: PLW0603 - one per process is the point
    if time.monotonic() - _last_sweep_s >= SWEEPS_APART_S:
        _last_sweep_s = time.monotonic()
        sweep_now()


def sweep_now() -> None:
    """Ring again for every job that nobody works on: lost messages and dead workers end here.

    A job that waits for others is left to what rings it when they end, which is done here too.
    """
    endings.sweep()
    forgotten = timezone.now() - timedelta(seconds=FORGOTTEN_AFTER_S)
    waiting = Job.objects.filter(lease.free()).exclude(state=JobState.QUEUED, created_at__gt=forgotten)
    waiting = waiting.exclude(state=JobState.QUEUED, waiting__isnull=False)
    for job_id in waiting.order_by("created_at").values_list("id", flat=True):
        # A message that no worker took until the next sweep is rung anew then: busy workers find no pile of old ones.
        # Should another worker's clock be ahead, it throws this away, and its own sweep rings what it takes.
        run_job.apply_async((str(job_id),), expires=FORGOTTEN_AFTER_S + 2)


def ring(job_id: UUID) -> None:
    """After this transaction, tell a worker; without Redis the row waits for the sweep."""
    transaction.on_commit(lambda: _ring(job_id))


def _ring(job_id: UUID) -> None:
    try:
        run_job.delay(str(job_id))
    except (OperationalError, OSError) as error:
        logger.warning("job %s is stored but no worker could be told (%s); the sweep will", job_id, error)
