"""Every family of checks but storage: one thing does not fit at a time."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.hypervisor.facts import DeviceFacts, NetworkFacts
from fleet.hypervisor.interface import CpuVerdict
from fleet.states import HostState
from tests.migrations_app.preflight.situations import card, codes, found, guest, host, only


def test_where_everything_fits_nothing_is_said() -> None:
    assert found().checks == ()


# -- capacity: what fails, and its exact words ------------------------------------------------------------------------

CAPACITY: list[tuple[dict[str, Any], str, str]] = [
    ({"destination": {"state": HostState.MAINTENANCE}}, "host_not_up", "beta is in maintenance."),
    ({"destination": {"state": HostState.UNREACHABLE}}, "host_not_up", "beta is unreachable."),
    ({"destination": {"state": HostState.POWERED_OFF}}, "host_not_up", "beta is powered off."),
    ({"source": {"state": HostState.UNREACHABLE}}, "source_not_up", "alpha, where web is, is unreachable."),
    ({"guest": {"state": "shutoff"}}, "guest_not_running", "web is shutoff; a live migration needs it running."),
    ({"guest": {"state": "crashed"}}, "guest_not_running", "web is crashed; a live migration needs it running."),
    ({"guest": {"snapshots": 2}}, "has_snapshots", "web has 2 snapshot(s), which libvirt does not take along."),
    # 1024 + 64 for QEMU = 1088 needed
    ({"destination": {"memory_free_mib": 1087}}, "not_enough_memory", "beta has 1087 MiB free, web needs 1088 MiB."),
    # 2000 free - 1000 promised = 1000
    (
        {"destination": {"memory_free_mib": 2000, "reserved_mib": 1000}},
        "not_enough_memory",
        "beta has 1000 MiB free (1000 MiB are promised to others), web needs 1088 MiB.",
    ),
    # 500 free - 900 promised: never a negative number
    (
        {"destination": {"memory_free_mib": 500, "reserved_mib": 900}},
        "not_enough_memory",
        "beta has 0 MiB free (900 MiB are promised to others), web needs 1088 MiB.",
    ),
]


@pytest.mark.parametrize(
    ("changes", "code", "words"), CAPACITY, ids=[f"{row[1]}-{n}" for n, row in enumerate(CAPACITY)]
)
def test_places_and_memory(changes: dict[str, Any], code: str, words: str) -> None:
    check = only(found(**changes))
    assert (check.severity, check.code, check.message) == ("block", code, words)
    assert check.remedy or code == "source_not_up"


@pytest.mark.parametrize(
    "changes",
    [
        {"destination": {"memory_free_mib": 1088}},  # exactly enough
        {"destination": {"memory_free_mib": 2088, "reserved_mib": 1000}},
        {"guest": {"state": "paused"}},
        {"source": {"state": HostState.MAINTENANCE}},  # that is how a host is emptied
    ],
)
def test_what_just_fits_is_allowed(changes: dict[str, Any]) -> None:
    assert found(**changes).allowed


def test_the_same_host_is_the_only_thing_that_is_said_about_it() -> None:
    same = found(destination=host("alpha", memory_free_mib=0))
    assert codes(same) == [("block", "same_host")]


# -- machine ----------------------------------------------------------------------------------------------------------

MACHINE: list[tuple[dict[str, Any], str]] = [
    ({"destination": {"arch": "aarch64"}}, "architecture"),
    ({"destination": {"machines": {"qemu": ("pc",)}}}, "accelerator"),
    ({"guest": {"machine": "pc-q35-9.0"}}, "machine_type"),
]


@pytest.mark.parametrize(("changes", "code"), MACHINE, ids=[code for _, code in MACHINE])
def test_a_machine_that_cannot_be_built_there_blocks(changes: dict[str, Any], code: str) -> None:
    assert codes(found(**changes)) == [("block", code)]


def test_an_emulated_guest_may_go_to_another_architecture() -> None:
    emulated = guest(domain_type="qemu", machine="pc", cpu_model="")
    assert found(guest=emulated, destination={"arch": "aarch64"}).allowed


# -- cpu --------------------------------------------------------------------------------------------------------------

AS_IT_IS = {"cpu_mode": "host-passthrough", "cpu_model": ""}
CPU: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"guest": {"cpu_model": "Cooperlake"}}, [("block", "cpu_model")]),
    ({"guest": {"cpu_model": ""}}, []),
    ({"guest": {"cpu_model": "Cooperlake"}, "destination": {"cpu_models": {}}}, []),  # nobody knows: the worker asks
    ({"guest": AS_IT_IS}, [("warn", "cpu_passthrough")]),
    ({"guest": AS_IT_IS, "destination": {"cpu_model": "EPYC", "cpu_vendor": "AMD"}}, [("block", "cpu_passthrough")]),
    ({"guest": AS_IT_IS | {"domain_type": "qemu", "machine": "pc"}, "destination": {"cpu_model": "EPYC"}}, []),
    # the host's own answer outranks the rows, both ways
    ({"guest": {"cpu_model": "Cooperlake"}, "cpu_verdict": CpuVerdict(compatible=True)}, []),
    ({"cpu_verdict": CpuVerdict(compatible=False)}, [("block", "cpu_incompatible")]),
]


@pytest.mark.parametrize(("changes", "expected"), CPU)
def test_cpus(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert codes(found(**changes)) == expected


def test_missing_cpu_features_are_named() -> None:
    verdict = CpuVerdict(compatible=False, missing=("avx512f", "pku"))
    assert only(found(cpu_verdict=verdict)).message == "beta cannot run the CPU of web: it lacks avx512f, pku."


# -- network ----------------------------------------------------------------------------------------------------------

OFF = NetworkFacts(name="lan", kind="network", bridge="br1", active=False)
DEFAULT = NetworkFacts(name="default", kind="network", bridge="virbr0", active=True)
BRIDGE = NetworkFacts(name="br0", kind="bridge", bridge="br0", active=True)
NETWORK: list[tuple[Any, dict[str, Any], list[tuple[str, str]]]] = [
    (card(), {}, []),
    (card(source="lan"), {}, [("block", "network_missing")]),
    (card(source="lan"), {"destination": {"networks": (DEFAULT, OFF)}}, [("block", "network_inactive")]),
    (card(source="lan"), {"options": {"target_network": "default"}}, []),
    (card(), {"options": {"target_network": "lan"}}, [("block", "network_missing")]),
    (card("bridge", "br0"), {"destination": {"networks": (DEFAULT, BRIDGE)}}, []),
    (card("bridge", "br0"), {}, [("warn", "bridge_not_seen")]),
    (card("bridge", "br0"), {"destination": {"networks": ()}}, []),  # a host that tells of no bridges proves nothing
    (card("bridge", "br0"), {"options": {"target_network": "default"}}, []),
    (card("direct", "eth0"), {}, [("warn", "direct_device")]),
    # a card that cannot be put on a network is checked as it is
    (card("direct", "eth0"), {"options": {"target_network": "default"}}, [("warn", "direct_device")]),
    (card("user", ""), {"options": {"target_network": "nowhere"}}, []),
    (card("hostdev", ""), {}, [("block", "device_stays")]),
]


@pytest.mark.parametrize(("one", "changes", "expected"), NETWORK)
def test_networks(one: Any, changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert codes(found(guest=guest(interfaces=(one,)), **changes)) == expected


def test_a_missing_network_names_those_there_are() -> None:
    check = only(found(guest=guest(interfaces=(card(source="lan"),))))
    assert (check.subject, check.message) == ("52:54:00:00:00:01", "beta has no network 'lan'.")
    assert check.remedy == "Define the network there, or choose one of: default."


# -- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hostdev", "filesystem", "shmem", "launch-security", "nvdimm"])
def test_a_device_of_the_host_blocks_by_name(kind: str) -> None:
    check = only(found(guest=guest(devices=(DeviceFacts(kind=kind, name="it"),))))
    assert (check.severity, check.code, check.subject) == ("block", "device_stays", "it")
    assert check.remedy


@pytest.mark.parametrize("kind", ["tpm", "vsock", "nvram"])
def test_a_device_that_travels_is_worth_a_word(kind: str) -> None:
    assert codes(found(guest=guest(devices=(DeviceFacts(kind=kind, name="it"),)))) == [("warn", "device_travels")]


def test_boot_files_are_named() -> None:
    check = only(found(guest=guest(boot_files=("/boot/vmlinuz",))))
    assert (check.severity, check.message) == ("info", "/boot/vmlinuz must exist on beta as well.")


# -- versions ---------------------------------------------------------------------------------------------------------

VERSIONS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"destination": {"hypervisor_version": "6.2.0"}}, [("warn", "older_qemu")]),
    ({"destination": {"hypervisor_version": "10.0.0"}}, []),  # by number, not by letter
    ({"destination": {"hypervisor_version": "7.2.22"}}, []),
    ({"destination": {"hypervisor_version": ""}}, []),
    ({"destination": {"libvirt_version": "5.1.0"}, "options": {"parallel": 2}}, [("block", "libvirt_too_old")]),
    ({"destination": {"libvirt_version": "5.2.0"}, "options": {"parallel": 2}}, []),
    ({"destination": {"libvirt_version": "5.1.0"}, "options": {"parallel": 1}}, []),
    ({"source": {"libvirt_version": "3.1.9"}, "options": {"tls": True}}, [("block", "libvirt_too_old")]),
    ({"source": {"libvirt_version": "3.2.0"}, "options": {"tls": True}}, []),
]


@pytest.mark.parametrize(("changes", "expected"), VERSIONS)
def test_versions(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert codes(found(**changes)) == expected


def test_a_version_that_is_too_old_is_told_with_both_numbers() -> None:
    check = only(found(destination={"libvirt_version": "5.1.0"}, options={"parallel": 2}))
    assert check.message == "parallel needs libvirt 5.2.0, beta has 5.1.0."


# -- all together -----------------------------------------------------------------------------------------------------


def test_what_blocks_comes_first_then_warnings_then_words() -> None:
    findings = found(
        guest=guest(
            boot_files=("/boot/vmlinuz",),
            devices=(DeviceFacts(kind="tpm", name="tpm"), DeviceFacts(kind="hostdev", name="gpu")),
        ),
        destination={"memory_free_mib": 0},
    )
    assert codes(findings) == [
        ("block", "not_enough_memory"),
        ("block", "device_stays"),
        ("warn", "device_travels"),
        ("info", "boot_file"),
    ]
    assert not findings.allowed
    assert [check.code for check in findings.blocking()] == ["not_enough_memory", "device_stays"]


def test_a_finding_becomes_a_plain_document() -> None:
    assert only(found(guest={"snapshots": 1})).document() == {
        "code": "has_snapshots",
        "severity": "block",
        "subject": "web",
        "message": "web has 1 snapshot(s), which libvirt does not take along.",
        "remedy": "Delete the snapshots first.",
    }
