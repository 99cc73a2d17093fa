"""Domain documents from real hosts, and some that no host should ever send."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hypervisor.domain_xml import UnsafeXml, guest_facts, parse
from fleet.hypervisor.facts import DeviceFacts, GuestFacts, dump, load

GOLDEN = Path(__file__).parent / "golden"


def read(name: str) -> str:
    return (GOLDEN / name).read_text()


def test_a_running_guest_of_the_lab_is_read_in_full():
    guest = guest_facts(
        read("domain-running.xml"), state="running", pools={"local": "/srv/local"}, sizes={"vda": (1 << 28, 9 << 20)}
    )
    assert (guest.name, guest.memory_mib, guest.vcpus, guest.domain_type) == ("db", 96, 1, "qemu")
    assert (guest.arch, guest.machine, guest.cpu_mode, guest.cpu_model) == ("x86_64", "pc-q35-7.2", "custom", "qemu64")
    assert guest.title == "db (counter)"
    (disk,) = guest.disks
    assert (disk.target, disk.bus, disk.kind, disk.source) == ("vda", "virtio", "file", "/srv/local/db.qcow2")
    assert (disk.pool, disk.volume, disk.format, disk.cache) == ("local", "db.qcow2", "qcow2", "none")
    assert (disk.capacity_bytes, disk.allocation_bytes) == (1 << 28, 9 << 20)
    assert [path.rsplit("/", 1)[1].split("-")[0] for path in guest.boot_files] == ["vmlinuz", "initramfs"]
    assert guest.devices == ()


@pytest.mark.parametrize("name", ["domain-running.xml", "domain-shutoff.xml", "domain-migratable.xml"])
def test_a_card_on_a_bridged_network_is_a_network_card_running_or_not(name):
    (card,) = guest_facts(read(name)).interfaces
    assert (card.kind, card.source, card.model) == ("network", "lan", "virtio")


def test_disks_of_every_kind():
    disks = {disk.target: disk for disk in guest_facts(read("domain-devices.xml")).disks}
    assert disks["vda"].backing == "/var/lib/libvirt/images/legacy.qcow2"
    assert (disks["vda"].serial, disks["vda"].cache) == ("WD-42", "writeback")
    assert (disks["vdb"].kind, disks["vdb"].pool, disks["vdb"].volume) == ("volume", "fast", "data.raw")
    assert disks["vdb"].shareable
    assert disks["vdc"].source == "rbd://mon1,mon2/vms/legacy"
    assert (disks["sda"].device, disks["sda"].kind, disks["sda"].readonly) == ("cdrom", "", True)


def test_devices_that_hinder_a_migration_are_named():
    devices = guest_facts(read("domain-devices.xml")).devices
    assert {device.kind for device in devices} == {
        "hostdev",
        "filesystem",
        "tpm",
        "vsock",
        "nvram",
        "qemu:commandline",
    }
    assert DeviceFacts(kind="tpm", name="tpm-crb emulator") in devices
    assert DeviceFacts(kind="hostdev", name="0x0000 0x3b 0x00 0x0") in devices


def test_units_cpu_mode_and_cards_are_read():
    guest = guest_facts(read("domain-devices.xml"), leases={"52:54:00:aa:bb:cc": ("192.0.2.9",)})
    assert (guest.memory_mib, guest.vcpus, guest.cpu_mode) == (2048, 4, "host-passthrough")
    assert [(card.kind, card.source) for card in guest.interfaces] == [("direct", "eno1"), ("bridge", "br7")]
    assert guest.interfaces[0].addresses == ("192.0.2.9",)


def test_facts_survive_being_stored():
    guest = guest_facts(read("domain-devices.xml"))
    assert load(GuestFacts, dump(guest)) == guest


@pytest.mark.parametrize(
    "xml",
    [
        "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>",
        "<!DOCTYPE domain SYSTEM 'http://192.0.2.1/x.dtd'><domain/>",
        "<!DOCTYPE domain [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>",
        "<!DOCTYPE domain><domain/>",
        "<domain>&undefined;</domain>",
        "<domain>",
        "",
    ],
)
def test_entities_doctypes_and_rubbish_are_refused(xml):
    with pytest.raises(UnsafeXml):
        parse(xml)
