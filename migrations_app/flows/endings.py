"""How a job ends without a move: stayed, off, stranded, cancelled, or unknown until both hosts can be asked."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.hypervisor.errors import Aborted, NoSpace
from fleet.inventory import alarm
from fleet.jobs import lease as leases
from fleet.jobs import lifecycle
from fleet.states import JobState, StepState
from migrations_app.flows import clean_up, quarantine
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.transfer import Course
from migrations_app.outcome import Outcome, Side

logger = logging.getLogger(__name__)

#: A job that is unknown is offered to a worker again after this long.
ASK_AGAIN_S = 5


def stayed(errand: Errand, course: Course) -> None:
    """It is where it was; what this job made at the destination goes."""
    cancelled = course.gave_up == "cancel" or (isinstance(course.error, Aborted) and not course.gave_up)
    error = _error(errand, course)
    left = clean_up.after_staying(errand)
    if left:
        error["hint"] = f"{error['hint']} Could not remove at {errand.migration.destination_name}: {', '.join(left)}."
    end(errand, JobState.CANCELLED if cancelled else JobState.FAILED, error)


def off(errand: Errand, answers: Answers) -> None:
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


def stranded(errand: Errand) -> None:
    """The link broke in the moment of the switch to post-copy, or the destination died in it.

    libvirt ends a copy that had not begun to run yet together with the connection, and neither it nor QEMU lets the
    source go on from there. Nothing is touched: at the destination the disks may be newer than at the source.
    """
    here, there = errand.migration.source_name, errand.migration.destination_name
    hint = f"It cannot go on from its memory. Switch it off on {here}, then start it again."
    if copies := ", ".join(artefact["path"] for artefact in errand.migration.artefacts):
        hint += f" Where it ran on {there} for a moment, its disks there are the newer ones: {copies}."
    error = {
        "code": "stranded",
        "message": f"{errand.name} stands still on {here}: post-copy broke off, and its other half on {there} is gone.",
        "hint": hint,
        "guest_is_on": here,
    }
    end(errand, JobState.FAILED, error, keep_copies=True)


def end(errand: Errand, state: JobState, error: dict[str, Any], *, keep_copies: bool = False) -> None:
    """Finish the job without a move; copied disks that could not be removed yet go later, unless they are kept."""
    with transaction.atomic():
        stage = errand.pen.job.stage
        if stage and errand.pen.step_state(stage) is StepState.RUNNING:
            errand.pen.end(stage, StepState.FAILED, error["message"])
        message = error["message"] if state is JobState.FAILED else f"Cancelled. {error['hint']}"
        done = lifecycle.advance(
            errand.migration.pk, state, lease=errand.lease, code=error["code"], message=message, error=error
        )
        if done:
            audit_outcome(errand, state.value, error["guest_is_on"], detail=error["message"])
            if error["guest_is_on"] == errand.migration.source_name and not keep_copies:
                # What could not be removed; a copy of a guest that is nowhere may be all that is left of it.
                quarantine.remove_later(errand, [artefact["path"] for artefact in errand.migration.artefacts])


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
        if errand.migration.guest_id:
            alarm.sound(errand.migration.guest_id, (errand.migration.source_name, errand.migration.destination_name))
        error["hint"] = "Stop ONE copy by hand now, the one whose disks are older, then Drover goes on by itself."
    stand(errand, error)


def runs_elsewhere_too(errand: Errand, hosts: tuple[str, ...]) -> None:
    """It arrived, and a third host runs it as well: nothing is touched until a person has stopped one copy."""
    there = errand.migration.destination_name
    names = (there, *hosts)
    text = f"{errand.name} runs on {' AND on '.join(names)} at the same time."
    logger.critical("job %s: %s", errand.migration.pk, text)
    if errand.migration.guest_id:
        alarm.sound(errand.migration.guest_id, names)
    hint = "Stop ONE copy by hand now, the one whose disks are older, then Drover goes on by itself."
    stand(errand, {"code": "double_run", "message": text, "hint": hint, "guest_is_on": ""})


def stand(errand: Errand, error: dict[str, Any]) -> None:
    """The job stands at unknown with this reason, and is offered to a worker again soon."""
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
    elif course.gave_up == "hopeless":
        code, text = "not_converging", course.why
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


def audit_outcome(errand: Errand, outcome: str, place: str, *, detail: str = "") -> None:
    """What became of the move, in the audit log; last in the transaction of the end."""
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
