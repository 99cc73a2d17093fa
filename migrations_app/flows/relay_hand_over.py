"""The hand-over of a move through the worker: one host forgets the guest before it can execute on the other."""

from __future__ import annotations

import time

from fleet.hypervisor import destination_xml
from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.models import JobEvent
from fleet.refusals import Refused
from fleet.states import GuestState
from migrations_app import steps
from migrations_app.flows import settle, transfer
from migrations_app.flows.relay_course import Course
from migrations_app.flows.relay_suspend import Awake, kept_definition, still_asleep
from migrations_app.models import Migration
from migrations_app.relay_notes import Stage

_ACTIVE = frozenset({GuestState.RUNNING, GuestState.PAUSED, GuestState.SUSPENDED})


def hand_over(course: Course) -> None:
    """The destination learns the definition, then the source forgets it: at every moment some host knows the guest."""
    errand = course.errand
    cold = errand.migration.mode == Migration.Mode.COLD
    course.step(steps.SWITCH_OVER, f"{errand.migration.source_name} forgets the guest, then it is brought back")
    there = errand.destination.glimpse(errand.uuid)
    if there is not None and there.state in _ACTIVE:
        raise Refused(f"{errand.name} is {there.state} on {errand.migration.destination_name} already.", code="double")
    if errand.source.glimpse(errand.uuid) is not None:
        still_asleep(errand, cold=cold)
    errand.destination.define(for_destination(course, kept_definition(course)))
    errand.source.undefine(errand.uuid)
    left = errand.source.glimpse(errand.uuid)
    if left is not None:
        raise Awake(
            f"{errand.name} is {left.state} on {errand.migration.source_name}: somebody started it in the hand-over.",
            code="guest_taken",
            remedy="Ask for the move again when nobody else works on the guest.",
        )
    course.enter(Stage.RESUME if cold else Stage.RESTORE)


def restore(course: Course) -> None:
    """Bring it back paused; only once that is proven to work is it allowed to execute."""
    errand, image = course.errand, course.notes.memory
    assert image is not None  # noqa: S101 - only saved guests are restored
    there = errand.destination.glimpse(errand.uuid)
    if there is None:
        errand.destination.define(for_destination(course, kept_definition(course)))
    if there is None or there.state not in _ACTIVE:
        xml = for_destination(course, errand.destination.image_xml(image.path))
        try:
            course.beside(lambda: errand.destination.restore(image.path, xml=xml))
        except HostUnreachable:
            raise
        except HypervisorError:
            there = errand.destination.glimpse(errand.uuid)
            if there is None or there.state not in _ACTIVE:
                raise
    course.enter(Stage.RESUME)


def finish(course: Course) -> None:
    """Let it run where it is; there is no way back from here. Then its files go and the end is settled."""
    errand, notes = course.errand, course.notes
    there = errand.destination.glimpse(errand.uuid)
    if there is not None and there.state == GuestState.PAUSED and not notes.resumed_at_s:
        errand.destination.resume(errand.uuid)
    if there is not None and notes.memory is not None and not notes.resumed_at_s:
        notes.resumed_at_s = time.time()
        course.keep()
    _keep_autostart(course)
    if there is not None and (notes.memory is None or there.state in _ACTIVE):
        tidy(course)
    course.errand.pen.job.progress = course.errand.pen.job.progress | {"downtime_ms": notes.pause_ms}
    settle.settle(errand, transfer.Course(last=course.sample()))


def for_destination(course: Course, xml: str) -> str:
    """The description as the destination shall have it."""
    notes = course.notes
    moved = notes.elsewhere | {file.target: file.path for file in notes.disks if file.path != file.source}
    changes = notes.rewrites
    return destination_xml.rewrite(
        xml,
        disk_sources=moved,
        cards={mac: (wire["kind"], wire["name"]) for mac, wire in changes.get("cards", {}).items()},
        files=changes.get("files"),
        networks=changes.get("console_networks"),
        listen=changes.get("listen", ""),
        emptied=notes.emptied,
    )


def tidy(course: Course) -> None:
    """The image on both hosts and the kept definition go; the guest is proven elsewhere, so nobody needs them."""
    errand, notes = course.errand, course.notes
    image = notes.memory
    here = [notes.definition, *([image.source] if image else [])]
    for host, paths in ((errand.source, here), (errand.destination, [image.path] if image else [])):
        for path in paths:
            try:
                host.delete_volume(path)
            except HostUnreachable:
                raise
            except HypervisorError as error:
                text = f"{path} stays on {host.address.name}: {error.text}"
                errand.pen.say("image.left", text, level=JobEvent.Level.WARNING)


def _keep_autostart(course: Course) -> None:
    if not course.notes.autostart:
        return
    try:
        course.errand.destination.set_autostart(course.errand.uuid, True)
    except HostUnreachable:
        raise
    except HypervisorError as error:
        text = f"autostart could not be set on {course.errand.migration.destination_name}: {error.text}"
        course.errand.pen.say("autostart.lost", text, level=JobEvent.Level.WARNING)
