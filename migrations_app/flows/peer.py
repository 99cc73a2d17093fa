"""The way from host to host: check, prepare, carry, settle; or adopt what another worker began."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db.models.functions import Now

from fleet.jobs import lease as leases
from fleet.models import JobEvent
from fleet.states import JobState, StepState
from migrations_app import steps
from migrations_app.flows import before, cold, media, outage, prepare, settle, transfer
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration
from migrations_app.outcome import Outcome
from migrations_app.preflight import Findings


def begin(errand: Errand, asking: prepare.Asking) -> None:
    """See `ways.Way`."""
    carry = before.attempt(errand, lambda: _get_ready(errand, asking))
    if carry is None:
        return
    with outage.watched(errand):
        _settle(errand, carry())


def _settle(errand: Errand, course: transfer.Course) -> None:
    (cold if errand.cold else settle).settle(errand, course)


def _get_ready(errand: Errand, asking: prepare.Asking) -> Callable[[], transfer.Course]:
    """Everything before libvirt's call; returns what makes it."""
    pen = errand.pen
    _, findings = prepare.check(errand, asking)
    for found in findings.checks:
        if found.severity == "warn":
            pen.say(f"check.{found.code}", found.message, level=JobEvent.Level.WARNING)
    if findings.storage != errand.migration.storage:
        _correct_storage(errand, findings.storage)
    if findings.copies or findings.brought:
        _stop_if_cancelled(errand)
        pen.start(steps.PREPARE, "Making thin volumes at the destination")
    paths = prepare.make_volumes(errand, findings) | _bring(errand, findings)
    write_order = partial(prepare.order, errand, findings, paths)
    if errand.cold and findings.copies:
        carry = partial(cold.carry, errand, write_order)
    else:
        carry = partial(transfer.carry, errand, write_order())
    _stop_if_cancelled(errand)
    with pen.together():
        # Important: from here on a worker that takes over must ask the hosts and never start again by itself.
        Migration.objects.filter(pk=errand.migration.pk).update(call_entered_at=Now())
        _enter(errand, findings)
    return carry


def _enter(errand: Errand, findings: Findings) -> None:
    """The step that the move begins with; those that it does without are skipped, with the reason."""
    pen = errand.pen
    if not findings.copies:
        if pen.step_state(steps.PREPARE) is StepState.WAITING:
            pen.end(steps.PREPARE, StepState.SKIPPED, "Nothing to prepare: the disks are shared.")
        pen.end(steps.DISKS, StepState.SKIPPED, "The disks stay where they are.")
    if errand.cold:
        pen.end(steps.MEMORY, StepState.SKIPPED, f"{errand.name} is off: there is no memory to copy.")
        pen.start(steps.DISKS if findings.copies else steps.SWITCH_OVER)
    else:
        pen.start(steps.DISKS if findings.copies else steps.MEMORY)


def _bring(errand: Errand, findings: Findings) -> dict[str, str]:
    """Media that libvirt leaves out, brought before the guest moves; {disk target: path}."""

    def tell(text: str) -> None:
        errand.pen.start(steps.PREPARE, text)
        _stop_if_cancelled(errand)

    paths = {}
    for plan in findings.brought:
        length = media.length_bytes(errand.source, plan.disk.source)
        # Important: without a source to clean up, for other guests may have the same medium in their drives.
        path = prepare.make(errand, plan, source="", capacity_bytes=length, format="raw")
        media.bring(errand, plan, path, tell=tell)
        paths[plan.disk.target] = path
    return paths


def _correct_storage(errand: Errand, storage: str) -> None:
    """Newer facts than those it was decided on: folders that are proven shared by now, or a disk's own header."""
    errand.pen.say("storage.changed", f"The hosts know better by now: storage '{storage}'")
    errand.migration.storage = storage
    Migration.objects.filter(pk=errand.migration.pk).update(storage=storage)


def _stop_if_cancelled(errand: Errand) -> None:
    before.stop_if_cancelled(errand, "cancelled before libvirt was asked to move the guest")


def adopt(errand: Errand) -> None:
    """See `ways.Way`; the dead worker's migration may still run, be over, or never have begun."""
    errand.adopted = True
    if errand.pen.job.state == JobState.UNKNOWN and errand.ask().outcome in {Outcome.UNKNOWN, Outcome.DOUBLE}:
        # Let the thread go: a dead host with fifty guests must not keep a worker from its other jobs.
        leases.release(errand.lease, again_in_s=settle.ASK_AGAIN_S)
        return
    if errand.pen.job.state == JobState.RUNNING:
        errand.pen.say(
            "adopted",
            "Another worker takes over and asks both hosts",
            level=JobEvent.Level.WARNING,
            data={"worker": errand.lease.owner},
        )
    with outage.watched(errand):
        _settle(errand, transfer.accompany(errand))
