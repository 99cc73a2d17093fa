"""The guest lies down at the source: its definition in a file, its memory in another, and it rests until it goes on."""

from __future__ import annotations

import time

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import GuestGlimpse
from fleet.hypervisor.pieces import BLOCK_BYTES, Piece, span_of
from fleet.refusals import Refused
from fleet.states import GuestState
from migrations_app import steps
from migrations_app.flows.errand import Errand
from migrations_app.flows.relay_course import TELL_EVERY_S, Course
from migrations_app.flows.relay_prepare import place
from migrations_app.relay_notes import Stage

#: Why a guest that we put to sleep is off; "" after a restart of libvirtd, which does not keep reasons.
_ASLEEP = frozenset({"saved", ""})


class Awake(Refused):
    """Somebody started the guest, or shut it down, behind our back: what was copied is worth nothing."""


def suspend(course: Course) -> None:
    """Save the guest, or find it saved by a worker before."""
    errand, notes = course.errand, course.notes
    course.step(steps.SUSPEND, f"{errand.name} is saved to a file on {errand.migration.source_name}")
    _wait_for_other_job(course)
    image = notes.memory
    assert image is not None  # noqa: S101 - only guests that run are suspended
    seen = errand.source.glimpse(errand.uuid)
    if seen is not None and seen.state == GuestState.RUNNING:
        keep_definition(course)
        notes.suspended_at_s = time.time()
        course.keep()
        try:
            course.beside(
                lambda: errand.source.save(errand.uuid, image.source), stop=lambda: errand.source.abort(errand.uuid)
            )
        except HostUnreachable:
            raise
        except HypervisorError as error:
            if not _asleep(errand.source.glimpse(errand.uuid)):
                raise
            errand.pen.say("save.complained", f"libvirt complained, but the guest is saved: {error.text}")
    still_asleep(errand, cold=False)
    errand.source.image_xml(image.source)  # raises for an image that is not whole
    course.enter(Stage.COPY)


def _wait_for_other_job(course: Course) -> None:
    """A worker that died left libvirt saving; it goes on without anybody."""
    while course.errand.source.job(course.errand.uuid) is not None:
        course.tell()
        time.sleep(TELL_EVERY_S)


def keep_definition(course: Course) -> None:
    """The definition into a file beside the image: whoever has both has the guest, with Drover or without.

    It holds secrets (a console's password), so it stays on the guest's own host, readable by root alone.
    """
    errand, path = course.errand, course.notes.definition
    if course.notes.autostart:
        # Were the host restarted now, it would start the guest from disks that are being copied.
        errand.source.set_autostart(errand.uuid, False)
    content = errand.source.definition_xml(errand.uuid).encode()
    errand.source.delete_volume(path)
    place(errand.source, path, len(content))
    blocks = (content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES))
    errand.source.upload(path, Piece(offset=0, spans=tuple(map(span_of, blocks))))


def kept_definition(course: Course) -> str:
    """The definition as it was kept."""
    source, path = course.errand.source, course.notes.definition
    file = source.file(path)
    if file is None:
        raise HypervisorError(f"The kept definition {path} is gone", host=source.address.name)
    read = source.download(path, offset=0, length=file.length_bytes, at_most_bytes=BLOCK_BYTES * 64)
    return b"".join(span.data or bytes(span.hole_bytes) for span in read.spans).decode()


def still_asleep(errand: Errand, *, cold: bool) -> None:
    """Raises Awake when the guest does not rest at the source as we left it."""
    seen = errand.source.glimpse(errand.uuid)
    if seen is not None and (_asleep(seen) or (cold and seen.state == GuestState.SHUTOFF)):
        return
    now = "not there any more" if seen is None else f"{seen.state} ({seen.reason or 'reason unknown'})"
    raise Awake(
        f"{errand.name} is {now} on {errand.migration.source_name}: somebody else took hold of it during the move.",
        code="guest_taken",
        remedy="Ask for the move again when nobody else works on the guest.",
    )


def _asleep(seen: GuestGlimpse | None) -> bool:
    return seen is not None and seen.state == GuestState.SHUTOFF and seen.reason in _ASLEEP
