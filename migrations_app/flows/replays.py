"""The same wish sent twice: an Idempotency-Key gives the job that it made before."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fleet.access.principal import Principal
from fleet.models import Job
from fleet.refusals import Refused


def digest(wish: Any) -> str:
    """What tells one wish from another."""
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()


def earlier_job(principal: Principal, key: str, wanted: str) -> Job | None:
    """The job that this key made, or None; raises Refused where it was for another wish."""
    job = Job.objects.filter(requested_by=principal.user, idempotency_key=key).first()
    if job is not None and job.request_digest != wanted:
        raise Refused(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            remedy="Use a new key for a new request.",
        )
    return job
