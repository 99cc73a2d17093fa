"""Two hosts and a guest between which everything fits; tables change one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fleet.hypervisor.facts import DiskFacts, GuestFacts, HostFacts, InterfaceFacts, NetworkFacts, PoolFacts
from fleet.states import HostState
from migrations_app.options import Options
from migrations_app.preflight import Check, Findings, HostView, Situation, survey

ALPHA, BETA = "a1fa0000-0000-4000-8000-000000000000", "be1a0000-0000-4000-8000-000000000000"
GIB = 1 << 30


def facts(name: str, **changes: Any) -> HostFacts:
    values: dict[str, Any] = {
        "uuid": ALPHA if name == "alpha" else BETA,
        "hostname": name,
        "hypervisor": "QEMU",
        "libvirt_version": "9.0.0",
        "hypervisor_version": "7.2.0",
        "arch": "x86_64",
        "cpus": 8,
        "memory_mib": 16_384,
        "cpu_model": "Skylake-Server",
        "cpu_vendor": "Intel",
        "cpu_models": {"kvm": ("Haswell", "Skylake-Server"), "qemu": ("qemu64",)},
        "machines": {"kvm": ("pc", "pc-q35-7.2"), "qemu": ("pc",)},
        "networks": (NetworkFacts(name="default", kind="network", bridge="virbr0", active=True),),
    }
    return HostFacts(**values | changes)


def pool(name: str = "images", path: str = "/srv/images", **changes: Any) -> PoolFacts:
    values: dict[str, Any] = {"uuid": name, "kind": "dir", "active": True, "available_bytes": 100 * GIB}
    return PoolFacts(**values | {"name": name, "path": path} | changes)


def host(name: str, **changes: Any) -> HostView:
    of_facts = {key: changes.pop(key) for key in list(changes) if key in HostFacts.__dataclass_fields__}
    values: dict[str, Any] = {"state": HostState.UP, "pools": (pool(),), "memory_free_mib": 8192}
    values |= {"id": name, "name": name, "facts": facts(name, **of_facts)} | changes
    own = (ALPHA if name == "alpha" else BETA,)
    # The watcher has been here: a pool without any marker holds this host's own.
    values["pools"] = tuple(one if one.markers else replace(one, markers=own) for one in values["pools"])
    return HostView(**values)


def disk(target: str = "vda", source: str = "/srv/images/web.qcow2", **changes: Any) -> DiskFacts:
    values: dict[str, Any] = {
        "bus": "virtio",
        "device": "disk",
        "kind": "file",
        "format": "qcow2",
        "capacity_bytes": 20 * GIB,
        "allocation_bytes": 4 * GIB,
        "cache": "none",
    }
    return DiskFacts(**values | {"target": target, "source": source} | changes)


def card(kind: str = "network", source: str = "default") -> InterfaceFacts:
    return InterfaceFacts(mac="52:54:00:00:00:01", model="virtio", kind=kind, source=source)


def guest(**changes: Any) -> GuestFacts:
    values: dict[str, Any] = {
        "uuid": "00000000-0000-4000-8000-000000000001",
        "name": "web",
        "state": "running",
        "persistent": True,
        "autostart": False,
        "memory_mib": 1024,
        "vcpus": 2,
        "domain_type": "kvm",
        "arch": "x86_64",
        "machine": "pc-q35-7.2",
        "cpu_mode": "custom",
        "cpu_model": "Haswell",
        "interfaces": (card(),),
    }
    return GuestFacts(**values | changes)


def situation(**changes: Any) -> Situation:
    """Everything fits; `source` and `destination` may be dicts of changes to alpha and beta, `options` too."""
    values: dict[str, Any] = {"guest": guest(), "source": {}, "destination": {}, "options": {}}
    values |= changes
    for end, name in (("source", "alpha"), ("destination", "beta")):
        if isinstance(values[end], dict):
            values[end] = host(name, **values[end])
    if isinstance(values["options"], dict):
        values["options"] = Options(**values["options"])
    if isinstance(values["guest"], dict):
        values["guest"] = guest(**values["guest"])
    return Situation(**values)


def shared_pools() -> dict[str, Any]:
    """Source and destination that see each other's marker."""
    both = (replace(pool(), markers=(ALPHA, BETA)),)
    return {"source": {"pools": both}, "destination": {"pools": both}}


def found(**changes: Any) -> Findings:
    return survey(situation(**changes))


def codes(findings: Findings) -> list[tuple[str, str]]:
    return [(check.severity.value, check.code) for check in findings.checks]


def only(findings: Findings) -> Check:
    """The one finding there is."""
    assert len(findings.checks) == 1, codes(findings)
    return findings.checks[0]
