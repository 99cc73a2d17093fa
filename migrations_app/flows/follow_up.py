"""What follows the end of a move: the next ones in the queue begin."""

from __future__ import annotations

from uuid import UUID

from fleet.models import Job
from fleet.states import UNFINISHED
from migrations_app.flows import admit


def ended(job_id: UUID) -> None:
    """A move has ended, however; whoever waited for it is let in."""
    if Job.objects.filter(state__in=UNFINISHED, kind=Job.Kind.MIGRATION).exists():
        admit.tidy()
