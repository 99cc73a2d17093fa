"""Hosts, their libvirtds and QEMUs, the links between them and their storage fail."""

from __future__ import annotations

import signal
import time

from tests.faults.fault import Act, Fault, at_point, job_over, libvirt_gave_up, release, seconds, then, unknown, wake
from tests.faults.scene import DESTINATION, SOURCE, Scene
from tests.with_lab.installation import until


def _restart(host: str) -> Act:
    return lambda scene: scene.lab.restart(host)


def daemon(host: str, number: int = signal.SIGKILL) -> Act:
    """A signal to a host's libvirtd."""
    return lambda scene: scene.lab.kill(host, daemon=True, number=number)


def daemon_killed(host: str, whose: str, *, broken: Act = unknown) -> Fault:
    """kill -9, and started again when Drover has noticed."""
    return Fault(f"the {whose}'s libvirtd is killed (-9)", daemon(host), broken, _restart(host))


def daemon_ended(host: str, whose: str) -> Fault:
    """SIGTERM as a package upgrade sends it, SIGKILL for one that does not end, and started again at once."""

    def gone(scene: Scene) -> None:
        deadline = time.monotonic() + 10
        while scene.daemons(host) and time.monotonic() < deadline:
            time.sleep(0.1)
        scene.lab.kill(host, daemon=True)

    text = f"the {whose}'s libvirtd is restarted (SIGTERM, SIGKILL if it has not ended after 10 s)"
    return Fault(text, daemon(host, signal.SIGTERM), gone, _restart(host))


def daemon_hangs(host: str, whose: str) -> Fault:
    """SIGSTOP until Drover has noticed, then SIGCONT."""
    text = f"the {whose}'s libvirtd hangs (SIGSTOP)"
    return Fault(text, daemon(host, signal.SIGSTOP), unknown, daemon(host, signal.SIGCONT))


def qemu(host: str, whose: str) -> Fault:
    """kill -9 of one QEMU."""
    return Fault(f"the {whose}'s QEMU is killed (-9)", lambda s: s.lab.kill(host, qemu=s.guest))


def power(host: str, whose: str) -> Fault:
    """Everything on it dies at once; it comes back with its disks."""

    def inject(scene: Scene) -> None:
        scene.notes["lost_power"] = (host,)
        scene.lab.kill(host, everything=True)

    return Fault(f"the {whose} host loses its power and boots again", inject, unknown, _restart(host))


KILL_SOURCE, KILL_DESTINATION = daemon_killed(SOURCE, "source"), daemon_killed(DESTINATION, "destination")
END_SOURCE, END_DESTINATION = daemon_ended(SOURCE, "source"), daemon_ended(DESTINATION, "destination")
HANG_SOURCE, HANG_DESTINATION = daemon_hangs(SOURCE, "source"), daemon_hangs(DESTINATION, "destination")
QEMU_SOURCE, QEMU_DESTINATION = qemu(SOURCE, "source"), qemu(DESTINATION, "destination")
POWER_SOURCE, POWER_DESTINATION = power(SOURCE, "source"), power(DESTINATION, "destination")


def _heal(scene: Scene) -> None:
    scene.lab.heal()


def cut(words: str, one: str, other: str, broken: Act) -> Fault:
    """The link drops everything until `broken`."""
    return Fault(words, lambda scene: scene.lab.cut(one, other), broken, _heal)


CUT_SHORT = cut("the link between the hosts is cut for 2 s", SOURCE, DESTINATION, seconds(2))
CUT_LONG = cut("the link between the hosts is cut until libvirt gives up", SOURCE, DESTINATION, libvirt_gave_up)
CUT_SOURCE = cut("Drover cannot reach the source", SOURCE, "manager", unknown)
CUT_DESTINATION = cut("Drover cannot reach the destination for 10 s", DESTINATION, "manager", seconds(10))
CUT_BOTH = Fault(
    "Drover can reach neither host",
    then(CUT_SOURCE.inject, CUT_DESTINATION.inject),
    unknown,
    _heal,
)
LOSS = Fault(
    "a fifth of the packets between the hosts is lost for 6 s",
    lambda scene: scene.lab.cut(SOURCE, DESTINATION, loss_percent=20),
    seconds(6),
    _heal,
)


FULL = Fault(
    "the destination's pool is full",
    lambda scene: scene.lab.fill(DESTINATION, leave_mib=1),
    job_over,
    lambda scene: scene.lab.unfill(DESTINATION),
)


def _no_pool(scene: Scene) -> None:
    scene.lab.virsh(DESTINATION, "pool-destroy", "local")
    scene.drover.release()


NO_POOL = Fault(
    "the destination's pool is gone",
    _no_pool,
    job_over,
    lambda scene: scene.lab.virsh(DESTINATION, "pool-start", "local"),
)

KILL_DESTINATION_AT_POINT = at_point(KILL_DESTINATION)
FULL_AT_POINT = at_point(FULL)
CUT_AT_POINT = Fault(CUT_LONG.words, then(CUT_LONG.inject, release, wake), libvirt_gave_up, _heal)


def _stands_still(scene: Scene) -> None:
    """Whatever else becomes of it, the guest can only stand still at its source, or be off."""
    scene.notes["guest_state"] = "paused"


def _libvirt_cut_in_switch(scene: Scene) -> None:
    """QEMU's stream goes through, slowly; the destination is never told to let the guest go on."""
    _stands_still(scene)
    scene.lab.virsh(SOURCE, "migrate-setspeed", scene.guest, "1", "--postcopy")
    scene.lab.cut(SOURCE, DESTINATION, port=LIBVIRT_TLS)
    status, answer = scene.drover.api("POST", f"jobs/{scene.job['id']}/post-copy/", {})
    assert status == 202, answer
    until(lambda: "post-copy" in scene.domstate(SOURCE), 20, "the source is in post-copy")


def _half_a_copy_ended(scene: Scene) -> None:
    """The destination's libvirtd ends a copy that never ran together with the connection it came over."""
    until(lambda: not scene.domstate(DESTINATION), 60, "the destination has given the copy up")


def _reset_stream(scene: Scene) -> None:
    """The source's kernel ends QEMU's connection, as a firewall does that forgets it.

    Not in the first moments: what the destination's QEMU works with all the time has to be there, or it hears nobody.
    """
    until(lambda: scene.now["progress"]["memory"]["remaining"] < 80 << 20, 30, "the guest has what it uses most")
    address = scene.lab.hosts[DESTINATION].address
    ended = scene.lab.exec(SOURCE, "ss", "-K", "-tnH", "dst", address, "dport", "ge", f":{QEMU_STREAMS}")
    assert address in ended, "no stream was there to be reset"


LIBVIRT_TLS, QEMU_STREAMS = 16514, 49152
CUT_IN_SWITCH = Fault(
    "the libvirtds lose each other in the moment of the switch", _libvirt_cut_in_switch, _half_a_copy_ended, _heal
)
KILL_DESTINATION_IN_SWITCH = Fault(
    KILL_DESTINATION.words, then(_stands_still, KILL_DESTINATION.inject), KILL_DESTINATION.broken, KILL_DESTINATION.heal
)
RESET_STREAM = Fault("QEMU's stream is reset", _reset_stream)
CUT_45_S = cut("the link between the hosts is cut for 45 s", SOURCE, DESTINATION, seconds(45))
CUT_POST_COPY = cut("the link between the hosts is cut for 6 s", SOURCE, DESTINATION, seconds(6))
