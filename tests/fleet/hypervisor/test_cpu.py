"""What libvirt says about a CPU, in a verdict."""

from __future__ import annotations

import pytest

from fleet.hypervisor import cpu

MISSING = "the CPU is incompatible with host CPU: Host CPU does not provide required features: pcid, x2apic, hle"


def test_missing_features_are_named():
    assert cpu.incompatible(MISSING).missing == ("pcid", "x2apic", "hle")
    assert not cpu.incompatible("the CPU is incompatible with host CPU").compatible


@pytest.mark.parametrize(("number", "fine"), [(0, False), (1, True), (2, True), (-1, False)])
def test_libvirts_numbers(number, fine):
    assert cpu.verdict(number).compatible is fine


def test_a_default_cpu_fits_and_a_hosts_own_is_not_compared():
    verdict = cpu.nothing_to_compare("")
    assert verdict is not None
    assert verdict.compared
    own = cpu.nothing_to_compare("<cpu mode='host-passthrough' check='none'/>")
    assert own is not None
    assert not own.compared
    assert cpu.nothing_to_compare("<cpu mode='custom'><model>Nehalem</model></cpu>") is None


def test_by_model_where_nothing_better_is_known():
    xml = "<cpu mode='custom'><model>Haswell</model></cpu>"
    assert cpu.by_model(xml, ("Haswell",)).compatible
    assert cpu.by_model(xml, ("qemu64",)).missing == ("Haswell",)
