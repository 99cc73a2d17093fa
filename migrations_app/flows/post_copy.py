"""Post-copy that breaks off is mended, never aborted: each side holds memory that the other lacks.

libvirt gives a silent link up after half a minute, QEMU's own stream only after a quarter of an hour: when the link
returns in between, the kernel sends again within as long as the link was away (two minutes at most), the rest arrives
and both libvirts notice. So that is waited for first, and in peace: a call for "resume" that comes while the last bytes
arrive hangs (seen with libvirt 9.0). Only a stream that stays dead is broken off, and the migration
asked for again with "resume" until QEMU accepts it (https://libvirt.org/migration.html, "Recovering from a failed
post-copy migration"). Important: that is the last resort. libvirt (9.0) asks the destination's QEMU in its main loop,
and a guest that works with its disk meanwhile has that loop wait for memory which only the stream could bring.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fleet.hypervisor.errors import HostUnreachable, HypervisorError, PeerUnreachable
from fleet.hypervisor.interface import MigrationOrder
from fleet.models import JobEvent
from migrations_app.flows.errand import Errand
from migrations_app.outcome import Outcome

if TYPE_CHECKING:
    from migrations_app.flows.transfer import Course, _Watch

#: Between two attempts; QEMU itself needs moments to notice that its stream is gone.
AGAIN_S = 2.0
#: QEMU's own stream goes on within this once the hosts reach each other: the kernel's longest pause between two tries.
STREAM_RETURNS_IN_S = 130.0
#: How often it is looked whether a call was overtaken.
OVERTAKEN_EVERY_S = 5.0
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
    since = time.monotonic()
    broken: _Broken | None = None
    while True:
        outcome = errand.ask().outcome
        if outcome is Outcome.MOVING and time.monotonic() - since < SETTLES_IN_S:
            pass  # libvirt has not noticed yet, or is just finishing
        elif outcome is not Outcome.RECOVERING:
            return
        else:
            broken = broken or _Broken(errand, watch)
            if broken.mended():
                course.error = None
                errand.pen.say("post_copy.mended", "Post-copy was taken up again and the rest has arrived")
                broken, since = None, time.monotonic()
                continue
        _go_on(watch, for_s=AGAIN_S)


class _Broken:
    """A post-copy that libvirt has given up: whether its stream still lives, and what was tried."""

    def __init__(self, errand: Errand, watch: _Watch) -> None:
        self._errand, self._watch = errand, watch
        self._waited = self._insists = False
        self._told = ""
        here, there = errand.migration.source_name, errand.migration.destination_name
        text = f"Post-copy broke off: {there} runs the guest and {here} holds the rest. Drover mends it"
        errand.pen.say("post_copy.broken", text, level=JobEvent.Level.WARNING)
        watch.resume()

    def mended(self) -> bool:
        """One look, and libvirt is asked again if it is time for that; True when it took it up and the rest arrived."""
        quiet_s = time.monotonic() - self._watch.moved
        if not (self._insists or self._stream_ended() or quiet_s > STREAM_RETURNS_IN_S):
            return False
        error = _ask_again(self._errand, self._watch)
        self._watch.resume()
        if error is not None and self._errand.ask().outcome is Outcome.RECOVERING:
            self._refused(error)
        return error is None

    def _stream_ended(self) -> bool:
        """QEMU at the destination has noticed it: nothing can come by itself any more."""
        try:
            there = self._errand.destination.glimpse(self._errand.uuid)
        except HypervisorError:
            return False
        return there is not None and there.reason == "postcopy_failed"

    def _refused(self, error: HypervisorError) -> None:
        """Because of the link, or because QEMU still has its old stream."""
        if error.text != self._told:
            self._told = error.text
            self._errand.pen.say("post_copy.refused", f"It cannot be taken up yet: {error.text}")
        if isinstance(error, HostUnreachable | PeerUnreachable) or self._insists or self._stream_ended():
            return
        if not self._waited:
            self._waited = True
            text = "The hosts reach each other; QEMU's own stream has two minutes to go on by itself"
            self._errand.pen.say("post_copy.waits", text)
        else:
            self._insists = True
            break_off(self._errand)


def _ask_again(errand: Errand, watch: _Watch) -> HypervisorError | None:
    """Ask libvirt to take it up again; None when it did and the rest has arrived."""
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
    overtaken = _Overtaken(errand)
    watch.resume()
    watch.until(lambda: done.is_set() or overtaken(), wake)
    return outcome[0] if outcome else HypervisorError("libvirt still tries", host=errand.source_row.name)


class _Overtaken:
    """Whether it ended by itself while libvirt was asked, for a call that hangs then would be waited for for ever."""

    def __init__(self, errand: Errand) -> None:
        self._errand, self._next = errand, time.monotonic() + OVERTAKEN_EVERY_S

    def __call__(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + OVERTAKEN_EVERY_S
        return self._errand.ask().outcome in {Outcome.ARRIVED, Outcome.STRANDED, Outcome.OFF}


def _go_on(watch: _Watch, *, for_s: float) -> None:
    """A moment in which numbers are read and wishes answered; raises LeaseLost."""
    until = time.monotonic() + for_s
    watch.until(lambda: time.monotonic() >= until, threading.Event())


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
