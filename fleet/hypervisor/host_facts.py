"""Pure: libvirt's capability documents -> `HostFacts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from fleet.hypervisor.domain_xml import Element, parse
from fleet.hypervisor.facts import HostFacts, NetworkFacts


def domain_types(capabilities: str) -> tuple[str, ...]:
    """What kinds of guest this host runs natively, for example ("kvm", "qemu")."""
    root = parse(capabilities)
    types = {domain.get("type", "") for arch in _native(root) for domain in arch.iterfind("domain")}
    return tuple(sorted(types & {"kvm", "qemu"}))


def host_facts(
    *,
    capabilities: str,
    domain_capabilities: Mapping[str, str],
    hypervisor: str,
    hostname: str,
    libvirt_version: int,
    hypervisor_version: int,
    cpus: int,
    memory_mib: int,
    networks: Iterable[NetworkFacts] = (),
) -> HostFacts:
    """Everything that changes only when somebody works on the host; `domain_capabilities` by domain type."""
    root = parse(capabilities)
    cpu = root.find("host/cpu")
    return HostFacts(
        uuid=_text(root, "host/uuid"),
        hostname=hostname,
        hypervisor=hypervisor,
        libvirt_version=version(libvirt_version),
        hypervisor_version=version(hypervisor_version),
        arch=_text(root, "host/cpu/arch"),
        cpus=cpus,
        memory_mib=memory_mib,
        cpu_model=_text(root, "host/cpu/model"),
        cpu_vendor=_text(root, "host/cpu/vendor"),
        cpu_xml=etree.tostring(cpu, encoding="unicode", with_tail=False) if cpu is not None else "",
        cpu_models={kind: _usable_models(parse(xml)) for kind, xml in sorted(domain_capabilities.items())},
        machines={kind: _machines(root, kind) for kind in domain_types(capabilities)},
        networks=tuple(networks),
        migration_transports=tuple(
            (item.text or "").strip() for item in root.iterfind("host/migration_features/uri_transports/uri_transport")
        ),
    )


def network_facts(xml: str, *, active: bool) -> NetworkFacts:
    """A libvirt network from its document."""
    root = parse(xml)
    bridge = root.find("bridge")
    return NetworkFacts(
        name=_text(root, "name"),
        kind="network",
        bridge=bridge.get("name", "") if bridge is not None else "",
        active=active,
    )


def version(number: int) -> str:
    """libvirt's 9000000 as "9.0.0"."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _native(root: Element) -> list[Element]:
    arch = _text(root, "host/cpu/arch")
    guests = [guest for guest in root.iterfind("guest") if _text(guest, "os_type") == "hvm"]
    return [found for guest in guests for found in guest.iterfind("arch") if found.get("name") == arch]


def _machines(root: Element, kind: str) -> tuple[str, ...]:
    """Names and aliases; a domain type with a list of its own does not inherit the architecture's."""
    names: set[str] = set()
    for arch in _native(root):
        domain = next((item for item in arch.iterfind("domain") if item.get("type") == kind), None)
        if domain is None:
            continue
        for machine in domain.findall("machine") or arch.findall("machine"):
            names |= {(machine.text or "").strip(), machine.get("canonical", "")}
    return tuple(sorted(names - {""}))


def _usable_models(root: Element) -> tuple[str, ...]:
    models = root.iterfind("cpu/mode[@name='custom']/model")
    return tuple(sorted((model.text or "").strip() for model in models if model.get("usable") == "yes"))


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
