"""The watcher beside real hosts: what happens behind Drover's back shows soon, and hung hosts hold up nobody."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time

from lab import Lab
from tests.with_lab.installation import Installation, until

#: Seconds in which a change made with virsh must show, and in which a hung or dead host must.
SHOWS_S = 2.0
SILENT_S = 15.0


def shows(drover: Installation, guest: str, state: str, *, within_s: float = SHOWS_S) -> None:
    until(lambda: drover.guest(guest)["state"] == state, within_s, f"{guest} shows as {state}")


def test_what_virsh_does_shows_within_two_seconds(drover: Installation, real_lab: Lab) -> None:
    real_lab.virsh("alpha", "suspend", "web1")
    shows(drover, "web1", "paused")
    real_lab.virsh("alpha", "resume", "web1")
    shows(drover, "web1", "running")
    real_lab.virsh("alpha", "destroy", "web1")
    shows(drover, "web1", "shutoff")
    real_lab.virsh("alpha", "start", "web1")
    shows(drover, "web1", "running")


def test_a_migration_with_virsh_is_followed_to_its_new_host(drover: Installation, real_lab: Lab) -> None:
    arguments = ("migrate", "--live", "--p2p", "--persistent", "--undefinesource", "web1", "qemu+tls://beta/system")
    told_before = len(drover.log("watcher"))
    real_lab.virsh("alpha", *arguments)
    until(lambda: drover.where("web1") == "beta", SHOWS_S, "web1 shows on beta")
    shows(drover, "web1", "running")
    assert "RUNS TWICE" not in drover.log("watcher")[told_before:]


def test_a_hung_host_shows_as_unreachable_and_holds_up_nobody(drover: Installation, real_lab: Lab) -> None:
    real_lab.kill("beta", daemon=True, number=signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        for state, verb in (("paused", "suspend"), ("running", "resume")) * 2:
            real_lab.virsh("alpha", verb, "web1")
            shows(drover, "web1", state)
        left_s = SILENT_S - (time.monotonic() - stopped)
        until(lambda: drover.host("beta")["state"] == "unreachable", left_s, "beta shows as unreachable")
        assert "answer" in drover.host("beta")["state_text"]
        assert drover.host("alpha")["state"] == "up"
    finally:
        real_lab.kill("beta", daemon=True, number=signal.SIGCONT)
    until(lambda: drover.host("beta")["state"] == "up", 25, "beta is up again")
    assert drover.host("beta")["state_text"] == ""


def test_a_restarted_libvirtd_is_heard_again(drover: Installation, real_lab: Lab) -> None:
    real_lab.kill("alpha", daemon=True)
    real_lab.restart("alpha")
    until(lambda: drover.host("alpha")["state"] == "up", 25, "alpha is up")
    real_lab.virsh("alpha", "suspend", "web1")
    shows(drover, "web1", "paused", within_s=5)
    real_lab.virsh("alpha", "resume", "web1")


def test_two_watchers_split_the_hosts_and_one_takes_over_from_a_dead_one(drover: Installation, real_lab: Lab) -> None:
    drover.start("watcher2", sys.executable, "manage.py", "watcher", "--name", "second")
    try:
        until(lambda: 0 < _leased(drover).count("second") < 3, 20, "the second has its part")
        drover.kill("watcher")
        until(lambda: _leased(drover).count("second") == 3, SILENT_S, "the second has everything")
        real_lab.virsh("alpha", "suspend", "web1")
        shows(drover, "web1", "paused", within_s=5)
        real_lab.virsh("alpha", "resume", "web1")
    finally:
        drover.start("watcher", sys.executable, "manage.py", "watcher")
        drover.programs["watcher2"].terminate()
    assert drover.programs["watcher2"].wait(15) == 0, "it ends cleanly"
    until(lambda: "second" not in _leased(drover), 20, "what it had is taken by the first")


def _leased(drover: Installation) -> list[str]:
    """The owner of each host's lease."""
    with sqlite3.connect(f"file:{drover.home / 'drover.sqlite3'}?mode=ro", uri=True) as database:
        return [owner for (owner,) in database.execute("SELECT owner FROM fleet_hostlease")]
