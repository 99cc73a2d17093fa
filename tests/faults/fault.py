"""What a fault is: how it comes, how long it lasts, how it is mended; a few lines anybody can repeat by hand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.processes import LabError
from tests.faults.scene import DESTINATION, SOURCE, Scene
from tests.with_lab.installation import until

Act = Callable[[Scene], Any]


def nothing(scene: Scene) -> None:
    """Nothing has to be done."""


@dataclass(frozen=True)
class Fault:
    """In the words of the table; `broken` waits until the fault has shown, `heal` ends it."""

    words: str
    inject: Act
    broken: Act = nothing
    heal: Act = nothing


def then(*acts: Act) -> Act:
    """One after the other."""

    def do(scene: Scene) -> None:
        for act in acts:
            act(scene)

    return do


def seconds(number: float) -> Act:
    """So long it is broken: the length is the fault."""
    return lambda scene: threading.Event().wait(number)


def unknown(scene: Scene) -> None:
    """Drover says that it does not know, and lets nobody touch the guest."""
    scene.state("unknown", 60)
    status, answer = scene.drover.submit(scene.guest, "gamma")
    assert status == 409, answer


def job_over(scene: Scene) -> None:
    """The job has ended with the fault in force."""
    scene.ended()


def libvirt_gave_up(scene: Scene) -> None:
    """libvirt itself has ended the migration on the source."""

    def idle() -> bool:
        try:
            told = scene.lab.virsh(SOURCE, "domjobinfo", scene.guest, check=False, timeout_s=10)
        except LabError:  # its QEMU holds it up
            return False
        return "None" in told or not told.strip()

    until(idle, 60, "the source has no migration job any more", scene.drover.story(scene.job))


def release(scene: Scene) -> None:
    """Whatever waits at a point goes on, with the fault in force."""
    scene.drover.release()
    for host in (SOURCE, DESTINATION):
        scene.lab.release(host)


def wake(scene: Scene) -> None:
    """Whoever sleeps, or is missing, so that the move stands at a point wakes up or comes."""
    scene.lab.kill(DESTINATION, daemon=True, number=signal.SIGCONT)
    if scene.notes.pop("no_worker", False):
        scene.drover.start_worker("worker")
    scene.drover.thaw("worker")


def at_point(fault: Fault) -> Fault:
    """For moves that wait at a point: the fault first, then they go on."""
    return Fault(fault.words, then(fault.inject, release), fault.broken, fault.heal)
