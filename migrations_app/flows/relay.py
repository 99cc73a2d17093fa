"""The way through the worker, for hosts that cannot reach each other: saved, carried, handed over, brought back.

Each stage is stored before its first call and can be entered twice, so any worker goes on where the last one stood.
See docs/decisions/0008-the-image-of-a-relayed-guest.md for why the guest never runs twice.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.jobs import lease as leases
from fleet.jobs import lifecycle
from fleet.models import JobEvent
from fleet.refusals import Refused
from fleet.states import JobState
from migrations_app import relay_notes
from migrations_app.flows import before, endings, prepare, relay_prepare, settle
from migrations_app.flows.before import Cancelled
from migrations_app.flows.errand import Errand
from migrations_app.flows.relay_back import give_back, turn_back
from migrations_app.flows.relay_copy import copy
from migrations_app.flows.relay_course import Course
from migrations_app.flows.relay_hand_over import finish, hand_over, restore
from migrations_app.flows.relay_suspend import Awake, suspend
from migrations_app.outcome import Outcome
from migrations_app.relay_notes import RETURNING, Stage

_FORWARD: dict[Stage, Callable[[Course], None]] = {
    Stage.SUSPEND: suspend,
    Stage.COPY: copy,
    Stage.HAND_OVER: hand_over,
    Stage.RESTORE: restore,
}


def begin(errand: Errand, asking: prepare.Asking) -> None:
    """See `ways.Way`."""
    notes = before.attempt(errand, lambda: relay_prepare.get_ready(errand, asking))
    if notes is not None:
        _go_on(Course(errand, notes))


def adopt(errand: Errand) -> None:
    """See `ways.Way`; the notes say how far it is, the hosts are asked at every stage anyway."""
    errand.adopted = True
    notes = relay_notes.load(errand.migration.relay)
    answers = errand.ask()
    if answers.outcome is Outcome.DOUBLE:
        settle.unknown(errand, answers)
        return
    if errand.pen.job.state == JobState.UNKNOWN:
        if answers.silence and not _may_do_without_destination(errand, notes):
            # Let the thread go: a dead host must not keep a worker from its other jobs.
            leases.release(errand.lease, again_in_s=settle.ASK_AGAIN_S)
            return
        lifecycle.advance(
            errand.migration.pk,
            JobState.RUNNING,
            lease=errand.lease,
            code="resumed",
            message="The hosts answer again; it goes on where it stood",
        )
        errand.pen.reread()
    errand.pen.say("adopted", "A worker takes over where the last one stood", level=JobEvent.Level.WARNING)
    _go_on(Course(errand, notes))


def _may_do_without_destination(errand: Errand, notes: relay_notes.Notes) -> bool:
    """A guest that was never handed over can go back to its host on request, whatever the destination does."""
    wished = any(command.kind == "cancel" for command in errand.pen.wishes())
    before_it = notes.stage in relay_notes.BEFORE_HAND_OVER or (
        notes.stage in RETURNING and not notes.reason.get("handed")
    )
    return before_it and (wished or notes.stage in RETURNING)


def _go_on(course: Course) -> None:
    try:
        while course.notes.stage in _FORWARD:
            _forward(course)
        if course.notes.stage in RETURNING:
            give_back(course)
        else:
            finish(course)
    except HostUnreachable as silence:
        _wait_for_hosts(course, silence)
    except HypervisorError as trouble:
        # In the middle of a hand-over or of giving back: try again, the stages can be entered twice.
        _wait_for_hosts(course, trouble)


def _forward(course: Course) -> None:
    """One stage; whatever goes wrong in it and is no silence sends the guest back."""
    try:
        course.hear()
        _FORWARD[course.notes.stage](course)
    except HostUnreachable:
        raise
    except Cancelled:
        turn_back(course, state=JobState.CANCELLED, code="cancelled", message="Cancelled while it ran.")
    except Awake as taken:
        words = {"code": taken.code, "message": taken.text, "hint": taken.remedy}
        turn_back(course, state=JobState.FAILED, stale=True, **words)
    except Refused as refused:
        turn_back(course, state=JobState.FAILED, code=refused.code, message=refused.text, hint=refused.remedy)
    except HypervisorError as error:
        turn_back(course, state=JobState.FAILED, code=error.code, message=error.text)


def _wait_for_hosts(course: Course, trouble: HypervisorError) -> None:
    """Nothing is touched until both hosts answer; what was copied counts, and goes on from there."""
    errand, notes = course.errand, course.notes
    where = f"{errand.name} rests on {errand.migration.source_name}"
    image = notes.memory
    hints = {
        Stage.SUSPEND: f"{errand.name} is still on {errand.migration.source_name}.",
        Stage.COPY: f"{where}{f', its memory in {image.source}' if image else ''}.",
    }
    hint = hints.get(notes.stage, "Both hosts must say where it is before anybody touches it.")
    error = {
        "code": "host_silent" if isinstance(trouble, HostUnreachable) else trouble.code,
        "message": f"It cannot go on now: {trouble.text}",
        "hint": f"{hint} Drover keeps asking and goes on where it stood.",
        "guest_is_on": errand.migration.source_name if notes.stage in relay_notes.BEFORE_HAND_OVER else "",
    }
    endings.stand(errand, error)
