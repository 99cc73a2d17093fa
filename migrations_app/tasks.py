"""Celery tasks about moves that are no jobs: each is safe to run twice, and its result is in the rows."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


@shared_task
def attend_quarantine(disk_id: str) -> None:
    """Mark, restore or delete one quarantined disk, as its row wants."""
    from migrations_app.flows import quarantine_care  # noqa: PLC0415 - the flows ring this bell

    quarantine_care.attend(UUID(disk_id))


@shared_task
def sweep_quarantine() -> None:
    """Look after every disk whose time has come, or whose bell nobody heard."""
    from migrations_app.flows import quarantine_care  # noqa: PLC0415

    for disk_id in quarantine_care.due():
        quarantine_care.attend(disk_id)


def ring_quarantine(disk_id: UUID) -> None:
    """After this transaction, tell a worker; without Redis the row waits for the sweep."""
    transaction.on_commit(lambda: _ring(disk_id))


def _ring(disk_id: UUID) -> None:
    try:
        attend_quarantine.delay(str(disk_id))
    except (OperationalError, OSError) as error:
        logger.warning("quarantined disk %s waits for the sweep: no worker could be told (%s)", disk_id, error)
