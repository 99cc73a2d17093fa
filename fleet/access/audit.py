"""The audit log: one row per change, never changed, each row sealed with the one before it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.utils import timezone

from fleet.access.principal import Principal
from fleet.documents.times import rfc3339
from fleet.models import AuditEvent, Job

logger = logging.getLogger("drover.audit")

#: Any number, as long as only the audit log uses it.
_POSTGRES_LOCK = 0x6472_6F76
_START = "0" * 64

#: A row, or what is left of one: (kind, id, name).
Subject = models.Model | tuple[str, str, str]


def record(
    *,
    principal: Principal,
    verb: str,
    subject: Subject,
    outcome: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: str = "",
    job: Job | None = None,
) -> AuditEvent:
    """Append a row. Call it last in the transaction of the change: writers of the log queue up until that commits."""
    kind, subject_id, name = _named(subject)
    with transaction.atomic():
        previous = _lock_and_last()
        event = AuditEvent(
            # Numbered without gaps, so that a missing row shows.
            id=previous.id + 1 if previous else 1,
            at=timezone.now(),
            user=principal.user,
            user_name=principal.user.get_username() if principal.user else "",
            door=principal.door,
            address=principal.address,
            request_id=principal.request_id,
            verb=verb,
            subject_kind=kind,
            subject_id=subject_id[:64],
            subject_name=name[:255],
            before=_plain(before),
            after=_plain(after),
            outcome=outcome,
            detail=detail,
            job=job,
        )
        event.chain = seal(previous.chain if previous else _START, event)
        # raw: `at` is stored as it was sealed, where save() would look at the clock again.
        event.save_base(raw=True, force_insert=True)
    # The log of the process leaves this machine; with a head from it, a cut-off end of the table can be proven.
    transaction.on_commit(lambda: logger.info("%s:%s %s", event.id, event.chain, event))
    return event


def seal(previous_chain: str, event: AuditEvent) -> str:
    """SHA-256 over the row before and everything this row says."""
    said = {
        "id": event.id,
        "at": event.at.isoformat(timespec="microseconds") if event.at else None,
        "user": event.user_id,
        "user_name": event.user_name,
        "door": event.door,
        "address": event.address,
        "request_id": event.request_id,
        "verb": event.verb,
        "subject": [event.subject_kind, event.subject_id, event.subject_name],
        "before": event.before,
        "after": event.after,
        "outcome": event.outcome,
        "detail": event.detail,
        "job": str(event.job_id) if event.job_id else None,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{previous_chain}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many rows hold, the newest as "id:chain", and what is wrong with the first bad one."""

    rows: int
    head: str
    fault: str = ""


def verify(known_head: str = "") -> Verdict:
    """Walk the whole log. `known_head` ("id:chain", from an older log line) must still be in it."""
    chain, rows, known_id, known_seen = _START, 0, known_head.partition(":")[0], not known_head
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=1000):
        if event.id != rows + 1:
            return Verdict(rows, _head(rows, chain), f"row {rows + 1} is missing: after {rows} comes {event.id}")
        if event.chain != seal(chain, event):
            return Verdict(rows, _head(rows, chain), f"row {event.id} ({rfc3339(event.at)}) was changed")
        chain, rows = event.chain, event.id
        if str(event.id) == known_id:
            if _head(rows, chain) != known_head:
                return Verdict(rows, _head(rows, chain), f"row {rows} is not the one that was known as {known_head}")
            known_seen = True
    fault = "" if known_seen else f"the end is cut off: row {known_id} was there and is gone"
    return Verdict(rows, _head(rows, chain), fault)


def _head(rows: int, chain: str) -> str:
    return f"{rows}:{chain}"


def _lock_and_last() -> AuditEvent | None:
    # SQLite needs no lock of ours: its transactions begin IMMEDIATE, so this one is the only writer already.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_POSTGRES_LOCK])
    return AuditEvent.objects.order_by("-id").only("id", "chain").first()


def _named(subject: Subject) -> tuple[str, str, str]:
    if isinstance(subject, tuple):
        return subject
    return subject._meta.model_name or "", str(subject.pk), str(subject)


def _plain(document: Mapping[str, Any] | None) -> Any:
    """As the database will give it back, so that the seal is over the same text."""
    return None if document is None else json.loads(json.dumps(document, cls=DjangoJSONEncoder))
