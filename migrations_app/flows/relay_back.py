"""A move through the worker that cannot go on: the guest goes back to the source, from the image it left."""

from __future__ import annotations

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.states import GuestState, JobState
from migrations_app.flows import clean_up, settle
from migrations_app.flows.relay_course import Course
from migrations_app.flows.relay_hand_over import tidy
from migrations_app.flows.relay_suspend import kept_definition
from migrations_app.relay_notes import BEFORE_HAND_OVER, Stage

_ACTIVE = frozenset({GuestState.RUNNING, GuestState.PAUSED, GuestState.SUSPENDED})


def turn_back(course: Course, *, state: JobState, code: str, message: str, hint: str = "", stale: bool = False) -> None:
    """Write down why; from now on only `give_back` goes on with this job.

    `stale`: somebody used the guest or its disks meanwhile, so the image must never be brought back.
    """
    course.notes.reason = {"state": state.value, "code": code, "message": message, "hint": hint}
    if stale:
        course.notes.reason["stale"] = "yes"
    if course.notes.stage not in BEFORE_HAND_OVER:
        course.notes.reason["handed"] = "yes"
    course.enter(Stage.BACK)


def give_back(course: Course) -> None:
    """The guest executes at the source again, or rests there as it did; then the job ends with the reason."""
    errand, notes = course.errand, course.notes
    if notes.stage is Stage.BACK:
        _clear_destination(course)
        here = errand.source.glimpse(errand.uuid)
        if here is None or not here.persistent:
            errand.source.define(kept_definition(course))
        asleep = notes.memory is not None and (here is None or here.state not in _ACTIVE)
        if asleep and not notes.reason.get("stale") and not _restored(course):
            return
        course.enter(Stage.BACK_RESUME)
    _run_again(course)
    if notes.autostart:
        errand.source.set_autostart(errand.uuid, True)
    _end(course)


def _clear_destination(course: Course) -> None:
    """What waits there paused has executed nothing; it goes, and its image too, before the source has the guest again.

    Before the hand-over the destination holds nothing but files, so it need not even answer.
    """
    errand, notes = course.errand, course.notes
    if not notes.reason.get("handed"):
        return
    there = errand.destination.glimpse(errand.uuid)
    if there is not None and there.state == GuestState.RUNNING:
        raise HostUnreachable(
            f"{errand.name} runs on {errand.migration.destination_name}, though nobody let it", host=""
        )
    if there is not None and there.state in _ACTIVE:
        errand.destination.destroy(errand.uuid)
    if there is not None:
        errand.destination.undefine(errand.uuid)
    if errand.destination.glimpse(errand.uuid) is not None:
        raise HostUnreachable(f"{errand.migration.destination_name} still knows {errand.name}", host="")
    if notes.memory is not None:
        errand.destination.delete_volume(notes.memory.path)


def _restored(course: Course) -> bool:
    """Bring the guest back paused from its own image; False when the job ended because that does not work."""
    errand, image = course.errand, course.notes.memory
    assert image is not None  # noqa: S101 - asked by the caller
    try:
        if errand.source.file(image.source) is None and not course.notes.suspended_at_s:
            return True  # it was never saved
        course.beside(lambda: errand.source.restore(image.source))
        return True
    except HostUnreachable:
        raise
    except HypervisorError as trouble:
        seen = errand.source.glimpse(errand.uuid)
        if seen is not None and seen.state in _ACTIVE:
            return True
        here = errand.migration.source_name
        error = {
            "code": "guest_off",
            "message": f"{course.notes.reason['message']} And {here} could not bring it back: {trouble.text}",
            "hint": f"{errand.name} is defined on {here} and off; its memory lies in {image.source}. "
            f"When the cause is mended: virsh restore {image.source}",
            "guest_is_on": here,
        }
        clean_up.after_staying(errand)
        settle.end(errand, JobState.FAILED, error)
        return False


def _run_again(course: Course) -> None:
    errand = course.errand
    here = errand.source.glimpse(errand.uuid)
    # Only what we brought back ourselves; another pause is somebody's will.
    ours = here is not None and here.state == GuestState.PAUSED and here.reason == "migration"
    if course.notes.memory is not None and ours:
        errand.source.resume(errand.uuid)


def _end(course: Course) -> None:
    errand, reason = course.errand, course.notes.reason
    left = clean_up.after_staying(errand)
    try:
        tidy(course)
    except HostUnreachable:
        left.append(course.notes.memory.path if course.notes.memory else "")
    here = errand.migration.source_name
    seen = errand.source.glimpse(errand.uuid)
    hint = f"{reason['hint']} {errand.name} is {seen.state if seen else 'not'} on {here}.".strip()
    if any(left):
        hint += f" Could not remove at {errand.migration.destination_name}: {', '.join(filter(None, left))}."
    error = {"code": reason["code"], "message": reason["message"], "hint": hint, "guest_is_on": here}
    settle.end(errand, JobState(reason["state"]), error)
