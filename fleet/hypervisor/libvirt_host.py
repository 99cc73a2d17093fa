"""The Protocol over libvirt: every call opens at need, has a deadline, and raises our errors only."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import libvirt

from fleet.hypervisor import cpu, inventory, migrate, storage
from fleet.hypervisor.errors import HostUnreachable, HypervisorError, PeerUnreachable
from fleet.hypervisor.facts import (
    GuestEvent,
    GuestFacts,
    GuestGlimpse,
    GuestStatistics,
    HostFacts,
    HostLoad,
    JobSample,
    PoolFacts,
    VolumeFacts,
)
from fleet.hypervisor.interface import CpuVerdict, MigrationOrder
from fleet.hypervisor.libvirt_calls import except_for
from fleet.hypervisor.libvirt_carrying import LibvirtCarrying
from fleet.hypervisor.libvirt_gauging import LibvirtGauging
from fleet.hypervisor.libvirt_mirroring import LibvirtMirroring
from fleet.hypervisor.libvirt_steering import LibvirtSteering
from fleet.hypervisor.libvirt_witnessing import LibvirtWitnessing
from fleet.hypervisor.session import Session, translated
from fleet.hypervisor.translate import CPU_INCOMPATIBLE, NO_STORAGE_VOL, NO_SUPPORT

#: Guests whose documents are read within one deadline.
CHUNK = 50
#: The first question for capabilities makes libvirtd start every QEMU it has; refreshing a big pool takes long too.
SLOW = 4
#: How long the pools' folders are believed when guests are read.
FOLDERS_S = 30.0


class LibvirtHost(LibvirtCarrying, LibvirtMirroring, LibvirtSteering, LibvirtGauging, LibvirtWitnessing):
    """One host; safe to use from many threads."""

    # -- reading ------------------------------------------------------------------------------------------------------

    def facts(self) -> HostFacts:
        return self._ask(inventory.read_host, slow=SLOW)

    def pools(self, *, refresh: bool = False) -> tuple[PoolFacts, ...]:
        with self._lent() as loan:
            found = loan.ask(lambda connection: connection.listAllStoragePools())
            read = [loan.ask(partial(_read_pool, pool, refresh), slow=SLOW) for pool in found]
        return tuple(sorted(read, key=lambda pool: pool.name))

    def load(self) -> HostLoad:
        return self._ask(inventory.read_load)

    def glimpses(self) -> tuple[GuestGlimpse, ...]:
        return self._ask(inventory.glimpses)

    def guests(self) -> tuple[GuestFacts, ...]:
        folders = self._folders()
        facts: list[GuestFacts] = []
        with self._lent() as loan:
            around = loan.ask(lambda connection: inventory.Surroundings(connection, folders))
            found = loan.ask(inventory.all_domains)
            for start in range(0, len(found), CHUNK):
                facts += loan.ask(partial(_read_guests, found[start : start + CHUNK], around))
        return tuple(sorted(facts, key=lambda guest: guest.name))

    def guest(self, uuid: str) -> GuestFacts | None:
        folders = self._folders()
        return self._ask_guest_or_none(uuid, lambda c, domain: inventory.read_guest(c, domain, folders))

    def glimpse(self, uuid: str) -> GuestGlimpse | None:
        return self._ask_guest_or_none(uuid, lambda _, domain: inventory.glimpse(domain))

    def statistics(self) -> tuple[GuestStatistics, ...]:
        return self._ask(inventory.counters)

    def compare_cpu(self, *, cpu_xml: str, domain_type: str, arch: str, machine: str) -> CpuVerdict:
        def compare(connection: libvirt.virConnect) -> CpuVerdict | None:
            flags = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
            try:
                answer = connection.compareHypervisorCPU(None, arch, machine or None, domain_type, cpu_xml, flags)
            except libvirt.libvirtError as error:
                if error.get_error_code() == CPU_INCOMPATIBLE:
                    return cpu.incompatible(error.get_error_message() or "")
                if error.get_error_code() in {NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED}:
                    return None
                if "Unknown CPU model" in (error.get_error_message() or ""):
                    return CpuVerdict(compatible=False, detail=error.get_error_message() or "")
                raise
            return cpu.verdict(answer)

        known = cpu.nothing_to_compare(cpu_xml)
        return known or self._ask(compare) or cpu.by_model(cpu_xml, self.facts().cpu_models.get(domain_type, ()))

    def migration_xml(self, uuid: str, *, persistent: bool) -> str:
        flags = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE
        flags |= libvirt.VIR_DOMAIN_XML_INACTIVE if persistent else 0
        return self._ask_guest(uuid, lambda _, domain: domain.XMLDesc(flags))

    # -- migrating ----------------------------------------------------------------------------------------------------

    def migrate(self, uuid: str, order: MigrationOrder) -> None:
        uri, flags, parameters = (
            migrate.destination_uri(order, self._config),
            int(migrate.flags(order)),
            migrate.parameters(order),
        )
        with self._sessions.lend(for_long=True) as loan:
            domain = loan.ask(lambda connection: _prepare(connection, uuid, order))
            try:
                # In the caller's own thread: it may take hours, and peer-to-peer it goes on without us.
                domain.migrateToURI3(uri, parameters, flags)
            except libvirt.libvirtError as error:
                raise self._migration_error(error, loan.session) from error

    def job(self, uuid: str) -> JobSample | None:
        return self._job(uuid, 0)

    def completed_job(self, uuid: str) -> JobSample | None:
        return self._job(uuid, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)

    def abort(self, uuid: str) -> None:
        self._ask_guest(uuid, lambda _, domain: domain.abortJob())

    def set_bandwidth(self, uuid: str, mib_s: int) -> None:
        self._steer(uuid, lambda domain: domain.migrateSetMaxSpeed(mib_s, 0))

    def set_max_downtime(self, uuid: str, milliseconds: int) -> None:
        self._steer(uuid, lambda domain: domain.migrateSetMaxDowntime(milliseconds, 0))

    def start_post_copy(self, uuid: str) -> None:
        self._steer(uuid, lambda domain: domain.migrateStartPostCopy(0))

    def set_autostart(self, uuid: str, on: bool) -> None:
        self._ask_guest(uuid, lambda _, domain: domain.setAutostart(int(on)))

    # -- volumes ------------------------------------------------------------------------------------------------------

    def volume(self, path: str) -> VolumeFacts | None:
        def look(connection: libvirt.virConnect) -> VolumeFacts | None:
            found = storage.find(connection, path)
            return storage.facts_of(found) if found is not None else None

        return self._ask(look, slow=SLOW)

    def create_volume(
        self, *, pool: str, name: str, capacity_bytes: int, format: str, backing: str = "", backing_format: str = ""
    ) -> VolumeFacts:
        return self._ask(
            lambda connection: storage.create(
                connection,
                pool=pool,
                name=name,
                capacity_bytes=capacity_bytes,
                format=format,
                backing=backing,
                backing_format=backing_format,
            ),
            slow=SLOW,
        )

    def delete_volume(self, path: str) -> None:
        def remove(connection: libvirt.virConnect) -> None:
            found = storage.find(connection, path)
            if found is not None:
                with except_for(NO_STORAGE_VOL):
                    found.delete()

        self._ask(remove, slow=SLOW)

    def place_marker(self, pool: str, host_uuid: str) -> None:
        self._ask(
            lambda connection: storage.place_marker(connection, pool=pool, host_uuid=host_uuid, host=self.address.name),
            slow=SLOW,
        )

    # -- the connection -----------------------------------------------------------------------------------------------

    def subscribe(self, on_event: Callable[[GuestEvent], None]) -> Callable[[], None]:
        with self._subscribing:
            listener = self._sessions.listener()
            if listener is not None:
                return listener.watch.add(on_event)
            with self._lent() as loan:
                return self._sessions.listen(loan, on_event)

    def alive(self) -> bool:
        return self._sessions.alive

    def close(self) -> None:
        self._sessions.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _job(self, uuid: str, flags: int) -> JobSample | None:
        def look(_: libvirt.virConnect, domain: libvirt.virDomain) -> JobSample | None:
            with except_for(libvirt.VIR_ERR_OPERATION_INVALID):  # switched off, or just leaving
                return migrate.job_sample(domain.jobStats(flags))
            return None

        sample = self._ask_guest_or_none(uuid, look)
        return None if sample is None or sample.kind == "none" else sample

    def _migration_error(self, error: libvirt.libvirtError, session: Session) -> HypervisorError:
        found = translated(error, self.address.name)
        if not isinstance(found, HostUnreachable):
            return found
        if session.usable():
            # Our own connection stands, so it is the source that lost the destination.
            return PeerUnreachable(found.text, host=self.address.name, libvirt_code=found.libvirt_code)
        return found

    def _folders(self) -> dict[str, str]:
        read_at, known = self._known_folders
        if time.monotonic() - read_at > FOLDERS_S or not known:
            known = self._ask(storage.folders)
            self._known_folders = (time.monotonic(), known)
        return known


def _prepare(connection: libvirt.virConnect, uuid: str, order: MigrationOrder) -> libvirt.virDomain:
    """The domain, with the downtime limit set: QEMU keeps it from before the start. A suspended guest has no limit."""
    domain = connection.lookupByUUIDString(uuid)
    if order.max_downtime_ms and order.live:
        domain.migrateSetMaxDowntime(order.max_downtime_ms, 0)
    return domain


def _read_pool(pool: libvirt.virStoragePool, refresh: bool, _: libvirt.virConnect) -> PoolFacts:
    return storage.pool_facts(pool, refresh=refresh)


def _read_guests(
    found: list[inventory.Found], around: inventory.Surroundings, _: libvirt.virConnect
) -> list[GuestFacts]:
    return inventory.read_guests(found, around)
