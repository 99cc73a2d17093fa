"""The Protocol that every hypervisor connection fulfils: libvirt's for real hosts, the fake for exact faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from fleet.hypervisor.facts import (
    DirtyRate,
    FileUser,
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
from fleet.hypervisor.pieces import FileFacts, Piece


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationOrder:
    """Everything one peer-to-peer migration needs; the edge turns it into libvirt flags and parameters."""

    destination: HostAddress
    #: Disk targets ("vda") to copy; empty for shared storage.
    copy_disks: tuple[str, ...] = ()
    #: XML for the destination where disks, networks or listen addresses change; "" keeps the guest's own.
    destination_xml: str = ""
    #: The same for the persistent definition.
    persistent_xml: str = ""
    #: Copy only what lies over the disks' backing files, which both hosts share; for all of `copy_disks`.
    incremental: bool = False
    #: False pauses the guest while its memory is copied.
    live: bool = True
    #: A guest that is shut off: its definition moves and nothing else.
    definition_only: bool = False
    bandwidth_mib_s: int = 0
    max_downtime_ms: int = 0
    auto_converge: bool = False
    #: Percent at which QEMU begins to slow the guest down, and by which it goes on; 0: QEMU's own 20 and 10.
    throttle_first_percent: int = 0
    throttle_step_percent: int = 0
    post_copy: bool = False
    #: Go on with a post-copy that broke off; every other choice must be as it was.
    resume_post_copy: bool = False
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

    def start_paused(self, uuid: str) -> None:
        """Start a shut-off guest that executes nothing yet; one that is active already is left as it is."""

    def resume(self, uuid: str) -> None:
        """Let a paused guest run; one that runs is fine."""

    def destroy(self, uuid: str) -> None:
        """Switch it off at once; a guest that is off is fine. Raises GuestNotFound."""

    def definition_xml(self, uuid: str) -> str:
        """The persistent definition with its secrets: for handing over, never for storing or showing."""

    def define(self, xml: str) -> None:
        """Make or replace a guest's persistent definition; starts nothing."""

    def undefine(self, uuid: str) -> None:
        """Forget the definition; a host that does not know the guest is fine. A running guest goes on without one."""

    def save(self, uuid: str, path: str) -> None:
        """Write the guest's memory to a file of the host and switch it off; like `migrate` without a deadline.

        An error is no proof of failure: look at the guest and at `image_xml`.
        """

    def image_xml(self, path: str) -> str:
        """The description inside a saved image, secrets included; raises HypervisorError for one that is not whole."""

    def restore(self, path: str, *, xml: str = "") -> None:
        """Bring a saved guest back paused, described by `xml` or as it was; no deadline. The image stays."""

    def file(self, path: str) -> FileFacts | None:
        """A volume as the mere file it is, or None."""

    def download(self, path: str, *, offset: int, length: int, at_most_bytes: int) -> Piece:
        """What the file holds from `offset`, holes told apart; shorter than `length` once `at_most_bytes` are full.

        `at_most_bytes` is a multiple of a block.
        """

    def upload(self, path: str, piece: Piece) -> None:
        """Write a piece into a volume; returns when the host has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockJob:
    """A copy of a running guest's disk that is under way or keeps itself up to date."""

    #: Where the copy goes.
    path: str
    done_bytes: int
    total_bytes: int
    #: The copy is whole and follows every write: it may become the disk.
    ready: bool
    #: It is becoming the disk, or being given up, right now.
    ending: bool = False


class Mirroring(Protocol):
    """Copies of a running guest's disk within one host."""

    def block_copy(self, uuid: str, target: str, *, path: str, format: str, bandwidth_mib_s: int = 0) -> None:
        """Begin to copy a disk into a file that is there already; returns at once. Raises JobBusy."""

    def block_job(self, uuid: str, target: str) -> BlockJob | None:
        """The disk's copy, or None when there is none."""

    def set_block_bandwidth(self, uuid: str, target: str, mib_s: int) -> None:
        """Limit the copy from now on; 0 is no limit."""

    def block_pivot(self, uuid: str, target: str) -> None:
        """Let the copy be the disk from now on; an error is no proof that it is not."""

    def block_abort(self, uuid: str, target: str) -> None:
        """Give the copy up, the disk stays what it was; none under way is fine."""


class Steering(Protocol):
    """What changes a running migration beyond its limits, and what brings a broken post-copy back."""

    def suspend(self, uuid: str) -> None:
        """Stop the guest's CPUs while its migration runs; it goes on where the migration ends. Raises NoJob."""

    def break_off_post_copy(self, uuid: str) -> None:
        """Make QEMU give up a post-copy stream that hangs, so that an order with `resume_post_copy` can mend it.

        Neither copy loses anything by it. Raises NoJob where no post-copy is under way.
        """


class Gauging(Protocol):
    """Measurements that cost the guest or the host something: dirty rate, migration abilities."""

    def start_dirty_rate(self, uuid: str, seconds: int) -> None:
        """Begin to measure how much memory a running guest writes anew; it goes on by itself.

        QEMU samples pages, which costs the guest nothing. Raises JobBusy for a guest with a job.
        """

    def dirty_rates(self, uuids: Sequence[str]) -> tuple[DirtyRate, ...]:
        """The last finished measurement of each of these guests that runs here and has one, in one round trip more."""


class AgentWord(StrEnum):
    """What a guest's agent says."""

    #: The guest has no channel for one.
    NONE = "none"
    #: It has a channel, and nothing in the guest listens.
    AWAY = "away"
    #: Something listens and did not answer in time.
    SILENT = "silent"
    ANSWERS = "answers"


class Witnessing(Protocol):
    """What proves where a guest is: its agent, its addresses, who has its disks open; and notes beside files."""

    def file_users(
        self, paths: Collection[str], *, only_active: bool = False, volumes: bool = False
    ) -> tuple[FileUser, ...]:
        """Guests of this host whose disks are these files or are based on them; with `volumes`, volumes too.

        A defined guest that is off tells only the uppermost file of each chain: `volumes` finds what lies below.
        """

    def own_files(self, uuid: str) -> tuple[str, ...]:
        """Files that the guest alone may have open: uppermost layers of disks that it writes and shares with nobody.

        Raises GuestNotFound.
        """

    def agent(self, uuid: str) -> AgentWord:
        """Ask the guest's agent for a sign of life; takes libvirt's five seconds at most. Raises GuestNotFound."""

    def addresses(self, uuid: str) -> tuple[str, ...]:
        """IP addresses of a running guest, as this host's leases and neighbours tell them; never loopback."""

    def place_note(self, *, pool: str, name: str, text: str) -> str:
        """Put a small text file into a folder pool, or replace it; returns its path."""


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

    def create_volume(
        self, *, pool: str, name: str, capacity_bytes: int, format: str, backing: str = "", backing_format: str = ""
    ) -> VolumeFacts:
        """A thin volume, over the file `backing` where one is named; raises VolumeExists or NoSpace."""

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
