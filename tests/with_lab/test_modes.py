"""Every kind of move from host to host, with disks wherever they are, between real libvirt hosts."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until

MIB = 1 << 20


def image(lab: Lab, host: str, path: str) -> dict[str, Any]:
    """What QEMU says of a disk's file."""
    return json.loads(lab.exec(host, "qemu-img", "info", "-U", "--output=json", path))


def definition(lab: Lab, host: str, guest: str) -> ET.Element:
    return ET.fromstring(lab.virsh(host, "dumpxml", guest, "--inactive"))


def switch_off(drover: Installation, lab: Lab, guest: str) -> None:
    lab.virsh("alpha", "destroy", guest)
    until(lambda: drover.guest(guest)["state"] == "shutoff", 20, f"{guest} is seen to be off")


def with_disks(drover: Installation, lab: Lab, guest: str, *disks: str) -> None:
    """The guest again with these <disk> elements beside its own, running, and known to Drover."""
    lab.virsh("alpha", "destroy", guest, check=False)
    xml = lab.virsh("alpha", "dumpxml", guest, "--inactive")
    file = lab.places.host("alpha") / f"{guest}-more.xml"
    file.write_text(xml.replace("<controller type='usb'", "".join(disks) + "<controller type='usb'", 1))
    lab.virsh("alpha", "define", str(file))
    lab.virsh("alpha", "start", guest)
    count = 1 + len(disks)
    known = lambda: len(drover.guest(guest)["disks"]) == count and drover.guest(guest)["state"] == "running"  # noqa: E731
    until(known, 30, f"{guest} is seen with {count} disks")
    written = lab.serial(guest).count("\n")
    until(lambda: lab.serial(guest).count("\n") > written + 5, 30, f"{guest} writes again")


def disk(target: str, path: str, *, form: str = "qcow2", device: str = "disk", bus: str = "virtio") -> str:
    readonly = "<readonly/>" if device == "cdrom" else ""
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='{form}' cache='none' discard='unmap'/>"
        f"<source file='{path}'/><target dev='{target}' bus='{bus}'/>{readonly}</disk>"
    )


def source_of(lab: Lab, host: str, guest: str, target: str) -> str:
    """What a disk's definition names there; "" for an empty drive."""
    found = definition(lab, host, guest).find(f"devices/disk/target[@dev='{target}']/../source")
    return "" if found is None else found.get("file", "")


# -- offline ----------------------------------------------------------------------------------------------------------


def test_an_offline_move_frees_the_source_and_loses_no_write(drover: Installation, real_lab: Lab) -> None:
    job = drover.move("db2", "beta", mode="offline", options={"bandwidth_mib_s": 24})
    drover.in_stage(job, "disks", percent=5)
    assert real_lab.virsh("alpha", "domstate", "db2").strip() == "running", "it stands still for its memory only"
    job = drover.finished(job)
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["downtime_ms"] > 0
    assert real_lab.running_copies("db2") == ["beta"], "no QEMU, so no memory, is left at the source"
    assert real_lab.check_counter("db2").ok


# -- cold -------------------------------------------------------------------------------------------------------------


def test_a_guest_that_is_off_moves_with_its_disk_and_stays_off(drover: Installation, real_lab: Lab) -> None:
    real_lab.virsh("alpha", "autostart", "db2")
    before = definition(real_lab, "alpha", "db2")
    switch_off(drover, real_lab, "db2")
    serial = real_lab.serial("db2")
    job = drover.finished(drover.move("db2", "beta"))
    assert job["state"] == "succeeded", job["error"]
    assert real_lab.running_copies("db2") == []
    assert real_lab.serial("db2") == serial, "it executed nothing"
    assert "db2" not in real_lab.virsh("alpha", "list", "--all", "--name").split()
    assert "db2" in real_lab.virsh("beta", "list", "--inactive", "--autostart", "--name").split()
    after = definition(real_lab, "beta", "db2")
    for part in ("title", "description", "uuid", "memory"):
        assert after.findtext(part) == before.findtext(part)
    disk_there = source_of(real_lab, "beta", "db2", "vda")
    assert image(real_lab, "beta", disk_there)["actual-size"] < 100 * MIB, "64 MiB of data in a 256 MiB disk"
    until(lambda: (drover.where("db2"), drover.guest("db2")["state"]) == ("beta", "shutoff"), 20, "the row follows")
    real_lab.virsh("beta", "start", "db2")
    until(lambda: len(real_lab.serial("db2")) > len(serial) + 200, 60, "it goes on where it stopped")
    assert real_lab.check_counter("db2").ok


def test_a_guest_that_is_off_on_shared_disks_moves_by_its_definition(drover: Installation, real_lab: Lab) -> None:
    switch_off(drover, real_lab, "db1")
    job = drover.finished(drover.move("db1", "beta", mode="cold"))
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["storage"] == "none"
    assert "db1" in real_lab.virsh("beta", "list", "--inactive", "--name").split()
    assert "db1" not in real_lab.virsh("alpha", "list", "--all", "--name").split()


@pytest.mark.parametrize("fault", ["worker", "cancel"])
def test_a_cold_move_that_is_cut_short_never_lets_the_guest_run(
    drover: Installation, real_lab: Lab, fault: str
) -> None:
    switch_off(drover, real_lab, "db2")
    serial = real_lab.serial("db2")
    job = drover.move("db2", "beta", options={"bandwidth_mib_s": 8})
    drover.in_stage(job, "disks", percent=5)
    if fault == "worker":
        drover.kill("worker")
        drover.start_worker("worker")
        expected, place = "succeeded", "beta"
    else:
        assert drover.api("POST", f"jobs/{job['id']}/cancel/", {})[0] == 202
        expected, place = "cancelled", "alpha"
    ended = drover.finished(job)
    assert ended["state"] == expected, ended
    assert real_lab.running_copies("db2") == []
    defined = [name for name in real_lab.hosts if "db2" in real_lab.virsh(name, "list", "--all", "--name").split()]
    assert defined == [place]
    assert real_lab.serial("db2") == serial, "it executed nothing"


