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


def test_a_new_network_reaches_every_network_card():
    after = guest_facts(rewrite(MIGRATABLE, network="blue"))
    assert [(card.kind, card.source) for card in after.interfaces] == [("network", "blue")]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("<interface type='network'><source network='red' portid='1' bridge='br7'/></interface>", ("network", "blue")),
        ("<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>", ("network", "blue")),
        ("<interface type='user'/>", ("user", "")),
        ("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", ("direct", "eth0")),
    ],
)
def test_only_cards_that_can_be_on_a_network_change_to_it(card: str, expected: tuple[str, str]):
    xml = f"<domain><name>x</name><devices>{card}</devices></domain>"
    after = rewrite(xml, network="blue")
    assert [(one.kind, one.source) for one in guest_facts(after).interfaces] == [expected]
    assert "portid" not in after
    assert "br0" not in after


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
