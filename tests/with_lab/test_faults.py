"""What dies in the middle of a real migration, and how the job ends: always with the truth."""

from __future__ import annotations

import signal

import pytest

from lab import Lab
from tests.with_lab.installation import LEASE_S, Installation, until

#: Slow enough that a fault has time to come; cache1 writes faster than this, so it stays in the memory stage.
SLOW = {"bandwidth_mib_s": 3, "auto_converge": False}


def assert_one_copy(lab: Lab, guest: str, host: str) -> None:
    assert lab.running_copies(guest) == [host]


def assert_no_orphans(lab: Lab, host: str) -> None:
    assert "qcow2" not in lab.exec(host, "ls", "/srv/local")


def test_a_killed_workers_migration_is_adopted(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db1", "beta", options={"bandwidth_mib_s": 6})
    drover.in_stage(job, "memory", percent=1)
    drover.kill("worker")
    drover.start_worker("worker")
    ended = drover.finished(job, 90)
    assert ended["state"] == "succeeded", ended
    assert ended["result"]["adopted"] is True
    assert_one_copy(real_lab, "db1", "beta")
    assert real_lab.check_counter("db1").ok


def test_a_second_worker_takes_over_without_anybody_starting_it(drover: Installation, real_lab: Lab) -> None:
    drover.start_worker("worker2")
    try:
        until(lambda: "ready" in drover.log("worker2"), 30, "the second worker is ready")
        job = drover.move("cache1", "beta", options=SLOW)
        drover.in_stage(job, "memory", percent=1)
        # Whichever has it dies; the other one is left.
        started = next(event for event in drover.events(job) if event["code"] == "started")
        number = int(started["data"]["worker"].split(":")[1])
        drover.kill(next(name for name in ("worker", "worker2") if drover.programs[name].pid == number))
        until(
            lambda: any(event["code"] == "adopted" for event in drover.events(job)),
            LEASE_S + 15,
            "the other worker adopts",
        )
        drover.api("POST", f"jobs/{job['id']}/cancel/", {})
        assert drover.finished(job)["state"] == "cancelled"
        assert_one_copy(real_lab, "cache1", "alpha")
    finally:
        if drover.programs["worker2"].poll() is None:
            drover.kill("worker2")


def test_kill_9_of_the_destinations_libvirtd(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db2", "beta", options={"bandwidth_mib_s": 2})
    drover.in_stage(job, "disks", percent=1)
    real_lab.kill("beta", daemon=True)
    until(lambda: drover.job(job)["state"] == "unknown", 60, "nobody guesses while beta is silent", drover.story(job))
    real_lab.restart("beta")
    ended = drover.finished(job)
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("failed", "alpha"), ended
    assert_one_copy(real_lab, "db2", "alpha")
    assert_no_orphans(real_lab, "beta")
    assert real_lab.check_counter("db2").ok


def test_kill_9_of_the_sources_libvirtd(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options=SLOW)
    drover.in_stage(job, "memory", percent=1)
    real_lab.kill("alpha", daemon=True)
    until(lambda: drover.job(job)["state"] == "unknown", 60, "nobody guesses while alpha is silent", drover.story(job))
    real_lab.restart("alpha")
    ended = drover.finished(job)
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("failed", "alpha"), ended
    assert_one_copy(real_lab, "cache1", "alpha")


def test_a_cut_between_the_hosts(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options=SLOW)
    drover.in_stage(job, "memory", percent=1)
    real_lab.cut("alpha", "beta")
    ended = drover.finished(job, 120)
    real_lab.heal()
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("failed", "alpha"), ended
    assert_one_copy(real_lab, "cache1", "alpha")


def test_a_cut_from_the_manager_does_not_disturb_the_migration(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db1", "beta", options={"bandwidth_mib_s": 6})
    drover.in_stage(job, "memory", percent=1)
    real_lab.cut("alpha", "manager")
    until(lambda: drover.job(job)["state"] == "unknown", 90, "alpha cannot be asked", drover.story(job))
    assert drover.submit("db1", "gamma")[0] == 409, "nobody touches the guest meanwhile"
    real_lab.heal()
    ended = drover.finished(job)
    assert ended["state"] == "succeeded", ended
    assert_one_copy(real_lab, "db1", "beta")
    assert real_lab.check_counter("db1").ok


def test_a_hung_destination(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options=SLOW)
    drover.in_stage(job, "memory", percent=1)
    real_lab.kill("beta", daemon=True, number=signal.SIGSTOP)
    until(lambda: drover.job(job)["state"] == "unknown", 90, "beta cannot be asked", drover.story(job))
    real_lab.kill("beta", daemon=True, number=signal.SIGCONT)
    ended = drover.finished(job)
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("failed", "alpha"), ended
    assert_one_copy(real_lab, "cache1", "alpha")


def test_a_pool_that_fills_up_meanwhile(drover: Installation, real_lab: Lab) -> None:
    real_lab.fill("beta", leave_mib=20)
    try:
        status, answer = drover.submit("db2", "beta")
        if status == 202:  # the rows still said that there is room: the worker or QEMU finds out
            ended = drover.finished(answer)
            assert ended["state"] == "failed", ended
            assert ended["error"]["code"] in {"no_space", "pool_full"}, ended
        else:
            assert "pool_full" in {check["code"] for check in answer["checks"]}
    finally:
        real_lab.unfill("beta")
    assert_one_copy(real_lab, "db2", "alpha")
    assert_no_orphans(real_lab, "beta")
    assert real_lab.check_counter("db2").ok


def test_a_pool_that_fills_up_while_disks_are_copied(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db2", "beta", options={"bandwidth_mib_s": 4})
    drover.in_stage(job, "disks", percent=1)
    real_lab.fill("beta", leave_mib=1)
    ended = drover.finished(job)
    real_lab.unfill("beta")
    assert (ended["state"], ended["error"]["code"]) == ("failed", "no_space"), ended
    assert_one_copy(real_lab, "db2", "alpha")
    assert_no_orphans(real_lab, "beta")
    assert real_lab.check_counter("db2").ok


@pytest.mark.parametrize("fault", ["killed", "killed in the middle"])
def test_redis_may_die(drover: Installation, real_lab: Lab, fault: str) -> None:
    if fault == "killed":
        drover.kill("redis")
        job = drover.move("web1", "beta")
        assert drover.job(job)["state"] == "queued"
    else:
        job = drover.move("db1", "beta", options={"bandwidth_mib_s": 6})
        drover.in_stage(job, "memory", percent=1)
        drover.kill("redis")
    drover.start_redis()
    ended = drover.finished(job, 60)
    assert ended["state"] == "succeeded", ended
