"""A running guest's disk to another pool of its host: it writes on all the while and loses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until


@pytest.fixture(autouse=True, scope="module")
def own_disks_again(real_lab: Lab) -> Iterator[None]:
    """A guest that never left its host keeps its disk where these tests brought it, unless all is made anew."""
    yield
    real_lab.reset(hard=True)


def wish(drover: Installation, **options: object) -> dict[str, object]:
    """db2's disk to the pool that it is not in."""
    guest = drover.guest("db2")
    pool = "local" if guest["disks"][0]["pool"] == "shared" else "shared"
    return {"guest": guest["id"], "mode": "storage", "options": {"target_pool": pool, **options}}


def shift(drover: Installation, **options: object) -> dict[str, object]:
    status, job = drover.api("POST", "migrations/", wish(drover, **options))
    assert status == 202, job
    return job


def sources(lab: Lab, *flags: str) -> list[str]:
    return re.findall(r"<source file='([^']+)'", lab.virsh("alpha", "dumpxml", *flags, "db2"))


def test_a_running_guests_disk_moves_and_no_write_is_lost(drover: Installation, real_lab: Lab) -> None:
    old = sources(real_lab)[0]
    status, answer = drover.api("POST", "migrations/?dry_run=true", wish(drover))
    assert (status, answer["allowed"]) == (200, True)
    job = drover.finished(shift(drover))
    assert job["state"] == "succeeded", job
    new = job["result"]["disks"][0]["to"]
    assert new.startswith("/srv/shared/")
    assert sources(real_lab)[0] == sources(real_lab, "--inactive")[0] == new
    assert job["result"]["left_behind"] == [old]
    assert real_lab.running_copies("db2") == ["alpha"]
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")
    image = json.loads(real_lab.exec("alpha", "qemu-img", "info", "-U", "--output=json", new))
    assert image["actual-size"] < 100 << 20, "64 MiB of data in a 256 MiB disk"
    until(lambda: drover.guest("db2")["disks"][0]["source"] == new, 20, "the row follows")


def test_the_next_worker_accompanies_the_copy_and_lets_it_be_the_disk(drover: Installation, real_lab: Lab) -> None:
    job = shift(drover, bandwidth_mib_s=10)
    drover.in_stage(job, "disks", percent=5)
    drover.kill("worker")
    drover.start_worker("worker")
    ended = drover.finished(job)
    assert ended["state"] == "succeeded", ended
    assert ended["result"]["adopted"] is True
    until(lambda: real_lab.check_counter("db2").ok, 20, "it counts on")


def test_cancelled_it_keeps_its_disk_and_nothing_is_left(drover: Installation, real_lab: Lab) -> None:
    old, before = sources(real_lab), real_lab.exec("alpha", "ls", "/srv/shared", "/srv/local")
    job = shift(drover, bandwidth_mib_s=5)
    drover.in_stage(job, "disks", percent=5)
    assert drover.api("POST", f"jobs/{job['id']}/cancel/", {})[0] == 202
    assert drover.finished(job)["state"] == "cancelled"
    assert sources(real_lab) == old
    assert real_lab.exec("alpha", "ls", "/srv/shared", "/srv/local") == before
    assert real_lab.check_counter("db2").ok
