"""The end of a move within one host: which disks moved, what becomes of the old files, and the receipt."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.documents.times import rfc3339
from fleet.inventory import collect, sightings
from fleet.jobs import lifecycle
from fleet.states import JobState, StepState
from migrations_app import steps
from migrations_app.flows import clean_up, quarantine, settle
from migrations_app.flows.errand import Errand
from migrations_app.flows.receipt import store
from migrations_app.flows.storage_copy import Mirror
from migrations_app.models import Migration


def moved(errand: Errand, mirror: Mirror) -> None:
    """Every disk is proven to be the copy, running and by its definition; only now the old files are touched."""
    seen = errand.source.guest(errand.uuid)
    _step(errand, steps.VERIFY)
    left_behind = _old_files(errand, mirror)
    proof = _receipt(errand, mirror, left_behind, state=seen.state if seen else "absent")
    with transaction.atomic():
        with errand.pen.together():
            errand.pen.start(steps.CLEAN_UP, clean_up.words(left_behind))
            errand.pen.end(steps.CLEAN_UP, StepState.DONE)
            errand.pen.report(errand.pen.job.progress | {"percent": 100.0, "eta_s_low": 0, "eta_s_high": 0})
        store(errand, proof)
        names = ", ".join(f"{disk.target} to {disk.path}" for disk in mirror.disks)
        done = lifecycle.advance(
            errand.migration.pk,
            JobState.SUCCEEDED,
            lease=errand.lease,
            code="succeeded",
            message=f"{errand.name} uses its new disks: {names}",
            result=proof,
            quietly=True,
        )
        if done:
            errand.pen.reread()
            _audit(errand, mirror)
    if seen is not None:
        # libvirt tells nobody that a disk is another file now, so the watcher would learn it late.
        host = errand.source_row.pk
        collect.announce(sightings.store_guests(host_id=host, glimpses=(), details={errand.uuid: seen}, complete=False))


def broken_off(errand: Errand, mirror: Mirror, *, state: JobState, code: str, message: str, hint: str) -> None:
    """Disks that moved stay where they are now; the volumes of the others go."""
    done = [disk for disk in mirror.disks if disk.moved]
    if done:
        _old_files(errand, mirror)
    _keep_artefacts(errand, [disk.path for disk in mirror.disks if not disk.moved])
    left = clean_up.after_staying(errand)
    words = (
        f"{', '.join(disk.target for disk in done)} moved, the others did not."
        if done
        else "Its disks are as they were."
    )
    if left:
        words += f" Could not remove: {', '.join(left)}."
    here = errand.migration.source_name
    error = {"code": code, "message": message, "hint": f"{hint} {words}".strip(), "guest_is_on": here}
    settle.end(errand, state, error)


def _old_files(errand: Errand, mirror: Mirror) -> list[str]:
    """The old files of the disks that moved, as clean-up and quarantine deal with any copied disk."""
    everything = errand.migration.artefacts
    gone = {disk.path for disk in mirror.disks if disk.moved}
    errand.migration.artefacts = [one for one in everything if one["path"] in gone]
    # The live and the kept definition were seen to name other files; what is removed is looked up once more.
    left = clean_up.after_arrival(errand, may_remove=True)
    errand.migration.artefacts = everything
    quarantine.keep(errand, left)
    return left


def _keep_artefacts(errand: Errand, paths: list[str]) -> None:
    errand.migration.artefacts = [one for one in errand.migration.artefacts if one["path"] in paths]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)


def _step(errand: Errand, name: str) -> None:
    if errand.pen.step_state(name) is StepState.WAITING:
        errand.pen.start(name, "The running guest and its definition both name the new files")


def _receipt(errand: Errand, mirror: Mirror, left_behind: list[str], *, state: str) -> dict[str, Any]:
    migration, job, sample = errand.migration, errand.pen.job, mirror.sample()
    began, now = job.started_at or job.created_at, timezone.now()
    return {
        "guest": errand.name,
        "uuid": errand.uuid,
        "source": migration.source_name,
        "destination": migration.destination_name,
        "started_at": rfc3339(began),
        "finished_at": rfc3339(now),
        "duration_ms": int((now - began).total_seconds() * 1000),
        "downtime_ms": None,
        "memory_bytes": None,
        "disk_bytes": sample.disk_processed_bytes,
        "storage": migration.storage,
        "disks": [{"target": disk.target, "from": disk.source, "to": disk.path} for disk in mirror.disks],
        "copies": {migration.source_name: state},
        "single_copy": True,
        "left_behind": left_behind,
        "adopted": errand.adopted,
    }


def _audit(errand: Errand, mirror: Mirror) -> None:
    audit.record(
        principal=Principal.system("worker"),
        verb="migration.outcome",
        subject=errand.migration.guest or ("guest", str(errand.migration.guest_uuid), errand.name),
        outcome="succeeded",
        before={disk.target: disk.source for disk in mirror.disks},
        after={disk.target: disk.path for disk in mirror.disks},
        job=errand.pen.job,
    )
