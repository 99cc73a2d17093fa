"""Files through the worker, piece by piece, each proven by reading it again at the destination; none stays here."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.interface import Hypervisor
from fleet.hypervisor.pieces import BLOCK_BYTES, Piece
from fleet.refusals import Refused
from fleet.states import StepState
from migrations_app import steps
from migrations_app.flows.relay_course import Course, unproven
from migrations_app.flows.relay_prepare import place
from migrations_app.flows.relay_suspend import Awake, keep_definition, still_asleep
from migrations_app.models import Migration
from migrations_app.relay_notes import FileNote, Stage

#: A piece should take about this long, so that the page moves and a hung host is noticed.
PIECE_S = 0.25
#: Two pieces are in memory at once, the one that is sent and the next.
MOST_PIECE_BYTES = 32 << 20
#: A range is asked for at once, so that a hole of gigabytes is one step.
RANGE_BYTES = 4 << 30
#: A copy that is not the same is made once more; a second time something is wrong for good.
REPEATS = 1


class Pace:
    """How large the next piece is, and how long to rest under a bandwidth limit."""

    def __init__(self) -> None:
        self.piece_bytes = 4 * BLOCK_BYTES
        self._began = time.monotonic()

    def after(self, piece: Piece, limit_mib_s: int) -> None:
        """Adapt to how long this piece took, from the end of the one before; a limit of 0 is none."""
        took_s = max(time.monotonic() - self._began, 0.001)
        if limit_mib_s and (rest_s := piece.data_bytes / (limit_mib_s << 20) - took_s) > 0:
            time.sleep(min(rest_s, 4 * PIECE_S))
        if piece.data_bytes >= self.piece_bytes:
            rate = piece.data_bytes / max(time.monotonic() - self._began, 0.001)
            blocks = int(rate * PIECE_S) // BLOCK_BYTES
            self.piece_bytes = min(max(blocks * BLOCK_BYTES, BLOCK_BYTES), MOST_PIECE_BYTES)
        self._began = time.monotonic()


def copy(course: Course) -> None:
    """Everything to the destination, from where the worker before stood."""
    errand, notes = course.errand, course.notes
    cold = errand.migration.mode == Migration.Mode.COLD
    if cold and not any(file.changed_at for file in notes.files):
        keep_definition(course)
    _measure_all(course)
    for file in unproven(notes.files):
        still_asleep(errand, cold=cold)
        course.step(steps.DISKS if file.target else steps.MEMORY, _words(file, "is carried over"))
        _one(course, file)
    if not notes.disks and errand.pen.step_state(steps.DISKS) is StepState.WAITING:
        errand.pen.end(steps.DISKS, StepState.SKIPPED, "The disks stay where they are.")
    still_asleep(errand, cold=cold)
    for file in notes.files:
        _untouched(course, file)
    course.tell(now=True)
    course.enter(Stage.HAND_OVER)


def _measure_all(course: Course) -> None:
    for file in course.notes.files:
        if file.changed_at:
            _untouched(course, file)
            continue
        found = course.errand.source.file(file.source)
        if found is None:
            raise HypervisorError(f"{file.source} is not there", host=course.errand.migration.source_name)
        file.length_bytes, file.changed_at = found.length_bytes, found.changed_at or "unknown"
    course.keep()


def _untouched(course: Course, file: FileNote) -> None:
    """A file that somebody wrote since we began to read it was copied in vain."""
    found = course.errand.source.file(file.source)
    if found is None or (found.length_bytes, found.changed_at or "unknown") != (file.length_bytes, file.changed_at):
        raise Awake(
            f"{file.source} was written while it was copied: somebody else works with the guest's files.",
            code="file_changed",
            remedy="Find out who does, then ask for the move again.",
        )


def _one(course: Course, file: FileNote) -> None:
    errand = course.errand
    while not file.proven:
        if file.read_back:
            if file.repeats >= REPEATS:
                text = f"{file.path} on {errand.migration.destination_name} is not what was sent, twice."
                raise Refused(text, code="copy_differs", remedy="Check that host's storage and memory.")
            errand.pen.say("copy.differs", f"{file.path} is not what was sent; it is sent once more", level="warning")
            file.begin_again()
            errand.destination.delete_volume(file.path)
        place(errand.destination, file.path, file.length_bytes)
        _through(course, errand.source, file.source, file.copied_bytes, file.length_bytes, _sender(course, file))
        _through(course, errand.destination, file.path, file.verified_bytes, file.length_bytes, file.seen)
    course.tell(now=True)


def _sender(course: Course, file: FileNote) -> Callable[[Piece], None]:
    def send(piece: Piece) -> None:
        course.errand.destination.upload(file.path, piece)
        file.sent(piece)

    return send


def _through(
    course: Course, host: Hypervisor, path: str, start: int, length: int, take: Callable[[Piece], None]
) -> None:
    """Read a file to its end; the next piece is read while this one is dealt with."""
    pace = Pace()

    def read(offset: int) -> Piece:
        span = min(length - offset, RANGE_BYTES)
        return host.download(path, offset=offset, length=span, at_most_bytes=pace.piece_bytes)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay-read") as ahead:
        coming = ahead.submit(read, start) if start < length else None
        while coming is not None:
            piece = coming.result()
            coming = ahead.submit(read, piece.end) if piece.end < length else None
            take(piece)
            pace.after(piece, course.limit_mib_s)
            course.tell()


def _words(file: FileNote, what: str) -> str:
    return f"{file.target or 'The memory'} {what}"
