"""The guest arrived: prove it, tidy up, store the rows and the receipt, tell everybody."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import JobSample
from fleet.jobs import lifecycle, live
from fleet.models import Guest, Host, JobEvent, Sighting
from fleet.states import GuestState, JobState, StepState
from migrations_app import steps
from migrations_app.evidence import Evidence, Proof, Question, may_touch_source
from migrations_app.flows import clean_up, endings, quarantine, reckoning
from migrations_app.flows.endings import audit_outcome
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.outage import NOT_WATCHED
from migrations_app.flows.receipt import receipt, store
from migrations_app.flows.transfer import Course
from migrations_app.flows.verify import line, verify
from migrations_app.outcome import Side

_STATES = {Side.RUNNING: GuestState.RUNNING, Side.PAUSED: GuestState.PAUSED, Side.OFF: GuestState.SHUTOFF}


def arrived(errand: Errand, course: Course, answers: Answers) -> None:
    """End the job as succeeded; the source's disks are the last thing touched."""
    numbers = _completed(errand) or course.last
    arrived_at = timezone.now()
    if errand.migration.artefacts:
        # Disks may have to be removed, which can take long.
        with errand.pen.together():
            _tell_pause(errand, numbers)
    verdict = verify(errand, answers)
    outage = errand.outage.result() if errand.outage else NOT_WATCHED
    evidence = (*verdict.evidence, line(Question.NETWORK, outage.outcome, outage.how))
    if verdict.also_on:
        endings.runs_elsewhere_too(errand, verdict.also_on)
        return
    _keep_autostart(errand)
    clean_up.old_definition(errand)
    left_behind = clean_up.after_arrival(errand, may_remove=may_touch_source(evidence))
    proof = receipt(
        errand,
        course,
        numbers,
        answers,
        arrived_at=arrived_at,
        left_behind=left_behind,
        evidence=evidence,
        outage=outage,
    )
    with transaction.atomic():
        with errand.pen.together():
            _tell_pause(errand, numbers)
            _tell_doubts(errand, evidence)
            errand.pen.start(steps.CLEAN_UP, clean_up.words(left_behind))
            errand.pen.end(steps.CLEAN_UP, StepState.DONE)
            errand.pen.report(_whole(errand, numbers))
        _store_arrival(errand, answers)
        store(errand, proof)
        if errand.options.undefine_source:
            # With the definition kept, the files are its own and no leftovers.
            quarantine.keep(errand, left_behind)
        done = lifecycle.advance(
            errand.migration.pk,
            JobState.SUCCEEDED,
            lease=errand.lease,
            code="succeeded",
            message=_words(errand),
            result=proof,
            data={"late_error": course.error.text} if course.error else {},
            quietly=True,
        )
        if done:
            errand.pen.reread()
            audit_outcome(errand, "succeeded", errand.migration.destination_name)
            # After the job's own ending, which people wait for.
            if errand.migration.guest_id:
                live.guest_changed(errand.migration.guest_id)
            live.host_changed(errand.destination_row.pk)
            live.host_changed(errand.source_row.pk)
    if done:
        reckoning.record(errand, numbers, proof)


def _words(errand: Errand) -> str:
    where = f"{errand.migration.destination_name}, and nowhere else"
    return f"{errand.name} is on {where}; it is shut off" if errand.cold else f"{errand.name} runs on {where}"


def _tell_pause(errand: Errand, numbers: JobSample | None) -> None:
    """The switch-over is often over before anybody could look; libvirt measured it all the same. Both were asked."""
    if errand.pen.step_state(steps.VERIFY) is not StepState.WAITING:
        return
    if errand.pen.step_state(steps.SWITCH_OVER) is StepState.WAITING:
        errand.pen.start(steps.SWITCH_OVER)
    paused = f"The guest paused for {numbers.downtime_ms} ms." if numbers and numbers.downtime_ms is not None else ""
    if errand.cold:
        paused = "It was off all the while."
    errand.pen.end(steps.SWITCH_OVER, StepState.DONE, paused)
    errand.pen.start(steps.VERIFY)


def _tell_doubts(errand: Errand, evidence: tuple[Evidence, ...]) -> None:
    """Answers that speak against the move stand in the log, not only in the receipt."""
    for one in evidence:
        if one.outcome is Proof.FAILED:
            text = f"Not proven: {one.what}: {one.how}"
            errand.pen.say("proof.failed", text, level=JobEvent.Level.WARNING, data=one.document())


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
    state = _STATES.get(answers.destination, GuestState.UNKNOWN)
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
