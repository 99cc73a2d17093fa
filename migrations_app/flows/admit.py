"""The queue at work: who may begin begins, the others are told what they wait for, and links are shared out anew.

Every decision that counts is made by one process at a time, on what is committed then, so that no limit is ever passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from fleet.jobs import live
from fleet.models import Job
from fleet.states import JobState
from fleet.tasks import ring
from migrations_app import admission
from migrations_app.admission import Waiting
from migrations_app.flows import bottlenecks
from migrations_app.flows.bottlenecks import Traffic
from migrations_app.models import Migration

#: Any number, the same in every process of the fleet.
_POSTGRES_LOCK = 7_261_003


def may_begin(job_id: UUID) -> bool:
    """Whether it is this job's turn; if not, its row says what it waits for, and it is rung when that is over."""
    traffic = bottlenecks.read()
    if _verdicts(traffic).get(str(job_id)) is None:
        return True
    return tidy().get(str(job_id)) is None


def begin(job_id: UUID, start: Callable[[], bool]) -> bool:
    """Call `start` if it is the job's turn, while nobody else decides about turns; False: it waits, or is gone."""
    with transaction.atomic():
        _alone()
        traffic = bottlenecks.read()
        verdict = _verdicts(traffic).get(str(job_id))
        if verdict is not None:
            _tell(traffic, {str(job_id): verdict})
            return False
        if not start():
            return False
        # Read again: it counts among those that have begun now.
        _share_out(bottlenecks.read() if traffic.pipes else traffic)
    return True


def tidy() -> dict[str, Waiting | None]:
    """Ring those whose turn has come, tell the others what has changed, and share the links out; see `decide`."""
    with transaction.atomic():
        _alone()
        traffic = bottlenecks.read()
        verdicts = _verdicts(traffic)
        _tell(traffic, verdicts)
        _share_out(traffic)
    return verdicts


def without(job_id: UUID) -> dict[UUID, int]:
    """MiB/s that each other move that has begun may take once this one's bytes are across; only looks."""
    traffic = bottlenecks.read()
    moves = [replace(move, carried=move.carried or move.id == str(job_id)) for move in traffic.moves]
    return {UUID(key): mib_s for key, mib_s in admission.allotments(moves, traffic.pipes).items()}


def sweep() -> None:
    """What an ending left undone, and moves whose time has come."""
    if Migration.objects.filter(job__state=JobState.QUEUED).exists():
        tidy()


def _alone() -> None:
    # SQLite needs no lock of ours: its transactions begin IMMEDIATE, so this one is the only writer already.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_POSTGRES_LOCK])


def _verdicts(traffic: Traffic) -> dict[str, Waiting | None]:
    return admission.decide(traffic.moves, traffic.pipes, traffic.now.astimezone(UTC)) if traffic.moves else {}


def _tell(traffic: Traffic, verdicts: dict[str, Waiting | None]) -> None:
    """Write down what is new, and ring those who wait no more."""
    queued = Job.objects.filter(state=JobState.QUEUED)
    words = {UUID(key): verdict.document() for key, verdict in verdicts.items() if verdict is not None}
    changed = {key: document for key, document in words.items() if traffic.waiting.get(str(key)) != document}
    rows = [Job(pk=key, waiting=document, seq=F("seq") + 1) for key, document in changed.items()]
    if rows:
        queued.bulk_update(rows, ["waiting", "seq"])
    freed = [UUID(key) for key, verdict in verdicts.items() if verdict is None and traffic.waiting.get(key)]
    if freed:
        queued.filter(pk__in=freed).update(waiting=None, seq=F("seq") + 1)
    for job_id in freed:
        ring(job_id)
    if changed or freed:
        live.jobs_changed([*changed, *freed])


def _share_out(traffic: Traffic) -> None:
    rates = admission.allotments(traffic.moves, traffic.pipes)
    rows = [
        Migration(pk=UUID(key), allotted_mib_s=rate)
        for key, rate in rates.items()
        if (rate or traffic.allotted[key]) and traffic.allotted[key] != rate
    ]
    if rows:
        Migration.objects.bulk_update(rows, ["allotted_mib_s"])
