"""A move through the worker before it begins: checks, places for its files, and what is written down of them."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from django.db.models.functions import Now

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import GuestFacts, PoolFacts
from fleet.hypervisor.interface import Hypervisor
from fleet.models import JobEvent
from fleet.refusals import Refused
from fleet.states import GuestState
from migrations_app import steps
from migrations_app.flows import before, prepare, situations
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration
from migrations_app.preflight import DiskPlan, Findings, Situation
from migrations_app.preflight.relay import image_bytes, image_pool
from migrations_app.relay_notes import FileNote, Notes, Stage


def get_ready(errand: Errand, asking: prepare.Asking) -> Notes:
    """Checked, with room made at the destination, and written down; raises Refused, Cancelled or HypervisorError."""
    guest, findings = prepare.check(errand, asking)
    _refuse_other_state(errand, guest)
    _refuse_leftover(errand)
    for found in findings.checks:
        if found.severity == "warn":
            errand.pen.say(f"check.{found.code}", found.message, level=JobEvent.Level.WARNING)
    before.stop_if_cancelled(errand)
    errand.pen.start(steps.PREPARE, "Making room at the destination")
    paths = prepare.make_volumes(errand, as_files(errand, findings))
    notes = _notes(errand, guest, findings, paths)
    before.stop_if_cancelled(errand)
    with errand.pen.together():
        # Important: from here on a worker that takes over goes on from the notes.
        errand.migration.relay = notes.document()
        Migration.objects.filter(pk=errand.migration.pk).update(call_entered_at=Now(), relay=errand.migration.relay)
    return notes


def _refuse_other_state(errand: Errand, guest: GuestFacts) -> None:
    """A guest that was started or shut down since the wish was stored needs another kind of move."""
    cold = errand.migration.mode == Migration.Mode.COLD
    if cold != (guest.state == GuestState.SHUTOFF):
        raise Refused(
            f"{guest.name} is {guest.state} by now, which a move of kind '{errand.migration.mode}' does not fit.",
            code="guest_changed",
            remedy="Ask for the move again.",
        )


def _refuse_leftover(errand: Errand) -> None:
    """A definition that is there already would be overwritten, and removed if the guest goes back."""
    there = errand.destination_row.name
    if errand.destination.glimpse(errand.uuid) is not None:
        raise Refused(
            f"{errand.name} is defined on {there} already.",
            code="already_there",
            remedy=f"If that definition is of no use any more, remove it there: virsh undefine {errand.name}",
        )


def as_files(errand: Errand, findings: Findings) -> Findings:
    """The same plans with each copied disk as the raw file it is, whatever is in it."""
    return replace(findings, disks=tuple(_as_file(errand, plan, findings) for plan in findings.disks))


def _as_file(errand: Errand, plan: DiskPlan, findings: Findings) -> DiskPlan:
    if plan not in findings.copies:
        return plan
    file = errand.source.file(plan.disk.source)
    if file is None:
        raise HypervisorError(f"{plan.disk.source} is not there", host=errand.migration.source_name)
    return replace(plan, disk=replace(plan.disk, format="raw", capacity_bytes=file.length_bytes))


def _notes(errand: Errand, guest: GuestFacts, findings: Findings, paths: dict[str, str]) -> Notes:
    cold = errand.migration.mode == Migration.Mode.COLD
    here, there = (_pool(errand, guest, destination=side) for side in (False, True))
    stem = f"drover-{str(errand.migration.pk)[:8]}"
    notes = Notes(
        stage=Stage.COPY if cold else Stage.SUSPEND,
        files=[
            FileNote(target=plan.disk.target, source=plan.disk.source, path=paths[plan.disk.target])
            for plan in findings.copies
        ],
        definition=f"{here.path}/{stem}.xml",
        rewrites=dataclasses.asdict(findings.rewrites),
        elsewhere={plan.disk.target: plan.path for plan in findings.disks if plan.moves_elsewhere},
        emptied=list(findings.ejected),
        autostart=guest.autostart,
    )
    if not cold:
        notes.files.append(FileNote(target="", source=f"{here.path}/{stem}.save", path=f"{there.path}/{stem}.save"))
    return notes


def _pool(errand: Errand, guest: GuestFacts, *, destination: bool) -> PoolFacts:
    """The pool for the image on that side; the checks have just seen that there is one."""
    row = errand.destination_row if destination else errand.source_row
    host = errand.destination if destination else errand.source
    view = replace(situations.view(row), pools=host.pools())
    needed = image_bytes(Situation(guest=guest, source=view, destination=view))
    pool = image_pool(view, guest.disks, needed)
    if pool is None:
        raise Refused(f"{row.name} has no folder pool with room for {needed >> 20} MiB.", code="relay_no_room")
    return pool


def place(host: Hypervisor, path: str, length_bytes: int) -> None:
    """An empty file of ours for what is to come; one that is there already by its name (the job's) is ours too."""
    if host.volume(path) is not None:
        return
    folder, _, name = path.rpartition("/")
    pool = next((pool.name for pool in host.pools() if pool.active and pool.path == folder), None)
    if pool is None:
        raise HypervisorError(f"There is no pool over {folder} any more", host=host.address.name)
    host.create_volume(pool=pool, name=name, capacity_bytes=length_bytes, format="raw")
