"""The receipt of a migration that arrived: what moved, how long it took, and the proof of the single copy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.documents.times import rfc3339
from fleet.hypervisor.facts import JobSample
from migrations_app.evidence import Evidence, nothing_failed
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.outage import Outage
from migrations_app.flows.transfer import Course
from migrations_app.models import Migration
from migrations_app.outcome import Outcome
from migrations_app.receipts import own_key


def receipt(
    errand: Errand,
    course: Course,
    numbers: JobSample | None,
    answers: Answers,
    *,
    arrived_at: datetime,
    left_behind: list[str],
    evidence: tuple[Evidence, ...],
    outage: Outage,
) -> dict[str, Any]:
    """The document stored with the migration and as the job's result; numbers are libvirt's own where it kept them."""
    migration, job = errand.migration, errand.pen.job
    began = job.started_at or job.created_at
    return {
        "guest": errand.name,
        "uuid": errand.uuid,
        "source": migration.source_name,
        "destination": migration.destination_name,
        "started_at": rfc3339(began),
        "finished_at": rfc3339(arrived_at),
        "duration_ms": int((arrived_at - began).total_seconds() * 1000),
        "libvirt_ms": numbers.elapsed_ms if numbers else None,
        "downtime_ms": numbers.downtime_ms if numbers else None,
        "downtime_net_ms": numbers.downtime_net_ms if numbers else None,
        "outage_ms": outage.milliseconds,
        "outage_method": outage.method,
        "memory_bytes": numbers.memory_processed_bytes if numbers else None,
        "disk_bytes": numbers.disk_processed_bytes if numbers else None,
        "iterations": numbers.iteration if numbers else None,
        "storage": migration.storage,
        "copies": {
            migration.source_name: answers.source.value,
            migration.destination_name: answers.destination.value,
        },
        "single_copy": answers.outcome is Outcome.ARRIVED,
        "proven": nothing_failed(evidence),
        "evidence": [line.document() for line in evidence],
        "left_behind": left_behind,
        "adopted": errand.adopted,
        "timings_ms": _timings_ms(errand, course, arrived_at),
    }


def _timings_ms(errand: Errand, course: Course, arrived_at: datetime) -> dict[str, float | None]:
    """Where Drover's own time went: moments since the wish was stored, by this worker's clock."""
    moments = {
        "taken": errand.began_at,
        "call_entered": course.entered_at,
        "call_returned": course.returned_at,
        "verified": arrived_at,
    }
    wished = errand.pen.job.created_at
    return {
        name: round((moment - wished).total_seconds() * 1000, 1) if moment else None for name, moment in moments.items()
    }


def store(errand: Errand, proof: dict[str, Any]) -> None:
    """Sign the receipt and keep it with the move."""
    signature = own_key.signed(proof)
    Migration.objects.filter(pk=errand.migration.pk).update(
        receipt=proof, receipt_signature=signature.value, receipt_key=signature.key_id
    )
