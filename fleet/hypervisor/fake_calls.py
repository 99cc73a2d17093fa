"""How every call to a fake host is made: counted, failing as told, under the fleet's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fleet.hypervisor.errors import GuestNotFound, HypervisorError
from fleet.hypervisor.facts import (
    DirtyRate,
    GuestEvent,
    GuestFacts,
    HostAddress,
    HostFacts,
    JobSample,
    NetworkFacts,
)
from fleet.hypervisor.fake_faults import Faults

if TYPE_CHECKING:
    from fleet.hypervisor.fake import FakeFleet, FakeFolder

Answer = TypeVar("Answer")


class FakeCalls:
    """The state of one fake host; the families of calls build on it."""

    def __init__(self, *, fleet: FakeFleet, name: str, uuid: str, cpus: int, memory_mib: int, **facts: Any) -> None:
        self.fleet, self.name, self.uuid = fleet, name, uuid
        self.address = HostAddress(name=name, transport="fake", address=name)
        self.faults = Faults(name)
        self.guest_rows: dict[str, GuestFacts] = {}
        self.reasons: dict[str, str] = {}
        #: Old shut-off definitions under a guest that is on its way here.
        self.shadowed: dict[str, GuestFacts] = {}
        self.pool_folders: dict[str, tuple[FakeFolder, str]] = {}
        self.completed: dict[str, JobSample] = {}
        #: What guests write anew, for tests to set, and what was measured of it.
        self.dirty_bytes_s: dict[str, int] = {}
        self.measured: dict[str, DirtyRate] = {}
        self.subscribers: list[Callable[[GuestEvent], None]] = []
        #: Every call, in order, for tests that count round trips.
        self.calls: list[str] = []
        self.cpu_idle_ns = self.cpu_total_ns = 0
        self.host_facts = HostFacts(**{**_default_facts(name, uuid, cpus, memory_mib), **facts})

    def _do(self, call: str, work: Callable[[], Answer], *, lock: bool = True) -> Answer:
        self.calls.append(call)

        def locked() -> Answer:
            with self.fleet.lock:
                return work()

        return cast(Answer, self.faults.around(call, locked if lock else work, self.fleet.deadline_s))

    def _known(self, uuid: str) -> GuestFacts:
        if uuid not in self.guest_rows:
            raise GuestNotFound(f"{self.name} knows no guest {uuid}", host=self.name, libvirt_code=42)
        return self.guest_rows[uuid]

    def _folder(self, pool: str) -> FakeFolder:
        if pool not in self.pool_folders:
            raise HypervisorError(f"{self.name} has no storage pool '{pool}'", host=self.name)
        return self.pool_folders[pool][0]


def _default_facts(name: str, uuid: str, cpus: int, memory_mib: int) -> dict[str, Any]:
    return {
        "uuid": uuid,
        "hostname": name,
        "hypervisor": "QEMU",
        "libvirt_version": "9.0.0",
        "hypervisor_version": "7.2.22",
        "arch": "x86_64",
        "cpus": cpus,
        "memory_mib": memory_mib,
        "cpu_model": "Skylake-Server",
        "cpu_vendor": "Intel",
        "cpu_models": {"qemu": ("qemu64", "Nehalem", "Haswell"), "kvm": ("qemu64", "Nehalem", "Haswell")},
        "machines": {"qemu": ("pc", "q35", "pc-q35-7.2"), "kvm": ("pc", "q35", "pc-q35-7.2")},
        "networks": (NetworkFacts(name="default", kind="network", bridge="virbr0", active=True),),
        "migration_transports": ("tcp",),
    }
