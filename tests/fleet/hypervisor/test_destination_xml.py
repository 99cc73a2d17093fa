"""What a guest's description becomes for its destination: only what must differ does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hypervisor.destination_xml import rewrite
from fleet.hypervisor.domain_xml import UnsafeXml, guest_facts

GOLDEN = Path(__file__).parent / "golden"
MIGRATABLE = (GOLDEN / "domain-migratable.xml").read_text()
DEVICES = (GOLDEN / "domain-devices.xml").read_text()


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    pairs = zip(before.replace('"', "'").splitlines(), after.replace('"', "'").splitlines(), strict=True)
    return [(one.strip(), other.strip()) for one, other in pairs if one != other]


def test_a_new_disk_path_changes_that_line_and_the_empty_chain_only():
    after = rewrite(MIGRATABLE, disk_sources={"vda": "/srv/local/web-2.qcow2"})
    assert guest_facts(after).disks[0].source == "/srv/local/web-2.qcow2"
    assert [line for line in MIGRATABLE.replace('"', "'").splitlines() if "backingStore" in line] in (
        [],
        ["      <backingStore/>"],
    )
    trimmed = "\n".join(line for line in MIGRATABLE.splitlines() if "backingStore" not in line)
    after = "\n".join(line for line in after.splitlines() if line.strip())
    assert changed_lines(trimmed, after) == [
        ("<source file='/srv/shared/web.qcow2'/>", "<source file='/srv/local/web-2.qcow2'/>")
    ]


def cards(*sources: str) -> str:
    made = [
        f"<interface {source}<mac address='52:54:00:00:00:0{at}'/></interface>" for at, source in enumerate(sources)
    ]
    return f"<domain><name>x</name><devices>{''.join(made)}</devices></domain>"


def test_each_card_is_plugged_in_where_it_is_told_and_the_others_stay():
    before = cards(
        "type='network'><source network='red' portid='1' bridge='br7'/><virtualport type='openvswitch'/>",
        "type='bridge'><source bridge='br0'/>",
        "type='bridge'><source bridge='br2'/>",
    )
    plugs = {"52:54:00:00:00:00": ("network", "blue"), "52:54:00:00:00:01": ("bridge", "br9")}
    after = rewrite(before, cards=plugs)
    found = [(one.kind, one.source) for one in guest_facts(after).interfaces]
    assert found == [("network", "blue"), ("bridge", "br9"), ("bridge", "br2")]
    for gone in ("portid", "br7", "br0", "openvswitch"):
        assert gone not in after


def test_boot_files_are_looked_for_where_they_lie_there():
    before = "<domain><os><kernel>/srv/a/vmlinuz</kernel><initrd>/srv/c/initrd</initrd></os></domain>"
    after = rewrite(before, files={"/srv/a/vmlinuz": "/srv/b/vmlinuz"})
    assert "<kernel>/srv/b/vmlinuz</kernel><initrd>/srv/c/initrd</initrd>" in after


def test_a_console_on_a_network_asks_the_other_network_for_its_address():
    console = (
        "<graphics type='vnc' listen='10.0.0.1'><listen type='network' address='10.0.0.1' network='lan'/></graphics>"
    )
    after = rewrite(f"<domain><devices>{console}</devices></domain>", networks={"lan": "prod"}, listen="192.0.2.9")
    assert '<graphics type="vnc"><listen type="network" network="prod"/></graphics>' in after


def test_a_copied_disk_arrives_without_its_backing_chain():
    after = guest_facts(rewrite(DEVICES, disk_sources={"vda": "/srv/new.qcow2", "vdb": "/srv/data.raw"}))
    disks = {disk.target: disk for disk in after.disks}
    assert (disks["vda"].source, disks["vda"].backing) == ("/srv/new.qcow2", "")
    assert (disks["vdb"].kind, disks["vdb"].source, disks["vdb"].pool) == ("file", "/srv/data.raw", "")


def test_only_consoles_on_an_address_of_the_source_move():
    after = rewrite(DEVICES, listen="198.51.100.4")
    assert after.count("198.51.100.4") == 2
    assert "192.0.2.7" not in after
    assert after.count("127.0.0.1") == 2


def test_an_unknown_disk_and_unsafe_xml_are_errors():
    with pytest.raises(KeyError):
        rewrite(MIGRATABLE, disk_sources={"vdz": "/x"})
    with pytest.raises(UnsafeXml):
        rewrite("<!DOCTYPE a [<!ENTITY x 'y'>]><domain>&x;</domain>")


def test_an_emptied_drive_keeps_its_place_and_loses_its_medium():
    before, after = guest_facts(DEVICES), guest_facts(rewrite(DEVICES, emptied=["sda"]))
    assert [disk.target for disk in after.disks] == [disk.target for disk in before.disks]
    drive = next(disk for disk in after.disks if disk.target == "sda")
    assert (drive.device, drive.kind, drive.source) == ("cdrom", "", "")
