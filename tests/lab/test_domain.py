"""What libvirt is given."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from lab import domain
from lab.plan import parse_guest

SUBNET = "10.213.1.0/24"


def guest_xml(specification: str) -> ElementTree.Element:
    guest = parse_guest(specification, 0)
    xml = domain.guest_xml("demo", guest, SUBNET, Path("/k"), Path("/i"), Path("/s/web1.log"))
    return ElementTree.fromstring(xml)


def test_a_guest_has_its_disk_in_its_pool() -> None:
    assert guest_xml("web1:idle:alpha:local").find("devices/disk/source").get("file") == "/srv/local/web1.qcow2"  # type: ignore[union-attr]


def test_disks_may_be_shared_by_two_hosts_while_a_guest_moves() -> None:
    assert guest_xml("web1:idle:alpha").find("devices/disk/driver").get("cache") == "none"  # type: ignore[union-attr]


def test_the_temperament_stands_on_the_kernels_command_line() -> None:
    assert "lab.dirty_mib_s=30 " in guest_xml("web1:dirty:alpha:local:96:rate=30").findtext("os/cmdline", "")
    assert "lab.counter_hz=50 " in guest_xml("web1:counter:alpha").findtext("os/cmdline", "")
    assert "lab.ticks_ms=10 " in guest_xml("web1:idle:alpha::96:ticks_ms=10").findtext("os/cmdline", "")


def test_only_a_guest_with_an_agent_has_its_channel() -> None:
    channel = "devices/channel/target[@name='org.qemu.guest_agent.0']"
    assert guest_xml("web1:idle:alpha::96:agent=1").find(channel) is not None
    assert guest_xml("web1:idle:alpha::96").find(channel) is None


def test_memory_is_of_a_size_of_which_qemu_forgets_no_page() -> None:
    arguments = [
        argument.get("value", "") for argument in guest_xml("web1:idle:alpha::96").iterfind("{*}commandline/{*}arg")
    ]
    (kib,) = {int(size) for argument in arguments for size in re.findall(r"size=(\d+)k", argument)}
    assert kib % 4 == 0 < kib % 256
    assert kib < 96 * 1024


def test_a_shared_pool_is_one_per_site_and_a_local_one_per_host() -> None:
    def uuid(pool: str, site: str, host: str) -> str:
        return domain.pool_uuid("demo", pool, site, host)

    assert uuid("shared", "north", "alpha") == uuid("shared", "north", "beta")
    assert uuid("shared", "north", "alpha") != uuid("shared", "south", "gamma")
    assert uuid("local", "north", "alpha") != uuid("local", "north", "beta")


def test_network_and_pools_are_well_formed() -> None:
    assert ElementTree.fromstring(domain.network_xml("demo")).findtext("name") == "lan"
    assert (
        ElementTree.fromstring(domain.pool_xml("demo", "shared", "north", "alpha")).findtext("target/path")
        == "/srv/shared"
    )