# -- disks ------------------------------------------------------------------------------------------------------------


def test_a_disk_over_a_shared_file_moves_without_that_file(drover: Installation, real_lab: Lab) -> None:
    # Not destroyed: what QEMU holds back of a qcow2's own tables would be lost, as in a power cut.
    real_lab.virsh("alpha", "shutdown", "db2")
    until(lambda: "shut off" in real_lab.virsh("alpha", "domstate", "db2"), 60, "db2 is off")
    local, base = "/srv/local/db2.qcow2", "/srv/shared/db2-base.qcow2"
    real_lab.exec("alpha", "qemu-img", "convert", "-O", "qcow2", local, base)
    real_lab.exec("alpha", "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", local)
    for host in ("alpha", "beta"):
        real_lab.virsh(host, "pool-refresh", "shared")
    real_lab.virsh("alpha", "start", "db2")
    known = lambda: [one.get("backing") for one in drover.guest("db2")["disks"]] == [base]  # noqa: E731
    until(known, 30, "the disk is seen over its base")
    job = drover.finished(drover.move("db2", "beta"))
    assert (job["state"], job["result"]["storage"]) == ("succeeded", "copy_incremental"), job
    there = image(real_lab, "beta", source_of(real_lab, "beta", "db2", "vda"))
    assert there["backing-filename"] == base
    assert there["actual-size"] < 16 * MIB, "the base holds 64 MiB, which were not copied"
    assert real_lab.check_counter("db2").ok
    back = drover.finished(drover.move("db2", "gamma", storage="copy"))
    assert (back["state"], back["result"]["storage"]) == ("succeeded", "copy"), back
    whole = image(real_lab, "gamma", source_of(real_lab, "gamma", "db2", "vda"))
    assert "backing-filename" not in whole
    assert whole["actual-size"] > 60 * MIB
    assert real_lab.check_counter("db2").ok


def test_mixed_disks_go_each_its_own_way_and_stay_thin(drover: Installation, real_lab: Lab) -> None:
    real_lab.exec("alpha", "qemu-img", "create", "-q", "-f", "raw", "/srv/local/logs.raw", "128M")
    real_lab.exec("alpha", "qemu-io", "-f", "raw", "-c", "write -q -P 7 1M 4M", "/srv/local/logs.raw")
    real_lab.exec("alpha", "qemu-img", "create", "-q", "-f", "qcow2", "/srv/shared/data.qcow2", "64M")
    more = (disk("vdb", "/srv/local/logs.raw", form="raw"), disk("vdc", "/srv/shared/data.qcow2"))
    with_disks(drover, real_lab, "db2", *more)
    wish = {"disks": {"vdb": {"path": "/srv/local/logs-of-db2.raw"}}}
    job = drover.finished(drover.move("db2", "beta", options=wish))
    assert job["state"] == "succeeded", job["error"]
    assert source_of(real_lab, "beta", "db2", "vdb") == "/srv/local/logs-of-db2.raw"
    assert source_of(real_lab, "beta", "db2", "vdc") == "/srv/shared/data.qcow2"
    raw = image(real_lab, "beta", "/srv/local/logs-of-db2.raw")
    assert (raw["format"], raw["virtual-size"]) == ("raw", 128 * MIB)
    assert raw["actual-size"] < 8 * MIB, "4 MiB of data in a sparse file"
    real_lab.exec("beta", "qemu-io", "-r", "-U", "-f", "raw", "-c", "read -q -P 7 1M 4M", "/srv/local/logs-of-db2.raw")
    assert real_lab.check_counter("db2").ok
    assert sorted(job["result"]["left_behind"]) == ["/srv/local/db2.qcow2", "/srv/local/logs.raw"]


@pytest.mark.parametrize("media", ["eject", "copy"])
def test_a_medium_only_the_source_sees_is_ejected_or_brought(drover: Installation, real_lab: Lab, media: str) -> None:
    real_lab.exec("alpha", "sh", "-c", "head -c 20000000 /dev/urandom > /srv/local/tools.iso")
    real_lab.virsh("alpha", "pool-refresh", "local")
    with_disks(drover, real_lab, "db2", disk("sda", "/srv/local/tools.iso", form="raw", device="cdrom", bus="sata"))
    status, answer = drover.submit("db2", "beta")
    assert (status, "medium_stays" in {check["code"] for check in answer["checks"]}) == (422, True)
    job = drover.finished(drover.move("db2", "beta", options={"media": media}))
    assert job["state"] == "succeeded", job["error"]
    assert source_of(real_lab, "beta", "db2", "sda") == ("/srv/local/tools.iso" if media == "copy" else "")
    assert real_lab.check_counter("db2").ok
    digest = real_lab.exec("alpha", "sha256sum", "/srv/local/tools.iso").split()[0]
    there = real_lab.exec("beta", "sh", "-c", "sha256sum /srv/local/tools.iso || true").split()
    assert there[:1] == ([digest] if media == "copy" else [])
    real_lab.exec("alpha", "rm", "/srv/local/tools.iso")
    real_lab.exec("beta", "rm", "-f", "/srv/local/tools.iso")
