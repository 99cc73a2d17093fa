"""What each kind of move asks of the guest, and what a guest that is off cannot take along."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.hypervisor.facts import DeviceFacts
from tests.migrations_app.preflight.situations import codes, disk, found, guest, only, shared_pools

NVRAM = DeviceFacts(kind="nvram", name="/var/lib/libvirt/qemu/nvram/web_VARS.fd")
SHARED_NVRAM = DeviceFacts(kind="nvram", name="/srv/images/web_VARS.fd")
TPM = DeviceFacts(kind="tpm", name="tpm-crb emulator")
CARD = DeviceFacts(kind="hostdev", name="0x0000 0x01 0x00 0x0")

STATES: list[tuple[str, str, str]] = [
    ("cold", "running", "guest_not_off"),
    ("cold", "paused", "guest_not_off"),
    ("cold", "shutoff", ""),
    ("cold", "crashed", ""),
    ("offline", "running", ""),
    ("offline", "paused", ""),
    ("offline", "shutoff", "guest_not_running"),
    ("live", "paused", ""),
]


@pytest.mark.parametrize(("mode", "state", "code"), STATES)
def test_a_mode_fits_the_guests_state_or_says_why_not(mode: str, state: str, code: str) -> None:
    findings = found(mode=mode, guest={"state": state})
    assert codes(findings) == ([("block", code)] if code else [])


def test_a_guest_that_is_off_names_the_mode_that_would_do() -> None:
    assert only(found(guest={"state": "shutoff"})).remedy == "Start it first, or move it cold."


COLD: list[tuple[dict[str, Any], str]] = [
    ({"guest": {"managed_save": True}}, "has_managed_save"),
    ({"guest": {"snapshots": 1}}, "has_snapshots"),
    ({"options": {"undefine_source": False}}, "two_definitions"),
    ({"guest": {"devices": (NVRAM,)}}, "nvram_stays"),
    ({"guest": {"devices": (TPM,)}}, "tpm_stays"),
]


@pytest.mark.parametrize(("changes", "code"), COLD)
def test_what_a_cold_move_would_drop_is_refused_with_the_reason(changes: dict[str, Any], code: str) -> None:
    off = {"state": "shutoff", **changes.get("guest", {})}
    check = only(found(mode="cold", **{**changes, "guest": off}))
    assert (check.severity, check.code) == ("block", code)
    assert check.remedy


def test_uefi_variables_in_a_shared_folder_are_there_already() -> None:
    assert found(mode="cold", guest={"state": "shutoff", "devices": (SHARED_NVRAM,)}, **shared_pools()).checks == ()


def test_the_definition_alone_moves_whatever_the_memory_and_the_devices() -> None:
    findings = found(mode="cold", guest={"state": "shutoff", "devices": (CARD,)}, destination={"memory_free_mib": 10})
    assert codes(findings) == [("warn", "no_memory_to_start"), ("warn", "device_needed")]


def test_a_guest_that_must_be_started_for_its_disks_needs_its_devices() -> None:
    findings = found(mode="cold", guest=guest(state="shutoff", devices=(CARD,), disks=(disk(),)))
    assert ("block", "device_stays") in codes(findings)


@pytest.mark.parametrize("mode", ["offline", "cold"])
@pytest.mark.parametrize("option", ["post_copy", "auto_converge"])
def test_means_against_a_writing_guest_are_for_a_guest_that_runs(mode: str, option: str) -> None:
    state = "shutoff" if mode == "cold" else "running"
    assert only(found(mode=mode, guest={"state": state}, options={option: True})).code == "needs_live"
    assert found(mode=mode, guest={"state": state}, options={option: False}).checks == ()
