"""What can go through the worker, and where the memory lies meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.hypervisor.facts import DeviceFacts
from migrations_app.preflight.relay import image_pool
from tests.migrations_app.preflight.situations import GIB, codes, disk, found, host, pool

RELAY: dict[str, Any] = {"options": {"route": "relay"}, "mode": "offline"}

BLOCKED: list[tuple[dict[str, Any], str]] = [
    ({"persistent": False}, "relay_transient"),
    ({"managed_save": True}, "relay_managed_save"),
    ({"state": "paused"}, "relay_paused"),
    ({"devices": (DeviceFacts(kind="nvram", name="/var/lib/libvirt/qemu/nvram/web.fd"),)}, "relay_leaves_behind"),
    ({"devices": (DeviceFacts(kind="tpm", name="tpm-crb"),)}, "relay_leaves_behind"),
    ({"snapshots": 1}, "has_snapshots"),
    ({"disks": (disk(backing="/srv/bases/debian.qcow2"),)}, "relay_backing"),
    ({"disks": (disk(source="/elsewhere/web.qcow2"),)}, "relay_outside_pools"),
]


@pytest.mark.parametrize(("changes", "code"), BLOCKED)
def test_what_would_be_left_behind_is_refused(changes: dict[str, Any], code: str) -> None:
    findings = found(guest=changes, **(RELAY | {"options": {"route": "relay", "target_pool": "images"}}))
    assert ("block", code) in codes(findings)


def test_a_plain_guest_may_go_and_is_told_that_it_is_suspended() -> None:
    findings = found(guest={"disks": (disk(),)}, **RELAY)
    assert findings.allowed, codes(findings)
    assert ("warn", "relay_suspends") in codes(findings)


def test_it_cannot_go_live() -> None:
    assert ("block", "relay_not_live") in codes(found(options={"route": "relay"}, mode="live"))


def test_another_route_is_not_judged_by_these_rules() -> None:
    assert not [code for _, code in codes(found(guest={"managed_save": True})) if code.startswith("relay_")]


@pytest.mark.parametrize("end", ["source", "destination"])
def test_the_memory_needs_room_in_a_pool_of_both_hosts(end: str) -> None:
    findings = found(**RELAY, **{end: {"pools": (pool(available_bytes=1 * GIB),)}})
    assert ("block", "relay_no_room") in codes(findings), "1024 MiB and QEMU's own do not fit into 1 GiB"


def test_the_image_lies_beside_the_first_disk_if_there_is_room_else_where_there_is_most() -> None:
    home, wide = pool(available_bytes=2 * GIB), pool("wide", "/srv/wide", available_bytes=50 * GIB)
    alpha = host("alpha", pools=(home, wide))
    near, far = image_pool(alpha, (disk(),), GIB), image_pool(alpha, (disk(),), 3 * GIB)
    assert (near and near.name, far and far.name) == ("images", "wide")
    assert image_pool(alpha, (disk(),), 60 * GIB) is None
