"""Into quarantine, and out of it again: what is kept after a proven arrival, and what operators ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import Host
from fleet.refusals import NotNow
from migrations_app.flows.errand import Errand
from migrations_app.folders_seen import home_of
from migrations_app.models import QuarantinedDisk
from migrations_app.tasks import ring_quarantine

_DOING = {"restore": "Taking it out of quarantine", "delete": "Deleting it"}


def keep(errand: Errand, paths: Sequence[str]) -> None:
    """Write these files of the source down, in the transaction that ends the job; a worker marks them at the host.

    Safe to call twice for one job. A row of an older file of the same path is over: that file was replaced.
    """
    days = settings.QUARANTINE_DAYS
    _write_down(errand, errand.source_row, paths, timedelta(days=days) if days else None)


def remove_later(errand: Errand, paths: Sequence[str]) -> None:
    """Half-made copies at a destination that went silent: gone as soon as it answers and nobody uses them.

    The guest must not wait for that with its job open, nor may anybody have to remember them.
    """
    if errand.migration.destination is not None:
        _write_down(errand, errand.destination_row, paths, timedelta())


def _write_down(errand: Errand, host: Host, paths: Sequence[str], lasts: timedelta | None) -> None:
    now = timezone.now()
    pools = host.pool_facts()
    for path in paths:
        kept = QuarantinedDisk.objects.kept().filter(host=host, path=path)
        if kept.filter(job=errand.migration.pk).exists():
            continue
        kept.update(state=QuarantinedDisk.State.GONE, ended_at=now)
        home = home_of(path, pools)
        row = QuarantinedDisk.objects.create(
            host=host,
            host_name=host.name,
            pool=home.name if home else "",
            path=path,
            guest_uuid=errand.migration.guest_uuid,
            guest_name=errand.name,
            job_id=errand.migration.pk,
            since=now,
            expires_at=now + lasts if lasts is not None and home else None,
        )
        ring_quarantine(row.pk)


def visible(principal: Principal) -> QuerySet[QuarantinedDisk]:
    """Disks on hosts at the principal's sites."""
    return principal.restrict(QuarantinedDisk.objects.for_documents(), "host__site")


def ask_for(*, principal: Principal, disk: QuarantinedDisk, wish: str) -> None:
    """Have a worker restore or delete it; NotNow when it is over, is being dealt with, or its host does not answer."""
    host = disk.host
    principal.require(f"quarantine.{wish}", host.site_id if host else None, what=disk.path)
    if disk.state != QuarantinedDisk.State.KEPT:
        raise NotNow(f"{disk} is not in quarantine any more: {disk.state}.", code="not_in_quarantine")
    if not disk.pool:
        raise NotNow(
            f"{disk.path} lies in no storage pool of {disk.host_name}, so libvirt cannot reach it.",
            code="no_pool",
            remedy="Define a pool over its folder, or remove it by hand.",
        )
    if host is None or host.contact != Host.Contact.UP:
        raise NotNow(
            f"{disk.host_name} cannot be asked now, so nothing of it is touched.",
            code="host_silent",
            remedy="Try again when it answers.",
        )
    with transaction.atomic():
        # A rest without trouble is a worker that is at it.
        idle = Q(rests_until__isnull=True) | Q(rests_until__lt=timezone.now()) | ~Q(trouble="")
        waiting = QuarantinedDisk.objects.kept().filter(idle, pk=disk.pk, wish=QuarantinedDisk.Wish.NONE)
        if not waiting.update(wish=wish, wished_by=principal.user, trouble="", rests_until=None):
            raise NotNow(f"{disk} is being dealt with already.", code="being_dealt_with")
        audit.record(
            principal=principal,
            verb=f"quarantine.{wish}",
            subject=("quarantined disk", str(disk.pk), disk.path),
            outcome="accepted",
            detail=f"{_DOING[wish]} on {disk.host_name}",
        )
        ring_quarantine(disk.pk)
