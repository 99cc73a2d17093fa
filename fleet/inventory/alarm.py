"""The alarm of alarms: a guest that really runs on two hosts at once and writes to the same disk, perhaps.

It is only told, never acted upon: which copy is the good one is a person's decision.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.inventory.sightings import DOUBLE_RUN
from fleet.jobs import live
from fleet.models import Guest
from fleet.states import GuestState

logger = logging.getLogger(__name__)


@transaction.atomic
def sound(guest_id: UUID, hosts: tuple[str, ...]) -> None:
    """Two hosts were asked just now and both run this guest: said in the log, the audit log and on the guest."""
    guest = Guest.objects.select_for_update(of=("self",)).filter(pk=guest_id).first()
    if guest is None:
        return
    names = sorted(hosts)
    logger.critical("guest %s (%s) RUNS TWICE, on %s: stop one copy now", guest.name, guest.uuid, " and ".join(names))
    if guest.facts.get(DOUBLE_RUN) == names:
        return
    _write(guest, guest.facts | {DOUBLE_RUN: names})
    audit.record(
        principal=Principal.system("watcher"),
        verb="guest.double_run",
        subject=guest,
        outcome="failed",
        after={"hosts": names},
        detail=f"{guest.name} runs on {' and '.join(names)} at once.",
    )


def silence(guest_ids: Collection[UUID]) -> None:
    """Take back the alarm where at most one host, silent ones included, is still said to run the guest."""
    running = Count("sightings", filter=Q(sightings__state=GuestState.RUNNING))
    rows = Guest.objects.filter(pk__in=guest_ids, facts__has_key=DOUBLE_RUN).annotate(copies=running)
    for guest in rows.filter(copies__lte=1):
        names = guest.facts[DOUBLE_RUN]
        _write(guest, {key: value for key, value in guest.facts.items() if key != DOUBLE_RUN})
        logger.warning("guest %s runs once again", guest.name)
        audit.record(
            principal=Principal.system("watcher"),
            verb="guest.double_run",
            subject=guest,
            outcome="succeeded",
            before={"hosts": names},
            detail=f"{guest.name} runs once again.",
        )


def _write(guest: Guest, facts: dict[str, object]) -> None:
    Guest.objects.filter(pk=guest.pk).update(facts=facts, version=F("version") + 1, updated_at=timezone.now())
    live.guest_changed(guest.pk)
