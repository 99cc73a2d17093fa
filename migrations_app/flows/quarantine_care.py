"""A worker's care for one quarantined disk: mark it at its host, restore it, or delete it when nobody can be using it.

Nothing is deleted while a host that may see the file is silent, while any guest (off or on) has it in a disk's chain,
or while a volume is based on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import PurePosixPath
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.documents.times import rfc3339
from fleet.hypervisor import connect
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import HostAddress
from fleet.models import Host
from fleet.refusals import Refused
from migrations_app.folders_seen import Folders, seen_at
from migrations_app.models import QuarantinedDisk

logger = logging.getLogger(__name__)

#: A worker that took one on may take this long; then another one tries.
CLAIM = timedelta(minutes=5)
#: What could not be done is tried again after this long.
REST = timedelta(minutes=10)
#: Disks that one sweep looks after.
BATCH = 20
#: Hosts asked side by side.
SIDE_BY_SIDE = 8

State, Wish = QuarantinedDisk.State, QuarantinedDisk.Wish


class InUse(Refused):
    """Something needs the file, or a host that may see it cannot be asked."""


def due() -> list[UUID]:
    """Kept disks with something to do, the ones that wait longest first."""
    now = timezone.now()
    wanted = ~Q(wish=Wish.NONE) | Q(expires_at__lt=now) | (Q(note="") & ~Q(pool=""))
    rested = Q(rests_until__isnull=True) | Q(rests_until__lt=now)
    # Of a host that was removed from the fleet nothing can be done any more but to say so.
    reachable = Q(host__contact=Host.Contact.UP) | Q(host__isnull=True)
    wanted |= Q(host__isnull=True)
    rows = QuarantinedDisk.objects.kept().filter(wanted & rested, reachable)
    return list(rows.order_by("since").values_list("pk", flat=True)[:BATCH])


def attend(disk_id: UUID) -> None:
    """Do what the row wants; whatever stands against it is written there in words, and nothing is touched."""
    now = timezone.now()
    free = Q(rests_until__isnull=True) | Q(rests_until__lt=now)
    if not QuarantinedDisk.objects.kept().filter(free, pk=disk_id).update(rests_until=now + CLAIM, trouble=""):
        return
    disk = QuarantinedDisk.objects.for_documents().get(pk=disk_id)
    try:
        _act(disk)
    except (HypervisorError, Refused) as error:
        _put_off(disk, error.text)


def _act(disk: QuarantinedDisk) -> None:
    if disk.host is None:
        _end(disk, State.GONE, f"{disk.host_name} is not a host of this fleet any more")
    elif disk.wish == Wish.RESTORE:
        _restore(disk, disk.host)
    elif disk.wish == Wish.DELETE or (disk.expires_at and disk.expires_at < timezone.now()):
        _delete(disk, disk.host)
    else:
        _mark(disk, disk.host)


def _mark(disk: QuarantinedDisk, host: Host) -> None:
    """Measure the file and put a note beside it: libvirt cannot rename a volume."""
    connection = connect.get(host.where())
    volume = connection.volume(disk.path)
    if volume is None:
        _end(disk, State.GONE, "the file was not there when it was to be marked")
        return
    name = f"{PurePosixPath(disk.path).name}.drover-quarantine"
    note = disk.note or connection.place_note(pool=disk.pool, name=name, text=_note_text(disk))
    _release(disk, size_bytes=volume.allocation_bytes, note=note)


def _restore(disk: QuarantinedDisk, host: Host) -> None:
    connection = connect.get(host.where())
    found = connection.volume(disk.path)
    _remove_note(disk, host)
    if found:
        _end(disk, State.RESTORED, "it is an ordinary volume again")
    else:
        _end(disk, State.GONE, "somebody had removed it")


def _delete(disk: QuarantinedDisk, host: Host) -> None:
    connection = connect.get(host.where())
    if connection.volume(disk.path) is None:
        _remove_note(disk, host)
        _end(disk, State.GONE, "somebody had removed it")
        return
    users = list(_users(disk, host))
    if users:
        raise InUse(f"It stays, because it is used: {'; '.join(users[:5])}.")
    connection.delete_volume(disk.path)
    _remove_note(disk, host)
    _end(disk, State.DELETED, "nobody used it")


def _users(disk: QuarantinedDisk, host: Host) -> Iterator[str]:
    """Who uses the file, over all hosts that may see it, each asked now; raises InUse for one that is silent."""
    here = Folders(host_uuid=str(host.hardware_uuid), pools=host.pool_facts())
    wanted = {host.where(): frozenset({disk.path})}
    for other in Host.objects.exclude(pk=host.pk).order_by("name"):
        there = Folders(host_uuid=str(other.hardware_uuid), pools=other.pool_facts())
        if paths := seen_at(disk.path, here, there):
            if other.contact != Host.Contact.UP:
                raise InUse(f"{other.name} may see {disk.path} and cannot be asked, so it stays.")
            wanted[other.where()] = paths

    def ask(place: tuple[HostAddress, frozenset[str]]) -> list[str]:
        address, paths = place
        users = connect.get(address).file_users(paths, volumes=True)
        return [f"{user.kind} {user.name} on {address.name}" for user in users]

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="quarantine") as pool:
        for found in pool.map(ask, wanted.items()):
            yield from found


def _remove_note(disk: QuarantinedDisk, host: Host) -> None:
    if disk.note:
        connect.get(host.where()).delete_volume(disk.note)


def _note_text(disk: QuarantinedDisk) -> str:
    until = f"Drover deletes it after {rfc3339(disk.expires_at)}" if disk.expires_at else "Drover does not delete it"
    return (
        f"{PurePosixPath(disk.path).name} is in Drover's quarantine: do not start any guest with it.\n"
        f"It was a disk of {disk.guest_name} ({disk.guest_uuid}), which moved away at {rfc3339(disk.since)}\n"
        f"and has a newer copy. {until} unless somebody uses it then.\n"
        "To keep it as an ordinary file, restore it on Drover's page Quarantine.\n"
    )


def _put_off(disk: QuarantinedDisk, text: str) -> None:
    logger.warning("quarantined disk %s: %s", disk, text)
    with transaction.atomic():
        if disk.wish:
            _audit(disk, f"quarantine.{disk.wish}", "failed", text)
        _release(disk, trouble=text, wish=Wish.NONE, rests_until=timezone.now() + REST)


def _release(disk: QuarantinedDisk, **values: object) -> None:
    QuarantinedDisk.objects.kept().filter(pk=disk.pk).update(**{"rests_until": None, "trouble": "", **values})


def _end(disk: QuarantinedDisk, state: QuarantinedDisk.State, text: str) -> None:
    with transaction.atomic():
        ended = QuarantinedDisk.objects.kept().filter(pk=disk.pk)
        if ended.update(state=state, ended_at=timezone.now(), wish=Wish.NONE, trouble="", rests_until=None):
            verb = "quarantine.restore" if state == State.RESTORED else "quarantine.delete"
            _audit(disk, verb, "succeeded", f"{disk} is {state}: {text}")


def _audit(disk: QuarantinedDisk, verb: str, outcome: str, detail: str) -> None:
    asked = f" (asked by {disk.wished_by.get_username()})" if disk.wish and disk.wished_by else ""
    audit.record(
        principal=Principal.system("worker"),
        verb=verb,
        subject=("quarantined disk", str(disk.pk), disk.path),
        outcome=outcome,
        detail=f"{detail}{asked}",
    )
