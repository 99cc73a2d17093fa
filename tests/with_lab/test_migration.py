"""Real migrations between real libvirt hosts, asked for over REST and done by real workers."""

from __future__ import annotations

import json

from lab import Lab
from tests.with_lab.installation import Installation, until


def test_a_guest_on_shared_storage_moves_and_loses_no_write(drover: Installation, real_lab: Lab) -> None:
    job = drover.finished(drover.move("db1", "beta"))
    assert job["state"] == "succeeded", job
    receipt = job["result"]
    assert receipt["copies"] == {"alpha": "absent", "beta": "running"}
    assert receipt["storage"] == "none"
    assert receipt["downtime_ms"] is not None
    assert real_lab.running_copies("db1") == ["beta"]
    assert real_lab.check_counter("db1").ok
    assert drover.where("db1") == "beta"


def test_a_dirtying_guest_moves_with_numbers_that_never_run_backwards(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options={"bandwidth_mib_s": 30})
    seen = []
    while not (now := drover.job(job))["finished_at"]:
        seen.append(now["progress"].get("percent") or 0)
    assert now["state"] == "succeeded", now
    assert seen == sorted(seen)
    assert all(percent < 100 for percent in seen)
    assert now["progress"]["percent"] == 100
    assert real_lab.running_copies("cache1") == ["beta"]
    assert real_lab.check_memory("cache1") == 0


def test_a_local_disk_is_copied_stays_thin_and_loses_no_write(drover: Installation, real_lab: Lab) -> None:
    job = drover.finished(drover.move("db2", "gamma"))
    assert job["state"] == "succeeded", job
    disk = drover.guest("db2")["disks"][0]["source"]
    arrived = json.loads(real_lab.exec("gamma", "qemu-img", "info", "-U", "--output=json", disk))
    assert arrived["actual-size"] < 100 << 20, "64 MiB of data in a 256 MiB disk"
    assert arrived["virtual-size"] == 256 << 20
    assert real_lab.running_copies("db2") == ["gamma"]
    assert real_lab.check_counter("db2").ok
    assert job["result"]["left_behind"] == [disk]


def test_a_copied_disk_comes_back_beside_the_old_file_and_never_over_it(drover: Installation, real_lab: Lab) -> None:
    assert drover.finished(drover.move("db2", "beta"))["state"] == "succeeded"
    until(lambda: drover.where("db2") == "beta" and drover.guest("db2")["disks"], 20, "the row follows")
    old = real_lab.exec("alpha", "sh", "-c", "ls -l --time-style=full-iso /srv/local/*.qcow2")
    back = drover.finished(drover.move("db2", "alpha"))
    assert back["state"] == "succeeded", back
    kept = real_lab.exec("alpha", "sh", "-c", "ls -l --time-style=full-iso /srv/local/*.qcow2")
    assert old.strip() in kept, "the file left behind by the first move is untouched"
    assert real_lab.check_counter("db2").ok


def test_shared_by_name_only_is_not_believed(drover: Installation, real_lab: Lab) -> None:
    status, answer = drover.submit("web1", "gamma", storage="none")
    assert status == 422
    assert "storage_not_shared" in {check["code"] for check in answer["checks"]}
    job = drover.finished(drover.move("web1", "gamma", storage="auto"))
    assert (job["state"], job["result"]["storage"]) == ("succeeded", "copy")


def test_cancel_while_memory_is_copied(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("cache1", "beta", options={"bandwidth_mib_s": 3, "auto_converge": False})
    drover.in_stage(job, "memory", percent=1)
    assert drover.api("POST", f"jobs/{job['id']}/cancel/", {})[0] == 202
    ended = drover.finished(job)
    assert (ended["state"], ended["error"]["guest_is_on"]) == ("cancelled", "alpha")
    assert real_lab.running_copies("cache1") == ["alpha"]
    again = drover.finished(drover.move("cache1", "beta"))
    assert again["state"] == "succeeded", "a new migration right after a cancel works"


def test_cancel_while_disks_are_copied_leaves_no_volume(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db2", "beta", options={"bandwidth_mib_s": 2})
    drover.in_stage(job, "disks", percent=1)
    assert drover.api("POST", f"jobs/{job['id']}/cancel/", {})[0] == 202
    ended = drover.finished(job)
    assert ended["state"] == "cancelled", ended
    assert real_lab.running_copies("db2") == ["alpha"]
    assert "qcow2" not in real_lab.exec("beta", "ls", "/srv/local")
    assert real_lab.check_counter("db2").ok


def test_a_busy_guest_takes_no_second_job(drover: Installation, real_lab: Lab) -> None:
    first = drover.move("cache1", "beta", options={"bandwidth_mib_s": 3, "auto_converge": False})
    status, answer = drover.submit("cache1", "gamma")
    assert status == 409
    assert first["id"] in answer["job"]
    drover.api("POST", f"jobs/{first['id']}/cancel/", {})
    drover.finished(first)


def test_a_guest_moved_behind_our_back_is_seen_and_not_moved_again(drover: Installation, real_lab: Lab) -> None:
    uri = f"qemu+tls://{real_lab.hosts['beta'].address}/system"
    real_lab.virsh("alpha", "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", "web1", uri)
    until(lambda: drover.where("web1") == "beta", 5, "the watcher sees it")
    status, answer = drover.submit("web1", "beta")
    assert (status, answer["code"]) == (422, "same_host")
