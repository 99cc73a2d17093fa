"""What is proven of real moves: one copy, its silence, a signed receipt; what stays in quarantine; what is locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from lab.processes import LabError
from tests.with_lab.installation import Installation, until


def evidence(job: dict[str, Any]) -> dict[str, str]:
    return {line["what"]: line["outcome"] for line in job["result"]["evidence"]}


def test_a_move_is_proven_its_silence_measured_and_its_receipt_genuine(
    drover: Installation, real_lab: Lab, tmp_path: Path
) -> None:
    web = drover.guest("web1")
    drover.api("PATCH", f"guests/{web['id']}/", {"watch_address": real_lab.address_of("web1")})
    job = drover.finished(drover.move("web1", "beta"))
    assert job["state"] == "succeeded", job
    told = evidence(job)
    assert told == dict.fromkeys(("single copy", "disks open once", "guest agent", "network"), "proven"), job["result"]
    assert 0 < job["result"]["outage_ms"] < 5000
    assert "ICMP echo" in job["result"]["outage_method"]
    file = tmp_path / "receipt.json"
    document = drover.get(f"migrations/{job['id']}/receipt/")
    file.write_text(json.dumps(document))
    assert "Genuine" in drover.manage("verify_receipt", str(file))
    document["receipt"]["outage_ms"] = 0
    file.write_text(json.dumps(document))
    with pytest.raises(AssertionError, match="NOT GENUINE"):
        drover.manage("verify_receipt", str(file))


def test_an_agent_that_hears_and_does_not_answer_is_told(drover: Installation, real_lab: Lab) -> None:
    real_lab.ask("web1", "agent 0")
    job = drover.finished(drover.move("web1", "beta"))
    assert job["state"] == "succeeded", job
    assert (evidence(job)["guest agent"], job["result"]["proven"]) == ("failed", False)
    assert "proof.failed" in {event["code"] for event in drover.events(job)}


def test_a_copied_disk_stays_in_quarantine_with_a_note_until_it_is_deleted(drover: Installation, real_lab: Lab) -> None:
    job = drover.finished(drover.move("db2", "beta"))
    assert job["state"] == "succeeded", job
    assert evidence(job)["disks open once"] == "proven"
    assert evidence(job)["guest agent"] == "not_available"
    (path,) = job["result"]["left_behind"]

    def kept() -> Any:
        found = drover.get("quarantine/?state=kept&host=alpha")["results"]
        return next((one for one in found if one["job"].endswith(f"{job['id']}/") and one["note"]), None)

    disk = until(kept, 20, "the disk is in quarantine and marked")
    assert disk["path"] == path
    assert disk["size_bytes"] > 60 << 20
    assert "do not start any guest" in real_lab.exec("alpha", "cat", disk["note"])
    assert drover.api("DELETE", f"quarantine/{disk['id']}/")[0] == 202
    until(lambda: drover.get(f"quarantine/{disk['id']}/")["state"] == "deleted", 20, "it is deleted")
    left = real_lab.exec("alpha", "ls", "/srv/local").split()
    assert not [name for name in left if name.startswith("db2")], left
    assert real_lab.check_counter("db2").ok


def test_a_quarantined_disk_that_somebody_uses_again_is_not_deleted(drover: Installation, real_lab: Lab) -> None:
    job = drover.finished(drover.move("db2", "beta"))
    (path,) = job["result"]["left_behind"]
    real_lab.exec(
        "alpha", "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path, "/srv/local/heir.qcow2"
    )

    def mine() -> Any:
        found = drover.get("quarantine/?state=kept&host=alpha")["results"]
        return next((one for one in found if one["job"].endswith(f"{job['id']}/") and one["note"]), None)

    disk = until(mine, 20, "the disk is in quarantine and marked")
    assert drover.api("DELETE", f"quarantine/{disk['id']}/")[0] == 202
    text = until(lambda: drover.get(f"quarantine/{disk['id']}/")["trouble"], 20, "it says why it stays")
    assert "heir.qcow2" in text
    assert path in real_lab.exec("alpha", "sh", "-c", "ls /srv/local/*")


@pytest.fixture
def second_copy(drover: Installation, real_lab: Lab) -> Iterator[None]:
    """A second web1 on beta, from a copy of its disk, started behind Drover's back."""
    xml = real_lab.virsh("alpha", "dumpxml", "--inactive", "--migratable", "web1")
    disk = "/srv/local/second.qcow2"
    real_lab.exec("beta", "sh", "-c", f"cp /srv/shared/web1.qcow2 {disk}")
    xml = xml.replace("/srv/shared/web1.qcow2", disk)
    real_lab.exec("beta", "sh", "-c", f"cat > /run/second.xml <<'END'\n{xml}\nEND\n")
    real_lab.virsh("beta", "create", "/run/second.xml")
    yield
    real_lab.virsh("beta", "destroy", "web1", check=False)
    until(lambda: not drover.guest("web1")["runs_twice_on"], 20, "the alarm ends with the second copy")


def test_a_guest_that_runs_twice_sounds_the_alarm_and_is_moved_nowhere(
    drover: Installation, real_lab: Lab, second_copy: None
) -> None:
    assert sorted(real_lab.running_copies("web1")) == ["alpha", "beta"]
    until(lambda: drover.guest("web1")["runs_twice_on"] == ["alpha", "beta"], 10, "the alarm")
    assert "RUNS TWICE" in drover.log("watcher")
    status, answer = drover.submit("web1", "gamma")
    assert (status, answer["code"]) == (422, "runs_twice")
    twice = drover.get("guests/?runs_twice=true")["results"]
    assert [guest["name"] for guest in twice] == ["web1"]
    assert sorted(real_lab.running_copies("web1")) == ["alpha", "beta"], "Drover touches neither"


def test_a_disk_that_is_open_cannot_be_opened_by_a_second_host(drover: Installation, real_lab: Lab) -> None:
    xml = real_lab.virsh("alpha", "dumpxml", "--inactive", "--migratable", "db1")
    for host, other in (("beta", "alpha"), ("alpha", "beta")):
        real_lab.exec(host, "sh", "-c", f"cat > /run/second.xml <<'END'\n{xml}\nEND\n")
        if host == "alpha":
            assert drover.finished(drover.move("db1", "beta"))["state"] == "succeeded"
        with pytest.raises(LabError, match="lock"):
            real_lab.virsh(host, "create", "/run/second.xml")
        assert real_lab.running_copies("db1") == [other]
    assert real_lab.check_counter("db1").ok
