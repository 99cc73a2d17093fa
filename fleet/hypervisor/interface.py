"""The Protocol that every hypervisor connection fulfils: libvirt's for real hosts, the fake for exact faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fleet.hypervisor.facts import (
    DirtyRate,
    GuestEvent,
    GuestFacts,
    GuestGlimpse,
    GuestStatistics,
    HostAddress,
    HostFacts,
    HostLoad,
    JobSample,
    PoolFacts,
    VolumeFacts,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationOrder:
    """Everything one peer-to-peer live migration needs; the edge turns it into libvirt flags and parameters."""

    destination: HostAddress
    #: Disk targets ("vda") to copy; empty for shared storage.
    copy_disks: tuple[str, ...] = ()
    #: XML for the destination where disks, networks or listen addresses change; "" keeps the guest's own.
    destination_xml: str = ""
    #: The same for the persistent definition.
    persistent_xml: str = ""
    #: False pauses the guest for the whole transfer.
    live: bool = True
    bandwidth_mib_s: int = 0
    max_downtime_ms: int = 0
    auto_converge: bool = False
    post_copy: bool = False
    parallel_connections: int = 0
    #: "" or "xbzrle".
    compression: str = ""
    tls: bool = False
    #: The disks left in place were proven shared (equal pool markers), so libvirt's own guess by file system type
    #: ("unsafe migration") is overruled.
    proven_shared: bool = False
    #: Remove the definition from the source after success.
    undefine_source: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuVerdict:
    """Whether a guest's CPU can run on a host."""

    compatible: bool
    #: Names of missing CPU features where libvirt tells them.
    missing: tuple[str, ...] = field(default=())
    detail: str = ""
    #: False where libvirt has nothing to compare (the guest uses its host's own CPU): judge by the hosts' facts.
    compared: bool = True


class Carrying(Protocol):
    """Save and restore, definitions, starting paused and raw volume data: what a move through the worker needs."""


class Mirroring(Protocol):
    """Copies of a running guest's disk within one host."""


class Steering(Protocol):
    """What changes a running migration beyond its limits, and what brings a broken post-copy back."""


class Gauging(Protocol):
    """Measurements that cost the guest or the host something: dirty rate, migration abilities."""

    def start_dirty_rate(self, uuid: str, seconds: int) -> None:
        """Begin to measure how much memory a running guest writes anew; it goes on by itself.

        QEMU samples pages, which costs the guest nothing. Raises JobBusy for a guest with a job.
        """

    def dirty_rates(self, uuids: Sequence[str]) -> tuple[DirtyRate, ...]:
        """The last finished measurement of each of these guests that runs here and has one, in one round trip more."""


class Witnessing(Protocol):
    """What proves where a guest is: its agent, its addresses, who has its disks open."""


class Hypervisor(Carrying, Mirroring, Steering, Gauging, Witnessing, Protocol):
    """A connection to one host.

    Every method has a deadline enforced from outside and raises `errors.HypervisorError` subclasses only;
    `HostUnreachable` means that the effect of the call is not known.
    """

    address: HostAddress

    def facts(self) -> HostFacts:
        """Identity and abilities of the host."""

    def pools(self, *, refresh: bool = False) -> tuple[PoolFacts, ...]:
        """All storage pools; `refresh` makes the host look at their folders again first (markers need it)."""

    def load(self) -> HostLoad:
        """A cheap sample of the host itself."""

    def glimpses(self) -> tuple[GuestGlimpse, ...]:
        """State of every guest, in one or two round trips."""

    def guests(self) -> tuple[GuestFacts, ...]:
        """Every guest in full."""

    def guest(self, uuid: str) -> GuestFacts | None:
        """One guest in full, or None when the host does not know it."""

    def glimpse(self, uuid: str) -> GuestGlimpse | None:
        """One guest's state, or None when the host does not know it."""

    def statistics(self) -> tuple[GuestStatistics, ...]:
        """A costly sample of every running guest; a guest that is busy or stuck is left out."""

    def compare_cpu(self, *, cpu_xml: str, domain_type: str, arch: str, machine: str) -> CpuVerdict:
        """Whether this host can run the `<cpu>` of a guest; "" (libvirt's default CPU) always can."""

    def migrate(self, uuid: str, order: MigrationOrder) -> None:
        """Run the whole migration and return when libvirt's call does; only this call has no deadline of its own.

        An error is no proof of failure: ask both hosts afterwards.
        """

    def migration_xml(self, uuid: str, *, persistent: bool) -> str:
        """The guest's XML as a migration may hand it over: secrets included where libvirt needs them, never stored."""

    def job(self, uuid: str) -> JobSample | None:
        """The running job's numbers, or None when the guest has none or is not here."""

    def completed_job(self, uuid: str) -> JobSample | None:
        """Numbers of the last completed migration, kept by libvirt on the destination; None when it has none."""

    def abort(self, uuid: str) -> None:
        """Cancel the guest's running job; it may still succeed. Raises NoJob."""

    def set_bandwidth(self, uuid: str, mib_s: int) -> None:
        """Limit the migration from now on. Raises NoJob or GuestNotFound."""

    def set_max_downtime(self, uuid: str, milliseconds: int) -> None:
        """Allow this downtime from now on. Raises NoJob or GuestNotFound."""

    def start_post_copy(self, uuid: str) -> None:
        """Let the guest run at the destination now and fetch the rest; there is no way back."""

    def set_autostart(self, uuid: str, on: bool) -> None:
        """Whether the host starts the guest when it boots."""

    def volume(self, path: str) -> VolumeFacts | None:
        """The volume with this path, or None."""

    def create_volume(self, *, pool: str, name: str, capacity_bytes: int, format: str) -> VolumeFacts:
        """A thin volume; raises VolumeExists or NoSpace."""

    def delete_volume(self, path: str) -> None:
        """Remove a volume; one that is not there is fine."""

    def place_marker(self, pool: str, host_uuid: str) -> None:
        """Put this host's marker volume into a folder pool, so that hosts sharing the folder see each other's."""

    def subscribe(self, on_event: Callable[[GuestEvent], None]) -> Callable[[], None]:
        """Call `on_event` from an event thread for every life-cycle, iteration, job and connection-closed event.

        Returns what ends the subscription; many subscribers share one connection.
        """

    def alive(self) -> bool:
        """Whether a connection stands and has not been given up; asks nobody."""

    def close(self) -> None:
        """Give the connection up; calls under way end by themselves."""
