"""Capabilities of a real host, as its operator and the preflight need them."""

from __future__ import annotations

from pathlib import Path

from fleet.hypervisor.facts import HostFacts, NetworkFacts, dump, load
from fleet.hypervisor.host_facts import domain_types, host_facts, network_facts, version

GOLDEN = Path(__file__).parent / "golden"
CAPABILITIES = (GOLDEN / "capabilities.xml").read_text()
LAN = NetworkFacts(name="lan", kind="network", bridge="br0", active=True)


def facts() -> HostFacts:
    return host_facts(
        capabilities=CAPABILITIES,
        domain_capabilities={"qemu": (GOLDEN / "domain-capabilities-qemu.xml").read_text()},
        hypervisor="QEMU",
        hostname="alpha",
        libvirt_version=9_000_000,
        hypervisor_version=7_002_022,
        cpus=2,
        memory_mib=24_105,
        networks=[LAN],
    )


def test_identity_versions_and_cpu():
    host = facts()
    assert host.uuid == "877df0d8-7f5c-5072-b182-34c5452d766c"
    assert (host.libvirt_version, host.hypervisor_version) == ("9.0.0", "7.2.22")
    assert (host.arch, host.cpu_model, host.cpu_vendor) == ("x86_64", "Broadwell", "Intel")
    assert host.cpu_xml.startswith("<cpu>")
    assert host.migration_transports == ("tcp", "rdma")


def test_machines_come_with_their_aliases_for_each_kind_of_guest():
    machines = facts().machines
    assert set(machines) == set(domain_types(CAPABILITIES)) == {"kvm", "qemu"}
    assert {"pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"} <= set(machines["qemu"])


def test_only_usable_cpu_models_count():
    models = facts().cpu_models["qemu"]
    assert "qemu64" in models
    assert "Nehalem" in models
    assert "Skylake-Server" not in models


def test_a_bridged_network_names_its_bridge():
    assert network_facts((GOLDEN / "network.xml").read_text(), active=True) == LAN


def test_facts_survive_being_stored():
    assert load(HostFacts, dump(facts())) == facts()


def test_versions_read_like_versions():
    assert version(12_008_000) == "12.8.0"
