"""The way within one host: a running guest's disks to another pool, by a copy that QEMU keeps up to date and a pivot.

One disk after the other. What is on the host decides what is next, so a worker that takes over does the same as one
that begins: a copy that became the disk is done, a copy under way is accompanied, anything else is begun.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models.functions import Now

from fleet.hypervisor.errors import GuestNotFound, HostUnreachable, HypervisorError
from fleet.jobs import lifecycle
from fleet.models import JobEvent
from fleet.refusals import Refused
from fleet.states import JobState
from migrations_app import steps
from migrations_app.flows import before, endings, prepare, situations, storage_end
from migrations_app.flows.before import Cancelled
from migrations_app.flows.errand import Errand
from migrations_app.flows.storage_copy import DiskNote, Mirror
from migrations_app.models import Migration
from migrations_app.preflight import Findings, same_host


def begin(errand: Errand, asking: prepare.Asking) -> None:
    """See `ways.Way`; only one host is concerned, which is asked here."""
    del asking
    disks = before.attempt(errand, lambda: _get_ready(errand))
    if disks is not None:
        _go_on(errand, disks)


def adopt(errand: Errand) -> None:
    """See `ways.Way`."""
    errand.adopted = True
    disks = [DiskNote(**disk) for disk in errand.migration.relay["disks"]]
    try:
        errand.source.glimpse(errand.uuid)
    except HypervisorError as silence:
        _wait_for_host(errand, silence)
        return
    if errand.pen.job.state == JobState.UNKNOWN:
        text = f"{errand.migration.source_name} answers again; it goes on where it stood"
        lifecycle.advance(errand.migration.pk, JobState.RUNNING, lease=errand.lease, code="resumed", message=text)
        errand.pen.reread()
    errand.pen.say("adopted", "A worker takes over where the last one stood", level=JobEvent.Level.WARNING)
    _go_on(errand, disks)


def _get_ready(errand: Errand) -> list[DiskNote]:
    findings = check(errand)
    before.stop_if_cancelled(errand)
    errand.pen.start(steps.PREPARE, "Making thin volumes in the new pool")
    paths = prepare.make_volumes(errand, findings)
    disks = [
        DiskNote(
            target=plan.disk.target, source=plan.disk.source, path=paths[plan.disk.target], format=plan.disk.format
        )
        for plan in findings.copies
    ]
    with errand.pen.together():
        errand.migration.relay = {"disks": [disk.document() for disk in disks]}
        # Important: from here on a worker that takes over looks at the host and never starts anew by itself.
        Migration.objects.filter(pk=errand.migration.pk).update(call_entered_at=Now(), relay=errand.migration.relay)
    return disks


def check(errand: Errand) -> Findings:
    """The checks on what the host says now; raises Refused or HypervisorError."""
    guest = errand.source.guest(errand.uuid)
    if guest is None:
        raise GuestNotFound(f"{errand.name} is not on {errand.source_row.name} any more", host=errand.source_row.name)
    host = replace(situations.view(errand.source_row), pools=errand.source.pools())
    findings = same_host.survey(guest, host, errand.options)
    if not findings.allowed:
        blocking = findings.blocking()
        raise Refused(
            " ".join(found.message for found in blocking),
            code=blocking[0].code,
            remedy=" ".join(found.remedy for found in blocking if found.remedy),
            checks=[found.document() for found in findings.checks],
        )
    return findings


def _go_on(errand: Errand, disks: list[DiskNote]) -> None:
    mirror = Mirror(errand, disks)
    why: dict[str, Any] | None = None
    try:
        try:
            mirror.move_all()
        except HostUnreachable:
            raise
        except Cancelled:
            why = {"state": JobState.CANCELLED, "code": "cancelled", "message": "Cancelled while it ran.", "hint": ""}
        except Refused as refused:
            why = {"state": JobState.FAILED, "code": refused.code, "message": refused.text, "hint": refused.remedy}
        except HypervisorError as error:
            why = {"state": JobState.FAILED, "code": error.code, "message": error.text, "hint": ""}
        if why is None:
            storage_end.moved(errand, mirror)
        else:
            mirror.give_up()
            storage_end.broken_off(errand, mirror, **why)
    except HypervisorError as silence:
        _wait_for_host(errand, silence)


def _wait_for_host(errand: Errand, silence: HypervisorError) -> None:
    """A copy under way goes on without us; nothing is touched until the host answers."""
    error = {
        "code": "host_silent" if isinstance(silence, HostUnreachable) else silence.code,
        "message": f"It cannot go on now: {silence.text}",
        "hint": f"{errand.name} stays on {errand.migration.source_name}, with its old disk or its new one, both whole. "
        "Drover keeps asking.",
        "guest_is_on": errand.migration.source_name,
    }
    endings.stand(errand, error)
