"""Moves of real guests, steered while they run: speed, pause to finish, post-copy, and a link cut in it."""

from __future__ import annotations

from typing import Any

from lab import Lab
from tests.with_lab.installation import Installation, until

#: Slow enough that a test can act, and no throttling of its own.
SLOW = {"bandwidth_mib_s": 5, "auto_converge": False}


def ask(drover: Installation, job: dict[str, Any], what: str, **body: int) -> tuple[int, Any]:
    return drover.api("POST", f"jobs/{job['id']}/{what}/", body)


def permitted(drover: Installation, job: dict[str, Any], action: str) -> None:
    until(lambda: action in drover.job(job)["permitted_actions"], 60, f"{action} is permitted", drover.story(job))


def codes(drover: Installation, job: dict[str, Any]) -> set[str]:
    return {event["code"] for event in drover.events(job)}


def test_a_faster_copy_ends_a_slow_move(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options=SLOW)
    permitted(drover, job, "bandwidth")
    assert ask(drover, job, "bandwidth", mib_s=0)[0] == 202
    ended = drover.finished(job)
    assert ended["state"] == "succeeded", ended
    assert "bandwidth.handled" in codes(drover, job)
    assert real_lab.check_memory("cache1") == 0


def test_a_guest_paused_to_finish_runs_at_the_destination(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db1", "beta", options=SLOW | {"max_downtime_ms": 1})
    permitted(drover, job, "bandwidth")
    status, answer = ask(drover, job, "pause")
    if status == 409:
        assert "first pass" in answer["detail"]
        permitted(drover, job, "pause")
        status, answer = ask(drover, job, "pause")
    assert status in {202, 409}, answer
    ended = drover.finished(job)
    assert ended["state"] == "succeeded", ended
    assert real_lab.virsh("beta", "domstate", "db1").strip() == "running"
    assert real_lab.check_counter("db1").ok


def test_a_switch_to_post_copy_cannot_be_cancelled_and_arrives(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options=SLOW)
    permitted(drover, job, "post-copy")
    assert ask(drover, job, "post-copy")[0] == 202
    until(lambda: "cancel" not in drover.job(job)["permitted_actions"], 20, "cancel is off", drover.story(job))
    ended = drover.finished(job)
    assert ended["state"] == "succeeded", ended
    assert real_lab.running_copies("cache1") == ["beta"]
    assert real_lab.check_memory("cache1") == 0


def test_a_link_cut_in_post_copy_is_mended_and_the_guest_lives(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db1", "beta", options=SLOW | {"bandwidth_mib_s": 3})
    permitted(drover, job, "post-copy")
    assert ask(drover, job, "post-copy")[0] == 202
    runs = lambda: real_lab.virsh("beta", "domstate", "db1", check=False).strip() == "running"  # noqa: E731
    until(runs, 20, "the guest runs in post-copy", drover.story(job))
    real_lab.cut("alpha", "beta")
    # Long enough that libvirt gives up, or would: it is not sure that it notices.
    until(lambda: gave_up(drover, job), 120, "the cut is noticed", drover.story(job))
    assert not drover.job(job)["finished_at"]
    real_lab.heal()
    ended = drover.finished(job, 300)
    assert ended["state"] == "succeeded", ended
    assert real_lab.running_copies("db1") == ["beta"]
    assert real_lab.virsh("alpha", "domstate", "db1", check=False).strip() == "", "the source has forgotten it"
    assert real_lab.check_counter("db1").ok


def gave_up(drover: Installation, job: dict[str, Any]) -> bool:
    told = [event["code"] for event in drover.events(job)]
    return "post_copy.broken" in told or told.count("post_copy.stalled") >= 3
