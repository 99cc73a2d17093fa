"""Post-copy that breaks off is mended, never aborted: each side holds memory that the other lacks.

libvirt: break the stream off at the source, then ask for the migration again with "resume" until QEMU accepts it
(https://libvirt.org/migration.html, "Recovering from a failed post-copy migration"). Important: break it off only when
the source reaches the destination again. Broken off while the link is cut, the destination never learns of it: its
QEMU waits for the old stream and its libvirtd holds the guest's lock (seen with libvirt 9.0), and nothing mends it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fleet.hypervisor.errors import HostUnreachable, HypervisorError, PeerUnreachable
from fleet.hypervisor.interface import MigrationOrder
from fleet.jobs.progress import LeaseLost
from fleet.models import JobCommand, JobEvent
from migrations_app.flows.errand import Errand
from migrations_app.outcome import Outcome

if TYPE_CHECKING:
    from migrations_app.flows.transfer import Course, _Watch

#: Between two attempts; QEMU itself needs moments to notice that its stream is gone.
AGAIN_S = 2.0
#: A hand-over or a broken stream shows itself on both hosts within this.
SETTLES_IN_S = 45.0


def break_off(errand: Errand) -> None:
    """Make a stream that hangs end, so that it can be mended; a refusal only means that it is over already."""
    try:
        errand.source.break_off_post_copy(errand.uuid)
    except HypervisorError:
        return
    text = "QEMU still waits for the old stream: it is broken off, to be taken up again"
    errand.pen.say("post_copy.broken_off", text, level=JobEvent.Level.WARNING)


def see_through(errand: Errand, course: Course, watch: _Watch) -> None:
    """After the call has ended: mend it as often as it takes, until both hosts say how it ended or one is silent."""
    told, since = False, time.monotonic()
    while True:
        outcome = errand.ask().outcome
        if outcome is Outcome.MOVING and time.monotonic() - since < SETTLES_IN_S:
            pass  # libvirt has not noticed yet, or is just finishing
        elif outcome is not Outcome.RECOVERING:
            return
        else:
            if not told:
                here, there = errand.migration.source_name, errand.migration.destination_name
                text = f"Post-copy broke off: {there} runs the guest and {here} holds the rest. Drover mends it"
                errand.pen.say("post_copy.broken", text, level=JobEvent.Level.WARNING)
                told = True
            if _mend(errand, course, watch):
                told, since = False, time.monotonic()
                continue
        _wait(errand)


def _mend(errand: Errand, course: Course, watch: _Watch) -> bool:
    """One attempt; True when libvirt accepted it, whatever became of it then."""
    order = resuming(errand)
    outcome: list[HypervisorError | None] = []
    done, wake = threading.Event(), threading.Event()

    def call() -> None:
        try:
            errand.source.migrate(errand.uuid, order)
            outcome.append(None)
        except HypervisorError as error:
            outcome.append(error)
        finally:
            done.set()
            wake.set()

    # The call may hang while its host is silent; the watch keeps the job alive meanwhile.
    threading.Thread(target=call, name=f"mend-{errand.name}", daemon=True).start()
    watch.resume()
    watch.until(done.is_set, wake)
    error = outcome[0] if outcome else None
    if error is None:
        course.error = None
        errand.pen.say("post_copy.mended", "Post-copy was taken up again and the rest has arrived")
        return True
    if not isinstance(error, HostUnreachable | PeerUnreachable):
        # The two hosts talk to each other again, only QEMU still waits for the old stream.
        break_off(errand)
    return False


def _wait(errand: Errand) -> None:
    """A moment, with the heartbeat kept and wishes answered."""
    for command in errand.pen.report():
        if command.kind == JobCommand.Kind.CANCEL:
            text = "not done: the guest needs the memory of both hosts; there is no way back"
            errand.pen.settle(command, text)
    if errand.lease.lost.wait(AGAIN_S):
        raise LeaseLost(f"job {errand.migration.pk}: the lease could not be kept")


def resuming(errand: Errand) -> MigrationOrder:
    """The order that takes a broken post-copy up again, from the rows alone."""
    return MigrationOrder(
        destination=errand.destination_row.where(),
        copy_disks=tuple(artefact["target"] for artefact in errand.migration.artefacts),
        post_copy=True,
        resume_post_copy=True,
        tls=bool((errand.pen.job.progress.get("steering") or {}).get("tls")),
        undefine_source=errand.options.undefine_source,
    )
