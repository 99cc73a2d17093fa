"""The alarm of alarms: a guest that really runs on two hosts at once and writes to the same disk, perhaps.

It is only told, never acted upon: which copy is the good one is a person's decision.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.inventory import alarm_mail
from fleet.jobs import live
from fleet.models import Guest, Host, Sighting
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
    if guest.runs_twice_on == names:
        return
    _write(guest, names, guest.runs_twice_since or timezone.now())
    audit.record(
        principal=Principal.system("watcher"),
        verb="guest.double_run",
        subject=guest,
        outcome="failed",
        after={"hosts": names},
        detail=f"{guest.name} runs on {' and '.join(names)} at once.",
    )
    alarm_mail.send_after_commit(guest.name, names)


def silence(guest_ids: Collection[UUID]) -> None:
    """Take back the alarm where at most one host, silent ones included, is still said to run the guest."""
    running = Count("sightings", filter=Q(sightings__state=GuestState.RUNNING))
    rows = Guest.objects.running_twice().filter(pk__in=guest_ids).annotate(copies=running)
    for guest in rows.filter(copies__lte=1):
        names = guest.runs_twice_on
        _write(guest, [], None)
        logger.warning("guest %s runs once again", guest.name)
        audit.record(
            principal=Principal.system("watcher"),
            verb="guest.double_run",
            subject=guest,
            outcome="succeeded",
            before={"hosts": names},
            detail=f"{guest.name} runs once again.",
        )


def suspects() -> list[tuple[UUID, tuple[UUID, ...]]]:
    """Guests that two hosts which answer are said to run, with those hosts: whoever is on the rows' word is asked."""
    running = Sighting.objects.filter(state=GuestState.RUNNING, host__contact=Host.Contact.UP)
    doubled = running.order_by().values("guest").annotate(copies=Count("pk")).filter(copies__gt=1)
    hosts: dict[UUID, list[UUID]] = {}
    for guest_id, host_id in running.filter(guest__in=doubled.values("guest")).values_list("guest_id", "host_id"):
        hosts.setdefault(guest_id, []).append(host_id)
    return [(guest_id, tuple(found)) for guest_id, found in hosts.items()]


def _write(guest: Guest, names: list[str], since: datetime | None) -> None:
    Guest.objects.filter(pk=guest.pk).update(
        runs_twice_on=names, runs_twice_since=since, version=F("version") + 1, updated_at=timezone.now()
    )
    live.guest_changed(guest.pk)
    live.alarm_changed(guest.pk)
