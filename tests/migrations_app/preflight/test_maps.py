"""A map over the checks: networks, pools, folders and consoles are looked for by the names they have over there."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.hypervisor.facts import DeviceFacts, NetworkFacts
from migrations_app import map_rules
from migrations_app.map_rules import Wire
from migrations_app.preflight.situation import DiskAction
from tests.migrations_app.preflight.situations import ALPHA, BETA, card, codes, disk, found, guest, only, pool

PROD = NetworkFacts(name="prod", kind="network", bridge="virbr7", active=True)
IDLE = NetworkFacts(name="idle", kind="network", bridge="virbr8", active=False)


def rules(**parts: Any) -> map_rules.MapRules:
    document = {part: [{"from": old, "to": new} for old, new in rows.items()] for part, rows in parts.items()}
    return map_rules.parse(document, name="north to south")


@pytest.mark.parametrize(
    ("networks", "of_card", "code", "plugged_into"),
    [
        ({"network:default": "network:prod"}, card(), None, Wire("network", "prod")),
        ({"bridge:br0": "network:prod"}, card("bridge", "br0"), None, Wire("network", "prod")),
        ({"network:default": "bridge:virbr7"}, card(), None, Wire("bridge", "virbr7")),
        ({"network:other": "network:prod"}, card("network", "prod"), None, None),
        ({"network:default": "network:nowhere"}, card(), "network_missing", Wire("network", "nowhere")),
        ({"network:default": "network:idle"}, card(), "network_inactive", Wire("network", "idle")),
        ({"network:default": "bridge:br5"}, card(), "bridge_not_seen", Wire("bridge", "br5")),
        ({"network:prod": "network:prod"}, card("network", "prod"), None, None),
    ],
)
def test_a_card_is_judged_by_what_it_is_plugged_into_there(networks, of_card, code, plugged_into):
    findings = found(
        guest=guest(interfaces=(of_card,)), destination={"networks": (PROD, IDLE)}, map=rules(networks=networks)
    )
    assert [check.code for check in findings.checks] == ([code] if code else [])
    assert findings.rewrites.cards == ({of_card.mac: plugged_into} if plugged_into else {})


def test_a_refused_network_says_which_map_wanted_it():
    check = only(found(map=rules(networks={"network:default": "network:nowhere"})))
    assert check.message == "beta has no network 'nowhere', by the map north to south for 'default'."


def test_the_option_is_stronger_than_the_map():
    findings = found(
        options={"target_network": "prod"},
        destination={"networks": (PROD,)},
        map=rules(networks={"network:default": "network:nowhere"}),
    )
    assert codes(findings) == []
    assert list(findings.rewrites.cards.values()) == [Wire("network", "prod")]


def test_a_card_that_is_no_card_of_a_network_is_left_alone():
    findings = found(guest=guest(interfaces=(card("user", ""),)), map=rules(networks={"network:default": "network:x"}))
    assert findings.rewrites.cards == {}


SSD = pool("ssd", "/mnt/ssd")
WITH_DISK = {"guest": guest(disks=(disk(),))}


@pytest.mark.parametrize(
    ("parts", "there"),
    [
        ({"pools": {"images": "ssd"}}, "/mnt/ssd/web.qcow2"),
        ({"paths": {"/srv/images": "/mnt/ssd"}}, "/mnt/ssd/web.qcow2"),
        ({"paths": {"/srv": "/mnt"}}, None),  # /mnt/images is no pool there
        ({"pools": {"images": "ssd"}, "paths": {"/srv/images": "/elsewhere"}}, "/mnt/ssd/web.qcow2"),
        ({"pools": {"fast": "slow"}}, "/srv/images/web.qcow2"),
    ],
)
def test_a_copied_disk_goes_where_the_map_says(parts, there):
    findings = found(**WITH_DISK, destination={"pools": (pool(), SSD)}, map=rules(**parts))
    assert [plan.path for plan in findings.copies] == ([there] if there else [])
    assert findings.allowed == bool(there)


def test_a_pool_of_the_map_that_is_not_there_is_named_with_those_that_are():
    check = only(found(**WITH_DISK, map=rules(pools={"images": "ssd"})))
    assert check.code == "pool_missing"
    assert check.message == "beta has no active folder pool 'ssd', which the map north to south names."
    assert check.remedy == "Choose one of: images."


def test_an_options_pool_is_stronger_than_the_map():
    findings = found(
        **WITH_DISK,
        options={"target_pool": "images"},
        destination={"pools": (pool(), SSD)},
        map=rules(pools={"images": "ssd"}, paths={"/srv/images": "/mnt/ssd"}),
    )
    assert [plan.pool for plan in findings.copies] == ["images"]


def test_one_shared_folder_under_two_paths_needs_no_copy_when_a_map_knows_both():
    both = (ALPHA, BETA)
    findings = found(
        **WITH_DISK,
        source={"pools": (pool(markers=both),)},
        destination={"pools": (pool("nfs", "/mnt/nfs", markers=both),)},
        map=rules(paths={"/srv/images": "/mnt/nfs"}),
    )
    [plan] = findings.disks
    assert (plan.action, plan.path, plan.moves_elsewhere) == (DiskAction.SHARED, "/mnt/nfs/web.qcow2", True)
    assert findings.allowed


@pytest.mark.parametrize(
    ("listens", "address", "wanted", "there", "code"),
    [
        (("192.0.2.1",), "192.0.2.2", "", "192.0.2.2", "console_moves"),
        (("192.0.2.1",), "192.0.2.2", "198.51.100.2", "198.51.100.2", "console_moves"),
        (("192.0.2.2",), "192.0.2.2", "", "", None),
        (("192.0.2.1",), "", "", "", "console_address"),
        ((), "192.0.2.2", "198.51.100.2", "", None),
    ],
)
def test_a_console_on_the_sources_address_moves_to_one_of_the_destination(listens, address, wanted, there, code):
    findings = found(
        guest=guest(listens=listens),
        destination={"address": address},
        map=map_rules.parse({"graphics_listen": wanted}),
    )
    assert findings.rewrites.listen == there
    assert codes(findings) == ([("warn", code)] if code else [])


def test_firmware_and_kernel_follow_the_folders_of_the_map():
    findings = found(
        guest=guest(boot_files=("/srv/a/vmlinuz",), devices=(DeviceFacts(kind="nvram", name="/srv/a/web.fd"),)),
        map=rules(paths={"/srv/a": "/srv/b"}),
    )
    assert findings.rewrites.files == {"/srv/a/vmlinuz": "/srv/b/vmlinuz", "/srv/a/web.fd": "/srv/b/web.fd"}
    assert "/srv/b/vmlinuz must exist on beta as well." in {check.message for check in findings.checks}


def test_consoles_follow_a_network_to_a_network_and_never_to_a_bridge():
    console = guest(console_networks=("default",))
    to_network = found(guest=console, map=rules(networks={"network:default": "network:prod"}))
    assert to_network.rewrites.console_networks == {"default": "prod"}
    to_bridge = found(guest=console, map=rules(networks={"network:default": "bridge:br1"}))
    assert to_bridge.rewrites.console_networks == {}
