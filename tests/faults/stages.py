"""How a move is brought to an exact point of each of its stages, and kept there until the fault has come."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scene import DESTINATION, SOURCE, Scene
from tests.with_lab.installation import until


@dataclass(frozen=True)
class Point:
    """A point of a move, in the words of the table."""

    stage: str
    words: str
    reach: Callable[[Scene], None]


def _held(point: str) -> Callable[[Scene], None]:
    """A worker waits at a point of its own work; what lies before it need not crawl."""

    def reach(scene: Scene) -> None:
        scene.drover.hold(point)
        scene.begin()
        deadline = time.monotonic() + 60
        while not scene.drover.is_held(point):
            assert time.monotonic() < deadline, f"no worker comes to {point}\n{scene.drover.told(scene.job)}"
            scene.hurry()

    return reach


def _crawling(stage: str) -> Callable[[Scene], None]:
    def reach(scene: Scene) -> None:
        scene.begin()
        scene.stage(stage)

    return reach


def _queued(scene: Scene) -> None:
    scene.drover.freeze("worker")
    scene.begin()


def _queued_without_worker(scene: Scene) -> None:
    """Drover is told while no worker runs; one is started when the fault is mended."""
    scene.drover.kill("worker")
    scene.notes["no_worker"] = True
    scene.begin()


def _arriving(scene: Scene) -> None:
    """libvirt's Prepare: the destination's hook waits, its QEMU is not started yet."""
    scene.lab.hold(DESTINATION, at="prepare")
    scene.begin()
    scene.lab.wait_held(DESTINATION)


def _before_finish(scene: Scene) -> None:
    """All memory is over and the guest stands still on both sides: the destination's libvirtd sleeps before Finish."""
    scene.begin()
    scene.stage("memory")
    scene.lab.kill(DESTINATION, daemon=True, number=signal.SIGSTOP)
    scene.hurry()
    until(lambda: scene.domstate(SOURCE).startswith("paused"), 30, "the source has handed over its memory")


def _before_confirm(scene: Scene) -> None:
    """The guest runs at the destination; the source's libvirtd waits in its hook after it ended its own QEMU."""
    scene.lab.hold(SOURCE, at="stopped")
    scene.begin()
    deadline = time.monotonic() + 60
    while not scene.lab.is_held(SOURCE):
        assert time.monotonic() < deadline, f"the source never came to its end\n{scene.drover.told(scene.job)}"
        scene.hurry()


def _post_copy(scene: Scene) -> None:
    """The guest runs at the destination, and most of its memory is still at the source."""
    scene.begin()
    scene.stage("memory")
    scene.lab.virsh(SOURCE, "migrate-setspeed", scene.guest, "4", "--postcopy")
    status, answer = scene.drover.api("POST", f"jobs/{scene.job['id']}/post-copy/", {})
    assert status == 202, answer
    until(lambda: scene.domstate(DESTINATION).startswith("running"), 20, "the guest runs in post-copy")


def _post_copy_begins(scene: Scene) -> None:
    """The source stands still for good, and the destination's libvirtd sleeps before it could let the guest go on."""
    scene.begin()
    scene.stage("memory")
    scene.lab.kill(DESTINATION, daemon=True, number=signal.SIGSTOP)
    status, answer = scene.drover.api("POST", f"jobs/{scene.job['id']}/post-copy/", {})
    assert status == 202, answer
    until(lambda: scene.domstate(SOURCE) == "paused (post-copy)", 20, "the source is in post-copy")


NONE = Point("prepare", "before it is asked for", lambda scene: None)
QUEUED = Point("queued", "no worker has taken it yet", _queued)
QUEUED_WITHOUT_WORKER = Point("queued", "no worker runs", _queued_without_worker)
CHECK = Point("prepare", "the worker is about to check", _held("check"))
VOLUMES = Point("prepare", "volumes made, libvirt not yet called", _held("volumes"))
INTENT = Point("prepare", "the intent is committed, libvirt not yet called", _held("intent"))
ARRIVING = Point("prepare", "libvirt prepares the destination (its hook waits)", _arriving)
DISKS = Point("disks", "disks are being copied", _crawling("disks"))
MEMORY = Point("memory", "memory is being copied", _crawling("memory"))
BEFORE_FINISH = Point("switch-over", "memory is over, the destination has not said Finish", _before_finish)
BEFORE_CONFIRM = Point("switch-over", "the guest runs there, the source has not confirmed", _before_confirm)
POST_COPY = Point("post-copy", "the guest runs there, its memory is not all there", _post_copy)
BEFORE_POST_COPY = Point("post-copy", "an operator is about to switch to it", _crawling("memory"))
POST_COPY_BEGINS = Point(
    "post-copy", "the source is in post-copy, the destination does not run it yet", _post_copy_begins
)
SUCCESS = Point("verify", "libvirt has said yes, nothing is written yet", _held("success"))
CLEAN_UP = Point("clean-up", "the hand-over is proven, the source's disks still there", _held("clean-up"))
CLEANED = Point("clean-up", "the source's disks are dealt with, nothing is committed", _held("cleaned"))

#: Through the worker.
RELAY_SAVE = Point("prepare", "through the worker: its memory is about to be saved", _held("relay-suspend"))
RELAY_DISKS = Point("disks", "through the worker: its disk is carried, the guest sleeps", _crawling("disks"))
RELAY_HAND_OVER = Point("switch-over", "through the worker: all is there, none handed over", _held("relay-hand-over"))
RELAY_RESTORE = Point("switch-over", "through the worker: handed over, not yet restored", _held("relay-restore"))
RELAY_FINISH = Point("verify", "through the worker: restored, not yet awake", _held("relay-finish"))
