"""The end of a migration as both hosts tell it: arrived, stayed, off, or unknown until they can be asked."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.documents.times import rfc3339
from fleet.hypervisor.errors import Aborted, HypervisorError, NoSpace
from fleet.hypervisor.facts import JobSample
from fleet.jobs import lease as leases
from fleet.jobs import lifecycle, live
from fleet.models import Guest, Host, JobEvent, Sighting
from fleet.states import GuestState, JobState, StepState
from migrations_app import steps
from migrations_app.flows import clean_up, reckoning
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.receipt import receipt
from migrations_app.flows.transfer import Course
from migrations_app.models import Migration
from migrations_app.outcome import Outcome, Side

logger = logging.getLogger(__name__)

#: Hand-overs settle within moments; libvirt's own cleaning after a broken link took 30 s at most in the lab.
PATIENCE_S = 45
#: A job that is unknown is offered to a worker again after this long.
ASK_AGAIN_S = 5


def settle(errand: Errand, course: Course) -> None:
    """End the job with what both hosts say, or leave it unknown with nothing touched."""
    answers = errand.ask_until_settled(patience_s=PATIENCE_S)
    if answers.outcome is Outcome.ARRIVED:
        _arrived(errand, course, answers)
    elif answers.outcome is Outcome.STAYED:
        _stayed(errand, course, answers)
    elif answers.outcome is Outcome.OFF:
        _off(errand, course, answers)
    else:
        unknown(errand, answers)


def _arrived(errand: Errand, course: Course, answers: Answers) -> None:
    numbers = _completed(errand) or course.last
    arrived_at = timezone.now()
    if errand.migration.artefacts:
        # Disks may have to be removed, which can take long.
        with errand.pen.together():
            _tell_pause(errand, numbers)
    _keep_autostart(errand)
    left_behind = clean_up.after_arrival(errand)
    proof = receipt(errand, course, numbers, answers, arrived_at=arrived_at, left_behind=left_behind)
    with transaction.atomic():
        with errand.pen.together():
            _tell_pause(errand, numbers)
            errand.pen.start(steps.CLEAN_UP, clean_up.words(left_behind))
            errand.pen.end(steps.CLEAN_UP, StepState.DONE)
            _skip_waiting(errand)
            errand.pen.report(_whole(errand, numbers))
        _store_arrival(errand, answers)
        Migration.objects.filter(pk=errand.migration.pk).update(receipt=proof)
        done = lifecycle.advance(
            errand.migration.pk,
            JobState.SUCCEEDED,
            lease=errand.lease,
            code="succeeded",
            message=f"{errand.name} runs on {errand.migration.destination_name}, and nowhere else",
            result=proof,
            data={"late_error": course.error.text} if course.error else {},
            quietly=True,
        )
        if done:
            errand.pen.reread()
            _audit(errand, "succeeded", errand.migration.destination_name)
            # After the job's own ending, which people wait for.
            if errand.migration.guest_id:
                live.guest_changed(errand.migration.guest_id)
            live.host_changed(errand.destination_row.pk)
            live.host_changed(errand.source_row.pk)
    if done:
        reckoning.record(errand, numbers, proof)


def _tell_pause(errand: Errand, numbers: JobSample | None) -> None:
    """The switch-over is often over before anybody could look; libvirt measured it all the same. Both were asked."""
    if errand.pen.step_state(steps.VERIFY) is not StepState.WAITING:
        return
    if errand.pen.step_state(steps.SWITCH_OVER) is StepState.WAITING:
        errand.pen.start(steps.SWITCH_OVER)
    paused = f"The guest paused for {numbers.downtime_ms} ms." if numbers and numbers.downtime_ms is not None else ""
    errand.pen.end(steps.SWITCH_OVER, StepState.DONE, paused)
    errand.pen.start(steps.VERIFY)


def _stayed(errand: Errand, course: Course, answers: Answers) -> None:
    cancelled = course.gave_up == "cancel" or (isinstance(course.error, Aborted) and not course.gave_up)
    error = _error(errand, course)
    left = clean_up.after_staying(errand)
    if left:
        error["hint"] = f"{error['hint']} Could not remove at {errand.migration.destination_name}: {', '.join(left)}."
    end(errand, JobState.CANCELLED if cancelled else JobState.FAILED, error)


def _off(errand: Errand, course: Course, answers: Answers) -> None:
    """Runs nowhere. Where it is defined decides where an operator starts it again; Drover never does."""
    where = _definition(errand, answers)
    error = {
        "code": "guest_off",
        "message": f"{errand.name} runs nowhere: it was shut down or crashed during the migration.",
        "hint": f"It is defined on {where}; look at its disks, then start it there." if where else "No host knows it.",
        "guest_is_on": where,
    }
    if answers.source is Side.OFF:
        clean_up.after_staying(errand)
    end(errand, JobState.FAILED, error)


def end(errand: Errand, state: JobState, error: dict[str, Any]) -> None:
    """Finish the job without a move."""
    with transaction.atomic():
        stage = errand.pen.job.stage
        if stage and errand.pen.step_state(stage) is StepState.RUNNING:
            errand.pen.end(stage, StepState.FAILED, error["message"])
        _skip_waiting(errand)
        message = error["message"] if state is JobState.FAILED else f"Cancelled. {error['hint']}"
        done = lifecycle.advance(
            errand.migration.pk, state, lease=errand.lease, code=error["code"], message=message, error=error
        )
        if done:
            _audit(errand, state.value, error["guest_is_on"], detail=error["message"])


def unknown(errand: Errand, answers: Answers) -> None:
    """Nobody touches the guest until both hosts can be asked; the sweep offers the job again and again."""
    error = {
        "code": "double_run" if answers.outcome is Outcome.DOUBLE else "host_silent",
        "message": _unknown_words(errand, answers),
        "hint": "Nothing was touched and nothing will be until both hosts answer. Drover keeps asking.",
        "guest_is_on": "",
    }
    if answers.outcome is Outcome.DOUBLE:
        logger.critical("job %s: %s", errand.migration.pk, error["message"])
        error["hint"] = "Stop ONE copy by hand now, the one whose disks are older, then Drover goes on by itself."
    lifecycle.advance(
        errand.migration.pk,
        JobState.UNKNOWN,
        lease=errand.lease,
        only_from=JobState.RUNNING,
        code=error["code"],
        message=error["message"],
        error=error,
    )
    leases.release(errand.lease, again_in_s=ASK_AGAIN_S)


def _unknown_words(errand: Errand, answers: Answers) -> str:
    here, there = errand.migration.source_name, errand.migration.destination_name
    if answers.outcome is Outcome.DOUBLE:
        return f"{errand.name} runs on {here} AND on {there} at the same time."
    seen = f"{here}: {answers.source.value}, {there}: {answers.destination.value}"
    because = f" ({answers.silence})" if answers.silence else ""
    return f"It cannot be told where {errand.name} is; {seen}{because}."


def _error(errand: Errand, course: Course) -> dict[str, Any]:
    here, there = errand.migration.source_name, errand.migration.destination_name
    text = course.error.text if course.error else f"libvirt ended the migration without moving {errand.name}"
    code, hint = (course.error.code if course.error else "not_moved"), f"{errand.name} is on {here}, untouched."
    if course.gave_up == "timeout":
        code, text = "timeout", f"Not done within {errand.terms.max_duration_s} s, so it was given up."
    elif course.gave_up == "stalled":
        code, text = "stalled", "No byte moved for two minutes, so it was given up."
    elif course.gave_up == "cancel":
        code, text = "cancelled", "Cancelled while it ran."
    elif isinstance(course.error, NoSpace):
        hint = f"{hint} Free space on {there}, or choose another pool."
    return {"code": code, "message": text, "hint": hint, "guest_is_on": here}


def _definition(errand: Errand, answers: Answers) -> str:
    if answers.source is Side.OFF:
        return errand.migration.source_name
    return errand.migration.destination_name if answers.destination is Side.OFF else ""


def _completed(errand: Errand) -> JobSample | None:
    try:
        return errand.destination.completed_job(errand.uuid)
    except HypervisorError:
        return None


def _keep_autostart(errand: Errand) -> None:
    """libvirt does not carry the flag over; it is set last, when the guest is proven to run here only."""
    facts = errand.migration.guest.facts if errand.migration.guest else {}
    if not facts.get("autostart"):
        return
    try:
        errand.destination.set_autostart(errand.uuid, True)
    except HypervisorError as error:
        text = f"autostart could not be set on {errand.migration.destination_name}: {error.text}"
        errand.pen.say("autostart.lost", text, level=JobEvent.Level.WARNING)


def _store_arrival(errand: Errand, answers: Answers) -> None:
    """The rows follow the proof at once; the watcher fills in the details."""
    guest = errand.migration.guest
    if guest is None:
        return
    destination = errand.destination_row
    state = GuestState.RUNNING if answers.destination is Side.RUNNING else GuestState.PAUSED
    Guest.objects.filter(pk=guest.pk).update(host=destination, state=state, version=F("version") + 1)
    Sighting.objects.filter(guest=guest, host=errand.migration.source).delete()
    Sighting.objects.update_or_create(guest=guest, host=destination, defaults={"state": state, "reason": ""})
    # Both hosts' documents count their guests.
    Host.objects.filter(pk__in=[destination.pk, errand.source_row.pk]).update(version=F("version") + 1)


def _whole(errand: Errand, numbers: JobSample | None) -> dict[str, Any]:
    progress = dict(errand.pen.job.progress)
    for part in ("memory", "disks"):
        if progress.get(part):
            progress[part] = {**progress[part], "done": progress[part]["total"], "remaining": 0}
    downtime = numbers.downtime_ms if numbers else progress.get("downtime_ms")
    return progress | {
        "percent": 100.0,
        "eta_s_low": 0,
        "eta_s_high": 0,
        "downtime_ms": downtime,
        "heard_at": rfc3339(timezone.now()),
    }


def _skip_waiting(errand: Errand) -> None:
    for step in steps.STEPS:
        if errand.pen.step_state(step.name) is StepState.WAITING:
            errand.pen.end(step.name, StepState.SKIPPED)


def _audit(errand: Errand, outcome: str, place: str, *, detail: str = "") -> None:
    audit.record(
        principal=Principal.system("worker"),
        verb="migration.outcome",
        subject=errand.migration.guest or ("guest", str(errand.migration.guest_uuid), errand.name),
        outcome=outcome,
        before={"host": errand.migration.source_name},
        after={"host": place},
        detail=detail,
        job=errand.pen.job,
    )
