"""A worker's story of one migration: take the lease, then begin it its way, or adopt what another worker began."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, close_old_connections, transaction

from fleet.jobs import lease as leases
from fleet.jobs import lifecycle
from fleet.jobs.progress import LeaseLost
from fleet.states import JobState
from migrations_app import steps
from migrations_app.flows import admit, clean_up, parents, prepare, settle, ways
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration

logger = logging.getLogger(__name__)

#: A job that breaks this often before libvirt was called will break for ever.
ATTEMPTS = 3


def run(job_id: UUID) -> None:
    """Do, go on with or settle a migration; returns at once when another worker has it, or when it is not its turn."""
    if not admit.may_begin(job_id):
        return
    lease = leases.take(job_id)
    if lease is None:
        return
    try:
        with leases.kept(lease):
            _work(lease)
    except LeaseLost as lost:
        logger.warning("%s", lost)
    except (OperationalError, InterfaceError) as error:
        # No bug and no news about the guest: the lease runs out, and whoever then has a database goes on.
        logger.warning("job %s is left to the next worker, the database did not answer: %s", job_id, error)
        close_old_connections()
    except Exception as error:
        logger.exception("job %s broke", job_id)
        _after_a_bug(lease, error)


def _after_a_bug(lease: leases.Lease, bug: Exception) -> None:
    """Before libvirt was called a few attempts are free; afterwards only the hosts know, so they are asked again."""
    migration = Migration.objects.get(pk=lease.job_id)
    error = {
        "code": "internal_error",
        "message": f"Drover itself failed ({type(bug).__name__}); the worker's log has the details.",
        "hint": "Report it with that log.",
        "guest_is_on": migration.source_name if migration.call_entered_at is None else "",
    }
    words: dict[str, Any] = {"lease": lease, "code": error["code"], "message": error["message"], "error": error}
    if migration.call_entered_at is not None:
        lifecycle.advance(lease.job_id, JobState.UNKNOWN, only_from=JobState.RUNNING, **words)
    elif lease.number >= ATTEMPTS:
        lifecycle.advance(lease.job_id, JobState.FAILED, **words)
        return
    leases.release(lease, again_in_s=settle.ASK_AGAIN_S)


def _work(lease: leases.Lease) -> None:
    errand = Errand(lease)
    way = ways.of(errand.migration)
    if errand.migration.call_entered_at is not None:
        way.adopt(errand)
    elif errand.migration.job.state == JobState.QUEUED:
        # Both hosts answer while the rows are written: what is not needed for the answer must not wait for it.
        asking = prepare.ask(errand)
        if admit.begin(lease.job_id, lambda: _started(errand)):
            parents.follow_child(lease.job_id)
            way.begin(errand, asking)
        else:
            # Somebody was faster by a moment: whoever is rung for it next must find it free.
            leases.drop(lease)
    else:
        errand.pen.say("taken.over", "The worker before died before libvirt was called; starting afresh")
        clean_up.after_staying(errand)
        errand.pen.start(steps.CHECK)
        way.begin(errand, prepare.ask(errand))


def _started(errand: Errand) -> bool:
    text = f"Moving {errand.name} from {errand.migration.source_name} to {errand.migration.destination_name}"
    with transaction.atomic():
        done = lifecycle.advance(
            errand.migration.pk,
            JobState.RUNNING,
            lease=errand.lease,
            code="started",
            message=text,
            data={"worker": errand.lease.owner},
            quietly=True,
        )
        if done:
            errand.pen.start(steps.CHECK)
    return done
