"""Waiting for a job's end inside a request, bounded in time and in number."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from fleet.models import Job
from fleet.states import FINISHED

#: One indexed read of one column this often, each in a transaction of its own.
_LOOK_EVERY_S = 0.2
#: Each waiting request holds a thread and a connection; past this many in a process the answer comes at once, as the
#: standard (RFC 7240) leaves open, and the caller asks again.
_seats = threading.BoundedSemaphore(40)


def for_end(job_id: UUID, *, seconds: int) -> None:
    """Return when the job has finished, is gone, or `seconds` are over."""
    if seconds <= 0 or not _seats.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + seconds
        while not _ended(job_id) and (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK_EVERY_S, left))
    finally:
        _seats.release()


def _ended(job_id: UUID) -> bool:
    state = Job.objects.filter(pk=job_id).order_by().values_list("state", flat=True).first()
    return state is None or state in FINISHED
