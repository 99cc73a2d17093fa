"""One fake host: the Protocol over dictionaries."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fleet.hypervisor.errors import HypervisorError, NoJob, NoSpace, VolumeExists
from fleet.hypervisor.facts import (
    DiskFacts,
    GuestEvent,
    GuestFacts,
    GuestGlimpse,
    GuestStatistics,
    HostFacts,
    HostLoad,
    InterfaceFacts,
    JobSample,
    PoolFacts,
    VolumeFacts,
)
from fleet.hypervisor.fake_carrying import FakeCarrying
from fleet.hypervisor.fake_gauging import FakeGauging
from fleet.hypervisor.fake_mirroring import FakeMirroring
from fleet.hypervisor.fake_steering import FakeSteering
from fleet.hypervisor.fake_witnessing import FakeWitnessing
from fleet.hypervisor.fake_xml import cpu_model, domain_xml
from fleet.hypervisor.interface import CpuVerdict, MigrationOrder

if TYPE_CHECKING:
    from fleet.hypervisor.fake_migration import FakeMigration

Answer = TypeVar("Answer")
MARKER = "drover-host-{}.marker"


class FakeHost(FakeCarrying, FakeMirroring, FakeSteering, FakeGauging, FakeWitnessing):
    """Implements `interface.Hypervisor`; tests also reach for `faults`, `add_guest`, `set_state` and `tell`."""

    # -- for tests ----------------------------------------------------------------------------------------------------

    def add_guest(
        self, name: str, *, memory_mib: int = 256, vcpus: int = 1, state: str = "running", pool: str = "", **facts: Any
    ) -> GuestFacts:
        """Define a guest, with one 1 GiB thin disk if `pool` is given; `facts` replace fields of its `GuestFacts`."""
        from fleet.hypervisor.fake import stable_uuid  # noqa: PLC0415 - the fleet imports this module

        values: dict[str, Any] = {
            "uuid": stable_uuid(f"guest {name}"),
            "name": name,
            "state": state,
            "persistent": True,
            "autostart": False,
            "memory_mib": memory_mib,
            "vcpus": vcpus,
            "domain_type": "qemu",
            "arch": "x86_64",
            "machine": "pc-q35-7.2",
            "disks": (self._make_disk(name, pool),) if pool else (),
            "interfaces": (_interface(name),),
        }
        guest = GuestFacts(**{**values, **facts})
        self._put(guest)
        self.tell(GuestEvent(kind="lifecycle", uuid=guest.uuid, name=name, detail="defined"))
        return guest

    def remove_guest(self, uuid: str) -> None:
        """Undefine it, as if with virsh."""
        with self.fleet.lock:
            guest = self.guest_rows.pop(uuid)
        self.tell(GuestEvent(kind="lifecycle", uuid=uuid, name=guest.name, detail="undefined"))

    def set_state(self, uuid: str, state: str, *, reason: str = "") -> None:
        """Change a guest's state behind Drover's back, with the event libvirt would send."""
        with self.fleet.lock:
            guest = dataclasses.replace(self.guest_rows[uuid], state=state)
            self.guest_rows[uuid], self.reasons[uuid] = guest, reason
        detail = {"running": "started", "shutoff": "stopped", "paused": "suspended"}.get(state, state)
        self.tell(GuestEvent(kind="lifecycle", uuid=uuid, name=guest.name, detail=detail, reason=reason))

    def tell(self, event: GuestEvent) -> None:
        """Send an event to all subscribers, in the caller's thread."""
        for subscriber in list(self.subscribers):
            subscriber(event)

    def break_connection(self) -> None:
        """Subscribers learn that the connection is gone and hear no more."""
        self.tell(GuestEvent(kind="closed", reason="keepalive"))
        self.subscribers.clear()

    def faults_on(self, call: str) -> bool:
        """Whether `call` would fail now."""
        return call in self.faults.active

    # -- the Protocol: reading ----------------------------------------------------------------------------------------

    def facts(self) -> HostFacts:
        return self._do("facts", lambda: self.host_facts)

    def pools(self, *, refresh: bool = False) -> tuple[PoolFacts, ...]:
        return self._do("pools", lambda: tuple(self._pool(name) for name in sorted(self.pool_folders)))

    def load(self) -> HostLoad:
        used = sum(guest.memory_mib for guest in self.guest_rows.values() if guest.state in {"running", "paused"})
        free = max(self.host_facts.memory_mib - used, 0)
        return self._do(
            "load",
            lambda: HostLoad(cpu_idle_ns=self.cpu_idle_ns, cpu_total_ns=self.cpu_total_ns, memory_free_mib=free),
        )

    def glimpses(self) -> tuple[GuestGlimpse, ...]:
        return self._do("glimpses", lambda: tuple(self._glimpse(guest) for guest in self.guest_rows.values()))

    def guests(self) -> tuple[GuestFacts, ...]:
        return self._do("guests", lambda: tuple(self.guest_rows.values()))

    def guest(self, uuid: str) -> GuestFacts | None:
        return self._do("guest", lambda: self.guest_rows.get(uuid))

    def glimpse(self, uuid: str) -> GuestGlimpse | None:
        def look() -> GuestGlimpse | None:
            guest = self.guest_rows.get(uuid)
            return self._glimpse(guest) if guest else None

        return self._do("glimpse", look)

    def statistics(self) -> tuple[GuestStatistics, ...]:
        def measure() -> tuple[GuestStatistics, ...]:
            running = [guest for guest in self.guest_rows.values() if guest.state == "running"]
            return tuple(GuestStatistics(uuid=guest.uuid, cpu_time_ns=0) for guest in running)

        return self._do("statistics", measure)

    def compare_cpu(self, *, cpu_xml: str, domain_type: str, arch: str, machine: str) -> CpuVerdict:
        def compare() -> CpuVerdict:
            model = cpu_model(cpu_xml)
            if not model or model in self.host_facts.cpu_models.get(domain_type, ()):
                return CpuVerdict(compatible=True)
            return CpuVerdict(compatible=False, missing=(model,), detail=f"{self.name} cannot run CPU model {model}")

        return self._do("compare_cpu", compare)

    def migration_xml(self, uuid: str, *, persistent: bool) -> str:
        return self._do("migration_xml", lambda: self._known(uuid).xml)

    # -- the Protocol: migrating --------------------------------------------------------------------------------------

    def migrate(self, uuid: str, order: MigrationOrder) -> None:
        def go() -> None:
            run = self.fleet.begin_migration(self, uuid, order)
            if not self.fleet.held:
                run.copy_memory(done_bytes=self._known(uuid).memory_mib << 20, remaining_bytes=0)
                run.succeed()
            run.wait()

        self._do("migrate", go, lock=False)

    def job(self, uuid: str) -> JobSample | None:
        def look() -> JobSample | None:
            run = self._run(uuid)
            return run.sample if run else None

        return self._do("job", look)

    def completed_job(self, uuid: str) -> JobSample | None:
        return self._do("completed_job", lambda: self.completed.get(uuid))

    def abort(self, uuid: str) -> None:
        self._do("abort", lambda: self._job_of(uuid).abort())

    def set_bandwidth(self, uuid: str, mib_s: int) -> None:
        self._do("set_bandwidth", lambda: self._job_of(uuid).command("bandwidth", mib_s))

    def set_max_downtime(self, uuid: str, milliseconds: int) -> None:
        self._do("set_max_downtime", lambda: self._job_of(uuid).command("max_downtime", milliseconds))

    def start_post_copy(self, uuid: str) -> None:
        self._do("start_post_copy", lambda: self._job_of(uuid).start_post_copy())

    def set_autostart(self, uuid: str, on: bool) -> None:
        def switch() -> None:
            self.guest_rows[uuid] = dataclasses.replace(self._known(uuid), autostart=on)

        self._do("set_autostart", switch)

    # -- the Protocol: volumes ----------------------------------------------------------------------------------------

    def volume(self, path: str) -> VolumeFacts | None:
        def look() -> VolumeFacts | None:
            volumes = (volume for folder, _ in self.pool_folders.values() for volume in folder.volumes.values())
            return next((volume for volume in volumes if volume.path == path), None)

        return self._do("volume", look)

    def create_volume(
        self, *, pool: str, name: str, capacity_bytes: int, format: str, backing: str = "", backing_format: str = ""
    ) -> VolumeFacts:
        return self._do("create_volume", lambda: self._create(pool, name, capacity_bytes, format, backing))

    def delete_volume(self, path: str) -> None:
        def remove() -> None:
            for folder, _ in self.pool_folders.values():
                for name in [name for name, volume in folder.volumes.items() if volume.path == path]:
                    del folder.volumes[name]
                    folder.data.pop(name, None)

        self._do("delete_volume", remove)

    def place_marker(self, pool: str, host_uuid: str) -> None:
        self._do("place_marker", lambda: self._folder(pool).markers.add(host_uuid))

    # -- the Protocol: the connection ---------------------------------------------------------------------------------

    def subscribe(self, on_event: Callable[[GuestEvent], None]) -> Callable[[], None]:
        self._do("subscribe", lambda: self.subscribers.append(on_event))
        return lambda: self.subscribers.remove(on_event) if on_event in self.subscribers else None

    def alive(self) -> bool:
        return not self.faults_on("*")

    def close(self) -> None:
        self.subscribers.clear()

    # -- told by a migration ------------------------------------------------------------------------------------------

    def incoming(self, newcomer: GuestFacts, order: MigrationOrder) -> None:
        """A guest on its way shows up paused."""
        present = self.guest_rows.get(newcomer.uuid)
        if present is not None and present.state != "shutoff":
            raise HypervisorError(f"domain '{newcomer.name}' is already active", host=self.name)
        if order.copy_disks and any(folder.full for folder, _ in self.pool_folders.values()):
            raise NoSpace(f"{self.name}: No space left on device", host=self.name)
        if present is not None:
            self.shadowed[newcomer.uuid] = present
        self.guest_rows[newcomer.uuid], self.reasons[newcomer.uuid] = newcomer, "migration"
        self.tell(GuestEvent(kind="lifecycle", uuid=newcomer.uuid, name=newcomer.name, detail="started"))

    def arrived(self, guest: GuestFacts, order: MigrationOrder, sample: JobSample) -> None:
        """The guest runs here now, as the order's XML describes it."""
        from fleet.hypervisor.fake_xml import as_described  # noqa: PLC0415

        self._put(dataclasses.replace(as_described(guest, order.destination_xml), autostart=False))
        self.reasons[guest.uuid] = "migrated"
        self.shadowed.pop(guest.uuid, None)
        self.completed[guest.uuid] = dataclasses.replace(sample, operation="migration_in")
        self.tell(GuestEvent(kind="lifecycle", uuid=guest.uuid, name=guest.name, detail="resumed", reason="migrated"))

    def departed(self, uuid: str, *, undefine: bool) -> None:
        """The guest left."""
        name = self.guest_rows[uuid].name
        self.tell(GuestEvent(kind="lifecycle", uuid=uuid, name=name, detail="stopped", reason="migrated"))
        if undefine:
            self.remove_guest(uuid)
        else:
            self.set_state(uuid, "shutoff", reason="migrated")

    def never_came(self, uuid: str) -> None:
        """A newcomer whose migration failed disappears."""
        guest = self.guest_rows.pop(uuid, None)
        if uuid in self.shadowed:
            self.guest_rows[uuid] = self.shadowed.pop(uuid)
        if guest:
            self.tell(GuestEvent(kind="lifecycle", uuid=uuid, name=guest.name, detail="stopped", reason="failed"))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _put(self, guest: GuestFacts) -> None:
        with self.fleet.lock:
            self.guest_rows[guest.uuid] = guest if guest.xml else dataclasses.replace(guest, xml=domain_xml(guest))
            self.reasons[guest.uuid] = "booted" if guest.state == "running" else ""

    def _glimpse(self, guest: GuestFacts) -> GuestGlimpse:
        return GuestGlimpse(
            uuid=guest.uuid,
            name=guest.name,
            state=guest.state,
            persistent=guest.persistent,
            reason=self.reasons.get(guest.uuid, ""),
        )

    def _run(self, uuid: str) -> FakeMigration | None:
        run = self.fleet.running_migration(uuid)
        return run if run is not None and run.source is self else None

    def _job_of(self, uuid: str) -> FakeMigration:
        self._known(uuid)
        run = self._run(uuid)
        if run is None:
            raise NoJob("no job is active on the domain", host=self.name)
        return run

    def _pool(self, name: str) -> PoolFacts:
        folder, kind = self.pool_folders[name]
        used = sum(volume.allocation_bytes for volume in folder.volumes.values())
        return PoolFacts(
            name=name,
            uuid=self.uuid,
            kind=kind,
            path=folder.path,
            active=True,
            capacity_bytes=folder.capacity_bytes,
            available_bytes=0 if folder.full else folder.capacity_bytes - used,
            markers=tuple(sorted(folder.markers)),
        )

    def _create(self, pool: str, name: str, capacity_bytes: int, kind: str, backing: str = "") -> VolumeFacts:
        folder = self._folder(pool)
        if name in folder.volumes:
            raise VolumeExists(f"{self.name}: volume '{name}' is in pool '{pool}' already", host=self.name)
        if folder.full:
            raise NoSpace(f"{self.name}: pool '{pool}' is full", host=self.name)
        path = f"{folder.path}/{name}"
        folder.volumes[name] = VolumeFacts(
            path=path,
            pool=pool,
            name=name,
            format=kind,
            capacity_bytes=capacity_bytes,
            allocation_bytes=200_704,
            backing=backing,
        )
        return folder.volumes[name]

    def _make_disk(self, guest: str, pool: str) -> DiskFacts:
        volume = self._create(pool, f"{guest}.qcow2", 1 << 30, "qcow2")
        return DiskFacts(
            target="vda",
            bus="virtio",
            device="disk",
            kind="file",
            source=volume.path,
            format="qcow2",
            pool=pool,
            volume=volume.name,
            capacity_bytes=volume.capacity_bytes,
            allocation_bytes=volume.allocation_bytes,
            cache="none",
        )


def _interface(guest: str) -> InterfaceFacts:
    tail = ":".join(f"{byte:02x}" for byte in guest.encode()[:3].ljust(3, b"\0"))
    return InterfaceFacts(mac=f"52:54:00:{tail}", model="virtio", kind="network", source="default")
