"""Whether a guest is free to be moved at all."""

from __future__ import annotations

from fleet.models import Guest, Job
from fleet.refusals import Busy, Refused


def check_idle(guest: Guest) -> None:
    """Raises Busy, naming the job, while another one holds the guest."""
    running = Job.objects.unfinished().filter(guest=guest).first()
    if running is not None:
        raise Busy(
            f"{guest.name} is busy: {running.title} ({running.state}).",
            job_id=str(running.pk),
            remedy="Wait for that job, or cancel it.",
        )


def check_single(guest: Guest) -> None:
    """Raises Refused for a guest that runs twice: a move could only make it worse."""
    if guest.runs_twice_on:
        raise Refused(
            f"{guest.name} runs twice, on {' and '.join(guest.runs_twice_on)}.",
            code="runs_twice",
            remedy="Find out which copy is right and stop the other; then it can be moved again.",
        )
