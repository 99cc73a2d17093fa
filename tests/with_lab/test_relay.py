"""Moves through the worker between real hosts that cannot reach each other: nothing is lost, whoever dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until

RELAY = {"route": "relay"}


@pytest.fixture
def apart(drover: Installation, real_lab: Lab) -> Iterator[Installation]:
    """alpha and beta, who cannot reach each other; Drover reaches both."""
    real_lab.cut("alpha", "beta")
    yield drover
    real_lab.heal()


def boots(lab: Lab, guest: str) -> int:
    """How often the guest began afresh."""
    return lab.serial(guest).count("READY ")


def leftovers(lab: Lab) -> list[str]:
    """Files of a relayed move on any host."""
    return [
        name
        for host in lab.hosts
        for name in lab.exec(host, "sh", "-c", "ls /srv/local /srv/shared").split()
        if name.endswith((".save", ".xml"))
    ]


def test_a_guest_goes_through_drover_with_its_memory_and_loses_no_write(apart: Installation, real_lab: Lab) -> None:
    before = boots(real_lab, "db2")
    job = apart.finished(apart.move("db2", "beta", options=RELAY))
    assert job["state"] == "succeeded", job
    assert job["result"]["copies"] == {"alpha": "absent", "beta": "running"}
    assert job["result"]["downtime_ms"] > 0
    assert real_lab.running_copies("db2") == ["beta"]
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")
    assert boots(real_lab, "db2") == before, "it went on where it stood, it was not started afresh"
    arrived = real_lab.exec("beta", "sh", "-c", "ls -s --block-size=1M /srv/local/db2.qcow2")
    assert int(arrived.split()[0]) < 100, "a thin disk stays thin"
    assert leftovers(real_lab) == []
    assert "db2" in real_lab.virsh("beta", "list", "--all", "--name", "--persistent")


def test_the_next_worker_goes_on_where_a_killed_one_stood(apart: Installation, real_lab: Lab) -> None:
    before = boots(real_lab, "db2")
    job = apart.move("db2", "beta", options=RELAY | {"bandwidth_mib_s": 15})
    apart.in_stage(job, "disks", percent=10)
    apart.kill("worker")
    carried = apart.job(job)["progress"]["disks"]["done"]
    apart.start_worker("worker")
    ended = apart.finished(job)
    assert ended["state"] == "succeeded", ended
    assert carried > 0
    assert "adopted" in {event["code"] for event in apart.events(job)}
    assert real_lab.running_copies("db2") == ["beta"]
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")
    assert boots(real_lab, "db2") == before
    assert leftovers(real_lab) == []


def test_a_host_that_is_cut_off_meanwhile_is_waited_for(apart: Installation, real_lab: Lab) -> None:
    job = apart.move("db2", "beta", options=RELAY | {"bandwidth_mib_s": 15})
    apart.in_stage(job, "disks", percent=10)
    real_lab.cut("beta")
    unknown = until(lambda: (now := apart.job(job))["state"] == "unknown" and now, 60, "it says so", apart.story(job))
    assert unknown["error"]["guest_is_on"] == "alpha"
    assert real_lab.running_copies("db2") == []
    real_lab.heal()
    ended = apart.finished(job)
    assert ended["state"] == "succeeded", ended
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")


def test_cancelled_on_the_way_it_runs_on_where_it_was(apart: Installation, real_lab: Lab) -> None:
    before = boots(real_lab, "db2")
    job = apart.move("db2", "beta", options=RELAY | {"bandwidth_mib_s": 15})
    apart.in_stage(job, "disks", percent=10)
    assert apart.api("POST", f"jobs/{job['id']}/cancel/", {})[0] == 202
    ended = apart.finished(job)
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("cancelled", "alpha")
    assert real_lab.running_copies("db2") == ["alpha"]
    assert boots(real_lab, "db2") == before
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")
    assert "qcow2" not in real_lab.exec("beta", "ls", "/srv/local")
    assert leftovers(real_lab) == []
